// What a model computes on this machine.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/fnv1a.h"
#include "cli/doctor.h"
#include "cli/doctor_attempt.h"
#include "cli/output.h"
#include "llm/bundle/chat_prompt.h"
#include "llm/bundle/model_reference.h"
#include "llm/generate/prompt_images.h"
#include "llm/vision/test_screen.h"

namespace oag::cli {
namespace {

constexpr int64_t kLiveContext = 512;
constexpr size_t kMostReferenceBytes = size_t{16} << 20;
constexpr int kSmallPicture = 112;

std::string checksum(std::span<const std::byte> bytes) {
  Fnv1a hash;
  hash.add(bytes);
  return fmt::format("{:016x}", hash.value());
}

// The logits behind a prompt, all of the model's. Errors: kCancelled.
std::vector<float> logits_behind(ModelRunner& runner, std::span<const TokenId> prompt,
                                 std::span<const PromptImage> images, const RunControl& control) {
  const PromptImages placed(images, prompt.size());
  const auto count = static_cast<int64_t>(prompt.size());
  const PromptImages::Step parts = placed.step(0, count);
  std::vector<int32_t> pages(static_cast<size_t>(runner.pages()));
  std::iota(pages.begin(), pages.end(), 0);
  const SequenceStep step = {prompt, 0, pages, count - 1, {}, parts.axes, parts.images};
  Tensor logits;
  if (runner.step(std::span(&step, 1), control, logits) != RunState::kDone)
    fail(ErrorCode::kCancelled, "doctor", "cancelled");
  return {logits.values<float>().begin(), logits.values<float>().end()};
}

void check_finite(std::span<const float> values, std::string_view what) {
  const auto wrong = std::ranges::count_if(values, [](float value) { return !std::isfinite(value); });
  if (wrong > 0) {
    fail(ErrorCode::kCorruptData, what,
         "{} of {} values are no numbers; the weights are damaged: fetch the model again", wrong,
         values.size());
  }
}

// The upper left corner, which has colours, grey and edges.
RgbImage corner_of(const RgbImage& image, int side) {
  RgbImage corner{side, side, {}};
  for (int y = 0; y < side; ++y) {
    const auto row = image.pixels.begin() + std::ptrdiff_t{3} * y * image.width;
    corner.pixels.insert(corner.pixels.end(), row, row + std::ptrdiff_t{3} * side);
  }
  return corner;
}

}  // namespace

// That pictures are prepared as the model was trained: with the same result as Pillow and transformers.
void Doctor::check_screen() {
  if (!bundle_->vision) return;
  const RgbImage screen = draw_test_screen();
  const GlmImageProcessor standard(GlmImageConfig{}), own(bundle_->vision->images);
  const ImageGrid grid = standard.grid_of(screen.width, screen.height, "test screen");
  std::vector<float> rows(static_cast<size_t>(grid.patches() * standard.row_values()));
  const auto split = [&](int64_t count, FunctionRef<void(int64_t)> work) {
    constexpr int64_t kNsOfRow = 20'000;
    runtime_->pool().parallel_for(control_, count, kNsOfRow, [&](int64_t i, int) { work(i); });
  };
  standard.process(screen, "test screen", rows, split);
  if (control_.should_stop()) fail(ErrorCode::kCancelled, "doctor", "cancelled");
  const std::string drawn = checksum(std::as_bytes(std::span(screen.pixels))),
                    made = checksum(std::as_bytes(std::span(rows)));
  const int64_t tokens = grid.tokens(2);
  const int64_t own_tokens = own.grid_of(screen.width, screen.height, "test screen")
                                 .tokens(static_cast<int>(bundle_->vision->config.merge_size));
  const bool right =
      drawn == kTestScreenChecksum && made == kTestScreenRowsChecksum && tokens == kTestScreenTokens;
  figures_["test_screen"] = {{"tokens", tokens},
                             {"expected_tokens", kTestScreenTokens},
                             {"checksum", made},
                             {"expected_checksum", kTestScreenRowsChecksum},
                             {"model_tokens", own_tokens}};
  add("test screen", right ? Verdict::kOk : Verdict::kBad,
      right ? fmt::format(
                  "{}x{} becomes {} tokens, with the pixels of Pillow and transformers{}", screen.width,
                  screen.height, tokens,
                  own_tokens == tokens ? "" : fmt::format("; {} with this model's pixel budget", own_tokens))
            : fmt::format("{} tokens (expected {}), pixels {} (expected {})", tokens, kTestScreenTokens, made,
                          kTestScreenRowsChecksum),
      right ? "" : "this build prepares pictures wrongly on this processor, taps would miss: report it");
}

void Doctor::check_answer() {
  const TimePoint begin = Clock::now();
  RunnerOptions options;
  options.context_tokens = std::min(bundle_->config.context_tokens, kLiveContext);
  options.cache_dtype = DType::kF32;
  options.step_tokens = options.context_tokens;
  ModelRunner runner(runtime_, *bundle_, options);
  const double load_ms = elapsed_ms(begin);
  const Tokenizer& tokenizer = *bundle_->tokenizer;
  std::vector<TokenId> prompt = tokenizer.encode("Hello", {.parse_special = false, .add_special = true});
  prompt.resize(std::clamp<size_t>(prompt.size(), 1, static_cast<size_t>(options.context_tokens)));
  const TimePoint started = Clock::now();
  const std::vector<float> logits = logits_behind(runner, prompt, {}, control_);
  const double step_ms = elapsed_ms(started);
  check_finite(logits, "logits");
  const auto best = static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin());
  figures_["computed"] = {
      {"load_ms", load_ms}, {"prompt_tokens", prompt.size()}, {"step_ms", step_ms}, {"best_id", best}};
  add("computing", Verdict::kOk,
      fmt::format("loaded in {:.0f} ms; a prompt of {} tokens took {:.1f} ms, all {} logits are numbers",
                  load_ms, prompt.size(), step_ms, format_count(logits.size())));
  if (bundle_->vision) attempt("picture", "fetch the vision file again", [&] { check_picture(runner); });
  attempt("references", "", [&] { check_references(runner); });
}

