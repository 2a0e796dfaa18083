#include "llm/generate/prompt_images.h"

#include <algorithm>

#include "base/error.h"

namespace oag {
namespace {

void check(const PromptImage& image, int64_t first_free, int64_t prompt_tokens) {
  const int64_t tokens = image.grid.patches();
  if (image.grid.frames != 1 || image.grid.rows < 1 || image.grid.columns < 1 ||
      image.first_token < first_free || image.first_token + tokens > prompt_tokens) {
    fail(ErrorCode::kInvalidArgument, "prompt",
         "a picture of {}x{} tokens at token {} does not fit a prompt of {}", image.grid.rows,
         image.grid.columns, image.first_token, prompt_tokens);
  }
  if (image.rows.dtype() != DType::kF32 || image.rows.rank() != 2 || image.rows.dim(0) != tokens) {
    fail(ErrorCode::kInvalidArgument, "prompt", "a picture of {} tokens has rows {} {}", tokens,
         dtype_name(image.rows.dtype()), to_string(image.rows.dims()));
  }
}

}  // namespace

void fail_image_places(std::string_view where, size_t places, size_t images) {
  fail(ErrorCode::kInvalidArgument, where,
       "has {} for a picture (<|image|>), but {} given (--image); give one for each place",
       places == 1 ? "1 place" : fmt::format("{} places", places),
       images == 1 ? "1 picture is" : fmt::format("{} pictures are", images));
}

void check_image_places(std::span<const TokenId> prompt, TokenId image_token, size_t images) {
  const auto places = static_cast<size_t>(std::count(prompt.begin(), prompt.end(), image_token));
  if (places == images) return;
  fail_image_places("prompt", places, images);
}

std::vector<PromptImage> place_images(std::vector<TokenId>& prompt, TokenId image_token,
                                      std::span<const EncodedImage> images) {
  std::vector<ImageGrid> grids;
  for (const EncodedImage& image : images) grids.push_back(image.grid);
  std::vector<PromptImage> placed;
  int64_t grown = 0;  // by the pictures so far
  for (size_t at = 0; at < prompt.size() && placed.size() < images.size(); ++at) {
    if (prompt[at] != image_token) continue;
    const EncodedImage& image = images[placed.size()];
    placed.push_back({static_cast<int64_t>(at) + grown, image.grid, image.rows});
    grown += image.grid.patches() - 1;
  }
  prompt = expand_image_tokens(prompt, image_token, grids, 1, "prompt");
  return placed;
}

PromptImages::PromptImages(std::span<const PromptImage> images, size_t prompt_tokens)
    : images_(images), prompt_tokens_(static_cast<int64_t>(prompt_tokens)) {
  if (images.empty()) return;
  std::vector<PromptRun> runs;
  int64_t at = 0;
  for (const PromptImage& image : images) {
    check(image, at, prompt_tokens_);
    runs.push_back({image.first_token - at, {}});
    runs.push_back({image.grid.patches(), image.grid});
    at = image.first_token + image.grid.patches();
  }
  runs.push_back({prompt_tokens_ - at, {}});
  std::erase_if(runs, [](const PromptRun& run) { return run.tokens == 0; });
  positions_ = mrope_positions(runs, 1);
}

PromptImages::Step PromptImages::step(int64_t first, int64_t count) const {
  Step step;
  if (images_.empty()) return step;
  step.axes.resize(static_cast<size_t>(kRopeAxes * count));
  for (int64_t axis = 0; axis < kRopeAxes; ++axis) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t token = first + i;
      step.axes[static_cast<size_t>(axis * count + i)] =
          token < prompt_tokens_ ? positions_.ids[static_cast<size_t>(axis * prompt_tokens_ + token)]
                                 : positions_.next + static_cast<int32_t>(token - prompt_tokens_);
    }
  }
  for (const PromptImage& image : images_) {
    const int64_t begin = std::max(first, image.first_token);
    const int64_t end = std::min(first + count, image.first_token + image.grid.patches());
    if (begin >= end) continue;
    const int64_t width = image.rows.dim(1);
    step.images.push_back({begin - first, image.rows.values<float>().subspan(
                                              static_cast<size_t>((begin - image.first_token) * width),
                                              static_cast<size_t>((end - begin) * width))});
  }
  return step;
}

}  // namespace oag
