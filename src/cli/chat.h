#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/model_options.h"
#include "cli/shown_pictures.h"
#include "llm/bundle/chat_messages.h"
#include "llm/bundle/chat_prompt.h"
#include "llm/generate/language_model.h"
#include "llm/generate/vision_encoder.h"
#include "llm/text/chat_template.h"

namespace oag::cli {

struct ChatOptions {
  ModelOptions model;
  bool raw = false;
  std::optional<std::string> system;
  int64_t max_tokens = -1;
  SamplingOptions sampling;
  std::vector<std::string> stop;
  bool ignore_end = false;
  int64_t lookup_tokens = 0;
  std::vector<std::string> images;              // files, shown with the first text
  bool more_images = false;                     // others may come with add_image()
  std::string vision_file;                      // empty: the one beside the model
  std::optional<ContentFormat> content_format;  // none: the model's own
  GlmImageOptions image_options;
};

struct Answer {
  std::vector<TokenId> prompt_ids;
  int64_t image_tokens = 0;  // of the prompt's
  double image_ms = 0;       // that the pictures took, before the prompt was read
  GenerationResult result;
};

// A loaded model and a conversation with it.
class Chat {
 public:
  explicit Chat(const ChatOptions& options);

  // Adds the user's text, streams the answer through `on_text` and keeps it in the history unless it failed
  // or was cancelled before it said anything. An interrupt (InterruptScope) cancels it, and so does `on_text`
  // by returning false.
  Answer ask(const std::string& text, const std::function<bool(std::string_view)>& on_text);
  // Shows a picture (a file or a data URI) with the next text; its width and height. Errors: those of
  // read_image; what is missing where the model takes no pictures.
  std::pair<int, int> add_image(const std::string& source);
  // Forgets the conversation, and pictures that were not shown yet.
  void reset();

  double load_ms() const { return load_ms_; }
  int64_t max_tokens() const { return options_.max_tokens; }  // of an answer; -1: until the context is full
  std::string stats_line(const Answer& answer) const;
  const ModelBundle& bundle() const { return bundle_; }

 private:
  void begin();
  void try_vision();
  void encode_images(Answer& answer);
  std::vector<TokenId> encode_prompt(const std::string& text, size_t images);
  void check_length(std::string_view text) const;

  ChatOptions options_;
  TimePoint created_ = Clock::now();
  ShownPictures pictures_;  // for the next text
  ModelBundle bundle_;
  std::optional<Error> no_vision_;  // why bundle_ has no vision, where that was tried
  std::optional<ChatTemplate> template_;
  std::shared_ptr<Runtime> runtime_;
  std::unique_ptr<LanguageModel> model_;
  std::vector<EncodedImage> images_;  // of the conversation
  Json messages_ = Json::array();     // as read_chat_messages takes them
  double load_ms_ = 0;
};

// The chat on a terminal, until /exit or end of input, with figures after each answer if asked for. Returns
// the exit code.
int chat_on_terminal(Chat& chat, bool show_stats);

}  // namespace oag::cli
