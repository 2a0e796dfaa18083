#include "llm/bundle/hugging_face_bundle.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "llm/models/bert.h"
#include "llm/models/hugging_face_config.h"
#include "llm/text/tokenizer_json.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr size_t kMaxTokenizerBytes = size_t{256} << 20;

std::string title_of(const fs::path& folder) {
  std::error_code error;
  fs::path full = fs::canonical(folder, error);
  if (error) full = folder;
  // A snapshot of the hub's cache is named after its revision: models--ORG--NAME/snapshots/REVISION.
  const std::string cached = full.parent_path().parent_path().filename().string();
  if (full.parent_path().filename() == "snapshots" && cached.starts_with("models--"))
    return cached.substr(cached.rfind("--") + 2);
  return full.filename().empty() ? folder.string() : full.filename().string();
}

// The text of a token as tokenizer_config.json states it: a text, or an object with its content.
std::string token_text(const Json& config, std::string_view key) {
  const auto found = config.find(key);
  if (found == config.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  const auto content = found->is_object() ? found->find("content") : found->end();
  return found->is_object() && content != found->end() && content->is_string() ? content->get<std::string>()
                                                                               : "";
}

std::optional<TokenId> find_token(const Vocabulary& vocabulary, const std::string& text) {
  const auto found = std::ranges::find(vocabulary.tokens, text);
  if (text.empty() || found == vocabulary.tokens.end()) return std::nullopt;
  return static_cast<TokenId>(found - vocabulary.tokens.begin());
}

// The ids under `key`, one or a list; ids that are no token are left out with a warning: nothing can pick
// them.
std::vector<TokenId> token_ids(const Json& config, std::string_view key, const Vocabulary& vocabulary,
                               const fs::path& path) {
  const auto found = config.find(key);
  std::vector<TokenId> ids;
  if (found == config.end() || found->is_null()) return ids;
  const auto add = [&](const Json& id) {
    if (!id.is_number_integer())
      fail(ErrorCode::kCorruptData, path.string(), "{} is no token id and no list of ids", key);
    const bool is_token = id.is_number_unsigned() && id.get<uint64_t>() < vocabulary.tokens.size();
    if (is_token) {
      ids.push_back(static_cast<TokenId>(id.get<uint64_t>()));
    } else {
      log(LogLevel::kWarning, "{}: {} {} is no token of {} and is passed over", path.string(), key, id.dump(),
          vocabulary.tokens.size());
    }
  };
  if (found->is_array()) {
    for (const Json& id : *found) add(id);
  } else {
    add(*found);
  }
  return ids;
}

// Pictures stand where the tokenizer's <|image|> does; a config that means another token is of another model.
void check_image_token(const Json& config, const Tokenizer& tokenizer, const fs::path& path) {
  const auto stated = config.find("image_token_id");
  const std::optional<TokenId> token = tokenizer.find("<|image|>");
  if (!token || stated == config.end() || stated->is_null() || *stated == *token) return;
  fail(ErrorCode::kCorruptData, path.string(),
       "image_token_id is {}, but <|image|> is token {} of tokenizer.json; they must agree", stated->dump(),
       *token);
}

// The tokens with a part to play: by their texts in tokenizer_config.json, else by the configs' ids. An
// answer ends at any id that config.json or generation_config.json lists.
void read_special_ids(const fs::path& folder, Vocabulary& vocabulary) {
  const Json tokenizer_config = read_optional_json(folder / "tokenizer_config.json");
  const auto by_text = [&](std::string_view key) {
    return find_token(vocabulary, token_text(tokenizer_config, key));
  };
  const auto or_else = [](std::optional<TokenId> first, std::optional<TokenId> second) {
    return first ? first : second;
  };
  vocabulary.bos = or_else(by_text("bos_token"), vocabulary.bos);
  vocabulary.eos = or_else(by_text("eos_token"), vocabulary.eos);
  vocabulary.unknown = or_else(vocabulary.unknown, by_text("unk_token"));
  vocabulary.padding = or_else(by_text("pad_token"), vocabulary.padding);
  const auto take = [&](const Json& config, const fs::path& path) {
    const std::vector<TokenId> bos = token_ids(config, "bos_token_id", vocabulary, path);
    if (bos.size() == 1) vocabulary.bos = or_else(vocabulary.bos, bos.front());
    const std::vector<TokenId> eos = token_ids(config, "eos_token_id", vocabulary, path);
    vocabulary.more_end_ids.insert(vocabulary.more_end_ids.end(), eos.begin(), eos.end());
  };
  const fs::path config_path = folder / "config.json", generation_path = folder / "generation_config.json";
  if (is_there(config_path)) {
    const Json config = read_json(config_path);
    take(config, config_path);
    if (const auto text = config.find("text_config"); text != config.end() && text->is_object())
      take(*text, config_path);
  }
  take(read_optional_json(generation_path), generation_path);
  if (!vocabulary.eos && !vocabulary.more_end_ids.empty()) vocabulary.eos = vocabulary.more_end_ids.front();
  // Llama's tokenizer class rewrites the post-processor by these two.
  if (token_text(tokenizer_config, "tokenizer_class").starts_with("Llama")) {
    const auto flag = [&](std::string_view key, bool fallback) {
      const auto found = tokenizer_config.find(key);
      return found != tokenizer_config.end() && found->is_boolean() ? found->get<bool>() : fallback;
    };
    vocabulary.add_bos = flag("add_bos_token", true) && vocabulary.bos.has_value();
    vocabulary.add_eos = flag("add_eos_token", false) && vocabulary.eos.has_value();
  }
}

// A template, or of several that tokenizer_config.json names the one called default.
std::string template_of(const Json& config, const fs::path& path) {
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) return "";
  if (found->is_string()) return found->get<std::string>();
  if (found->is_array()) {
    for (const Json& named : *found) {
      if (named.is_object() && token_text(named, "name") == "default") return token_text(named, "template");
    }
  }
  fail(ErrorCode::kCorruptData, path.string(),
       "chat_template is neither a text nor a list with one named default");
}

