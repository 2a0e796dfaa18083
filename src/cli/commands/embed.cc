// oag embed: texts to vectors.
#include <fmt/format.h>

#include <iostream>

#include "api/model_path.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "llm/generate/text_embedder.h"

namespace oag::cli {
namespace {

struct EmbedFlags {
  ModelOptions model;
  std::vector<std::string> texts;
  int64_t max_tokens = 0;
  bool json = false;
};

std::vector<std::string> read_lines() {
  if (stdin_is_terminal()) print_stderr("reading texts from the keyboard, one a line; Ctrl-D ends them\n");
  std::vector<std::string> lines;
  for (std::string line; std::getline(std::cin, line);) lines.push_back(line);
  return lines;
}

// The first values alone: a vector of hundreds is for programs.
std::vector<std::string> table_row(const std::string& text, const Embedding& embedding) {
  constexpr size_t kShownValues = 4, kShownBytes = 40;
  std::string values;
  for (size_t i = 0; i < std::min(kShownValues, embedding.values.size()); ++i)
    values += fmt::format("{:.5f} ", embedding.values[i]);
  const std::string shown = text.size() <= kShownBytes ? text : text.substr(0, kShownBytes) + "…";
  return {std::to_string(embedding.tokens), embedding.truncated ? "yes" : "no", values + "…",
          quoted(std::string_view(shown))};
}

int embed(const EmbedFlags& flags) {
  const auto bundle = load_encoder_bundle(find_model_file(flags.model.model));
  const TextEmbedder embedder(make_runtime(flags.model), bundle, flags.max_tokens);
  const std::vector<std::string> texts = flags.texts.empty() ? read_lines() : flags.texts;
  InterruptibleRun run;
  std::vector<std::vector<std::string>> rows = {{"tokens", "cut", "vector", "text"}};
  for (size_t i = 0; i < texts.size(); ++i) {
    Embedding embedding;
    if (embedder.embed(texts[i], run.control(), embedding) != RunState::kDone) run.check();
    if (flags.json) {
      const Json line = {{"schema", "oag.embed/1"},
                         {"index", i},
                         {"tokens", embedding.tokens},
                         {"truncated", embedding.truncated},
                         {"embedding", embedding.values}};
      fmt::print("{}\n", line.dump());
    } else {
      rows.push_back(table_row(texts[i], embedding));
    }
  }
  if (!flags.json) fmt::print("{}", format_table(rows));
  return kExitOk;
}

void declare(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<EmbedFlags>();
  CLI::App* command = app.add_subcommand("embed", "Turn texts into vectors with a text encoder");
  command->footer(
      "MODEL is a Hugging Face folder of a BERT encoder, such as all-MiniLM-L6-v2. Texts come from -p, or "
      "are\n"
      "the lines of standard input. Vectors are pooled and scaled as the folder's modules.json says "
      "(without\n"
      "it, the mean at length 1), so that the product of two is their likeness.");
  flags->model.declare_device(*command);
  command->add_option("-p,--prompt", flags->texts, "A text; may be given several times")
      ->allow_extra_args(false);
  command
      ->add_option("--max-tokens", flags->max_tokens,
                   "Cut texts at so many tokens (default: as the model's files say)")
      ->check(whole_number(3, 1 << 20));
  command->add_flag("--json", flags->json, "Print a JSON object a line (docs/schemas/embed.json)");
  command->callback([flags, &exit_code] { exit_code = embed(*flags); });
}

}  // namespace

extern constinit const Command kEmbedCommand = {declare};

}  // namespace oag::cli
