#include "cli/chat.h"

#include <algorithm>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "llm/generate/prompt_images.h"
#include "llm/text/unicode.h"

namespace oag::cli {
namespace {

// The bytes before the first one that is no part of well-formed UTF-8.
size_t valid_utf8_prefix(std::string_view text) {
  size_t valid = 0;
  while (valid < text.size()) {
    const size_t size = decode_utf8_leniently(text.substr(valid)).size_bytes;
    if (!is_valid_utf8(text.substr(valid, size))) break;
    valid += size;
  }
  return valid;
}

constexpr auto kInterruptPoll = std::chrono::milliseconds(20);

void check_utf8(std::string_view what, std::string_view text) {
  const size_t valid = valid_utf8_prefix(text);
  if (valid < text.size())
    fail(ErrorCode::kInvalidArgument, what, "is not valid UTF-8 at byte {}; --raw takes any bytes", valid);
}

// What `work` does with the chat template; its errors say how to go without.
template <typename Work>
auto with_raw_hint(const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    fail(error.code(), error.where(), "{}; --raw takes the prompt without a template", error.message());
  }
}

}  // namespace

Chat::Chat(const ChatOptions& options)
    : options_(options),
      pictures_(options.images),
      bundle_(load_model(options.model,
                         {!options.images.empty() || !options.vision_file.empty(), options.vision_file})),
      runtime_(make_runtime(options.model)) {
  if (options.more_images && !bundle_.vision) try_vision();
  LanguageModelOptions model_options;
  model_options.runner = runner_options(options_.model, bundle_);
  model_options.max_sequences = 1;
  model_ = std::make_unique<LanguageModel>(runtime_, bundle_, model_options);
  // Last: what it warns of matters only where the model can answer.
  if (!options_.raw) template_ = with_raw_hint([&] { return compile_chat_template(bundle_); });
  load_ms_ = elapsed_ms(created_);
  warn_of_many_threads(options_.model);
  if (options_.model.explain) print_explain(model_->runner().session().program());
  begin();
}

// Most models take no pictures: what is missing is said when one is given.
void Chat::try_vision() {
  try {
    add_vision(bundle_, options_.vision_file);
  } catch (const Error& error) {
    if (!options_.vision_file.empty()) throw;
    no_vision_ = error;
  }
}

std::pair<int, int> Chat::add_image(const std::string& source) {
  if (!bundle_.vision) throw Error(*no_vision_);
  return pictures_.add(source);
}

void Chat::reset() {
  pictures_.clear();
  begin();
}

void Chat::begin() {
  messages_ = Json::array();
  images_.clear();
  if (options_.system) messages_.push_back({{"role", "system"}, {"content", *options_.system}});
}

// The tower is there only while it works: its weights are a large part of a small model.
void Chat::encode_images(Answer& answer) {
  const TimePoint begin = Clock::now();
  const VisionEncoder encoder(runtime_, bundle_.vision, options_.image_options);
  InterruptibleRun run;
  for (size_t i = 0; i < pictures_.size(); ++i) {
    images_.emplace_back();
    encoder.encode(pictures_.pixels(i), fmt::format("picture {}", i + 1), run.control(), images_.back());
    run.check();
  }
  answer.image_ms = elapsed_ms(begin);
}

std::vector<TokenId> Chat::encode_prompt(const std::string& text, size_t images) {
  const Tokenizer& tokenizer = *bundle_.tokenizer;
  if (options_.raw) return tokenizer.encode(text, {.parse_special = true, .add_special = false});
  if (options_.system) check_utf8("system message", *options_.system);
  check_utf8("prompt", text);
  check_length(text);
  messages_.push_back(user_message(text, images));
  const ChatMessages chat =
      read_chat_messages(tokenizer, messages_, options_.content_format.value_or(own_content_format(bundle_)));
  const std::string rendered = with_raw_hint([&] { return render_chat(*template_, tokenizer, chat.list); });
  return encode_rendered_chat(tokenizer, rendered);
}

