#pragma once

#include <span>
#include <vector>

#include "llm/generate/generation.h"
#include "llm/generate/model_runner.h"
#include "llm/generate/vision_encoder.h"
#include "llm/vision/mrope_positions.h"

namespace oag {

// Fails with kInvalidArgument: `where` has `places` for pictures, another number of `images` came.
[[noreturn]] void fail_image_places(std::string_view where, size_t places, size_t images);

// Errors: kInvalidArgument when `prompt` has not one `image_token` for each of `images` pictures.
void check_image_places(std::span<const TokenId> prompt, TokenId image_token, size_t images);

// Puts pictures into a prompt in which one token, `image_token`, stands for each: it becomes as many as the
// picture has rows. Errors: kInvalidArgument when there are more places than pictures or the reverse.
std::vector<PromptImage> place_images(std::vector<TokenId>& prompt, TokenId image_token,
                                      std::span<const EncodedImage> images);

// The pictures of one prompt: what a step over some of its tokens needs of them. `images` outlives it.
class PromptImages {
 public:
  // Errors: kInvalidArgument for pictures out of order, past the prompt's end, or without a row a token.
  PromptImages(std::span<const PromptImage> images, size_t prompt_tokens);

  struct Step {
    std::vector<int32_t> axes;      // as SequenceStep's
    std::vector<ImageRows> images;  // likewise
  };
  // Of tokens [first, first + count) of prompt and answer. Empty where the prompt has no pictures.
  Step step(int64_t first, int64_t count) const;

 private:
  std::span<const PromptImage> images_;
  MropePositions positions_;  // of the prompt
  int64_t prompt_tokens_;
};

}  // namespace oag