void Doctor::check_picture(ModelRunner& runner) {
  const RgbImage picture = corner_of(draw_test_screen(), kSmallPicture);
  const TimePoint begin = Clock::now();
  const VisionEncoder encoder(runtime_, bundle_->vision);
  EncodedImage encoded;
  if (encoder.encode(picture, "test picture", control_, encoded) != RunState::kDone)
    fail(ErrorCode::kCancelled, "doctor", "cancelled");
  const double ms = elapsed_ms(begin);
  check_finite(encoded.rows.values<float>(), "vision tower");
  std::vector<TokenId> prompt = {*bundle_->image_token};
  const std::vector<PromptImage> placed = place_images(prompt, *bundle_->image_token, std::span(&encoded, 1));
  check_finite(logits_behind(runner, prompt, placed, control_), "logits behind a picture");
  add("picture", Verdict::kOk,
      fmt::format(
          "{}x{} pixels became {} rows in {:.0f} ms, the vision tower's load included; all are numbers",
          picture.width, picture.height, encoded.rows.dim(0), ms));
}

void Doctor::check_references(ModelRunner& runner) {
  const std::string fingerprint = figures_["fingerprint"];
  const std::vector<ModelReference> references =
      options_.references.empty()
          ? built_in_references()
          : parse_model_references(
                parse_json(read_stream(options_.references, kMostReferenceBytes), options_.references),
                options_.references);
  const auto found = std::ranges::find(references, fingerprint, &ModelReference::fingerprint);
  if (found == references.end()) {
    add("references", Verdict::kNote,
        fmt::format("no other engine's logits are stored for this model ({})", fingerprint));
    return;
  }
  const ModelReference& reference = *found;
  if (static_cast<int64_t>(reference.prompt.size()) > runner.options().context_tokens)
    fail(ErrorCode::kCorruptData, "reference " + reference.name, "has a prompt of {} tokens",
         reference.prompt.size());
  const std::vector<float> logits = logits_behind(runner, reference.prompt, {}, control_);
  const double difference = largest_difference(reference, logits);
  const auto best = static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin());
  const TextProducts products = text_products(bundle_->weights->tensors());
  const bool exact = products.layers.block_values + products.head.block_values == 0;
  figures_["reference"] = {{"name", reference.name},
                           {"source", reference.source},
                           {"largest_difference", difference},
                           {"same_best", best == reference.best.front().id},
                           {"exact", exact}};
  const std::string text =
      fmt::format("{} ({}): logits differ by at most {:.2g}, the best token is {}", reference.name,
                  reference.source, difference, best == reference.best.front().id ? "the same" : "another");
  if (exact) {
    const bool right = difference <= reference.tolerance;
    add("references", right ? Verdict::kOk : Verdict::kBad, text,
        right ? ""
              : "the file is damaged or this build computes wrongly: fetch the model again, then report it");
  } else {
    const bool likely = best == reference.best.front().id;
    add("references", likely ? Verdict::kOk : Verdict::kWarning, text + "; the weights are quantised",
        likely ? "" : "quantising may change a token; compare another quantisation if answers are odd");
  }
}

}  // namespace oag::cli