// A prompt that cannot fit whatever its tokens are is refused before the template works on it.
void Chat::check_length(std::string_view text) const {
  const Tokenizer& tokenizer = *bundle_.tokenizer;
  size_t longest = 1;
  for (const std::string& token : tokenizer.vocabulary().tokens) longest = std::max(longest, token.size());
  const int64_t context = model_->runner().options().context_tokens;
  if (text.size() / longest >= static_cast<size_t>(context)) {
    fail(ErrorCode::kInvalidArgument, "prompt",
         "has {} bytes, which no {} tokens of this model hold; shorten it or raise --ctx", text.size(),
         context);
  }
}

Answer Chat::ask(const std::string& text, const std::function<bool(std::string_view)>& on_text) {
  const size_t turns = messages_.size(), shown = images_.size();
  const auto forget = [&] {
    messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(turns), messages_.end());
    images_.resize(shown);
  };
  Answer answer;
  try {
    GenerationRequest request;
    request.prompt = encode_prompt(text, pictures_.size());
    if (bundle_.image_token) {
      check_image_places(request.prompt, *bundle_.image_token, shown + pictures_.size());
      if (!pictures_.empty()) encode_images(answer);
      request.images = place_images(request.prompt, *bundle_.image_token, images_);
    }
    for (const EncodedImage& image : images_) answer.image_tokens += image.grid.patches();
    answer.prompt_ids = request.prompt;
    request.max_tokens = options_.max_tokens;
    request.sampling = options_.sampling;
    request.ignore_end = options_.ignore_end;
    request.stop = options_.stop;
    request.lookup_tokens = options_.lookup_tokens;
    request.on_token = [&](const TokenEvent& event) { return on_text(event.text); };
    const Generation generation = model_->submit(std::move(request));
    while (!generation.wait(Clock::now() + kInterruptPoll)) {
      if (InterruptScope::interrupted()) generation.cancel();
    }
    answer.result = generation.result();
  } catch (...) {
    forget();
    throw;
  }
  const bool nothing_made =
      answer.result.finish_reason == FinishReason::kCancelled && answer.result.text.empty();
  if (answer.result.finish_reason == FinishReason::kError || nothing_made) {
    forget();
    return answer;
  }
  pictures_.clear();
  if (options_.raw) {
    images_.clear();
  } else {
    messages_.push_back({{"role", "assistant"}, {"content", answer.result.text}});
  }
  return answer;
}

std::string Chat::stats_line(const Answer& answer) const {
  const GenerationResult& result = answer.result;
  const auto rate = [](double tokens, double ms) { return ms > 0 ? tokens / ms * 1000 : 0.0; };
  const auto made = result.token_ids.size();
  const std::string speed =
      result.prefill_ms > 0
          ? fmt::format(
                "prompt {} tokens{}, {:.1f} tokens/s | answer {} tokens, {:.1f} tokens/s | first token "
                "{:.0f} "
                "ms",
                result.prompt_tokens,
                result.cached_tokens > 0 ? fmt::format(" ({} known)", result.cached_tokens) : "",
                rate(static_cast<double>(result.prompt_tokens - result.cached_tokens), result.prefill_ms),
                made, rate(static_cast<double>(made) - 1, result.decode_ms), result.ttft_ms)
          : fmt::format("prompt {} tokens, not read to its end", result.prompt_tokens);
  const std::string pictures = answer.image_tokens > 0 ? fmt::format("pictures {} tokens, {:.0f} ms | ",
                                                                     answer.image_tokens, answer.image_ms)
                                                       : "";
  const std::string lookup =
      options_.lookup_tokens > 0
          ? fmt::format(" | {} of {} guesses right", result.accepted_tokens, result.drafted_tokens)
          : "";
  return fmt::format("{}{}{} | load {:.0f} ms | peak memory {} | seed {}", pictures, speed, lookup, load_ms_,
                     format_bytes(peak_memory_bytes()), options_.sampling.seed);
}

}  // namespace oag::cli
