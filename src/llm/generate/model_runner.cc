#include "llm/generate/model_runner.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "engine/session/memory_plan.h"
#include "llm/models/decoder_graph.h"

namespace oag {
namespace {

constexpr const char* kBatchInputs[] = {"token_ids",       "positions",       "output_rows",
                                        "sequence_starts", "context_lengths", "page_table",
                                        "ranked_rows",     "ranked_wanted",   "ranked_margins"};

constexpr int64_t kMostPageTokens = 65536;

// Of the whole cache, in whole pages. Errors: kInvalidArgument when they are more than 2^63.
uint64_t cache_bytes(const TextConfig& config, const RunnerOptions& options) {
  const auto page = static_cast<uint64_t>(options.page_tokens),
             tokens = static_cast<uint64_t>(options.cache_tokens);
  const uint64_t pages = (tokens + page - 1) / page;
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(pages, page, &bytes) ||
      __builtin_mul_overflow(bytes, cache_bytes_per_token(config, options.cache_dtype), &bytes) ||
      bytes > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    fail(ErrorCode::kInvalidArgument, "cache",
         "{} tokens asked for; they would take more than 2^63 bytes, use fewer (--ctx)",
         options.cache_tokens);
  }
  return bytes;
}

// Intermediate values and logits of the largest step that the options name.
uint64_t step_bytes(const Program& program, const RunnerOptions& options) {
  const Graph& graph = program.graph;
  const int64_t tokens = std::clamp<int64_t>(options.step_tokens, 1, options.cache_tokens);
  DimBindings dims;
  const auto bind = [&](std::string_view input, int64_t size) {
    dims[*graph.value(*graph.find_value(input)).type.shape->front().symbol_name()] = size;
  };
  bind("token_ids", tokens);
  bind("output_rows", std::clamp<int64_t>(options.logits_rows, 1, tokens));
  bind("ranked_rows", 0);  // logits take more
  if (graph.find_value("image_rows")) bind("image_rows", tokens);
  const MemoryPlan plan = plan_memory(program, dims);
  const auto logits = static_cast<size_t>(graph.outputs.front());
  return plan.arena_bytes + tensor_bytes(DType::kF32, plan.dims[logits].value());
}

RunnerOptions complete(RunnerOptions options, const ModelBundle& bundle) {
  if (options.context_tokens <= 0) {
    fail(ErrorCode::kInvalidArgument, "context", "{} tokens asked for; it must be at least 1",
         options.context_tokens);
  }
  if (options.context_tokens > bundle.config.context_tokens) {
    fail(ErrorCode::kInvalidArgument, "context", "{} tokens asked for, {} was trained for {}",
         options.context_tokens, bundle.name(), bundle.config.context_tokens);
  }
  if (const int64_t block = dtype_info(options.cache_dtype).block_values;
      bundle.config.head_size % block != 0) {
    fail(ErrorCode::kUnsupported, bundle.path.string(),
         "has attention heads of {} values, a cache of {} stores blocks of {}; use f16 or f32 (--kv)",
         bundle.config.head_size, dtype_name(options.cache_dtype), block);
  }
  if (options.page_tokens < 1 || options.page_tokens > kMostPageTokens) {
    fail(ErrorCode::kInvalidArgument, "cache", "pages of {} tokens asked for; they must have 1 to {}",
         options.page_tokens, kMostPageTokens);
  }
  if (options.cache_tokens < 0) {
    fail(ErrorCode::kInvalidArgument, "cache", "{} tokens asked for; it must be 0 (one context) or more",
         options.cache_tokens);
  }
  if (options.cache_tokens == 0) options.cache_tokens = options.context_tokens;
  cache_bytes(bundle.config, options);  // no count of tokens or bytes overflows from here on
  return options;
}

std::string megabytes(uint64_t bytes) {
  return fmt::format("{:.0f} MB", static_cast<double>(bytes) / 1e6);
}

MemoryNeed need_of(const ModelBundle& bundle, const RunnerOptions& options, const Program& program) {
  return {constant_bytes(program), cache_bytes(bundle.config, options), step_bytes(program, options)};
}

// "123 MB for weights, 45 MB for 4096 cache positions and 6 MB for a step"
std::string need_text(const MemoryNeed& need, const RunnerOptions& options) {
  return fmt::format("{} for weights, {} for {} cache positions and {} for a step", megabytes(need.weights),
                     megabytes(need.cache), options.cache_tokens, megabytes(need.step));
}

void check_memory(const Device& device, const MemoryNeed& need, const ModelBundle& bundle,
                  const RunnerOptions& options) {
  const std::optional<uint64_t> free_bytes = device.free_memory_bytes();
  uint64_t total = 0;
  const bool countable = !__builtin_add_overflow(need.weights, need.cache, &total) &&
                         !__builtin_add_overflow(total, need.step, &total);
  if (!free_bytes || (countable && total <= *free_bytes)) return;
  const uint64_t left = *free_bytes - std::min(*free_bytes, need.weights);
  const auto page = static_cast<uint64_t>(options.page_tokens);
  const uint64_t fitting = (left - std::min(left, need.step)) /
                           (page * cache_bytes_per_token(bundle.config, options.cache_dtype)) * page;
  fail(ErrorCode::kOutOfMemory, bundle.path.string(), "needs {}, {} are free; {}", need_text(need, options),
       megabytes(*free_bytes),
       fitting > static_cast<uint64_t>(options.context_tokens)
           ? fmt::format("a cache of {} positions would fit", fitting)
       : fitting > 0 ? fmt::format("a context of {} tokens would fit (--ctx)", fitting)
       : left > 0    ? "weights and a step leave nothing for a cache"
                     : "the weights alone do not fit");
}

// Refuses, before weights are packed, what does not fit.
CompileOptions compile_options(const Device& device, const ModelBundle& bundle,
                               const RunnerOptions& options) {
  CompileOptions compile;
  compile.cache_dtype = options.cache_dtype;
  compile.cache_page_tokens = options.page_tokens;
  compile.admit = [&](const Program& program) {
    check_memory(device, need_of(bundle, options, program), bundle, options);
  };
  return compile;
}

Tensor ints(const std::vector<int32_t>& values, Dims dims) {
  return Tensor::of<int32_t>(DType::kI32, std::move(dims), values);
}

}  // namespace

