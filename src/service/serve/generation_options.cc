#include "service/serve/generation_options.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <random>

#include "llm/text/grammar_lazy.h"
#include "llm/text/grammar_matcher.h"
#include "service/protocol/request_error.h"

namespace oag {
namespace {

// What ends an answer that repeats itself, unless its request says otherwise: no text that people want has
// the same tokens so often.
constexpr RepetitionLimit kHopelessRepetition = {1, 64, 32};

SamplingOptions sampling_of(const SamplingRequest& request, const ServedModel& model) {
  const auto vocabulary = static_cast<int64_t>(model.tokenizer()->size_tokens());
  const auto token = [&](int64_t id, std::string_view field) {
    if (id < 0 || id >= vocabulary)
      reject("invalid_value", field, "names token {}, expected ids below {}", id, vocabulary);
    return static_cast<TokenId>(id);
  };
  const SamplingDefaults own = model.settings().own_sampling ? model.bundle().sampling : SamplingDefaults();
  SamplingOptions options;
  options.temperature = request.temperature.value_or(own.temperature.value_or(1.0f));
  options.top_p = request.top_p.value_or(own.top_p.value_or(1.0f));
  options.min_p = request.min_p.value_or(own.min_p.value_or(0.0f));
  options.top_k = static_cast<int>(request.top_k.value_or(own.top_k.value_or(0)));
  options.repeat_penalty = request.repetition_penalty.value_or(own.repetition_penalty.value_or(1.0f));
  options.frequency_penalty = request.frequency_penalty.value_or(0.0f);
  options.presence_penalty = request.presence_penalty.value_or(0.0f);
  for (const auto& [id, bias] : request.logit_bias)
    options.logit_bias.emplace_back(token(id, "logit_bias"), bias);
  for (const int64_t id : request.allowed_token_ids)
    options.allowed.push_back(token(id, "allowed_token_ids"));
  for (const std::string& word : request.bad_words) {
    // As a word inside a text and at its beginning.
    for (const std::string& form : {word, " " + word}) {
      std::vector<TokenId> ids =
          model.tokenizer()->encode(form, {.parse_special = false, .add_special = false});
      if (!ids.empty()) options.bad_words.push_back(std::move(ids));
    }
  }
  return options;
}

// Whether a rendered prompt ends with this mark.
bool ends_with_mark(std::string_view prompt, std::string_view mark) {
  const size_t at = prompt.rfind(mark);
  return at != std::string_view::npos &&
         prompt.find_first_not_of(" \r\n\t", at + mark.size()) == std::string_view::npos;
}

bool knows_thoughts(const ServedModel& model) {
  return model.tokenizer()->find("</think>").has_value() ||
         model.chat_template().source().find("</think>") != std::string::npos;
}

// Models with the mark <answer>, which are GLM-4.1V and the phone agent, think until they write it; others
// think where the prompt or they themselves have opened a thought.
ThinkingLimit thinking_limit(const Tokenizer& tokenizer, int64_t tokens, std::string_view prompt) {
  ThinkingLimit limit;
  limit.tokens = tokens;
  const bool answers = tokenizer.find("<answer>").has_value();
  if (answers)
    limit.ends = {"<answer>", "do(action=", "finish(message="};
  else
    limit.ends = {"</think>", "<tool_call>", "[TOOL_CALLS]"};
  limit.forced = tokenizer.encode(answers ? "</think><answer>" : "</think>",
                                  {.parse_special = true, .add_special = false});
  const bool opened = ends_with_mark(prompt, "<think>");
  const bool closed = ends_with_mark(prompt, "</think>");
  if (!opened && (!answers || closed)) limit.begin = "<think>";
  return limit;
}

// Free thoughts, then one action; it may also come without the mark.
LazyConstraint agent_constraint(GrammarCache& grammars) {
  std::vector<LazyTrigger> triggers = phone_agent_triggers();
  triggers.push_back({"<answer>", false});
  return {std::move(triggers), GrammarMatcher(grammars.agent_action())};
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

// A grammar of calls. Errors name the place in the request, where the tools' schemas stand as definitions.
template <typename Make>
std::shared_ptr<CompiledGrammar> with_tools_named(Make make) {
  constexpr std::string_view kDefinitions = "#/$defs/", kTools = "tools[";
  try {
    return make();
  } catch (const Error& error) {
    const std::string_view where = error.where();
    if (!where.starts_with(kDefinitions) || !where.substr(kDefinitions.size()).starts_with(kTools)) throw;
    fail(error.code(), where.substr(kDefinitions.size()), "{}", error.message());
  }
}

bool is_strict(const Json& tool) {
  return tool["function"].value("strict", Json()) == true;
}

bool may_call(const TextRequest& text) {
  return !text.tools.empty() && text.tool_choice.kind != ToolChoice::Kind::kNone;
}

// Whether some function that the model may call by itself wants its schema kept.
bool calls_strictly(const TextRequest& text) {
  return text.chat && may_call(text) && !must_call(text) && std::ranges::any_of(text.tools, is_strict);
}

ToolFormat format_of_calls(const TextRequest& text, const ServedModel& model) {
  const std::string& source = model.chat_template().source();
  if (must_call(text)) return ToolFormat::kJson;
  return knows_tools(source) ? tool_format(source, model.bundle().config.architecture) : ToolFormat::kTagged;
}

// Free text, then calls whose arguments fit where their functions are strict.
LazyConstraint strict_calls(const TextRequest& text, ServedModel& model, std::span<const TokenId> ends) {
  const ToolFormat format = format_of_calls(text, model);
  if (format != ToolFormat::kTagged && format != ToolFormat::kMistral) {
    const auto first = std::ranges::find_if(text.tools, is_strict) - text.tools.begin();
    reject("unsupported_value", fmt::format("tools[{}].function.strict", first),
           "cannot be kept with tool_choice auto in the form in which \"{}\" writes calls; use tool_choice "
           "required or leave it out",
           model.name());
  }
  Json tools = text.tools;
  for (Json& tool : tools) {
    if (!is_strict(tool)) tool["function"]["parameters"] = {{"type", "object"}};
  }
  const bool tagged = format == ToolFormat::kTagged;
  const Grammar::Marks marks{tagged ? "<tool_call>" : "[TOOL_CALLS]", tagged ? "</tool_call>" : "",
                             text.parallel_tool_calls};
  Json schema = tool_call_schema(tools, "", !tagged);
  if (!tagged && !text.parallel_tool_calls) schema["maxItems"] = 1;
  const auto grammar = with_tools_named([&] { return model.grammars().calls(schema, marks); });
  return {{{marks.begin, false}}, GrammarMatcher(grammar, ends)};
}

}  // namespace

void AnswerPlan::constrain(const TextRequest& text, ServedModel& model, std::string_view prompt) {
  const auto own_ends = model.tokenizer()->end_ids();
  std::vector<TokenId> ends(own_ends.begin(), own_ends.end());
  ends.insert(ends.end(), request_.stop_ids.begin(), request_.stop_ids.end());
  const ModelSettings& settings = model.settings();
  const StructuredOutput output = must_call(text) ? call_output(text) : text.output;
  if (output.kind != StructuredOutput::Kind::kNone) {
    const auto grammar = with_tools_named([&] { return model.grammars().find(output); });
    matcher_.emplace(grammar, ends);
  } else if (calls_strictly(text)) {
    lazy_ = strict_calls(text, model, ends);
  } else if (text.chat && settings.agent_grammar) {
    lazy_ = agent_constraint(model.grammars());
  }
  if (text.thinking && !knows_thoughts(model)) {
    reject("unsupported_parameter", "thinking_token_budget",
           "has no effect: \"{}\" writes no thoughts; leave it out", model.name());
  }
  // Thoughts have no place in an answer that has to match something.
  const bool thinks = text.chat && output.kind == StructuredOutput::Kind::kNone && knows_thoughts(model);
  const std::optional<int64_t> budget =
      text.thinking ? std::optional(text.thinking->tokens) : settings.thinking_budget;
  if (thinks && budget) request_.thinking = thinking_limit(*model.tokenizer(), *budget, prompt);
}

namespace {

// The fields that say which tokens may come next.
std::vector<std::string> limiting_fields(const TextRequest& text) {
  std::vector<std::string> fields;
  if (!text.sampling.allowed_token_ids.empty()) fields.emplace_back("allowed_token_ids");
  if (!text.sampling.bad_words.empty()) fields.emplace_back("bad_words");
  if (must_call(text))
    fields.emplace_back("tool_choice");
  else if (!text.output.field.empty())
    fields.push_back(text.output.field);
  if (text.min_tokens > 0) fields.emplace_back("min_tokens");
  return fields;
}

}  // namespace

AnswerPlan::AnswerPlan(const Request& request, ServedModel& model, std::string_view prompt) {
  const auto& text = std::get<TextRequest>(request.payload);
  seed_ = text.sampling.seed;
  request_.max_tokens = text.max_tokens.value_or(text.chat ? -1 : kCompletionTokens);
  request_.min_tokens = text.min_tokens;
  request_.sampling = sampling_of(text.sampling, model);
  request_.ignore_end = text.ignore_end;
  request_.stop = text.stop;
  request_.include_stop = text.include_stop_text;
  const auto vocabulary = static_cast<int64_t>(model.tokenizer()->size_tokens());
  for (const int64_t id : text.stop_token_ids) {
    if (id >= vocabulary)
      reject("invalid_value", "stop_token_ids", "names token {}, expected ids below {}", id, vocabulary);
    request_.stop_ids.push_back(static_cast<TokenId>(id));
  }
  request_.skip_special = text.skip_special_tokens;
  request_.logprobs = static_cast<int>(text.logprobs.value_or(-1));
  request_.lookup_tokens = text.lookup_tokens;
  request_.priority = request.context.priority;
  request_.deadline = request.context.deadline;
  request_.cache_salt = text.cache_salt;
  if (text.repetition) {
    request_.repetition = {text.repetition->min_pattern, text.repetition->max_pattern,
                           text.repetition->min_count};
  } else if (model.settings().detect_repetition && !text.ignore_end) {
    request_.repetition = kHopelessRepetition;
  }
  constrain(text, model, prompt);
}

GenerationRequest AnswerPlan::answer(int64_t copy) const {
  GenerationRequest generation = request_;
  generation.sampling.seed = seed_ ? *seed_ + static_cast<uint64_t>(copy) : std::random_device{}();
  if (matcher_) generation.constraint = std::make_shared<GrammarMatcher>(*matcher_);
  if (lazy_) generation.constraint = std::make_shared<LazyConstraint>(*lazy_);
  return generation;
}

ApiProblem problem_of_answer(const GenerationResult& result, const TextRequest& text) {
  if (!result.request_at_fault) {
    // What the model computed wrongly is no fault of the request.
    const bool own =
        result.error_code == ErrorCode::kCorruptData || result.error_code == ErrorCode::kInvalidArgument;
    return problem_of(Error(own ? ErrorCode::kInternal : result.error_code, "", result.error));
  }
  const std::vector<std::string> fields = limiting_fields(text);
  ApiProblem problem = problem_of(Error(result.error_code, "", result.error));
  if (fields.empty()) return problem;
  problem.param = fields.front();
  problem.message =
      fmt::format("the answer cannot go on with {}: {}", fmt::join(fields, " and "), result.error);
  return problem;
}

AnswerFormat answer_format(const TextRequest& text, const ServedModel& model, std::string_view prompt) {
  AnswerFormat format;
  // An answer that has to match something holds no thoughts, whatever the prompt has opened, and what stands
  // in it is not held to the schemas of strict functions.
  const bool matches = must_call(text) || text.output.kind != StructuredOutput::Kind::kNone;
  format.separate_reasoning = text.separate_reasoning && !matches;
  format.begins_in_reasoning = !matches && ends_with_mark(prompt, "<think>");
  format.calls_tools = may_call(text) && !(matches && calls_strictly(text));
  format.must_call = must_call(text);
  format.one_call = !text.parallel_tool_calls;
  format.tools = format_of_calls(text, model);
  for (const Json& tool : text.tools) format.tool_names.push_back(tool["function"]["name"]);
  return format;
}

}  // namespace oag
