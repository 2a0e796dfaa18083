// What stands in a model's files.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "cli/doctor.h"
#include "cli/doctor_attempt.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "llm/bundle/chat_prompt.h"
#include "llm/bundle/encoder_bundle.h"
#include "llm/bundle/model_reference.h"

namespace oag::cli {
namespace {

constexpr std::string_view kUserText = "What is on this screen?";

// "q4_k 4.1 GB, q6_k 1.1 GB", most bytes first.
std::string storage_text(const std::vector<StoredTensor>& tensors, Json& json) {
  std::map<std::string, uint64_t> bytes;
  for (const StoredTensor& tensor : tensors) bytes[tensor.type_name] += tensor.bytes.size();
  std::vector<std::pair<std::string, uint64_t>> sorted(bytes.begin(), bytes.end());
  std::ranges::sort(sorted, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::string text;
  json = Json::array();
  for (const auto& [name, size] : sorted) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, format_bytes(size));
    json.push_back({{"type", name}, {"bytes", size}});
  }
  return text;
}

Json test_dialogue(bool with_system, bool with_picture) {
  Json messages = Json::array();
  if (with_system) messages.push_back({{"role", "system"}, {"content", "Answer briefly."}});
  messages.push_back(user_message("Hello!", 0));
  messages.push_back({{"role", "assistant"}, {"content", "Hello."}});
  messages.push_back(user_message(kUserText, with_picture ? 1 : 0));
  return messages;
}

// What the template makes of a dialogue; some know no system message.
std::string render_test(const ModelBundle& bundle, const ChatTemplate& chat_template, bool with_picture,
                        bool& system_refused) {
  const auto render = [&](bool with_system) {
    const ChatMessages chat = read_chat_messages(*bundle.tokenizer, test_dialogue(with_system, with_picture),
                                                 own_content_format(bundle));
    return render_chat(chat_template, *bundle.tokenizer, chat.list);
  };
  try {
    return render(true);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    system_refused = true;
    return render(false);
  }
}

}  // namespace

// A text encoder makes vectors, and is used otherwise than what follows checks.
void Doctor::examine_encoder(const std::filesystem::path& path) {
  figures_["format"] = "hugging_face";
  attempt("model", "fetch the model again", [&] {
    const auto encoder = load_encoder_bundle(path);
    encoder->build_graph();
    figures_["architecture"] = "bert";
    add("architecture", Verdict::kOk,
        fmt::format("text encoder (BERT), {} layers of {}, texts of up to {} tokens", encoder->config.layers,
                    encoder->config.hidden_size, encoder->max_tokens));
    add("storage", Verdict::kOk, storage_text(encoder->weights->tensors(), figures_["storage"]));
    add("use", Verdict::kNote, "it makes vectors and no answers: `oag embed` uses it");
  });
}

bool Doctor::load(const std::filesystem::path& path) {
  const bool folder = is_folder(path);
  figures_["format"] = folder ? "hugging_face" : "gguf";
  const bool loaded =
      attempt("model", "fetch the model again, or choose another one", [&] { bundle_ = load_bundle(path); });
  if (!loaded) return false;
  const TextConfig& config = bundle_->config;
  figures_["name"] = bundle_->name();
  figures_["architecture"] = config.architecture;
  figures_["file_bytes"] = bundle_->file_bytes();
  figures_["context_tokens"] = config.context_tokens;
  add("format", Verdict::kOk,
      fmt::format("{}, {} in {}, {} tensors", folder ? "Hugging Face folder" : "GGUF",
                  format_bytes(bundle_->file_bytes()),
                  bundle_->weights->files().size() == 1
                      ? "1 file"
                      : fmt::format("{} files", bundle_->weights->files().size()),
                  bundle_->weights->tensors().size()));
  add("architecture", Verdict::kOk,
      fmt::format("{} ({}), {} parameters, {} layers of {}, trained for {} tokens", config.architecture,
                  bundle_->architecture->title, format_count(static_cast<uint64_t>(bundle_->parameters())),
                  config.layers, config.hidden_size,
                  format_count(static_cast<uint64_t>(config.context_tokens))));
  return attempt("tensors", "fetch the model again", [&] {
    bundle_->build_graph();
    figures_["fingerprint"] = model_fingerprint(*bundle_);
  });
}

void Doctor::check_storage() {
  add("storage", Verdict::kOk, storage_text(bundle_->weights->tensors(), figures_["storage"]));
}