uint64_t cache_bytes_per_token(const TextConfig& config, DType cache_dtype) {
  return static_cast<uint64_t>(config.layers * 2 * config.kv_heads) *
         row_bytes(cache_dtype, config.head_size);
}

MemoryNeed memory_need(const std::shared_ptr<Runtime>& runtime, const ModelBundle& bundle,
                       const RunnerOptions& options) {
  const RunnerOptions completed = complete(options, bundle);
  MemoryNeed need;
  struct Counted {};  // ends the compile before anything is packed
  CompileOptions compile = compile_options(*runtime->devices().front(), bundle, completed);
  compile.admit = [&](const Program& program) {
    need = need_of(bundle, completed, program);
    throw Counted();
  };
  try {
    const Session session(runtime, bundle.build_graph(), compile);
  } catch (const Counted&) {
  }
  return need;
}

ModelRunner::ModelRunner(const std::shared_ptr<Runtime>& runtime, const ModelBundle& bundle,
                         const RunnerOptions& options)
    : config_(bundle.config),
      options_(complete(options, bundle)),
      weights_(bundle.weights),
      session_(runtime, bundle.build_graph(), compile_options(*runtime->devices().front(), bundle, options_)),
      pages_(pages_for(options_.cache_tokens)) {
  const Dims dims = {pages_, 2, config_.kv_heads, options_.page_tokens, config_.head_size};
  for (const char* name : kBatchInputs) batch_inputs_.push_back(session_.input_index(name));
  if (config_.takes_images)
    image_inputs_ = {session_.input_index("image_rows"), session_.input_index("image_tokens")};
  for (int64_t i = 0; i < config_.layers; ++i)
    state_inputs_.push_back(session_.input_index("kv." + std::to_string(i)));
  find_lookup_tables();
  const MemoryNeed need = need_of(bundle, options_, session_.program());
  cache_bytes_ = need.cache;
  // What loading read of the files, above all the vocabulary, has been copied; rows of the embedding come
  // back as they are used.
  for (const auto& file : weights_->files()) file->release_pages(file->bytes());
  try {
    const size_t layer_bytes = tensor_bytes(options_.cache_dtype, dims);
    const auto cache =
        runtime->devices().front()->allocate(layer_bytes * static_cast<size_t>(config_.layers));
    for (int64_t i = 0; i < config_.layers; ++i)
      states_.emplace_back(options_.cache_dtype, dims, cache, static_cast<size_t>(i) * layer_bytes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kOutOfMemory) throw;
    // The machine has it, but this process is not given it.
    fail(ErrorCode::kOutOfMemory, bundle.path.string(),
         "needs {}, which the system refused to this process (ulimit -v); a smaller context (--ctx) or "
         "cache (--kv) needs less",
         need_text(need, options_));
  }
}

