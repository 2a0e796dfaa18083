#include "service/serve/served_model.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/log.h"
#include "llm/bundle/chat_prompt.h"
#include "llm/generate/work_estimate.h"
#include "service/protocol/request_error.h"

namespace oag {
namespace {

int64_t seconds_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// A model whose positions have three axes was trained with pictures.
bool is_trained_with_pictures(const ModelBundle& bundle) {
  return bundle.image_token.has_value() && !bundle.config.rope_sections.empty();
}

ModelBundle open_bundle(const std::filesystem::path& path, const ModelSpec& spec) {
  ModelBundle bundle = load_bundle(path);
  if (spec.text_only || !is_trained_with_pictures(bundle)) return bundle;
  try {
    add_vision(bundle, spec.vision_path);
  } catch (const Error& error) {
    fail(error.code(), error.where(), "{}; --text-only serves the model without pictures", error.message());
  }
  return bundle;
}

constexpr int64_t kLeastContext = 512;

// Of the language model, as it is computed with, and of its tower.
uint64_t weight_bytes(const std::shared_ptr<Runtime>& runtime, const ModelBundle& bundle,
                      const ModelSettings& settings) {
  RunnerOptions runner;
  runner.cache_dtype = settings.cache_dtype;
  runner.context_tokens = 1;
  uint64_t bytes = memory_need(runtime, bundle, runner).weights;
  if (bundle.vision) {
    for (const StoredTensor& tensor : bundle.vision->weights->tensors()) bytes += tensor.bytes.size();
  }
  return bytes;
}

uint64_t least_cache_bytes(const ModelBundle& bundle, const ModelSettings& settings) {
  const int64_t context = settings.context_tokens > 0
                              ? settings.context_tokens
                              : std::min({bundle.config.context_tokens, kMostDefaultContext, kLeastContext});
  const int64_t tokens = settings.cache_tokens > 0 ? settings.cache_tokens : context;
  return static_cast<uint64_t>(tokens) * cache_bytes_per_token(bundle.config, settings.cache_dtype);
}

// Context and cache that were asked for, or that memory has room for: half of what is free behind the weights
// at most.
RunnerOptions runner_options(const std::shared_ptr<Runtime>& runtime, const ModelBundle& bundle,
                             const ModelSettings& settings, uint64_t weights, uint64_t limit) {
  RunnerOptions runner;
  runner.cache_dtype = settings.cache_dtype;
  uint64_t free_bytes = runtime->devices().front()->free_memory_bytes().value_or(uint64_t{8} << 30);
  // Half of what is free is left alone; of a limit nothing is.
  const bool limited = limit > 0 && limit < free_bytes;
  if (limited) free_bytes = limit;
  const uint64_t room = free_bytes > weights ? (free_bytes - weights) / (limited ? 1 : 2) : 0;
  const uint64_t token_bytes = cache_bytes_per_token(bundle.config, settings.cache_dtype);
  const auto affordable =
      static_cast<int64_t>(std::max<uint64_t>(room / std::max<uint64_t>(token_bytes, 1), kLeastContext));
  runner.context_tokens = settings.context_tokens > 0
                              ? settings.context_tokens
                              : std::min({bundle.config.context_tokens, kMostDefaultContext, affordable});
  runner.cache_tokens =
      settings.cache_tokens > 0
          ? settings.cache_tokens
          : std::max(runner.context_tokens, std::min(runner.context_tokens * settings.parallel, affordable));
  const uint64_t needed = weights + static_cast<uint64_t>(runner.cache_tokens) * token_bytes;
  if (limit > 0 && needed > limit) {
    fail(ErrorCode::kOutOfMemory, bundle.path.string(),
         "needs {} MB for weights and a cache of {} tokens, --memory-budget leaves {} MB; a smaller --ctx "
         "needs less",
         needed / 1'000'000, runner.cache_tokens, limit / 1'000'000);
  }
  if (runner.cache_tokens < runner.context_tokens) {
    fail(ErrorCode::kInvalidArgument, "--cache-tokens",
         "is {}, less than the context of {} tokens that one answer may take", runner.cache_tokens,
         runner.context_tokens);
  }
  return runner;
}

// Operators that no kernel of a device takes and the reference runs.
int64_t count_fallbacks(const Program& program) {
  int64_t nodes = 0;
  for (const ExplainRow& row : explain(program)) {
    if (row.kernel.starts_with("reference")) nodes += static_cast<int64_t>(row.nodes);
  }
  return nodes;
}

}  // namespace

ServedModel::ServedModel(std::string name, const ModelSettings& settings)
    : name_(std::move(name)), settings_(settings), created_(seconds_now()) {}

ServedModel::Plan ServedModel::plan(const std::shared_ptr<Runtime>& runtime,
                                    const std::filesystem::path& path, const ModelSpec& spec,
                                    const ModelSettings& settings) {
  Plan plan;
  plan.spec = spec;
  plan.settings = settings;
  const ModelDescription description = describe_model(path);
  if (description.architecture == "bert") {
    plan.encoder = load_encoder_bundle(path);
    plan.weight_bytes = plan.least_bytes = description.file_bytes;
    return plan;
  }
  plan.bundle = open_bundle(path, spec);
  plan.chat_template = compile_chat_template(plan.bundle);
  const int64_t trained = plan.bundle.config.context_tokens;
  if (settings.context_tokens > trained) {
    fail(ErrorCode::kInvalidArgument, path.string(),
         "was trained for a context of {} tokens, {} are asked for; use --ctx of at most {}", trained,
         settings.context_tokens, trained);
  }
  plan.weight_bytes = weight_bytes(runtime, plan.bundle, settings);
  plan.least_bytes = plan.weight_bytes + least_cache_bytes(plan.bundle, settings);
  return plan;
}

std::shared_ptr<ServedModel> ServedModel::load(const std::shared_ptr<Runtime>& runtime, Plan plan,
                                               uint64_t memory_limit) {
  std::shared_ptr<ServedModel> model(new ServedModel(plan.spec.name, plan.settings));
  if (plan.encoder) {
    model->embedder_ = std::make_unique<TextEmbedder>(runtime, plan.encoder);
    model->memory_bytes_ = plan.weight_bytes;
  } else {
    model->load_language_model(runtime, std::move(plan), memory_limit);
  }
  model->warm_up();
  return model;
}

void ServedModel::load_language_model(const std::shared_ptr<Runtime>& runtime, Plan plan,
                                      uint64_t memory_limit) {
  bundle_ = std::move(plan.bundle);
  template_ = std::move(plan.chat_template);
  for (const std::string& token : bundle_.tokenizer->vocabulary().tokens)
    longest_token_ = std::max(longest_token_, token.size());
  LanguageModelOptions options;
  options.runner = runner_options(runtime, bundle_, settings_, plan.weight_bytes, memory_limit);
  options.max_sequences = settings_.parallel;
  // Requests are counted as they are admitted here; a choice of each may wait for its leader.
  options.max_waiting = capacity() + 1;
  language_model_ = std::make_unique<LanguageModel>(runtime, bundle_, options);
  const ModelRunner& runner = language_model_->runner();
  fallback_operators_ = count_fallbacks(runner.session().program());
  memory_bytes_ = plan.weight_bytes + runner.cache_bytes();
  grammars_ = std::make_unique<GrammarCache>(bundle_.tokenizer);
  if (bundle_.vision) {
    pictures_ = std::make_unique<PictureStore>(
        std::make_unique<VisionEncoder>(runtime, bundle_.vision, settings_.image_options),
        settings_.picture_cache_bytes);
  }
}

void ServedModel::warm_up() {
  if (embedder_) {
    Embedding out;
    embedder_->embed("warm", RunControl(), out);
    return;
  }
  GenerationRequest request;
  request.prompt = {bundle_.tokenizer->end_ids().empty() ? 0 : bundle_.tokenizer->end_ids().front()};
  request.max_tokens = 1;
  request.ignore_end = true;
  const GenerationResult result = language_model_->submit(std::move(request)).result();
  if (result.finish_reason == FinishReason::kError)
    fail(ErrorCode::kCorruptData, bundle_.path.string(), "{}", result.error);
}

const std::shared_ptr<const Tokenizer>& ServedModel::tokenizer() const {
  return embedder_ ? embedder_->bundle().tokenizer : bundle_.tokenizer;
}

ContentFormat ServedModel::content_format() const {
  return settings_.content_format.value_or(own_content_format(bundle_));
}

int64_t ServedModel::context_tokens() const {
  return embedder_ ? embedder_->max_tokens() : language_model_->runner().options().context_tokens;
}

std::string ServedModel::summary() const {
  constexpr uint64_t kMega = 1'000'000;
  if (embedder_)
    return fmt::format("a text encoder, weights {} MB, texts of up to {} tokens", memory_bytes_ / kMega,
                       context_tokens());
  const ModelRunner& runner = language_model_->runner();
  const int64_t context = context_tokens();
  const int64_t wanted = std::min(bundle_.config.context_tokens, kMostDefaultContext);
  const bool shortened = settings_.context_tokens == 0 && context < wanted;
  return fmt::format(
      "{}{}, weights {} MB, cache {} tokens ({} MB), context {} tokens{}, {} answers at once{}",
      bundle_.config.architecture, sees() ? " with pictures" : "",
      (memory_bytes_ - runner.cache_bytes()) / kMega, runner.options().cache_tokens,
      runner.cache_bytes() / kMega, context,
      shortened ? fmt::format(" of {}, which memory has no room for", wanted) : "", settings_.parallel,
      fallback_operators_ > 0 ? fmt::format(", reference kernels: {}", fallback_operators_) : "");
}

LanguageModel& ServedModel::language_model() {
  if (!language_model_)
    throw RequestError(
        400, "unsupported_model", "model",
        fmt::format("\"{}\" makes vectors of texts and writes none; see /v1/embeddings", name_));
  return *language_model_;
}

const TextEmbedder& ServedModel::embedder() const {
  if (!embedder_)
    throw RequestError(400, "unsupported_model", "model",
                       fmt::format("\"{}\" is no text encoder; see /v1/models", name_));
  return *embedder_;
}

PictureStore& ServedModel::pictures() {
  if (!pictures_)
    throw RequestError(400, "unsupported_content", "messages",
                       fmt::format("\"{}\" takes no pictures", name_));
  return *pictures_;
}

std::unique_ptr<ServedModel::Ticket> ServedModel::admit(int64_t answers) {
  int64_t before = admitted_.load();
  do {
    if (before + answers > capacity()) return nullptr;
  } while (!admitted_.compare_exchange_weak(before, before + answers));
  return std::make_unique<Ticket>(admitted_, answers);
}

}  // namespace oag
