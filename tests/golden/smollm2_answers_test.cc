// SmolLM2's answers and perplexity against llama.cpp and against exact logits, see
// tests/data/smollm2/README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <string>

#include "base/clock.h"
#include "engine/tensor/float16.h"
#include "tests/golden/model_probe.h"
#include "tests/golden/smollm2_model.h"
#include "tests/npy.h"
#include "tests/tiny_models.h"

namespace oag::test {
namespace {

constexpr int64_t kSteps = 64;

// One prompt of answers.json.
struct Answer {
  std::string name;
  std::vector<TokenId> prompt_ids, tokens, top1, top2, f32_tokens;
  std::vector<double> top1_logit, margin, error;
};

std::vector<Answer> load_answers() {
  std::vector<Answer> answers;
  const Json golden = load_json(smollm2_data("answers.json"));
  for (const Json& one : golden["cases"]) {
    const auto ids = [&](const char* key) { return one[key].get<std::vector<TokenId>>(); };
    const auto numbers = [&](const char* key) { return one[key].get<std::vector<double>>(); };
    answers.push_back({one["name"].get<std::string>(), ids("prompt_ids"), ids("tokens"), ids("top1"),
                       ids("top2"), ids("f32_tokens"), numbers("top1_logit"), numbers("margin"),
                       numbers("error")});
  }
  return answers;
}

size_t at(int64_t index) {
  return static_cast<size_t>(index);
}

// The first index where two answers differ; their length if they do not.
size_t parting(const std::vector<TokenId>& a, const std::vector<TokenId>& b) {
  return at(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

// The answers of a model to many prompts, `lanes` at a time.
std::vector<std::vector<TokenId>> greedy_answers(const ModelBundle& bundle, std::span<const Answer> answers,
                                                 size_t lanes) {
  ModelProbe probe(bundle, {.lanes = static_cast<int64_t>(lanes), .context_tokens = 704});
  std::vector<std::vector<TokenId>> results;
  for (size_t first = 0; first < answers.size(); first += lanes) {
    std::vector<Lane> batch(std::min(lanes, answers.size() - first));
    for (size_t i = 0; i < batch.size(); ++i) {
      batch[i].prompt = answers[first + i].prompt_ids;
      batch[i].answer_tokens = kSteps;
    }
    probe.run(batch);
    for (Lane& lane : batch) results.push_back(std::move(lane.greedy));
  }
  return results;
}

// What a model says along llama.cpp's answer.
struct Along {
  std::vector<TokenId> choices;
  // A lower bound of the largest error of a logit, per position: the larger of those of the two tokens whose
  // exact logits are stored.
  std::vector<double> errors;
};

Along follow(ModelProbe& probe, const Answer& answer) {
  Along along;
  Lane lane;
  lane.prompt = answer.prompt_ids;
  lane.forced = answer.tokens;
  lane.answer_tokens = kSteps;
  lane.on_logits = [&](int64_t, std::span<const float> logits) {
    const size_t k = along.errors.size();
    const double first = logits[at(answer.top1[k])] - answer.top1_logit[k];
    const double second = logits[at(answer.top2[k])] - (answer.top1_logit[k] - answer.margin[k]);
    const double rounding = 5e-5 * answer.margin[k];  // margins are stored with five digits
    along.errors.push_back(std::max(std::fabs(first), std::fabs(second) - rounding));
  };
  probe.run(lane);
  along.choices = std::move(lane.greedy);
  return along;
}

constexpr size_t kWindow = 512;

// The text of perplexity.json.
std::vector<TokenId> text_ids() {
  const std::string text = read_file(smollm2_data("../text/us_constitution.txt"));
  return smollm2().tokenizer->encode(text, {.parse_special = false, .add_special = false});
}

// Sum of -ln p over the last 255 tokens of a window of 512.
double window_nll(ModelProbe& probe, std::span<const TokenId> window) {
  constexpr size_t kFirstScored = 257;
  double nll = 0;
  Lane lane;
  lane.prompt.assign(window.begin(), window.begin() + kFirstScored);
  lane.forced.assign(window.begin() + kFirstScored, window.end());
  lane.answer_tokens = static_cast<int64_t>(lane.forced.size());
  lane.on_logits = [&](int64_t position, std::span<const float> logits) {
    const double top = logits[at(most_likely(logits))];
    double sum = 0;
    for (const float logit : logits) sum += std::exp(logit - top);
    nll += top + std::log(sum) - logits[at(window[at(position) + 1])];
  };
  probe.run(lane);
  return nll;
}

class SmolLm2 : public ::testing::Test {
 protected:
  void SetUp() override { OAG_NEED_SMOLLM2(); }
};

// Two engines that both round activations to 8 bits part sooner or later. Each parting must be explained: the
// exact margin between the two best tokens is below the larger of both engines' errors on that very prefix.
// llama.cpp's error is stored; ours is measured here, as a lower bound.
TEST_F(SmolLm2, AnswersPartFromLlamaCppOnlyWhereTheExactMarginIsBelowTheError) {
  const std::vector<Answer> answers = load_answers();
  ASSERT_EQ(answers.size(), 38u);
  const auto own = greedy_answers(smollm2(), answers, 8);
  ModelProbe probe(smollm2(), {.context_tokens = 704});
  size_t same = 0, same_as_f32 = 0, parted_positions = 0, inexact_own = 0, third_best = 0;
  double largest_error = 0, error_sum = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    const Answer& answer = answers[i];
    const Along along = follow(probe, answer);
    const size_t first = parting(own[i], answer.tokens);
    EXPECT_EQ(parting(along.choices, answer.tokens), first)
        << answer.name << ": decoding and reading give other tokens";
    same += first == at(kSteps);
    same_as_f32 += own[i] == answer.f32_tokens;
    for (size_t k = 0; k < at(kSteps); ++k) {
      largest_error = std::max(largest_error, along.errors[k]);
      error_sum += along.errors[k];
      inexact_own += along.choices[k] != answer.top1[k];
      third_best += along.choices[k] != answer.top1[k] && along.choices[k] != answer.top2[k];
      if (along.choices[k] == answer.tokens[k]) continue;
      ++parted_positions;
      EXPECT_LT(answer.margin[k], std::max(answer.error[k], along.errors[k]))
          << answer.name << " token " << k << ": " << along.choices[k] << " instead of " << answer.tokens[k];
    }
  }
  const size_t positions = answers.size() * at(kSteps);
  const double mean_error = error_sum / static_cast<double>(positions);
  fmt::print("{} of {} answers equal llama.cpp's, {} equal its answers with f32 activations\n", same,
             answers.size(), same_as_f32);
  fmt::print(
      "along llama.cpp's answers {} of {} tokens differ from its, {} from the exact best, {} of them "
      "are not even the second best\n",
      parted_positions, positions, inexact_own, third_best);
  fmt::print("error of a logit: mean {:.3f}, largest {:.3f}\n", mean_error, largest_error);
  // An engine that errs much has an excuse for every parting, so the error is bounded too. Measured: 0.21
  // and 1.6.
  EXPECT_LE(mean_error, 0.3);
  EXPECT_LE(largest_error, 2.5);
}

// Whole rows of exact logits. Both engines round activations alike; llama.cpp's largest error on these rows
// is stored.
TEST_F(SmolLm2, LogitsAreAsNearToTheExactOnesAsLlamaCpps) {
  const std::vector<Answer> answers = load_answers();
  const Json rows = load_json(smollm2_data("answers.json"))["exact_logits"];
  const auto stored = load_npy<uint16_t>(smollm2_data("exact_logits.npy"));
  std::vector<float> exact(stored.values.size());
  std::ranges::transform(stored.values, exact.begin(), f32_from_f16);
  const size_t vocab = at(stored.shape.at(1));
  ModelProbe probe(smollm2(), {.context_tokens = 704});
  double own_sum = 0, peer_sum = 0;
  for (size_t row = 0; row < rows.size(); ++row) {
    const auto answer = std::find_if(answers.begin(), answers.end(), [&](const Answer& a) {
      return a.name == rows[row]["prompt"].get<std::string>();
    });
    ASSERT_NE(answer, answers.end());
    const auto step = rows[row]["step"].get<int64_t>();
    Lane lane;
    lane.prompt = answer->prompt_ids;
    lane.forced.assign(answer->tokens.begin(), answer->tokens.begin() + step + 1);
    lane.answer_tokens = step + 1;
    double error = 0;
    lane.on_logits = [&](int64_t position, std::span<const float> logits) {
      if (position - static_cast<int64_t>(lane.prompt.size()) + 1 != step) return;
      error = largest_difference(logits, std::span(exact).subspan(vocab * row, vocab));
    };
    probe.run(lane);
    fmt::print("{} step {}: largest error {:.3f}, llama.cpp's {:.3f}\n", answer->name, step, error,
               answer->error[at(step)]);
    own_sum += error;
    peer_sum += answer->error[at(step)];
  }
  EXPECT_GT(own_sum, 0.0);
  EXPECT_LE(own_sum, 1.25 * peer_sum);
}

// The model with its weights de-quantised to f32: nothing is rounded, so nothing may differ.
TEST_F(SmolLm2, WithF32WeightsGivesTheExactLogitsAndTheF32Answers) {
  const std::filesystem::path path = tiny_models_detail::scratch_folder() / "smollm2.f32.gguf";
  const TimePoint begin = Clock::now();
  tiny_models_detail::rewrite(*GgufFile::open(smollm2_path()), "f32", path);
  fmt::print("f32 copy written in {:.0f} ms\n", elapsed_ms(begin));
  const ModelBundle bundle = load_bundle(path);
  std::vector<Answer> answers = load_answers();
  if (std::getenv("OAG_TEST_LONG") == nullptr) {  // a prompt of each kind
    for (size_t i = 0; 5 * i < answers.size(); ++i) answers[i] = answers[5 * i];
    answers.resize((answers.size() + 4) / 5);
  }
  const auto own = greedy_answers(bundle, answers, 8);
  ModelProbe probe(bundle, {.context_tokens = 704});
  double largest = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(own[i], answers[i].f32_tokens) << answers[i].name;
    const Along along = follow(probe, answers[i]);
    EXPECT_EQ(along.choices, answers[i].top1) << answers[i].name;
    for (const double error : along.errors) largest = std::max(largest, error);
  }
  fmt::print("{} answers; largest error of the two best logits {:.1e}\n", answers.size(), largest);
  EXPECT_LE(largest, 2e-4);
  const auto exact_nll =
      load_json(smollm2_data("perplexity.json"))["window_nll_exact"].get<std::vector<double>>();
  const std::vector<TokenId> ids = text_ids();
  for (size_t w = 0; w < 2; ++w) {
    const double nll = window_nll(probe, std::span(ids).subspan(w * kWindow, kWindow));
    EXPECT_NEAR(nll / exact_nll[w], 1, 1e-5) << "window " << w;
  }
  std::filesystem::remove(path);
}

// 8-bit activations make a perplexity over 2,550 tokens a draw: kernels that sum in other orders gave -0.1 to
// +0.8 % of the exact one, llama.cpp +0.58 %. The test with f32 weights compares the exact value itself.
TEST_F(SmolLm2, PerplexityIsWithinHalfAPercentOfLlamaCpps) {
  const Json golden = load_json(smollm2_data("perplexity.json"));
  const std::vector<TokenId> ids = text_ids();
  ASSERT_EQ(ids.size(), golden["text_tokens"].get<size_t>());
  const auto exact_nll = golden["window_nll_exact"].get<std::vector<double>>();
  const auto peer_nll = golden["window_nll_llama_cpp"].get<std::vector<double>>();
  ModelProbe probe(smollm2(), {.context_tokens = 512});
  double own = 0, exact = 0, peer = 0;
  for (size_t w = 0; w < exact_nll.size(); ++w) {
    own += window_nll(probe, std::span(ids).subspan(w * kWindow, kWindow));
    exact += exact_nll[w];
    peer += peer_nll[w];
    const double scored = 255.0 * static_cast<double>(w + 1);
    fmt::print("{} windows: perplexity {:.4f}, exact {:.4f} ({:+.3f} %), llama.cpp {:.4f} ({:+.3f} %)\n",
               w + 1, std::exp(own / scored), std::exp(exact / scored),
               100 * std::expm1((own - exact) / scored), std::exp(peer / scored),
               100 * std::expm1((peer - exact) / scored));
  }
  const double scored = 255.0 * static_cast<double>(exact_nll.size());
  EXPECT_LE(std::fabs(std::expm1((own - peer) / scored)), 0.005);
  EXPECT_LE(std::fabs(std::expm1((own - exact) / scored)), 0.01);
}

}  // namespace
}  // namespace oag::test