void ModelRunner::find_lookup_tables() {
  const Graph& graph = session_.program().graph;
  for (const Node& node : graph.nodes) {
    if (node.full_op() != "Gather") continue;
    const auto& table = graph.value(node.inputs[0]).constant;
    if (!table || !is_block_format(table->dtype())) continue;
    lookup_tables_.push_back(*table);
    for (const auto& file : weights_->files()) {
      const std::span<const std::byte> all = file->bytes(), part = table->bytes();
      if (part.data() >= all.data() && part.data() + part.size() <= all.data() + all.size())
        file->expect_lookups(part);
    }
  }
}

// A looked-up row brings 64 KB of the file around it into memory. Large kernels have copies of their own.
void ModelRunner::drop_looked_up(size_t tokens) {
  constexpr size_t kMostLookups = 64;
  lookups_ += tokens;
  if (lookups_ < kMostLookups) return;
  for (const Tensor& table : lookup_tables_) table.buffer()->drop_pages(table.bytes());
  lookups_ = 0;
}

void ModelRunner::check_images(std::span<const PromptImage> images) const {
  if (images.empty()) return;
  if (!config_.takes_images) {
    fail(ErrorCode::kUnsupported, weights_->where(),
         "was loaded without a vision tower, so it takes no pictures; put its mmproj file beside it");
  }
  for (const PromptImage& image : images) {
    if (image.rows.rank() == 2 && image.rows.dim(1) == config_.hidden_size) continue;
    fail(ErrorCode::kInvalidArgument, "prompt", "a picture has rows {}, the model takes {} values a row",
         to_string(image.rows.dims()), config_.hidden_size);
  }
}

void ModelRunner::check_axes(const SequenceStep& step) const {
  const size_t count = step.tokens.size(), hidden = static_cast<size_t>(config_.hidden_size);
  if (!step.axes.empty() && (config_.rope_sections.empty() || step.axes.size() != kRopeAxes * count)) {
    fail(ErrorCode::kInvalidArgument, "step", "{} positions by axis are given for {} tokens",
         step.axes.size(), count);
  }
  for (const ImageRows& image : step.images) {
    const size_t rows = image.values.size() / hidden;
    if (config_.takes_images && image.values.size() % hidden == 0 && image.token >= 0 &&
        static_cast<size_t>(image.token) + rows <= count)
      continue;
    fail(ErrorCode::kInvalidArgument, "step",
         "a picture of {} values at token {} does not fit {} tokens of {}", image.values.size(), image.token,
         count, hidden);
  }
}

void ModelRunner::check(const SequenceStep& step) const {
  const auto count = static_cast<int64_t>(step.tokens.size());
  const int64_t context = step.first_position + count;
  if (count == 0 || step.first_position < 0 || context > options_.context_tokens ||
      static_cast<int64_t>(step.pages.size()) < pages_for(context)) {
    fail(ErrorCode::kInvalidArgument, "step",
         "{} tokens from position {} do not fit a context of {} in {} pages of {}", count,
         step.first_position, options_.context_tokens, step.pages.size(), options_.page_tokens);
  }
  if (step.rank.count > kMostRanked) {
    fail(ErrorCode::kInvalidArgument, "step", "the {} best tokens are wanted, it gives at most {}",
         step.rank.count, kMostRanked);
  }
  check_axes(step);
  for (const TokenId id : step.tokens) {
    if (id < 0 || id >= config_.vocab_size) {
      fail(ErrorCode::kInvalidArgument, "step", "token id {} is outside [0, {})", id, config_.vocab_size);
    }
  }
}

// [tokens] or, with M-RoPE, [3, tokens].
Tensor ModelRunner::positions_of(std::span<const SequenceStep> sequences, int64_t tokens) const {
  const bool by_axis = !config_.rope_sections.empty();
  const Tensor positions = Tensor::host(DType::kI32, by_axis ? Dims{kRopeAxes, tokens} : Dims{tokens});
  int64_t first = 0;
  for (const SequenceStep& sequence : sequences) {
    const auto count = static_cast<int64_t>(sequence.tokens.size());
    for (int64_t axis = 0; axis < (by_axis ? kRopeAxes : 1); ++axis) {
      const auto to = positions.values<int32_t>().subspan(static_cast<size_t>(axis * tokens + first),
                                                          static_cast<size_t>(count));
      if (sequence.axes.empty()) {
        std::iota(to.begin(), to.end(), static_cast<int32_t>(sequence.first_position));
      } else {
        const auto from =
            sequence.axes.subspan(static_cast<size_t>(axis * count), static_cast<size_t>(count));
        std::copy(from.begin(), from.end(), to.begin());
      }
    }
    first += count;
  }
  return positions;
}

