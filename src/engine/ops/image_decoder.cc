// ImageDecoder: the pixels of a picture file.
#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/image.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

enum class PixelFormat { kRgb, kBgr, kGrey };

template <typename Context>
PixelFormat read_format(const Context& context) {
  const std::string name = context.node().string_attribute("pixel_format", "RGB");
  if (name == "RGB") return PixelFormat::kRgb;
  if (name == "BGR") return PixelFormat::kBgr;
  if (name == "Grayscale") return PixelFormat::kGrey;
  context.refuse("pixel_format \"{}\" is not RGB, BGR or Grayscale", name);
}

int64_t channel_count(PixelFormat format) {
  return format == PixelFormat::kGrey ? 1 : 3;
}

void infer_decoder(InferenceContext& context) {
  if (context.has_shape(0) && context.shape(0).size() != 1)
    context.refuse("the stream {} must have rank 1", to_string(context.shape(0)));
  context.set_output(
      0, DType::kU8,
      Shape{context.fresh_dim("height"), context.fresh_dim("width"), channel_count(read_format(context))});
}

// An empty picture for a file that is broken, as ONNX wants it.
RgbImage decode(const KernelContext& context) {
  try {
    return decode_stored_image(context.input(0).bytes(), "node " + context.node().name);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCorruptData) throw;
    return {};
  }
}

// Luma of ITU-R BT.601 in steps of 2^-16, as Pillow rounds it.
uint8_t luma(const uint8_t* pixel) {
  return static_cast<uint8_t>((pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000) >> 16);
}

void decoder_reference(KernelContext& context) {
  const PixelFormat format = read_format(context);
  const RgbImage image = decode(context);
  const auto out = context.allocate_output(0, DType::kU8, {image.height, image.width, channel_count(format)})
                       .values<uint8_t>();
  const uint8_t* pixel = image.pixels.data();
  if (format == PixelFormat::kRgb) {
    std::copy(image.pixels.begin(), image.pixels.end(), out.begin());
  } else if (format == PixelFormat::kBgr) {
    for (size_t i = 0; i < out.size(); i += 3, pixel += 3)
      std::reverse_copy(pixel, pixel + 3, out.begin() + static_cast<std::ptrdiff_t>(i));
  } else {
    for (size_t i = 0; i < out.size(); ++i, pixel += 3) out[i] = luma(pixel);
  }
}

}  // namespace

// image [height, width, channels] u8 of a PNG, JPEG, WebP, BMP or PNM file, as it is stored: orientation,
// alpha and colour profiles are left out. No rows and columns where the file is broken. Errors at run time:
// other formats.
extern constinit const OpSchema kImageDecoder = {
    .domain = "",
    .op = "ImageDecoder",
    .since_version = 20,
    .inputs = {{"encoded_stream", "", {DType::kU8}}},
    .outputs = {{"image", "", {DType::kU8}}},
    .attributes = {{"pixel_format", AttributeKind::kString}},
    .infer = infer_decoder,
    .reference = decoder_reference,
};

}  // namespace oag
