#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "llm/bundle/bundle.h"
#include "llm/generate/generation.h"
#include "llm/generate/vision_encoder.h"
#include "openautoglm/openautoglm.h"

namespace openautoglm {

// Puts the pictures of requests into their prompts, through the model's vision tower where it was loaded.
// Several threads may use it at once.
class Pictures {
 public:
  // Errors: those of VisionEncoder; kInvalidArgument for a pixel budget out of range.
  Pictures(const std::shared_ptr<oag::Runtime>& runtime, const oag::ModelBundle& bundle,
           const ModelOptions& options);

  // Each picture takes the next image token of to.prompt, which becomes as many as the picture has rows. The
  // tower works on the calling thread, with to's priority and until its deadline. Errors: those of decoding
  // and of VisionEncoder; kInvalidArgument for pictures without places, the reverse, or a model without its
  // tower; kDeadlineExceeded.
  void place(std::span<const Image> images, oag::GenerationRequest& to) const;

 private:
  std::optional<oag::VisionEncoder> encoder_;
  std::optional<oag::TokenId> image_token_;
};

}  // namespace openautoglm
