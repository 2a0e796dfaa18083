#include "llm/bundle/encoder_bundle.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "llm/bundle/hugging_face_bundle.h"
#include "llm/models/config_reader.h"
#include "llm/models/text_config.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

void read_modules(const fs::path& folder, EncoderBundle& bundle) {
  const fs::path path = folder / "modules.json";
  if (!is_there(path)) return;
  const EncoderModules modules =
      parse_encoder_modules(parse_json(read_file(path, size_t{1} << 20), path.string()), path.string());
  bundle.normalised = modules.normalised;
  if (modules.pooling_folder.empty()) return;
  const fs::path pooling = folder / modules.pooling_folder / "config.json";
  bundle.pooling = parse_pooling(read_json(pooling), pooling.string());
}

int64_t read_max_tokens(const fs::path& folder, const EncoderConfig& config) {
  const auto read = [&](const char* file, const char* key) -> std::optional<int64_t> {
    const Json json = read_optional_json(folder / file);
    const auto found = json.find(key);
    if (found == json.end() || !found->is_number_unsigned()) return std::nullopt;
    return static_cast<int64_t>(std::min<uint64_t>(found->get<uint64_t>(), uint64_t{kMaxWidth}));
  };
  const auto stated = read("sentence_bert_config.json", "max_seq_length");
  const int64_t most =
      stated ? *stated : read("tokenizer_config.json", "model_max_length").value_or(kMaxWidth);
  return std::min(most, config.positions);
}

}  // namespace

Pooling parse_pooling(const Json& json, std::string_view where) {
  if (!json.is_object()) fail(ErrorCode::kCorruptData, where, "is no JSON object");
  const ConfigReader config(json, where);
  // Of pooling_mode_… the one that is on, or pooling_mode's name.
  std::string mode = config.find_text("pooling_mode").value_or("");
  for (const auto& [key, value] : json.items()) {
    constexpr std::string_view kKey = "pooling_mode_";
    if (!key.starts_with(kKey) || value != true) continue;
    mode += (mode.empty() ? "" : "+") + key.substr(kKey.size());
  }
  if (mode == "mean_tokens" || mode == "mean") return Pooling::kMean;
  if (mode == "cls_token" || mode == "cls") return Pooling::kFirst;
  config.unsupported("pooling_mode", fmt::format("is \"{}\", known: mean, cls", mode.substr(0, 128)));
}

EncoderModules parse_encoder_modules(const Json& modules, std::string_view where) {
  if (!modules.is_array()) fail(ErrorCode::kCorruptData, where, "is no list of modules");
  EncoderModules result;
  for (const Json& module : modules) {
    if (!module.is_object()) fail(ErrorCode::kCorruptData, where, "has a module that is no object");
    const ConfigReader reader(module, where);
    const std::string type = reader.find_text("type").value_or("");
    const std::string kind = type.substr(type.rfind('.') + 1);
    if (kind == "Pooling") {
      const std::string name = reader.find_text("path").value_or("");
      if (name.empty() || name.find('/') != std::string::npos || name.starts_with("."))
        reader.refuse("path", fmt::format("is \"{}\", expected a folder beside it", name.substr(0, 64)));
      result.pooling_folder = name;
    } else if (kind == "Normalize") {
      result.normalised = true;
    } else if (kind != "Transformer") {
      reader.unsupported(
          "type", fmt::format("is \"{}\", known: Transformer, Pooling, Normalize", type.substr(0, 128)));
    }
  }
  return result;
}

bool is_encoder_folder(const fs::path& path) {
  const fs::path config = path / "config.json";
  if (!is_folder(path) || !is_there(config)) return false;
  try {
    return is_encoder(read_json(config));
  } catch (const Error&) {
    return false;
  }
}

Graph EncoderBundle::build_graph() const {
  Graph graph = build_encoder(config, *weights);
  weights->refuse_unread();
  return graph;
}

std::shared_ptr<const EncoderBundle> load_encoder_bundle(const fs::path& folder) {
  if (!is_folder(folder)) {
    fail(ErrorCode::kUnsupported, folder.string(),
         "is no Hugging Face folder, the only form in which text encoders are read");
  }
  const fs::path config_path = folder / "config.json";
  auto bundle = std::make_shared<EncoderBundle>();
  bundle->path = folder;
  bundle->config = read_encoder_config(read_json(config_path), config_path.string());
  bundle->weights = std::make_shared<const Weights>(open_safetensors(folder), encoder_naming(bundle->config));
  bundle->tokenizer = load_hugging_face_tokenizer(folder);
  const auto tokens = static_cast<int64_t>(bundle->tokenizer->size_tokens());
  if (tokens > bundle->config.vocab_size) {
    fail(ErrorCode::kCorruptData, bundle->weights->where(),
         "the tokenizer has {} tokens, the embedding only {} rows", tokens, bundle->config.vocab_size);
  }
  read_modules(folder, *bundle);
  bundle->max_tokens = read_max_tokens(folder, bundle->config);
  if (bundle->max_tokens < 3) {
    fail(ErrorCode::kCorruptData, folder.string(), "texts may have {} tokens; expected at least 3",
         bundle->max_tokens);
  }
  return bundle;
}

}  // namespace oag