// In the order in which transformers looks for it.
std::string read_chat_template(const fs::path& folder) {
  if (const fs::path path = folder / "chat_template.jinja"; is_there(path))
    return read_file(path, kMaxConfigBytes);
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    const fs::path path = folder / name;
    if (std::string text = template_of(read_optional_json(path), path); !text.empty()) return text;
  }
  return "";
}

}  // namespace

Json read_json(const fs::path& path) {
  Json json = parse_json(read_file(path, kMaxConfigBytes), path.string());
  if (!json.is_object()) fail(ErrorCode::kCorruptData, path.string(), "is no JSON object");
  return json;
}

Json read_optional_json(const fs::path& path) {
  return is_there(path) ? read_json(path) : Json::object();
}

std::shared_ptr<const SafetensorsFile> open_safetensors(const fs::path& folder) {
  try {
    return SafetensorsFile::open(folder);
  } catch (const Error& error) {
    const bool pickled =
        is_there(folder / "pytorch_model.bin") || is_there(folder / "pytorch_model.bin.index.json");
    if (error.code() != ErrorCode::kNotFound || !pickled) throw;
    fail(ErrorCode::kUnsupported, folder.string(),
         "holds its weights as pytorch_model.bin, which can run code; use the model's safetensors or a GGUF "
         "of it");
  }
}

std::shared_ptr<const Tokenizer> load_hugging_face_tokenizer(const fs::path& folder) {
  const fs::path path = folder / "tokenizer.json";
  if (!is_there(path)) {
    if (is_there(folder / "tokenizer.model")) {
      fail(ErrorCode::kUnsupported, path.string(),
           "is missing; tokenizer.model alone is not supported, use a folder with tokenizer.json or a GGUF");
    }
    fail(ErrorCode::kNotFound, path.string(), "is missing; without it a model has no words");
  }
  Vocabulary vocabulary = read_tokenizer_json(read_file(path, kMaxTokenizerBytes), path.string());
  read_special_ids(folder, vocabulary);
  return Tokenizer::create(std::move(vocabulary), path.string());
}

ModelBundle load_hugging_face_bundle(const fs::path& folder) {
  const fs::path config_path = folder / "config.json";
  if (!is_there(config_path)) {
    fail(ErrorCode::kNotFound, config_path.string(),
         "is missing; a model folder holds it beside its safetensors, or holds one GGUF file");
  }
  const Json config_json = read_json(config_path);
  if (is_encoder(config_json)) {
    fail(ErrorCode::kUnsupported, config_path.string(),
         "is the config of a text encoder, which gives vectors and no answers; use it with oag embed");
  }
  const HuggingFaceConfig config = read_hugging_face_config(config_json, config_path.string());
  ModelBundle bundle;
  bundle.path = folder;
  bundle.title = title_of(folder);
  bundle.architecture = &config.family.architecture;
  bundle.config = config.text;
  bundle.has_tower = config.has_vision;
  bundle.weights = std::make_shared<const Weights>(
      open_safetensors(folder),
      Weights::Naming{config.family.type.names, config.family.type.model_type, config.text.layers,
                      config.tied_head, config.text.experts.dense_layers});
  bundle.tokenizer = load_hugging_face_tokenizer(folder);
  const fs::path generation_path = folder / "generation_config.json";
  bundle.sampling = read_generation_config(read_optional_json(generation_path), generation_path.string());
  if (config.has_vision) check_image_token(config_json, *bundle.tokenizer, config_path);
  bundle.chat_template = read_chat_template(folder);
  return bundle;
}

ModelDescription describe_hugging_face(const fs::path& folder) {
  constexpr size_t kLongest = 80;
  ModelDescription description;
  description.title = title_of(folder);
  const Json config = read_json(folder / "config.json");
  description.architecture = token_text(config, "model_type");
  for (const auto& [key, value] : config.items()) {
    std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > kLongest) text = text.substr(0, kLongest) + fmt::format(" … ({} bytes)", text.size());
    description.metadata.emplace_back(key, std::move(text));
  }
  const auto weights = open_safetensors(folder);
  description.tensors = list_tensors(*weights);
  for (const auto& file : weights->files()) description.file_bytes += file->bytes().size();
  description.owner = weights;
  return description;
}

}  // namespace oag
