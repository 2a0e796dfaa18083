#include "cli/chat.h"

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "llm/bundle/chat_prompt.h"

namespace oag::cli {
namespace {

constexpr auto kInterruptPoll = std::chrono::milliseconds(20);

}  // namespace

Chat::Chat(const ChatOptions& options) : options_(options), bundle_(load_model(options.model)) {
  if (!options_.raw) template_ = compile_chat_template(bundle_);
  LanguageModelOptions model_options;
  model_options.runner = runner_options(options_.model, bundle_);
  model_options.max_sequences = 1;
  model_ = std::make_unique<LanguageModel>(make_runtime(options_.model), bundle_, model_options);
  load_ms_ = elapsed_ms(created_);
  if (options_.model.explain) print_explain(model_->runner().session().program());
  reset();
}

void Chat::reset() {
  messages_ = Json::array();
  if (options_.system) messages_.push_back({{"role", "system"}, {"content", *options_.system}});
}

std::vector<TokenId> Chat::encode_prompt(const std::string& text) {
  const Tokenizer& tokenizer = *bundle_.tokenizer;
  if (options_.raw) return tokenizer.encode(text, {.parse_special = true, .add_special = false});
  messages_.push_back({{"role", "user"}, {"content", text}});
  return encode_rendered_chat(tokenizer, render_chat(*template_, tokenizer, messages_));
}

Answer Chat::ask(const std::string& text, const std::function<bool(std::string_view)>& on_text) {
  const size_t turns = messages_.size();
  Answer answer;
  try {
    GenerationRequest request;
    request.prompt = answer.prompt_ids = encode_prompt(text);
    request.max_tokens = options_.max_tokens;
    request.sampling = options_.sampling;
    request.ignore_end = options_.ignore_end;
    request.stop = options_.stop;
    request.on_token = [&](const TokenEvent& event) { return on_text(event.text); };
    const Generation generation = model_->submit(std::move(request));
    while (!generation.wait(Clock::now() + kInterruptPoll)) {
      if (InterruptScope::interrupted()) generation.cancel();
    }
    answer.result = generation.result();
  } catch (...) {
    messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(turns), messages_.end());
    throw;
  }
  if (options_.raw) return answer;
  if (answer.result.finish_reason == FinishReason::kError) {
    messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(turns), messages_.end());
  } else {
    messages_.push_back({{"role", "assistant"}, {"content", answer.result.text}});
  }
  return answer;
}

std::string Chat::stats_line(const Answer& answer) const {
  const GenerationResult& result = answer.result;
  const auto rate = [](double tokens, double ms) { return ms > 0 ? tokens / ms * 1000 : 0.0; };
  const auto made = result.token_ids.size();
  return fmt::format(
      "prompt {} tokens, {:.1f} tokens/s | answer {} tokens, {:.1f} tokens/s | first token {:.0f} ms | load "
      "{:.0f} ms | peak memory {}",
      result.prompt_tokens, rate(static_cast<double>(result.prompt_tokens), result.prefill_ms), made,
      rate(static_cast<double>(made) - 1, result.decode_ms), result.ttft_ms, load_ms_,
      format_bytes(peak_memory_bytes()));
}

}  // namespace oag::cli
