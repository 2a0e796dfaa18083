// oag tokenize: text to token ids.
#include <fmt/format.h>

#include <iostream>
#include <iterator>

#include "api/model_path.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/model_options.h"
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
};

std::string read_text(const TokenizeFlags& flags) {
  if (flags.text) return *flags.text;
  if (flags.file) return read_file(*flags.file);
  if (stdin_is_terminal()) print_stderr("reading the text from the keyboard; Ctrl-D ends it\n");
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

int tokenize(const TokenizeFlags& flags) {
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
  CLI::App* command = app.add_subcommand("tokenize", "Show the tokens of a text");
  command->footer(
      "The text is TEXT, the content of FILE, or standard input. It is taken as it is, as by `oag run "
      "--raw`:\n"
      "special tokens written in it (such as <|im_end|>) become those tokens; none is added, also not the "
      "one\n"
      "that some models want at the beginning. With --no-special they are text like any other.");
  declare_model(*command, flags->model);
  auto* text = command->add_option("TEXT", flags->text, "The text");
  command->add_option("--file", flags->file, "Take the text from this file")->excludes(text);
  auto* ids = command->add_flag("--ids", flags->ids, "Print one line of ids, separated by spaces");
  command->add_flag("--json", flags->json, "Print one JSON object (docs/schemas/tokenize.json)")
      ->excludes(ids);
  command->add_flag("--no-special", flags->no_special,
                    "Do not recognise control tokens that are written in the text");
  command->callback([flags, &exit_code] { exit_code = tokenize(*flags); });
}

}  // namespace

extern constinit const Command kTokenizeCommand = {declare};

}  // namespace oag::cli
