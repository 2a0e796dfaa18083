// oag tokenize: text to token ids.
#include <fmt/format.h>

#include <iostream>
#include <iterator>

#include "api/model_path.h"
#include "base/file.h"
#include "cli/chat_tokens.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/terminal.h"

namespace oag::cli {
namespace {

struct TokenizeFlags {
  std::string model;
  std::optional<std::string> text;
  std::optional<std::string> file;
  bool ids = false;
  bool json = false;
  bool no_special = false;
  bool no_generation_prompt = false;
  ChatTokensOptions chat;
};

std::string read_text(const TokenizeFlags& flags) {
  if (flags.text) return *flags.text;
  if (flags.file) return read_stream(*flags.file);
  if (stdin_is_terminal()) print_stderr("reading the text from the keyboard; Ctrl-D ends it\n");
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

int tokenize_chat(TokenizeFlags flags) {
  flags.chat.model = flags.model;
  flags.chat.generation_prompt = !flags.no_generation_prompt;
  const Json messages = read_messages(flags.chat.messages);
  const ModelBundle bundle = load_for_chat(flags.chat, messages);
  const ChatTokens chat = chat_tokens(flags.chat, bundle, messages);
  if (flags.ids) {
    fmt::print("{}\n", fmt::join(chat.ids, " "));
  } else if (flags.json) {
    print_json(chat_tokens_json(chat, *bundle.tokenizer, flags.chat));
  } else {
    fmt::print("{}", chat_tokens_text(chat, *bundle.tokenizer));
  }
  return kExitOk;
}

int tokenize(const TokenizeFlags& flags) {
  if (!flags.chat.messages.empty()) return tokenize_chat(flags);
  const auto tokenizer = load_tokenizer(find_model_file(flags.model));
  const std::string text = read_text(flags);
  const std::vector<TokenId> ids =
      tokenizer->encode(text, {.parse_special = !flags.no_special, .add_special = false});
  if (flags.ids) {
    fmt::print("{}\n", fmt::join(ids, " "));
  } else if (flags.json) {
    Json pieces = Json::array();
    for (const TokenId id : ids) pieces.push_back(std::string(tokenizer->token_bytes(id, true)));
    print_json(
        {{"schema", "oag.tokenize/1"}, {"count", ids.size()}, {"ids", ids}, {"pieces", std::move(pieces)}});
  } else {
    std::vector<std::vector<std::string>> rows = {{"id", "piece"}};
    for (const TokenId id : ids)
      rows.push_back({std::to_string(id), quoted(tokenizer->token_bytes(id, true))});
    fmt::print("{}{} tokens, {} bytes\n", format_table(rows), ids.size(), text.size());
  }
  return kExitOk;
}

void declare(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App* command = app.add_subcommand("tokenize", "Show the tokens of a text or a conversation");
  command->footer(
      "The text is TEXT, the content of FILE, or standard input. It is taken as it is, as by `oag run "
      "--raw`:\n"
      "special tokens written in it (such as <|im_end|>) become those tokens; none is added, also not the "
      "one\n"
      "that some models want at the beginning. With --no-special they are text like any other.\n\n"
      "With --chat: the exact prompt that the model reads for a conversation, its tokens and their "
      "positions\n"
      "(docs/prompts.md). FILE is a list of messages as the OpenAI API has it, or an object with "
      "`messages`.\n"
      "Special tokens written in contents stay text, but for those of the assistant.");
  declare_model(*command, flags->model);
  auto* text = command->add_option("TEXT", flags->text, "The text");
  command->add_option("--file", flags->file, "Take the text from this file")->excludes(text);
  auto* ids = command->add_flag("--ids", flags->ids, "Print one line of ids, separated by spaces");
  command->add_flag("--json", flags->json, "Print one JSON object (docs/schemas/tokenize.json)")
      ->excludes(ids);
  command->add_flag("--no-special", flags->no_special,
                    "Do not recognise control tokens that are written in the text");
  ChatTokensOptions& chat = flags->chat;
  auto* messages =
      command->add_option("--chat", chat.messages, "Render the messages of this JSON file; -: standard input")
          ->check(not_empty())
          ->excludes(text)
          ->excludes("--file")
          ->excludes("--no-special");
  command
      ->add_option("--image", chat.images,
                   "A picture for the next place in the messages that brings no data; only its size\n"
                   "matters; may be given several times")
      ->expected(1)
      ->check(not_empty())
      ->take_all()
      ->needs(messages);
  declare_vision_file(*command, chat.vision_file);
  declare_content_format(*command, chat.content_format);
  declare_max_pixels(*command, chat.image_options);
  command
      ->add_flag("--no-generation-prompt", flags->no_generation_prompt,
                 "Do not begin the assistant's turn at the end")
      ->needs(messages);
  command->callback([flags, &exit_code] { exit_code = tokenize(*flags); });
}

}  // namespace

extern constinit const Command kTokenizeCommand = {declare};

}  // namespace oag::cli
