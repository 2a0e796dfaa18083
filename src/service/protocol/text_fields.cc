// Fields that chats and completions share.
#include <algorithm>
#include <chrono>

#include "service/protocol/json_shape.h"
#include "service/protocol/openai_fields.h"
#include "service/protocol/request_error.h"
#include "service/protocol/structured_output.h"

namespace oag {
namespace {

constexpr std::string_view kTokenIds =
    R"({"type":"array","maxItems":4096,"items":{"type":"integer","minimum":0,"maximum":2147483647}})";
constexpr std::string_view kBoolean = R"({"type":"boolean"})";
constexpr std::string_view kAny = "{}";

std::vector<std::string> texts_of(const Json& value) {
  if (value.is_string()) return {value.get<std::string>()};
  return value.get<std::vector<std::string>>();
}

void read_logit_bias(const Json& value, Request& request) {
  for (const auto& [key, bias] : value.items()) {
    size_t used = 0;
    int64_t id = -1;
    try {
      id = std::stoll(key, &used);
    } catch (const std::exception&) {
      used = 0;
    }
    if (key.empty() || used != key.size() || id < 0)
      reject("invalid_value", "logit_bias", "has a key that is no token id; keys are ids as decimal texts");
    text_of(request).sampling.logit_bias.emplace_back(id, bias.get<float>());
  }
}

void read_stop(const Json& value, Request& request) {
  TextRequest& text = text_of(request);
  text.stop = texts_of(value);
  for (const std::string& stop : text.stop) {
    if (stop.empty()) reject("invalid_value", "stop", "holds an empty text, which every answer begins with");
  }
}

void read_stream_options(const Json& value, Request& request) {
  TextRequest& text = text_of(request);
  text.include_usage = member_or(value, "include_usage", false);
  text.continuous_usage = member_or(value, "continuous_usage_stats", false);
}

// The id goes into headers and logs.
void read_request_id(std::string_view name, const Json& value, Request& request) {
  const auto& id = value.get_ref<const std::string&>();
  if (!std::ranges::all_of(id, [](char c) { return c > ' ' && c < 0x7F; }))
    reject("invalid_value", name,
           "holds what is no printable ASCII; expected letters, digits and punctuation");
  request.context.id = id;
}

}  // namespace

void read_max_tokens(std::string_view name, const Json& value, Request& request) {
  std::optional<int64_t>& most = text_of(request).max_tokens;
  const auto wanted = value.get<int64_t>();
  if (most && *most != wanted)
    reject("invalid_value", name, "is {}, and another name of the same limit says {}; leave one out", wanted,
           *most);
  most = wanted;
}

std::span<const Field> text_fields() {
  using enum FieldUse;
  static constexpr Field kFields[] = {
      {"model", kHonoured, R"({"type":"string","maxLength":1024})",
       [](const Json& v, Request& r) { r.context.model = v.get<std::string>(); },
       "The model's name, as /v1/models lists it."},
      {"stream", kHonoured, kBoolean, [](const Json& v, Request& r) { text_of(r).stream = v; },
       "Send the answer as server-sent events while it is made."},
      {"stream_options", kHonoured,
       R"({"type":"object","properties":{"include_usage":{"type":"boolean"},"continuous_usage_stats":{"type":"boolean"},"include_obfuscation":{"type":"boolean"}}})",
       read_stream_options,
       "include_usage: a last chunk with the usage; continuous_usage_stats: usage in every chunk."},
      {"max_tokens", kHonoured, R"({"type":"integer","minimum":0,"maximum":2147483647})",
       [](const Json& v, Request& r) { read_max_tokens("max_tokens", v, r); },
       "Longest answer in tokens; 0 is for echo alone."},
      {"n", kHonoured, R"({"type":"integer","minimum":1,"maximum":64})",
       [](const Json& v, Request& r) { text_of(r).n = v.get<int64_t>(); }, "How many answers."},
      {"best_of", kHonoured, R"({"type":"integer","minimum":1,"maximum":64})",
       [](const Json& v, Request& r) { text_of(r).best_of = v.get<int64_t>(); },
       "Accepted where it is n: no more answers are made than given."},
      {"temperature", kHonoured, R"({"type":"number","minimum":0,"maximum":2})",
       [](const Json& v, Request& r) { text_of(r).sampling.temperature = v.get<float>(); },
       "Randomness; 0 always takes the most likely token."},
      {"top_p", kHonoured, R"({"type":"number","minimum":0,"maximum":1})",
       [](const Json& v, Request& r) { text_of(r).sampling.top_p = v.get<float>(); },
       "Draw from the most likely tokens that together have this probability."},
      {"top_k", kHonoured, R"({"type":"integer","minimum":-1,"maximum":1073741824})",
       [](const Json& v, Request& r) { text_of(r).sampling.top_k = std::max<int64_t>(0, v.get<int64_t>()); },
       "Draw from the k most likely tokens; 0 or -1: all."},
      {"min_p", kHonoured, R"({"type":"number","minimum":0,"maximum":1})",
       [](const Json& v, Request& r) { text_of(r).sampling.min_p = v.get<float>(); },
       "Drop tokens below this fraction of the most likely one's probability."},
      {"frequency_penalty", kHonoured, R"({"type":"number","minimum":-2,"maximum":2})",
       [](const Json& v, Request& r) { text_of(r).sampling.frequency_penalty = v.get<float>(); },
       "Subtracted from a token's logit for each time the answer has it."},
      {"presence_penalty", kHonoured, R"({"type":"number","minimum":-2,"maximum":2})",
       [](const Json& v, Request& r) { text_of(r).sampling.presence_penalty = v.get<float>(); },
       "Subtracted once from the logits of tokens that the answer has."},
      {"repetition_penalty", kHonoured, R"({"type":"number","minimum":0.01,"maximum":100})",
       [](const Json& v, Request& r) { text_of(r).sampling.repetition_penalty = v.get<float>(); },
       "Divides (or multiplies) logits of tokens in prompt or answer; 1: off."},
      {"seed", kHonoured,
       R"({"type":"integer","minimum":-9223372036854775808,"maximum":18446744073709551615})",
       [](const Json& v, Request& r) {
         text_of(r).sampling.seed =
             v.is_number_unsigned() ? v.get<uint64_t>() : static_cast<uint64_t>(v.get<int64_t>());
       },
       "The same seed and request give the same answer."},
      {"logit_bias", kHonoured,
       R"({"type":"object","additionalProperties":{"type":"number","minimum":-100,"maximum":100}})",
       read_logit_bias, "Added to the logits of the tokens with these ids."},
      {"stop", kHonoured,
       R"({"anyOf":[{"type":"string","maxLength":4096},{"type":"array","maxItems":32,"items":{"type":"string","maxLength":4096}}]})",
       read_stop, "Texts that end the answer; they are no part of it."},
      {"stop_token_ids", kHonoured, kTokenIds,
       [](const Json& v, Request& r) { text_of(r).stop_token_ids = v.get<std::vector<int64_t>>(); },
       "Tokens that end the answer; they are no part of it."},
      {"include_stop_str_in_output", kHonoured, kBoolean,
       [](const Json& v, Request& r) { text_of(r).include_stop_text = v; },
       "The stop text stays in the answer."},
      {"ignore_eos", kHonoured, kBoolean, [](const Json& v, Request& r) { text_of(r).ignore_end = v; },
       "Go on past the model's end tokens."},
      {"min_tokens", kHonoured, R"({"type":"integer","minimum":0,"maximum":2147483647})",
       [](const Json& v, Request& r) { text_of(r).min_tokens = v.get<int64_t>(); },
       "No end before the answer has so many tokens."},
      {"skip_special_tokens", kHonoured, kBoolean,
       [](const Json& v, Request& r) { text_of(r).skip_special_tokens = v; },
       "Leave special tokens such as <|begin_of_box|> out of the text (default true)."},
      {"allowed_token_ids", kHonoured,
       R"({"type":"array","minItems":1,"maxItems":65536,"items":{"type":"integer","minimum":0,"maximum":2147483647}})",
       [](const Json& v, Request& r) {
         text_of(r).sampling.allowed_token_ids = v.get<std::vector<int64_t>>();
       },
       "Only these tokens are drawn."},
      {"bad_words", kHonoured,
       R"({"type":"array","maxItems":256,"items":{"type":"string","minLength":1,"maxLength":1024}})",
       [](const Json& v, Request& r) { text_of(r).sampling.bad_words = texts_of(v); },
       "Texts whose tokens are never completed."},
      {"structured_outputs", kHonoured,
       R"({"type":"object","properties":{"json":{"type":["object","string","boolean"]},"regex":{"type":"string"},"choice":{"type":"array","minItems":1,"maxItems":4096,"items":{"type":"string"}},"grammar":{"type":"string"},"json_object":{"type":"boolean"},"disable_any_whitespace":{"type":"boolean"}}})",
       [](const Json& v, Request& r) { read_structured_outputs(v, text_of(r).output); },
       "One of json (a schema), regex, choice, grammar (GBNF), json_object: what the answer has to match. "
       "With "
       "disable_any_whitespace, JSON has no whitespace between its tokens."},
      {"repetition_detection", kHonoured,
       R"({"type":"object","properties":{"max_pattern_size":{"type":"integer","minimum":0,"maximum":1024},"min_pattern_size":{"type":"integer","minimum":0,"maximum":1024},"min_count":{"type":"integer","minimum":2,"maximum":1024}}})",
       read_repetition_detection,
       "Ends an answer that repeats a pattern of tokens, with finish_reason repetition."},
      {"truncate_prompt_tokens", kHonoured,
       R"({"anyOf":[{"type":"integer","enum":[-1]},{"type":"integer","minimum":1,"maximum":2147483647}]})",
       [](const Json& v, Request& r) { text_of(r).truncate_prompt_tokens = v.get<int64_t>(); },
       "Keep only the last so many tokens of the prompt; -1: as many as the context holds beside the "
       "answer."},
      {"priority", kHonoured, R"({"type":"integer","minimum":-1000,"maximum":1000})",
       [](const Json& v, Request& r) { r.context.priority = -v.get<int>(); },
       "Lower values are served first, as in vLLM; 0 by default."},
      {"request_id", kHonoured, R"({"type":"string","minLength":1,"maxLength":128,"pattern":"^[!-~]+$"})",
       [](const Json& v, Request& r) { read_request_id("request_id", v, r); }, "The answer's id."},
      {"cache_salt", kHonoured, R"({"type":"string","minLength":1,"maxLength":1024})",
       [](const Json& v, Request& r) { text_of(r).cache_salt = v.get<std::string>(); },
       "Requests share cached prefixes only with those of the same salt."},
      {"deadline_ms", kHonoured, R"({"type":"integer","minimum":1,"maximum":86400000})",
       [](const Json& v, Request& r) {
         r.context.deadline = r.context.arrival + std::chrono::milliseconds(v.get<int64_t>());
       },
       "The answer fails when it is not complete after so many milliseconds."},
      {"return_token_ids", kHonoured, kBoolean,
       [](const Json& v, Request& r) { text_of(r).return_token_ids = v; }, "Give token ids beside the text."},
      {"lookup_tokens", kHonoured, R"({"type":"integer","minimum":0,"maximum":16})",
       [](const Json& v, Request& r) { text_of(r).lookup_tokens = v.get<int64_t>(); },
       "Guess up to so many tokens at a time from prompt and answer; the answer is the same."},

      {"guided_json",
       kOldName,
       R"({"type":["object","string","boolean"]})",
       [](const Json& v, Request& r) { read_guide("json", "guided_json", v, text_of(r).output); },
       "",
       {},
       "structured_outputs.json"},
      {"guided_regex",
       kOldName,
       R"({"type":"string"})",
       [](const Json& v, Request& r) { read_guide("regex", "guided_regex", v, text_of(r).output); },
       "",
       {},
       "structured_outputs.regex"},
      {"guided_choice",
       kOldName,
       R"({"type":"array","minItems":1,"maxItems":4096,"items":{"type":"string"}})",
       [](const Json& v, Request& r) { read_guide("choice", "guided_choice", v, text_of(r).output); },
       "",
       {},
       "structured_outputs.choice"},
      {"guided_grammar",
       kOldName,
       R"({"type":"string"})",
       [](const Json& v, Request& r) { read_guide("grammar", "guided_grammar", v, text_of(r).output); },
       "",
       {},
       "structured_outputs.grammar"},
      {"grammar",
       kOldName,
       R"({"type":"string"})",
       [](const Json& v, Request& r) { read_guide("grammar", "grammar", v, text_of(r).output); },
       "llama.cpp's.",
       {},
       "structured_outputs.grammar"},
      {"json_schema",
       kOldName,
       R"({"type":["object","string","boolean"]})",
       [](const Json& v, Request& r) { read_guide("json", "json_schema", v, text_of(r).output); },
       "llama.cpp's.",
       {},
       "structured_outputs.json"},
      {"regex",
       kOldName,
       R"({"type":"string"})",
       [](const Json& v, Request& r) { read_guide("regex", "regex", v, text_of(r).output); },
       "SGLang's.",
       {},
       "structured_outputs.regex"},
      {"repeat_penalty",
       kOldName,
       R"({"type":"number","minimum":0.01,"maximum":100})",
       [](const Json& v, Request& r) { text_of(r).sampling.repetition_penalty = v.get<float>(); },
       "llama.cpp's.",
       {},
       "repetition_penalty"},
      {"n_predict",
       kOldName,
       R"({"type":"integer","minimum":0,"maximum":2147483647})",
       [](const Json& v, Request& r) { read_max_tokens("n_predict", v, r); },
       "llama.cpp's.",
       {},
       "max_tokens"},
      {"rid",
       kOldName,
       R"({"type":"string","minLength":1,"maxLength":128,"pattern":"^[!-~]+$"})",
       [](const Json& v, Request& r) { read_request_id("rid", v, r); },
       "SGLang's.",
       {},
       "request_id"},

      {"user", kNoEffect, R"({"type":"string"})", nullptr, "Who asks."},
      {"session_id", kNoEffect, R"({"type":"string"})", nullptr, "Prefixes are found by content."},
      {"guided_decoding_backend", kNoEffect, R"({"type":"string"})", nullptr, "There is one."},
      {"guided_whitespace_pattern", kUnneeded, kAny, nullptr, "", "[]"},
      {"cache_prompt", kNoEffect, kBoolean, nullptr, "Prefixes are always cached."},
      {"id_slot", kNoEffect, R"({"type":"integer"})", nullptr, ""},
      {"n_keep", kNoEffect, R"({"type":"integer"})", nullptr, "Nothing is cut from a context that is full."},
      {"timings_per_token", kNoEffect, kBoolean, nullptr, ""},
      {"stream_interval", kNoEffect, R"({"type":"integer","minimum":1})", nullptr, "Each token is sent."},
      {"vllm_xargs", kNoEffect, R"({"type":"object"})", nullptr, ""},

      {"use_beam_search", kUnneeded, kBoolean, nullptr, "beam search", "[false]"},
      {"prompt_embeds", kUnneeded, kAny, nullptr, "prompts are texts or token ids", "[]"},
      {"logits_processors", kUnneeded, kAny, nullptr, "", "[[]]"},
      {"return_tokens_as_token_ids", kUnneeded, kBoolean, nullptr, "return_token_ids gives them", "[false]"},
      {"return_hidden_states", kUnneeded, kBoolean, nullptr, "", "[false]"},
      {"length_penalty", kUnneeded, kAny, nullptr, "it belongs to beam search", "[1, 1.0]"},
      {"spaces_between_special_tokens", kUnneeded, kBoolean, nullptr, "", "[true]"},
      {"prompt_logprobs", kUnneeded, kAny, nullptr, "", "[0, false]"},
      {"logprob_token_ids", kUnneeded, kAny, nullptr, "", "[[]]"},
      {"kv_transfer_params", kUnneeded, kAny, nullptr, "", "[]"},
      {"lora_path", kUnneeded, kAny, nullptr, "adapters", "[\"\"]"},
      {"lora", kUnneeded, kAny, nullptr, "adapters", "[[]]"},
      {"custom_logit_processor", kUnneeded, kAny, nullptr, "", "[]"},
      {"input_ids", kUnneeded, kAny, nullptr, "/v1/completions takes a prompt of ids", "[]"},
      {"stop_regex", kUnneeded, kAny, nullptr, "", "[[]]"},
      {"no_stop_trim", kUnneeded, kAny, nullptr, "include_stop_str_in_output does it", "[false]"},
      {"ebnf", kUnneeded, kAny, nullptr, "structured_outputs.grammar takes GBNF", "[\"\"]"},
      {"typical_p", kUnneeded, kAny, nullptr, "", "[1, 1.0]"},
      {"top_n_sigma", kUnneeded, kAny, nullptr, "", "[-1, -1.0]"},
      {"xtc_probability", kUnneeded, kAny, nullptr, "", "[0, 0.0]"},
      {"xtc_threshold", kNoEffect, R"({"type":"number"})", nullptr, "Without xtc_probability."},
      {"dry_multiplier", kUnneeded, kAny, nullptr, "", "[0, 0.0]"},
      {"dynatemp_range", kUnneeded, kAny, nullptr, "", "[0, 0.0]"},
      {"mirostat", kUnneeded, kAny, nullptr, "", "[0]"},
      {"samplers", kUnneeded, kAny, nullptr, "the order of samplers is fixed", "[]"},
      {"n_probs", kUnneeded, kAny, nullptr, "logprobs does it", "[0]"},
      {"t_max_predict_ms", kUnneeded, kAny, nullptr, "deadline_ms does it", "[0]"},
  };
  return kFields;
}

}  // namespace oag
