// Pictures from outside, PNG, JPEG, WebP, BMP and PNM, as bytes and as data URIs: a picture within the limits
// or oag::Error.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr oag::ImageLimits kLimits{.max_pixels = 1 << 14, .max_side = 2048, .max_bytes = 1 << 16};
  const std::span bytes(data, size);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const int64_t counted = text.starts_with("data:")
                                ? oag::data_uri_pixels(text, "input", kLimits)
                                : oag::image_pixels(std::as_bytes(bytes), "input", kLimits);
    const oag::RgbImage image = text.starts_with("data:")
                                    ? oag::decode_data_uri(text, "input", kLimits)
                                    : oag::decode_image(std::as_bytes(bytes), "input", kLimits);
    const int64_t pixels = int64_t{image.width} * image.height;
    if (pixels != counted || pixels < 1 || pixels > kLimits.max_pixels ||
        image.pixels.size() != static_cast<size_t>(3 * pixels))
      __builtin_trap();
  } catch (const oag::Error&) {
  }
  return 0;
}