// All pictures' rows of a step, one after the other, and their places in it.
void ModelRunner::bind_images(std::span<const SequenceStep> sequences, RunBindings& bindings) const {
  if (image_inputs_.empty()) return;
  std::vector<float> rows;
  std::vector<int64_t> tokens;
  int64_t first = 0;
  for (const SequenceStep& sequence : sequences) {
    for (const ImageRows& image : sequence.images) {
      rows.insert(rows.end(), image.values.begin(), image.values.end());
      const auto count = static_cast<int64_t>(image.values.size()) / config_.hidden_size;
      for (int64_t i = 0; i < count; ++i) tokens.push_back(first + image.token + i);
    }
    first += static_cast<int64_t>(sequence.tokens.size());
  }
  const auto count = static_cast<int64_t>(tokens.size());
  bindings.inputs[image_inputs_[0]] = Tensor::of<float>(DType::kF32, {count, config_.hidden_size}, rows);
  bindings.inputs[image_inputs_[1]] = Tensor::of<int64_t>(DType::kI64, {count, 1}, tokens);
}

RunState ModelRunner::step(std::span<const SequenceStep> sequences, const RunControl& control, Tensor& logits,
                           RankedLogits* ranked) {
  std::vector<int32_t> tokens, rows, ranked_rows, wanted, starts = {0}, contexts;
  std::vector<float> margins;
  const int64_t table_width = pages_for(options_.context_tokens);
  std::vector<int32_t> table;
  for (const SequenceStep& sequence : sequences) {
    check(sequence);
    const auto first = static_cast<int32_t>(tokens.size());
    for (size_t i = 0; i < sequence.tokens.size(); ++i) {
      if (static_cast<int64_t>(i) >= sequence.logits_from) {
        const bool ranks = sequence.rank.count > 0;
        (ranks ? ranked_rows : rows).push_back(first + static_cast<int32_t>(i));
        if (ranks) wanted.push_back(sequence.rank.count), margins.push_back(sequence.rank.margin);
      }
      tokens.push_back(sequence.tokens[i]);
    }
    starts.push_back(static_cast<int32_t>(tokens.size()));
    contexts.push_back(static_cast<int32_t>(sequence.first_position) +
                       static_cast<int32_t>(sequence.tokens.size()));
    const auto used =
        static_cast<size_t>(std::min<int64_t>(table_width, static_cast<int64_t>(sequence.pages.size())));
    table.insert(table.end(), sequence.pages.begin(),
                 sequence.pages.begin() + static_cast<std::ptrdiff_t>(used));
    table.resize(contexts.size() * static_cast<size_t>(table_width), 0);
  }
  const auto total = static_cast<int64_t>(tokens.size()), count = static_cast<int64_t>(contexts.size()),
             ranks = static_cast<int64_t>(wanted.size());
  const Tensor batch[] = {ints(tokens, {total}),
                          positions_of(sequences, total),
                          ints(rows, {static_cast<int64_t>(rows.size())}),
                          ints(starts, {count + 1}),
                          ints(contexts, {count}),
                          ints(table, {count, table_width}),
                          ints(ranked_rows, {ranks}),
                          ints(wanted, {ranks}),
                          Tensor::of<float>(DType::kF32, {ranks}, margins)};
  RunBindings bindings;
  bindings.inputs.resize(session_.program().graph.inputs.size());
  for (size_t i = 0; i < batch_inputs_.size(); ++i) bindings.inputs[batch_inputs_[i]] = batch[i];
  for (size_t i = 0; i < states_.size(); ++i) bindings.inputs[state_inputs_[i]] = states_[i];
  bind_images(sequences, bindings);
  bindings.observer = observer_;
  std::vector<Tensor> outputs;
  const RunState state = session_.run(bindings, control, outputs);
  drop_looked_up(tokens.size());
  for (const auto& file : weights_->files()) {
    if (file->damaged() || file->changed_since_open()) {
      fail(ErrorCode::kCorruptData, file->path().string(),
           "was changed, cut short or became unreadable while in use; restore it and load it again");
    }
  }
  if (state != RunState::kDone) return state;
  logits = std::move(outputs[0]);
  if (ranked != nullptr) *ranked = {std::move(outputs[1]), std::move(outputs[2])};
  return state;
}

}  // namespace oag
