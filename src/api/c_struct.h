#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "base/error.h"
#include "openautoglm/c_api.h"

namespace openautoglm {

// Structs cross the C edge with their size in front, so that fields may be appended. The size that a struct
// had in the first version is the least that is accepted; a struct that grows gets a specialisation here.
template <typename T>
inline constexpr size_t kFirstSize = sizeof(T);
template <>
inline constexpr size_t kFirstSize<oag_model_options> = offsetof(oag_model_options, vision_file);
template <>
inline constexpr size_t kFirstSize<oag_message> = offsetof(oag_message, images);
template <>
inline constexpr size_t kFirstSize<oag_request> = offsetof(oag_request, images);

// No struct grows past this; more is memory that was never set.
inline constexpr size_t kMaxStructBytes = 4096;

template <typename T>
void check_struct_size(const T& given, const char* name) {
  if (given.struct_size >= kFirstSize<T> && given.struct_size <= kMaxStructBytes) return;
  oag::fail(oag::ErrorCode::kInvalidArgument, name,
            "struct_size is {}, expected {}; set it to the struct's sizeof, or use the _INIT macro",
            given.struct_size, sizeof(T));
}

// The caller's struct as this library knows it: fields that the caller does not have are 0, which every field
// that was appended takes as its default. Errors: kInvalidArgument for an impossible size; kUnsupported when
// the caller sets a field that this library does not know.
template <typename T>
T read_struct(const T& given, const char* name) {
  static_assert(std::is_trivially_copyable_v<T>);
  check_struct_size(given, name);
  T known;
  std::memset(&known, 0, sizeof known);
  std::memcpy(&known, &given, std::min(given.struct_size, sizeof known));
  const auto* bytes = reinterpret_cast<const unsigned char*>(&given);
  if (given.struct_size > sizeof known &&
      std::any_of(bytes + sizeof known, bytes + given.struct_size, [](unsigned char b) { return b != 0; })) {
    oag::fail(oag::ErrorCode::kUnsupported, name,
              "sets a field that this version of the library does not have; it knows {} of {} bytes",
              sizeof known, given.struct_size);
  }
  return known;
}

// Fills the caller's struct as far as it goes; what this library does not know becomes 0.
template <typename T>
void write_struct(T* out, T value, const char* name) {
  static_assert(std::is_trivially_copyable_v<T>);
  check_struct_size(*out, name);
  value.struct_size = out->struct_size;
  std::memcpy(out, &value, std::min(value.struct_size, sizeof value));
  if (value.struct_size > sizeof value) {
    std::memset(reinterpret_cast<unsigned char*>(out) + sizeof value, 0, value.struct_size - sizeof value);
  }
}

}  // namespace openautoglm
