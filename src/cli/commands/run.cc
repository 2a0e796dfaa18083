// oag run: one answer, or a chat.
#include <fmt/core.h>

#include <cerrno>
#include <iostream>
#include <iterator>
#include <limits>
#include <optional>
#include <random>
#include <system_error>

#include "base/error.h"
#include "base/json.h"
#include "cli/chat.h"
#include "cli/command.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "llm/generate/prompt_lookup.h"

namespace oag::cli {
namespace {

struct RunFlags {
  ChatOptions chat;
  std::optional<std::string> prompt;
  bool json = false;
  bool stats = false;
  bool greedy = false;
  std::optional<uint64_t> seed;
};

void declare_sampling(CLI::App& command, RunFlags& flags) {
  SamplingOptions& sampling = flags.chat.sampling;
  command
      .add_option("--temperature", sampling.temperature, "Randomness; 0 always takes the most likely token")
      ->check(number(0, 100))
      ->capture_default_str();
  command.add_option("--top-k", sampling.top_k, "Draw from the K most likely tokens; 0: all")
      ->check(whole_number(0, 1 << 30))
      ->capture_default_str();
  command
      .add_option("--top-p", sampling.top_p,
                  "Draw from the most likely tokens that together have this probability")
      ->check(number(0, 1))
      ->capture_default_str();
  command
      .add_option("--min-p", sampling.min_p,
                  "Drop tokens below this fraction of the most likely one's probability")
      ->check(number(0, 1))
      ->capture_default_str();
  command
      .add_option("--repeat-penalty", sampling.repeat_penalty,
                  "Divide logits of tokens seen in prompt or answer; 1: off")
      ->check(number(0.01, 100))
      ->capture_default_str();
  command
      .add_option("--frequency-penalty", sampling.frequency_penalty, "Subtract per occurrence in the answer")
      ->check(number(-100, 100))
      ->capture_default_str();
  command
      .add_option("--presence-penalty", sampling.presence_penalty, "Subtract once for tokens in the answer")
      ->check(number(-100, 100))
      ->capture_default_str();
  command.add_option("--seed", flags.seed, "Seed of the draw (default: random)")
      ->check(whole_number(0, std::numeric_limits<uint64_t>::max()));
  command.add_flag("--greedy", flags.greedy, "The same as --temperature 0");
}

void declare_images(CLI::App& command, ChatOptions& chat) {
  command
      .add_option(
          "--image", chat.images,
          "A picture (PNG, JPEG, WebP; a file or a data URI) shown with the prompt; may be given several\n"
          "times. With --raw "
          "each takes the next <|image|> of the prompt")
      ->expected(1)
      ->check(not_empty())
      ->take_all();
  declare_vision_file(command, chat.vision_file);
  declare_content_format(command, chat.content_format);
  declare_max_pixels(command, chat.image_options);
}

std::string read_all_stdin() {
  if (stdin_is_terminal()) print_stderr("reading the prompt from the keyboard; Ctrl-D ends it\n");
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

// The object of --json; of an answer that failed, what is known is in `answer`.
Json result_json(const Answer& answer, const ChatOptions& chat, double load_ms) {
  const GenerationResult& result = answer.result;
  const auto rate = [](double tokens, double ms) { return ms > 0 ? tokens / ms * 1000 : 0.0; };
  const auto made = static_cast<double>(result.token_ids.size());
  Json json = {
      {"schema", "oag.run/1"},
      {"text", result.text},
      {"prompt_ids", answer.prompt_ids},
      {"token_ids", result.token_ids},
      {"finish_reason", finish_reason_name(result.finish_reason)},
      {"seed", chat.sampling.seed},
      {"usage", {{"prompt_tokens", result.prompt_tokens}, {"completion_tokens", result.token_ids.size()}}},
      {"timings",
       {{"load_ms", load_ms},
        {"ttft_ms", result.ttft_ms},
        {"prefill_ms", result.prefill_ms},
        {"decode_ms", result.decode_ms},
        {"prefill_tokens_per_s", rate(static_cast<double>(result.prompt_tokens), result.prefill_ms)},
        {"tokens_per_s", rate(made - 1, result.decode_ms)}}}};
  if (answer.image_tokens > 0) {
    json["usage"]["image_tokens"] = answer.image_tokens;
    json["timings"]["image_ms"] = answer.image_ms;
  }
  if (chat.lookup_tokens > 0)
    json["lookup"] = {{"drafted_tokens", result.drafted_tokens}, {"accepted_tokens", result.accepted_tokens}};
  if (result.finish_reason == FinishReason::kError) json["error"] = result.error;
  return json;
}

// Writes and flushes; the system's error number, or 0.
int write_stdout(std::string_view text) {
  if (text.empty()) return 0;
  errno = 0;
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  return written ? 0 : errno != 0 ? errno : EIO;
}

// A reader that has seen enough, as in `oag run … | head`, needs no message.
int fail_stdout(int error) {
  // It has been told: what is left in the buffer must not fail once more at the end of the program.
  if (std::freopen("/dev/null", "w", stdout) == nullptr) std::clearerr(stdout);
  if (error != EPIPE) {
    print_stderr("oag: standard output: cannot write: {}\n", std::generic_category().message(error));
  }
  return kExitFailure;
}

int answer_once(Chat& chat, const RunFlags& flags, const std::string& prompt) {
  // While the model was loaded, nothing looked.
  if (InterruptScope::interrupted()) fail(ErrorCode::kCancelled, "oag", "cancelled");
  const bool stream = !flags.json, on_terminal = stdout_is_terminal();
  int write_error = 0;
  const Answer answer = chat.ask(prompt, [&](std::string_view text) {
    if (stream) write_error = write_stdout(on_terminal ? printable_lines(text) : text);
    return write_error == 0;
  });
  if (write_error != 0) return fail_stdout(write_error);
  if (flags.json) {
    write_error = write_stdout(json_text(result_json(answer, flags.chat, chat.load_ms())));
  } else if (!answer.result.text.ends_with('\n')) {
    write_error = write_stdout("\n");
  }
  if (write_error != 0) return fail_stdout(write_error);
  if (flags.stats) print_stderr("{}\n", chat.stats_line(answer));
  if (answer.result.finish_reason == FinishReason::kCancelled) {
    print_stderr("oag: cancelled\n");
    return kExitInterrupted;
  }
  if (answer.result.finish_reason == FinishReason::kError) {
    print_stderr("oag: {}\n", printable(answer.result.error));
    return kExitFailure;
  }
  return kExitOk;
}

// Whoever reads --json gets the object of a failure too.
int answer_once_as_json(RunFlags& flags, const std::string& prompt) {
  try {
    apply_autotune(flags.chat.model);
    Chat chat(flags.chat);
    return answer_once(chat, flags, prompt);
  } catch (const std::exception& error) {
    Answer answer;
    const auto* known = dynamic_cast<const Error*>(&error);
    const bool cancelled = known != nullptr && known->code() == ErrorCode::kCancelled;
    answer.result.finish_reason = cancelled ? FinishReason::kCancelled : FinishReason::kError;
    answer.result.error = failure_text(error);
    write_stdout(json_text(result_json(answer, flags.chat, 0)));
    return tell_failure(error);
  }
}

int run(RunFlags flags) {
  if (flags.greedy) flags.chat.sampling.temperature = 0;
  flags.chat.sampling.seed = flags.seed ? *flags.seed : std::random_device{}();
  try {
    flags.chat.sampling.validate();
  } catch (const Error& error) {
    usage_error("--" + error.where(), "{}", error.message());
  }
  const bool interactive = !flags.prompt && stdin_is_terminal() && stdout_is_terminal();
  if (interactive && flags.json) usage_error("--json", "needs a prompt: give -p or pipe one in");
  const std::string prompt = interactive ? "" : flags.prompt ? *flags.prompt : read_all_stdin();
  if (!interactive && prompt.empty() && !flags.prompt)
    fail(ErrorCode::kInvalidArgument, "standard input", "is empty; give the prompt there or with -p");
  std::optional<InterruptScope> interrupt;
  if (!interactive) interrupt.emplace();
  if (flags.json) return answer_once_as_json(flags, prompt);
  apply_autotune(flags.chat.model);
  flags.chat.more_images = interactive;
  Chat chat(flags.chat);
  return interactive ? chat_on_terminal(chat, flags.stats) : answer_once(chat, flags, prompt);
}

void declare(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command = app.add_subcommand("run", "Answer a prompt, or chat");
  command->footer(
      "Without a prompt, on a terminal: a chat; /help lists what it understands.\n"
      "Standard output carries the answer alone, and a newline where it does not end in one. Text of the "
      "prompt\n"
      "that looks like a control token (<|im_end|>) stays text, but for --raw.");
  ChatOptions& chat = flags->chat;
  chat.model.declare(*command);
  chat.model.declare_autotune(*command);
  command->add_option("-p,--prompt", flags->prompt,
                      "The prompt (default: standard input, or a chat on a terminal)");
  command->add_flag(
      "--raw", chat.raw,
      "The prompt as written: no chat template, special tokens in it recognised, nothing added");
  command->add_option("--system", chat.system, "System message");
  declare_images(*command, chat);
  command
      ->add_option("-n,--max-tokens", chat.max_tokens,
                   "Longest answer in tokens (default: until the context is full)")
      ->check(whole_number(0, uint64_t{1} << 31));
  declare_sampling(*command, *flags);
  command->add_option("--stop", chat.stop, "A text that ends the answer; may be given several times")
      ->expected(1)
      ->take_all();
  command->add_flag("--ignore-eos", chat.ignore_end, "Go on past end tokens");
  command
      ->add_option("--lookup", chat.lookup_tokens,
                   "Guess up to N tokens at a time, at most 16, from what was written before and check\n"
                   "them together (prompt lookup): the same answer, sooner where it copies; 8 is good")
      ->check(whole_number(0, PromptLookup::kMost))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print one JSON object (docs/schemas/run.json) instead of text");
  command->add_flag("--stats", flags->stats, "Print speed, load time and memory to standard error");
  command->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace

extern constinit const Command kRunCommand = {declare};

}  // namespace oag::cli
