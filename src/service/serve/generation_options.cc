#include "service/serve/generation_options.h"

#include <random>

#include "llm/text/grammar_lazy.h"
#include "llm/text/grammar_matcher.h"
#include "service/protocol/request_error.h"

namespace oag {
namespace {

// What ends an answer that repeats itself, unless its request says otherwise: no text that people want has
// the same tokens so often.
constexpr RepetitionLimit kHopelessRepetition = {1, 64, 32};

SamplingOptions sampling_of(const SamplingRequest& request, const ServedModel& model, int64_t copy) {
  const auto vocabulary = static_cast<int64_t>(model.tokenizer()->size_tokens());
  const auto token = [&](int64_t id, std::string_view field) {
    if (id < 0 || id >= vocabulary)
      reject("invalid_value", field, "names token {}, expected ids below {}", id, vocabulary);
    return static_cast<TokenId>(id);
  };
  SamplingOptions options;
  options.temperature = request.temperature.value_or(1.0f);
  options.top_p = request.top_p.value_or(1.0f);
  options.min_p = request.min_p.value_or(0.0f);
  options.top_k = static_cast<int>(request.top_k.value_or(0));
  options.repeat_penalty = request.repetition_penalty.value_or(1.0f);
  options.frequency_penalty = request.frequency_penalty.value_or(0.0f);
  options.presence_penalty = request.presence_penalty.value_or(0.0f);
  options.seed = request.seed ? *request.seed + static_cast<uint64_t>(copy) : std::random_device{}();
  for (const auto& [id, bias] : request.logit_bias)
    options.logit_bias.emplace_back(token(id, "logit_bias"), bias);
  for (const int64_t id : request.allowed_token_ids)
    options.allowed.push_back(token(id, "allowed_token_ids"));
  for (const std::string& word : request.bad_words) {
    // As a word inside a text and at its beginning.
    for (const std::string& form : {word, " " + word})
      options.bad_words.push_back(
          model.tokenizer()->encode(form, {.parse_special = false, .add_special = false}));
  }
  return options;
}

// GLM-4.1V thinks between these, and the phone agent's actions stand in the answer.
std::optional<ThinkingLimit> thinking_limit(const Tokenizer& tokenizer, int64_t tokens) {
  ThinkingLimit limit;
  limit.tokens = tokens;
  limit.ends = {"<answer>", "do(action=", "finish(message="};
  const bool answers = tokenizer.find("<answer>").has_value();
  if (!answers) limit.ends = {"</think>"};
  limit.forced = tokenizer.encode(answers ? "</think><answer>" : "</think>",
                                  {.parse_special = true, .add_special = false});
  return limit;
}

// Free thoughts, then one action; it may also come without the mark.
std::shared_ptr<TokenConstraint> agent_constraint(GrammarCache& grammars) {
  std::vector<LazyTrigger> triggers = phone_agent_triggers();
  triggers.push_back({"<answer>", false});
  return std::make_shared<LazyConstraint>(std::move(triggers), GrammarMatcher(grammars.agent_action()));
}

bool must_call(const TextRequest& text) {
  return text.tool_choice.kind == ToolChoice::Kind::kRequired ||
         text.tool_choice.kind == ToolChoice::Kind::kNamed;
}

StructuredOutput call_output(const TextRequest& text) {
  StructuredOutput output;
  output.kind = StructuredOutput::Kind::kJsonSchema;
  const bool several = text.tool_choice.kind == ToolChoice::Kind::kRequired && text.parallel_tool_calls;
  output.schema = tool_call_schema(text.tools, text.tool_choice.name, several);
  output.field = "tools";
  return output;
}

void constrain(GenerationRequest& generation, const TextRequest& text, ServedModel& model) {
  const auto own_ends = model.tokenizer()->end_ids();
  std::vector<TokenId> ends(own_ends.begin(), own_ends.end());
  ends.insert(ends.end(), generation.stop_ids.begin(), generation.stop_ids.end());
  const ModelSettings& settings = model.settings();
  const StructuredOutput output = must_call(text) ? call_output(text) : text.output;
  if (const auto grammar = model.grammars().find(output)) {
    generation.constraint = std::make_shared<GrammarMatcher>(grammar, ends);
  } else if (text.chat && settings.agent_grammar) {
    generation.constraint = agent_constraint(model.grammars());
  }
  // Thoughts have no place in an answer that has to match something.
  const bool thinks = text.chat && output.kind == StructuredOutput::Kind::kNone;
  const std::optional<int64_t> budget =
      text.thinking ? std::optional(text.thinking->tokens) : settings.thinking_budget;
  if (thinks && budget) generation.thinking = thinking_limit(*model.tokenizer(), *budget);
}

}  // namespace

GenerationRequest generation_request(const Request& request, ServedModel& model, int64_t copy) {
  constexpr int64_t kCompletionTokens = 16;  // OpenAI's default
  const auto& text = std::get<TextRequest>(request.payload);
  GenerationRequest generation;
  generation.max_tokens = text.max_tokens.value_or(text.chat ? -1 : kCompletionTokens);
  generation.min_tokens = text.min_tokens;
  generation.sampling = sampling_of(text.sampling, model, copy);
  generation.ignore_end = text.ignore_end;
  generation.stop = text.stop;
  generation.include_stop = text.include_stop_text;
  const auto vocabulary = static_cast<int64_t>(model.tokenizer()->size_tokens());
  for (const int64_t id : text.stop_token_ids) {
    if (id >= vocabulary)
      reject("invalid_value", "stop_token_ids", "names token {}, expected ids below {}", id, vocabulary);
    generation.stop_ids.push_back(static_cast<TokenId>(id));
  }
  generation.skip_special = text.skip_special_tokens;
  generation.logprobs = static_cast<int>(text.logprobs.value_or(-1));
  generation.lookup_tokens = text.lookup_tokens;
  generation.priority = request.context.priority;
  generation.deadline = request.context.deadline;
  generation.cache_salt = text.cache_salt;
  if (text.repetition) {
    generation.repetition = {text.repetition->min_pattern, text.repetition->max_pattern,
                             text.repetition->min_count};
  } else if (model.settings().detect_repetition && !text.ignore_end) {
    generation.repetition = kHopelessRepetition;
  }
  constrain(generation, text, model);
  return generation;
}

AnswerFormat answer_format(const TextRequest& text, const ServedModel& model, std::string_view prompt) {
  AnswerFormat format;
  format.separate_reasoning = text.separate_reasoning;
  const size_t opened = prompt.rfind("<think>");
  format.begins_in_reasoning = opened != std::string_view::npos &&
                               prompt.find_first_not_of(" \r\n\t", opened + 7) == std::string_view::npos;
  format.calls_tools = !text.tools.empty() && text.tool_choice.kind != ToolChoice::Kind::kNone;
  format.must_call = must_call(text);
  const std::string& source = model.chat_template().source();
  format.tools = must_call(text)       ? ToolFormat::kJson
                 : knows_tools(source) ? tool_format(source, model.bundle().config.architecture)
                                       : ToolFormat::kTagged;
  for (const Json& tool : text.tools) format.tool_names.push_back(tool["function"]["name"]);
  return format;
}

}  // namespace oag
