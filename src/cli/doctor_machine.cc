// What this machine makes of a model: memory, and how long a step of an agent takes.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/doctor.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "llm/generate/vision_encoder.h"

namespace oag::cli {
namespace {

constexpr int kScreenWidth = 1080, kScreenHeight = 2400;
constexpr double kClientTimeoutS = 600;  // of OpenAI's Python client, when nothing else is set
constexpr double kClientApiCheckS = 30;  // Open-AutoGLM's check of the API: "Hi", 5 tokens
constexpr int64_t kApiCheckPromptTokens = 10, kApiCheckAnswerTokens = 5;
constexpr double kHardwareTargetsS[] = {600, 60, 10, 3};

DType cache_type(const DoctorOptions& options) {
  return *dtype_from_name(options.model.cache);
}

// 418 s: "7 minutes".
std::string duration(double seconds) {
  if (seconds < 1) return fmt::format("{:.{}f} ms", seconds * 1e3, seconds < 0.01 ? 1 : 0);
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (seconds < 100) return fmt::format("{:.0f} s", seconds);
  return seconds < 7200 ? fmt::format("{:.0f} minutes", seconds / 60)
                        : fmt::format("{:.1f} hours", seconds / 3600);
}

// 6.06e12: "6.06 T".
std::string scaled(double value) {
  constexpr std::string_view kPrefixes = "kMGTP";
  size_t steps = 0;
  for (; value >= 1000 && steps < kPrefixes.size(); ++steps) value /= 1000;
  return steps == 0 ? fmt::format("{:.3g} ", value) : fmt::format("{:.3g} {}", value, kPrefixes[steps - 1]);
}

ImageGrid screen_grid(const ModelBundle& bundle) {
  return GlmImageProcessor(bundle.vision->images).grid_of(kScreenWidth, kScreenHeight, "screen");
}

Json work_json(const WorkEstimate& work, const MachineLimits& limits) {
  return {{"f32_ops", work.f32_ops},
          {"int8_ops", work.int8_ops},
          {"read_bytes", work.read_bytes},
          {"seconds_at_limits", seconds_at_limits(work, limits)},
          {"seconds_expected", seconds_expected(work, limits)}};
}

}  // namespace

void Doctor::check_memory() {
  const TextConfig& config = bundle_->config;
  const bool vision = bundle_->vision != nullptr;
  ModelOptions options = options_.model;
  if (options.context_tokens == 0)
    options.context_tokens = std::min<int64_t>(config.context_tokens, vision ? 8192 : 4096);
  const RunnerOptions runner = runner_options(options, *bundle_);
  const MemoryNeed need = memory_need(runtime_, *bundle_, runner);
  const VisionNeed picture =
      vision ? vision_memory_need(runtime_, *bundle_->vision, screen_grid(*bundle_)) : VisionNeed{};
  other_bytes_ = std::max(need.step, picture.total());
  const uint64_t total = need.weights + need.cache + other_bytes_;
  const std::optional<uint64_t> free = runtime_->devices().front()->free_memory_bytes();
  figures_["memory"] = {{"context_tokens", runner.context_tokens},
                        {"kv", options.cache},
                        {"kv_bytes_per_token", cache_bytes_per_token(config, runner.cache_dtype)},
                        {"weight_bytes", need.weights},
                        {"cache_bytes", need.cache},
                        {"step_bytes", need.step},
                        {"vision_weight_bytes", picture.weights},
                        {"vision_step_bytes", picture.step},
                        {"total_bytes", total},
                        {"free_bytes", free ? Json(*free) : Json(nullptr)},
                        {"fits", free ? Json(total <= *free) : Json(nullptr)}};
  std::vector<std::vector<std::string>> rows = {
      {"memory", "size"},
      {"weights, as they are computed with", format_bytes(need.weights)},
      {fmt::format("cache of {} tokens in {}, {} each", runner.context_tokens, options.cache,
                   format_bytes(cache_bytes_per_token(config, runner.cache_dtype))),
       format_bytes(need.cache)},
      {"values of a step", format_bytes(need.step)}};
  if (vision) {
    rows.push_back({"vision tower, while it works", format_bytes(picture.weights)});
    rows.push_back({fmt::format("values of a screen of {}x{}", kScreenWidth, kScreenHeight),
                    format_bytes(picture.step)});
  }
  rows.push_back(
      {vision ? "at most at one time (the larger of step and picture)" : "together", format_bytes(total)});
  rows.push_back({"free now", free ? format_bytes(*free) : "not known"});
  tables_.push_back(format_table(rows));
  if (!free) {
    add("memory", Verdict::kNote,
        fmt::format("{} are needed; what is free is not known", format_bytes(total)));
    return;
  }
  fits_ = total <= *free;
  const uint64_t fixed = need.weights + other_bytes_;
  const uint64_t left = *free - std::min(*free, fixed);
  const auto f16 = fitting_context(config, DType::kF16, left),
             q8 = fitting_context(config, DType::kQ8_0, left);
  figures_["memory"]["largest_context_f16"] = f16 ? Json(*f16) : Json(nullptr);
  figures_["memory"]["largest_context_q8_0"] = q8 ? Json(*q8) : Json(nullptr);
  const std::string contexts =
      fmt::format("contexts of up to {} tokens fit with an f16 cache{}",
                  format_count(static_cast<uint64_t>(f16.value_or(0))),
                  q8 ? fmt::format(", {} with q8_0", format_count(static_cast<uint64_t>(*q8))) : "");
  const std::string text = fmt::format("{} of {} free are needed for {} tokens; {}", format_bytes(total),
                                       format_bytes(*free), runner.context_tokens, contexts);
  const bool smaller_helps = std::max(f16.value_or(0), q8.value_or(0)) > 0;
  add("memory", fits_ ? Verdict::kOk : Verdict::kBad, text,
      fits_           ? ""
      : smaller_helps ? "a smaller --ctx or --kv q8_0 fits; so does a smaller quantisation (below)"
                      : "choose a smaller quantisation (below), a smaller model, or free memory");
}

void Doctor::compare_recipes() {
  const Json& memory = figures_.contains("memory") ? figures_["memory"] : Json::object();
  const auto free = memory.value("free_bytes", Json(nullptr));
  const uint64_t beside = memory.value("cache_bytes", uint64_t{0}) + other_bytes_;
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows = {
      {"quantisation", "bits a weight", "weights", "fits here", "answers at best at"}};
  for (const RecipeSize& size : recipe_sizes(bundle_->config, bundle_->weights->tensors())) {
    const bool known = free.is_number();
    const bool fits = known && size.weight_bytes + beside <= free.get<uint64_t>();
    list.push_back({{"name", size.name},
                    {"weight_bytes", size.weight_bytes},
                    {"bits_per_weight", size.bits_per_weight},
                    {"read_bytes_per_token", size.read_bytes},
                    {"fits", known ? Json(fits) : Json(nullptr)}});
    rows.push_back(
        {std::string(size.name), fmt::format("{:.2f}", size.bits_per_weight), format_bytes(size.weight_bytes),
         !known ? "?"
         : fits ? "yes"
                : "no",
         limits_ ? fmt::format("{:.3g} tokens/s", limits_->bandwidth_gb_s * 1e9 / size.read_bytes) : "?"});
  }
  figures_["quantisations"] = std::move(list);
  if (!fits_ || slow_) tables_.push_back(format_table(rows));
}

void Doctor::estimate_speed() {
  limits_ = runtime_->devices().front()->measure_limits();
  const MachineLimits& limits = *limits_;
  const bool vision = bundle_->vision != nullptr;
  const TextProducts products = text_products(bundle_->weights->tensors());
  const VisionProducts tower =
      vision ? vision_products(bundle_->vision->weights->tensors()) : VisionProducts{};
  AgentStep step;
  if (vision) {
    const ImageGrid grid = screen_grid(*bundle_);
    step.patches = grid.patches();
    step.image_tokens = grid.tokens(static_cast<int>(bundle_->vision->config.merge_size));
  } else {
    step.patches = step.image_tokens = 0;
  }
  const AgentWork work = agent_work(step, bundle_->config, products,
                                    vision ? &bundle_->vision->config : nullptr, tower, cache_type(options_));
  WorkEstimate check = prefill_work(products, bundle_->config, kApiCheckPromptTokens, kApiCheckPromptTokens);
  check += decode_work(products, bundle_->config, kApiCheckPromptTokens, kApiCheckAnswerTokens,
                       cache_type(options_));
  figures_["limits"] = {{"bandwidth_gb_s", limits.bandwidth_gb_s},
                        {"f32_gflop_s", limits.f32_gflop_s},
                        {"int8_gop_s", limits.int8_gop_s}};
  Json hardware = Json::array();
  std::vector<std::vector<std::string>> rows = {{"a step within", "computing at", "reading memory at"}};
  for (const double seconds : kHardwareTargetsS) {
    const HardwareNeed need = hardware_for(work, seconds);
    hardware.push_back(
        {{"seconds", seconds}, {"tera_ops_s", need.tera_ops}, {"bandwidth_gb_s", need.bandwidth_gb_s}});
    rows.push_back({fmt::format("{:g} s", seconds), scaled(need.tera_ops * 1e12) + "op/s",
                    scaled(need.bandwidth_gb_s * 1e9) + "B/s"});
  }
  figures_["agent_step"] = {{"image_tokens", step.image_tokens},
                            {"text_tokens", step.text_tokens},
                            {"answer_tokens", step.answer_tokens},
                            {"vision", work_json(work.vision, limits)},
                            {"prefill", work_json(work.prefill, limits)},
                            {"decode", work_json(work.decode, limits)},
                            {"seconds_at_limits", agent_seconds_at_limits(work, limits)},
                            {"seconds_expected", agent_seconds_expected(work, limits)},
                            {"api_check_seconds_expected", seconds_expected(check, limits)},
                            {"hardware", std::move(hardware)}};
  check_speed(step, work);
  std::vector<std::vector<std::string>> parts = {
      {"a step of a phone agent", "operations", "reads", "at the limits", "expected"}};
  const auto part = [&](const std::string& name, const WorkEstimate& each) {
    parts.push_back({name, scaled(each.ops()) + "op", format_bytes(static_cast<uint64_t>(each.read_bytes)),
                     duration(seconds_at_limits(each, limits)), duration(seconds_expected(each, limits))});
  };
  if (vision)
    part(fmt::format("look at a screen of {}x{} ({} patches)", kScreenWidth, kScreenHeight, step.patches),
         work.vision);
  part(fmt::format("read {} tokens", step.image_tokens + step.text_tokens), work.prefill);
  part(fmt::format("answer in {} tokens", step.answer_tokens), work.decode);
  tables_.push_back(format_table(parts) +
                    fmt::format("the limits, measured now beside what else is at work: {:.0f} GB/s, {:.0f} "
                                "GFLOP/s in f32 (weights stored as floats, "
                                "attention), {:.0f} Gop/s in int8 (weights in blocks);\n"
                                "expected: {:.0f} % of the arithmetic, {:.0f} % of the bandwidth\n",
                                limits.bandwidth_gb_s, limits.f32_gflop_s, limits.int8_gop_s,
                                kExpectedComputeShare * 100, kExpectedBandwidthShare * 100));
  tables_.push_back(
      "hardware by time: half of it for computing, half for reading the weights for the answer\n" +
      format_table(rows));
}

void Doctor::check_speed(const AgentStep& step, const AgentWork& work) {
  const Json& figures = figures_["agent_step"];
  const double expected = figures["seconds_expected"], least = figures["seconds_at_limits"],
               check = figures["api_check_seconds_expected"];
  const int64_t tokens = step.image_tokens + step.text_tokens + step.answer_tokens;
  const std::string text = fmt::format(
      "a step of a phone agent ({}{} tokens of text, {} of answer) takes about {}, at best {}; a short "
      "question {}",
      step.image_tokens > 0 ? fmt::format("a screen of {} tokens, ", step.image_tokens) : "",
      step.text_tokens, step.answer_tokens, duration(expected), duration(least), duration(check));
  const HardwareNeed need = hardware_for(work, 60);
  const std::string hardware =
      fmt::format("for steps of a minute it takes a machine with {}op/s and {}B/s (table below)",
                  scaled(need.tera_ops * 1e12), scaled(need.bandwidth_gb_s * 1e9));
  slow_ = expected > 60;
  if (tokens > bundle_->config.context_tokens) {
    add("speed", Verdict::kNote,
        fmt::format("{}; but the model was trained for {} tokens only, fewer than such a step has", text,
                    bundle_->config.context_tokens));
  } else if (expected > kClientTimeoutS) {
    add("speed", Verdict::kWarning, text,
        fmt::format("clients give up after {:.0f} s: raise their time-out, or {}", kClientTimeoutS,
                    hardware));
  } else if (check > kClientApiCheckS) {
    add("speed", Verdict::kWarning, text,
        fmt::format("a client that checks the API with a short question waits {:.0f} s: {}", kClientApiCheckS,
                    hardware));
  } else {
    add("speed", slow_ ? Verdict::kNote : Verdict::kOk, text, slow_ ? hardware : "");
  }
}

}  // namespace oag::cli
