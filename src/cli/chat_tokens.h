#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/model_options.h"
#include "llm/bundle/chat_messages.h"
#include "llm/vision/mrope_positions.h"

namespace oag::cli {

// What `oag tokenize --chat` shows.
struct ChatTokensOptions {
  std::string model;
  std::string messages;             // file; "-": standard input
  std::vector<std::string> images;  // files, for the pictures of the messages that bring none
  std::string vision_file;
  std::optional<ContentFormat> content_format;  // none: the model's own
  GlmImageOptions image_options;
  bool generation_prompt = true;
};

// A prompt as a model reads it.
struct ChatTokens {
  std::string template_source;  // "file" or "fallback"
  ContentFormat content_format = ContentFormat::kList;
  std::string prompt;               // one token stands for each picture
  std::vector<TokenId> ids;         // pictures expanded, where their sizes are known
  std::vector<ImageGrid> pictures;  // of merged patches; empty where sizes are not known
  size_t picture_count = 0;
  std::vector<PromptRun> runs;
  MropePositions positions;
  bool mrope = false;  // positions have three axes, else the first is all there is
};

// Errors: as load_bundle, read_chat_messages and ChatTemplate::render; kInvalidArgument for more or fewer
// images than the messages have places for.
ChatTokens chat_tokens(const ChatTokensOptions& options, const ModelBundle& bundle, const Json& messages);

// The messages of a file or standard input: a list, or an object with `messages`. Errors: kCorruptData,
// kUnsupported for an object with tools.
Json read_messages(const std::string& name);

// Loads the model, with its vision tower where the messages have pictures whose sizes are known.
ModelBundle load_for_chat(const ChatTokensOptions& options, const Json& messages);

bool is_special(const Tokenizer& tokenizer, TokenId id);
Json chat_tokens_json(const ChatTokens& chat, const Tokenizer& tokenizer, const ChatTokensOptions& options);
std::string chat_tokens_text(const ChatTokens& chat, const Tokenizer& tokenizer);

}  // namespace oag::cli
