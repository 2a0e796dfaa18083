#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "llm/bundle/bundle.h"
#include "llm/bundle/encoder_bundle.h"
#include "llm/generate/language_model.h"
#include "llm/generate/text_embedder.h"
#include "llm/text/chat_template.h"
#include "service/serve/grammar_cache.h"
#include "service/serve/picture_store.h"
#include "service/serve/serve_options.h"

namespace oag {

// A model that is loaded and warm: a language model, with its vision tower where it has one, or a text
// encoder. Thread safe.
class ServedModel {
 public:
  // What is known of a model before it takes memory; what its files can be wrong in has been looked at.
  struct Plan {
    ModelSpec spec;
    ModelSettings settings;
    ModelBundle bundle;                            // of a language model
    std::optional<ChatTemplate> chat_template;     // likewise
    std::shared_ptr<const EncoderBundle> encoder;  // of a text encoder
    uint64_t weight_bytes = 0;
    uint64_t least_bytes = 0;  // weights, and the smallest cache that the settings allow
  };
  // Errors: those of load_bundle, add_vision and compile_chat_template.
  static Plan plan(const std::shared_ptr<Runtime>& runtime, const std::filesystem::path& path,
                   const ModelSpec& spec, const ModelSettings& settings);

  // Loads and computes once, so that the first request finds everything in its place. `memory_limit`: bytes
  // of weights and cache; 0: what is free. Errors: those of LanguageModel; kOutOfMemory beyond the limit.
  static std::shared_ptr<ServedModel> load(const std::shared_ptr<Runtime>& runtime, Plan plan,
                                           uint64_t memory_limit);

  const std::string& name() const { return name_; }
  int64_t created() const { return created_; }  // seconds since 1970
  const ModelSettings& settings() const { return settings_; }
  uint64_t memory_bytes() const { return memory_bytes_; }  // weights and cache
  bool generates() const { return language_model_ != nullptr; }
  bool embeds() const { return embedder_ != nullptr; }
  bool sees() const { return pictures_ != nullptr; }

  const ModelBundle& bundle() const { return bundle_; }
  int64_t fallback_operators() const { return fallback_operators_; }  // that run on the reference kernel
  const std::shared_ptr<const Tokenizer>& tokenizer() const;
  const ChatTemplate& chat_template() const { return *template_; }
  ContentFormat content_format() const;
  int64_t context_tokens() const;
  std::string summary() const;                             // what it is and what it takes, for the log
  size_t longest_token() const { return longest_token_; }  // bytes

  // Errors: RequestError (unsupported_model) where the model is of the other kind.
  LanguageModel& language_model();
  const TextEmbedder& embedder() const;
  PictureStore& pictures();
  GrammarCache& grammars() { return *grammars_; }

  // A place for `answers` at work or in the queue, given back by the ticket's end. Null where the queue is
  // full.
  class Ticket;
  std::unique_ptr<Ticket> admit(int64_t answers);
  int64_t admitted() const { return admitted_.load(); }
  int64_t capacity() const { return settings_.parallel + settings_.max_queue; }

 private:
  ServedModel(std::string name, const ModelSettings& settings);
  void load_language_model(const std::shared_ptr<Runtime>& runtime, Plan plan, uint64_t memory_limit);
  void warm_up();

  std::string name_;
  ModelSettings settings_;
  int64_t created_;
  uint64_t memory_bytes_ = 0;
  int64_t fallback_operators_ = 0;
  size_t longest_token_ = 1;
  ModelBundle bundle_;
  std::optional<ChatTemplate> template_;
  std::unique_ptr<GrammarCache> grammars_;
  std::unique_ptr<LanguageModel> language_model_;
  std::unique_ptr<PictureStore> pictures_;
  std::unique_ptr<TextEmbedder> embedder_;
  std::atomic<int64_t> admitted_{0};
};

class ServedModel::Ticket {
 public:
  Ticket(std::atomic<int64_t>& admitted, int64_t answers) : admitted_(admitted), answers_(answers) {}
  ~Ticket() { admitted_ -= answers_; }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

 private:
  std::atomic<int64_t>& admitted_;
  int64_t answers_;
};

}  // namespace oag