void Doctor::check_tokenizer() {
  const Tokenizer& tokenizer = *bundle_->tokenizer;
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  std::string ends;
  for (const TokenId id : tokenizer.end_ids())
    ends += fmt::format("{}{} {}", ends.empty() ? "" : ", ", id, tokenizer.token_bytes(id, true));
  const bool bytes = vocabulary.model == "gpt2";
  const bool unknown_pre = bytes && (vocabulary.pre.empty() || vocabulary.pre == "default");
  figures_["tokenizer"] = {
      {"model", vocabulary.model},
      {"pre", vocabulary.pre},
      {"pre_known", !unknown_pre},
      {"tokens", tokenizer.size_tokens()},
      {"end_ids", std::vector<TokenId>(tokenizer.end_ids().begin(), tokenizer.end_ids().end())}};
  const std::string text =
      fmt::format("{}{}, {} tokens; answers end at {}", bytes ? "byte-level BPE" : "SentencePiece",
                  bytes ? fmt::format(", pre-tokenizer {}", vocabulary.pre) : "",
                  format_count(tokenizer.size_tokens()), ends.empty() ? "no token" : ends);
  if (ends.empty()) {
    add("tokenizer", Verdict::kWarning, text, "limit answers with --max-tokens or --stop");
  } else if (unknown_pre) {
    add("tokenizer", Verdict::kWarning, text,
        "the file does not say how texts are cut before merging, so tokens may differ from training: "
        "convert the model again with a newer tool");
  } else {
    add("tokenizer", Verdict::kOk, text);
  }
  attempt("text", "", [&] {
    constexpr std::string_view kText = "Open 微信, tap [512, 300] at 7:45!\n";
    const std::vector<TokenId> ids = tokenizer.encode(kText, {.parse_special = false, .add_special = false});
    const bool same = tokenizer.decode(ids, false) == kText;
    add("text", same ? Verdict::kOk : Verdict::kWarning,
        fmt::format("a sentence of {} bytes becomes {} tokens, which {}", kText.size(), ids.size(),
                    same ? "give it back" : "give another text back"),
        same ? "" : "the vocabulary cannot write every text; expect odd answers in other languages");
  });
}

void Doctor::check_template() {
  const bool fallback = bundle_->template_is_fallback();
  figures_["chat_template"] = fallback ? "fallback" : "file";
  const std::string_view format = content_format_name(own_content_format(*bundle_));
  figures_["content_format"] = format;
  attempt("chat template", "`oag run --raw` takes prompts without a template", [&] {
    const ChatTemplate chat_template =
        ChatTemplate::compile(bundle_->chat_template, bundle_->path.string() + " chat template");
    bool system_refused = false;
    const bool picture = bundle_->vision != nullptr;
    const std::string rendered = render_test(*bundle_, chat_template, picture, system_refused);
    const std::vector<TokenId> ids = encode_rendered_chat(*bundle_->tokenizer, rendered);
    if (shown_chat(rendered).find(kUserText) == std::string::npos)
      fail(ErrorCode::kCorruptData, "chat template", "leaves out what the user says");
    if (picture && std::ranges::count(ids, *bundle_->image_token) != 1) {
      fail(ErrorCode::kCorruptData, "chat template",
           "writes {} places for one picture; --content-format string puts them into the text",
           std::ranges::count(ids, *bundle_->image_token));
    }
    const std::string text = fmt::format("a test dialogue of 4 messages becomes {} tokens{}{}", ids.size(),
                                         system_refused ? ", without its system message" : "",
                                         picture ? fmt::format("; --content-format {}", format) : "");
    if (fallback) {
      add("chat template", Verdict::kWarning,
          fmt::format("none of its own, that of the family {} is used; {}", bundle_->fallback_template, text),
          "compare the prompt (oag tokenize --chat) with the model's documentation");
    } else {
      add("chat template", Verdict::kOk, "its own; " + text);
    }
  });
}

void Doctor::check_vision(const std::filesystem::path& path) {
  const bool needed =
      !bundle_->config.rope_sections.empty() && bundle_->tokenizer->find("<|image|>").has_value();
  figures_["vision"] = {{"needed", needed}, {"there", false}};
  if (!needed && options_.vision_file.empty()) {
    add("vision tower", Verdict::kOk, "none needed: it takes text alone");
    return;
  }
  attempt("vision tower", "fetch its vision file again", [&] {
    ModelBundle whole = load_bundle(path, {true, options_.vision_file});
    whole.vision->build_graph();
    bundle_ = std::move(whole);
    const VisionConfig& vision = bundle_->vision->config;
    uint64_t bytes = 0;
    Json storage;
    std::vector<StoredTensor> tower;
    for (const StoredTensor& tensor : bundle_->vision->weights->tensors()) {
      if (!tensor.gguf_name.starts_with("v.") && !tensor.gguf_name.starts_with("mm.")) continue;
      tower.push_back(tensor);
      bytes += tensor.bytes.size();
    }
    const std::string types = storage_text(tower, storage);
    figures_["vision"] = {{"needed", needed},
                          {"there", true},
                          {"path", bundle_->vision->path.string()},
                          {"weight_bytes", bytes},
                          {"storage", std::move(storage)},
                          {"layers", vision.layers},
                          {"hidden_size", vision.hidden_size}};
    add("vision tower", Verdict::kOk,
        fmt::format("{}, {} layers of {}, {}", bundle_->vision->path.filename().string(), vision.layers,
                    vision.hidden_size, types));
  });
}

}  // namespace oag::cli
