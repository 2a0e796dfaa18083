#include "engine/formats/gguf/gguf_writer.h"

#include <algorithm>

#include "base/disk_space.h"
#include "base/error.h"
#include "engine/formats/gguf/gguf_limits.h"

namespace oag {
namespace {

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_string(std::string& out, std::string_view text) {
  append<uint64_t>(out, text.size());
  out.append(text);
}

void append_array(std::string& out, const GgufArray& array) {
  append(out, static_cast<uint32_t>(array.element));
  append<uint64_t>(out, array.size());
  out.append(reinterpret_cast<const char*>(array.numbers.data()), array.numbers.size());
  for (size_t i = 0; i < array.strings.size(); ++i) append_string(out, array.strings[i]);
  for (const GgufArray& nested : array.arrays) append_array(out, nested);
}

void append_value(std::string& out, const GgufValue& value) {
  append(out, static_cast<uint32_t>(value.type));
  if (const auto* number = std::get_if<uint64_t>(&value.data)) {
    out.append(reinterpret_cast<const char*>(number),
               gguf_type_bytes(value.type));  // little-endian: the low bytes
  } else if (const auto* signed_number = std::get_if<int64_t>(&value.data)) {
    out.append(reinterpret_cast<const char*>(signed_number), gguf_type_bytes(value.type));
  } else if (const auto* real = std::get_if<double>(&value.data)) {
    if (value.type == GgufType::kF32)
      append(out, static_cast<float>(*real));
    else
      append(out, *real);
  } else if (const auto* flag = std::get_if<bool>(&value.data)) {
    append<uint8_t>(out, *flag ? 1 : 0);
  } else if (const auto* text = std::get_if<std::string>(&value.data)) {
    append_string(out, *text);
  } else {
    append_array(out, std::get<GgufArray>(value.data));
  }
}

}  // namespace

GgufWriter::GgufWriter(const std::filesystem::path& path, GgufWriteOptions options)
    : path_(path),
      where_(path.string()),
      options_(std::move(options)),
      file_(free_target(),
            options_.inputs.empty() ? AtomicFile::Unfinished::kRemove : AtomicFile::Unfinished::kKeep),
      alignment_(kGgufDefaultAlignment) {
  if (!options_.inputs.empty()) journal_.emplace(file_.temporary_path().string() + ".journal");
}

const std::filesystem::path& GgufWriter::free_target() const {
  std::error_code ignored;
  if (!options_.overwrite && std::filesystem::exists(path_, ignored)) {
    fail(ErrorCode::kInvalidArgument, where_,
         "exists already; remove it, or allow it to be overwritten (--force)");
  }
  return path_;
}

void GgufWriter::check_name(std::string_view name, std::string_view what) const {
  const bool plain = std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~'; });
  if (!name.empty() && name.size() <= kGgufMaxNameBytes && plain) return;
  fail(ErrorCode::kInvalidArgument, where_,
       "a {} of {} bytes, expected 1 to {} bytes of printable ASCII without spaces", what, name.size(),
       kGgufMaxNameBytes);
}

void GgufWriter::require_header_open(std::string_view name) const {
  if (header_written_)
    fail(ErrorCode::kInvalidArgument, where_, "{} comes after the first tensor's bytes", name);
}

void GgufWriter::set(std::string_view key, GgufValue value) {
  check_name(key, "metadata key");
  require_header_open(key);
  if (!key_names_.insert(std::string(key)).second) {
    fail(ErrorCode::kInvalidArgument, where_, "metadata key {} is set twice", key);
  }
  if (key == "general.alignment") {
    const auto* alignment = std::get_if<uint64_t>(&value.data);
    if (value.type != GgufType::kU32 || !is_gguf_alignment(*alignment)) {
      fail(ErrorCode::kInvalidArgument, where_,
           "general.alignment is {}, expected a u32, a power of two from {} to {}", value.describe(),
           kGgufMinAlignment, kGgufMaxAlignment);
    }
    alignment_ = *alignment;
  }
  append_string(keys_, key);
  append_value(keys_, value);
  ++key_count_;
}

void GgufWriter::declare_tensor(std::string_view name, DType dtype, std::span<const int64_t> dims) {
  check_name(name, "tensor name");
  require_header_open(name);
  const GgmlType* type = find_ggml_type(dtype);
  if (type == nullptr) {
    fail(ErrorCode::kInvalidArgument, where_, "tensor {}: GGUF has no type for {}", name, dtype_name(dtype));
  }
  int64_t values = 1;
  bool possible = dims.size() <= kGgufMaxDims;
  for (const int64_t dim : dims)
    possible = possible && dim > 0 && !__builtin_mul_overflow(values, dim, &values);
  const int64_t row = dims.empty() ? 1 : dims.back();
  uint64_t size_bytes = 0;
  possible = possible && row % type->block_values == 0 &&
             !__builtin_mul_overflow(static_cast<uint64_t>(values / type->block_values),
                                     uint64_t{type->block_bytes}, &size_bytes);
  if (!possible) {
    fail(ErrorCode::kInvalidArgument, where_,
         "tensor {}: expected at most {} dims of 1 or more, rows of a multiple of {} values ({})", name,
         kGgufMaxDims, type->block_values, type->name);
  }
  if (!tensor_names_.insert(std::string(name)).second) {
    fail(ErrorCode::kInvalidArgument, where_, "tensor {} is declared twice", name);
  }
  tensors_.push_back({std::string(name), type->id, {dims.begin(), dims.end()}, size_bytes});
}

std::string GgufWriter::header() const {
  std::string head;
  head.append("GGUF");
  append<uint32_t>(head, 3);
  append<uint64_t>(head, tensors_.size());
  append<uint64_t>(head, key_count_);
  head.append(keys_);
  uint64_t offset = 0;
  for (const Declared& tensor : tensors_) {
    append_string(head, tensor.name);
    append(head, static_cast<uint32_t>(tensor.dims.size()));
    for (size_t i = tensor.dims.size(); i-- > 0;) append(head, static_cast<uint64_t>(tensor.dims[i]));
    append(head, tensor.type_id);
    append(head, offset);
    offset += tensor.padded_bytes;
  }
  head.append((alignment_ - head.size() % alignment_) % alignment_, '\0');
  return head;
}

size_t GgufWriter::begin() {
  if (header_written_) return current_;
  uint64_t data_bytes = 0;
  for (Declared& tensor : tensors_) {
    tensor.padded_bytes = (tensor.size_bytes + alignment_ - 1) / alignment_ * alignment_;
    data_bytes += tensor.padded_bytes;
  }
  const std::string head = header();
  current_ = journal_ ? recover(head) : 0;
  const std::filesystem::path folder = path_.parent_path();
  require_disk_space(folder.empty() ? "." : folder, head.size() + data_bytes - file_.size_bytes());
  if (file_.size_bytes() == 0) file_.write(head);
  header_written_ = true;
  return current_;
}

// Keeps of a kept file what can be used: header and complete tensors, or nothing.
size_t GgufWriter::recover(const std::string& header) {
  const uint64_t header_sum = checksum_of(header), inputs_sum = checksum_of(options_.inputs);
  std::vector<uint64_t> complete = journal_->read(header_sum, inputs_sum);
  std::vector<std::byte> buffer(size_t{1} << 20);
  const auto sum_of = [&](uint64_t offset, uint64_t size_bytes) {
    Checksum checksum;
    while (size_bytes > 0) {
      const std::span<std::byte> piece =
          std::span(buffer).first(std::min<uint64_t>(size_bytes, buffer.size()));
      file_.read(offset, piece);
      checksum.add(piece);
      offset += piece.size();
      size_bytes -= piece.size();
    }
    return checksum.value();
  };
  uint64_t end = 0;
  size_t count = 0;
  if (file_.size_bytes() >= header.size() && sum_of(0, header.size()) == header_sum) {
    end = header.size();
    for (; count < std::min(complete.size(), tensors_.size()); ++count) {
      const Declared& tensor = tensors_[count];
      if (file_.size_bytes() - end < tensor.padded_bytes) break;
      if (sum_of(end, tensor.padded_bytes) != complete[count]) break;
      end += tensor.padded_bytes;
    }
  }
  file_.truncate(end);
  complete.resize(count);
  journal_->restart(header_sum, inputs_sum, complete);
  return count;
}

void GgufWriter::append_data(std::span<const std::byte> bytes) {
  file_.write(bytes);
  if (journal_) checksum_.add(bytes);
}

void GgufWriter::pad() {
  static constexpr std::byte kZeros[4096] = {};
  for (uint64_t left = (alignment_ - file_.size_bytes() % alignment_) % alignment_; left > 0;) {
    const size_t piece = std::min<uint64_t>(left, sizeof kZeros);
    append_data(std::span(kZeros).first(piece));
    left -= piece;
  }
}

void GgufWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  begin();
  if (current_ == tensors_.size() || tensors_[current_].name != name) {
    fail(ErrorCode::kInvalidArgument, where_, "bytes of tensor {} came, expected {}", name,
         current_ == tensors_.size() ? "no more tensors" : tensors_[current_].name);
  }
  const uint64_t size_bytes = tensors_[current_].size_bytes;
  if (bytes.size() > size_bytes - current_bytes_) {
    fail(ErrorCode::kInvalidArgument, where_, "tensor {} got {} bytes, expected {}", name,
         current_bytes_ + bytes.size(), size_bytes);
  }
  append_data(bytes);
  current_bytes_ += bytes.size();
  if (current_bytes_ < size_bytes) return;
  pad();
  if (journal_) journal_->add(checksum_.value());
  checksum_ = {};
  ++current_;
  current_bytes_ = 0;
}

void GgufWriter::finish() {
  begin();
  if (current_ < tensors_.size()) {
    fail(ErrorCode::kInvalidArgument, where_, "tensor {} got {} bytes, expected {}", tensors_[current_].name,
         current_bytes_, tensors_[current_].size_bytes);
  }
  free_target();
  file_.commit();
  if (journal_) journal_->remove();
}

}  // namespace oag
