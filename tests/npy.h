#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace oag::test {

// One array of a .npy file, C order.
template <typename T>
struct Npy {
  std::vector<int64_t> shape;
  std::vector<T> values;
};

namespace npy_detail {

template <typename T>
constexpr std::string_view kDescr = "";
template <>
inline constexpr std::string_view kDescr<float> = "<f4";
template <>
inline constexpr std::string_view kDescr<int32_t> = "<i4";
template <>
inline constexpr std::string_view kDescr<int64_t> = "<i8";
template <>
inline constexpr std::string_view kDescr<uint8_t> = "|u1";
template <>
inline constexpr std::string_view kDescr<uint16_t> = "<f2";  // the bits of halves

// The text after `key` in the header's dictionary, up to `end`.
inline std::string field(const std::string& header, std::string_view key, char end, const std::string& path) {
  const size_t at = header.find(key);
  const size_t stop = at == std::string::npos ? at : header.find(end, at + key.size());
  if (stop == std::string::npos)
    throw std::runtime_error(path + ": no " + std::string(key) + " in the npy header");
  return header.substr(at + key.size(), stop - at - key.size());
}

}  // namespace npy_detail

// Reads a .npy file of exactly this element type (f32, f16, i32, i64 or u8). Throws std::runtime_error
// otherwise.
template <typename T>
Npy<T> load_npy(const std::filesystem::path& file) {
  const std::string path = file.string();
  const std::string bytes = read_file(file);
  if (bytes.size() < 12 || bytes.compare(0, 6, "\x93NUMPY") != 0)
    throw std::runtime_error(path + ": is no npy file");
  // Version 1 has a 2-byte header length, later versions have 4 bytes.
  const auto byte_at = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(bytes[i])); };
  const bool short_length = bytes[6] == 1;
  const size_t begin = short_length ? 10 : 12;
  const size_t length =
      byte_at(8) | byte_at(9) << 8 | (short_length ? 0 : byte_at(10) << 16 | byte_at(11) << 24);
  if (bytes.size() - begin < length) throw std::runtime_error(path + ": is cut off");
  const std::string header = bytes.substr(begin, length);
  const std::string descr = npy_detail::field(header, "'descr': '", '\'', path);
  if (descr != npy_detail::kDescr<T>) throw std::runtime_error(path + ": holds " + descr);
  if (header.find("'fortran_order': False") == std::string::npos)
    throw std::runtime_error(path + ": is not in C order");

  Npy<T> array;
  size_t count = 1;
  const std::string dims = npy_detail::field(header, "'shape': (", ')', path);
  for (size_t at = 0; at < dims.size();) {
    const size_t stop = std::min(dims.find(',', at), dims.size());
    if (dims.find_first_of("0123456789", at) < stop) {
      array.shape.push_back(std::stoll(dims.substr(at, stop - at)));
      count *= static_cast<size_t>(array.shape.back());
    }
    at = stop + 1;
  }
  if (bytes.size() - begin - length != count * sizeof(T))
    throw std::runtime_error(path + ": size and shape disagree");
  array.values.resize(count);
  if (count > 0) std::memcpy(array.values.data(), bytes.data() + begin + length, count * sizeof(T));
  return array;
}

}  // namespace oag::test
