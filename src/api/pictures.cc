#include "api/pictures.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/image.h"
#include "llm/generate/prompt_images.h"

namespace openautoglm {
namespace {

using oag::fail;
using InternalCode = oag::ErrorCode;

oag::RgbImage decoded(const Image& image, const std::string& where) {
  if (image.source.empty() == image.bytes.empty()) {
    fail(InternalCode::kInvalidArgument, where, "has {}, expected either source or bytes",
         image.bytes.empty() ? "neither source nor bytes" : "both source and bytes");
  }
  if (!image.source.empty())
    return oag::read_image(image.source, image.source.starts_with("data:") ? where : image.source);
  return oag::decode_image(std::as_bytes(std::span(image.bytes)), where);
}

oag::GlmImageOptions image_options(const ModelOptions& options) {
  if (options.max_image_pixels < 0)
    fail(InternalCode::kInvalidArgument, "max_image_pixels", "must not be negative");
  oag::GlmImageOptions internal;
  if (options.max_image_pixels > 0) internal.max_pixels = options.max_image_pixels;
  return internal;
}

}  // namespace

Pictures::Pictures(const std::shared_ptr<oag::Runtime>& runtime, const oag::ModelBundle& bundle,
                   const ModelOptions& options)
    : image_token_(bundle.image_token) {
  const oag::GlmImageOptions wanted = image_options(options);
  if (bundle.vision) encoder_.emplace(runtime, bundle.vision, wanted);
}

void Pictures::place(std::span<const Image> images, oag::GenerationRequest& to) const {
  if (!encoder_) {
    if (images.empty()) return;
    fail(InternalCode::kInvalidArgument, "images",
         "the model was loaded without its vision tower; set vision in ModelOptions");
  }
  oag::check_image_places(to.prompt, *image_token_, images.size());
  const oag::RunControl control(to.priority, to.deadline);
  std::vector<oag::EncodedImage> encoded(images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    const std::string where = fmt::format("image {}", i);
    if (encoder_->encode(decoded(images[i], where), where, control, encoded[i]) != oag::RunState::kDone)
      fail(InternalCode::kDeadlineExceeded, where, "was not read before the request's deadline");
  }
  to.images = oag::place_images(to.prompt, *image_token_, encoded);
}

}  // namespace openautoglm
