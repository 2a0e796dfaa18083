#include "engine/formats/npy/npy_header.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "base/error.h"

namespace oag {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMostDims = 64;  // numpy's own limit
constexpr size_t kMostTextBytes = size_t{1} << 20;

// The header's text: one Python dictionary of literals, each key once.
class HeaderText {
 public:
  HeaderText(std::string_view text, std::string_view where) : rest_(text), where_(where) {}

  NpyHeader read() {
    expect('{');
    std::optional<std::string> descr;
    std::optional<bool> fortran_order;
    std::optional<Dims> dims;
    while (!take('}')) {
      const std::string_view key = text("a key");
      expect(':');
      if (key == "descr" && !descr) {
        if (peek() == '[') {
          fail(ErrorCode::kUnsupported, where_,
               "holds structures of several fields; save each field as an array of its own");
        }
        descr = text("descr");
      } else if (key == "fortran_order" && !fortran_order) {
        fortran_order = truth();
      } else if (key == "shape" && !dims) {
        dims = shape();
      } else {
        corrupt("has the key \"{}\", which is unknown or there twice", key);
      }
      if (!take(',') && peek() != '}') corrupt("lacks a comma after \"{}\"", key);
    }
    if (peek() != '\0') corrupt("goes on behind its dictionary");
    if (!descr || !fortran_order || !dims) corrupt("lacks descr, fortran_order or shape");
    return {*descr, *fortran_order, std::move(*dims), 0};
  }

 private:
  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kCorruptData, where_, "the npy header {}",
         fmt::format(format, std::forward<Args>(args)...));
  }

  // The next character that is no space; '\0' at the end.
  char peek() {
    const size_t at = rest_.find_first_not_of(" \t\n\r");
    rest_.remove_prefix(std::min(at, rest_.size()));
    return rest_.empty() ? '\0' : rest_.front();
  }

  bool take(char wanted) {
    if (peek() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char wanted) {
    if (!take(wanted)) corrupt("lacks a '{}'", wanted);
  }

  std::string_view text(const char* what) {
    const char quote = peek();
    if (quote != '\'' && quote != '"') corrupt("lacks the text of {}", what);
    const size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) corrupt("does not end the text of {}", what);
    const std::string_view found = rest_.substr(1, end - 1);
    for (const char c : found) {
      if (c < ' ' || c > '~') corrupt("has a character in the text of {} that no type name has", what);
    }
    rest_.remove_prefix(end + 1);
    return found;
  }

  bool truth() {
    peek();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return value;
    }
    corrupt("has a fortran_order that is neither True nor False");
  }

  Dims shape() {
    expect('(');
    Dims dims;
    while (!take(')')) {
      if (dims.size() == kMostDims) corrupt("has more than {} dims", kMostDims);
      dims.push_back(dim());
      if (!take(',') && peek() != ')') corrupt("lacks a comma in its shape");
    }
    return dims;
  }

  int64_t dim() {
    peek();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc() || value < 0) corrupt("has a shape with something else than sizes of 63 bits");
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    take('L');  // Python 2 wrote it behind long numbers
    return value;
  }

  std::string_view rest_;
  std::string_view where_;
};

}  // namespace

NpyHeader parse_npy_header(std::span<const std::byte> bytes, std::string_view where) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic))
    fail(ErrorCode::kCorruptData, where, "is no npy file: it does not begin with \\x93NUMPY");
  const auto byte_at = [&](size_t i) { return std::to_integer<size_t>(bytes[i]); };
  const size_t begin = text.size() > kMagic.size() && byte_at(kMagic.size()) == 1 ? 10 : 12;
  if (text.size() < begin) fail(ErrorCode::kCorruptData, where, "is cut off inside the npy header");
  const size_t version = byte_at(6);
  if (version < 1 || version > 3)
    fail(ErrorCode::kUnsupported, where, "is of npy version {}; 1, 2 and 3 are known", version);
  const size_t length =
      byte_at(8) | byte_at(9) << 8 | (version == 1 ? 0 : byte_at(10) << 16 | byte_at(11) << 24);
  if (length > std::min(text.size() - begin, kMostTextBytes))
    fail(ErrorCode::kCorruptData, where, "has an npy header of {} bytes, {} are there", length,
         text.size() - begin);
  NpyHeader header = HeaderText(text.substr(begin, length), where).read();
  header.size_bytes = begin + length;
  return header;
}

std::string npy_header_bytes(std::string_view descr, const Dims& dims) {
  constexpr size_t kAlign = 64, kBegin = 10;
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", descr,
                                 fmt::join(dims, ", "), dims.size() == 1 ? "," : "");
  const size_t whole = (kBegin + text.size() + 1 + kAlign - 1) / kAlign * kAlign;
  text.resize(whole - kBegin - 1, ' ');
  text += '\n';
  std::string bytes(kMagic);
  for (const size_t byte : {size_t{1}, size_t{0}, text.size() & 0xff, text.size() >> 8})
    bytes += static_cast<char>(byte);
  return bytes + text;
}

}  // namespace oag
