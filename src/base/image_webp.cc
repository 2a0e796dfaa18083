#include <memory>

#include <webp/decode.h>
#include <webp/demux.h>

#include "base/error.h"
#include "base/image_formats.h"

namespace oag {
namespace {

using Demuxer = std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)>;

std::string_view reason_of(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA: return "cut off";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "of an unknown kind";
    default: return "broken";
  }
}

void check(VP8StatusCode status, std::string_view where) {
  if (status == VP8_STATUS_OK) return;
  if (status == VP8_STATUS_OUT_OF_MEMORY)
    fail(ErrorCode::kOutOfMemory, where, "there is no memory to decode the WebP");
  fail(ErrorCode::kCorruptData, where, "the WebP is {}", reason_of(status));
}

int orientation_of(const WebPDemuxer* demuxer) {
  WebPChunkIterator chunk;
  int orientation = 0;
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk))
    orientation = exif_orientation(std::as_bytes(std::span(chunk.chunk.bytes, chunk.chunk.size)));
  WebPDemuxReleaseChunkIterator(&chunk);
  if (orientation == 0 && WebPDemuxGetChunk(demuxer, "XMP ", 1, &chunk)) {
    orientation = xmp_orientation({reinterpret_cast<const char*>(chunk.chunk.bytes), chunk.chunk.size});
    WebPDemuxReleaseChunkIterator(&chunk);
  }
  return orientation == 0 ? 1 : orientation;
}

}  // namespace

// Of the canvas.
int64_t webp_pixels(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits) {
  WebPBitstreamFeatures features;
  check(WebPGetFeatures(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), &features), where);
  check_image_size(features.width, features.height, where, limits);
  return int64_t{features.width} * features.height;
}

DecodedImage decode_webp(std::span<const std::byte> bytes, std::string_view where,
                         const ImageLimits& limits) {
  webp_pixels(bytes, where, limits);
  const WebPData file = {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  const Demuxer demuxer(WebPDemux(&file), &WebPDemuxDelete);
  WebPIterator frame;
  if (!demuxer || !WebPDemuxGetFrame(demuxer.get(), 1, &frame))
    fail(ErrorCode::kCorruptData, where, "the WebP is cut off or broken");
  const std::unique_ptr<WebPIterator, decltype(&WebPDemuxReleaseIterator)> frame_owner(
      &frame, &WebPDemuxReleaseIterator);
  const int64_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const int64_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  check_image_size(width, height, where, limits);
  if (frame.x_offset < 0 || frame.y_offset < 0 || frame.x_offset + int64_t{frame.width} > width ||
      frame.y_offset + int64_t{frame.height} > height)
    fail(ErrorCode::kCorruptData, where, "the WebP is broken: its first frame lies outside its {}x{} canvas",
         width, height);

  // A first frame smaller than the canvas lies on black: on nothing, with alpha dropped.
  DecodedImage decoded{make_image(width, height), orientation_of(demuxer.get())};
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config))
    fail(ErrorCode::kInternal, where, "libwebp is of another version than its header");
  const size_t stride = static_cast<size_t>(width) * 3;
  const size_t start =
      stride * static_cast<size_t>(frame.y_offset) + size_t{3} * static_cast<size_t>(frame.x_offset);
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = decoded.image.pixels.data() + start;
  config.output.u.RGBA.stride = static_cast<int>(stride);
  config.output.u.RGBA.size = decoded.image.pixels.size() - start;
  // A frame's stream may say another size than the frame: the library must not write past the frame.
  config.options.use_cropping = 1;
  config.options.crop_width = frame.width;
  config.options.crop_height = frame.height;
  check(WebPDecode(frame.fragment.bytes, frame.fragment.size, &config), where);
  return decoded;
}

}  // namespace oag
