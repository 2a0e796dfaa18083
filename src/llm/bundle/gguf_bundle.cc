#include "llm/bundle/gguf_bundle.h"

#include <fmt/format.h>

#include "base/error.h"
#include "llm/bundle/gguf_keys.h"
#include "llm/text/chat_template.h"

namespace oag {
namespace {

Vocabulary read_vocabulary(const GgufMetadata& metadata) {
  Vocabulary vocabulary;
  vocabulary.model = metadata.get_string("tokenizer.ggml.model");
  vocabulary.pre = metadata.find_string("tokenizer.ggml.pre").value_or("default");
  for (const std::string_view token : metadata.get_string_array("tokenizer.ggml.tokens"))
    vocabulary.tokens.emplace_back(token);
  vocabulary.scores = metadata.find_f32_array("tokenizer.ggml.scores").value_or(std::vector<float>{});
  for (const int32_t type :
       metadata.find_i32_array("tokenizer.ggml.token_type").value_or(std::vector<int32_t>{})) {
    if (type < 1 || type > 6)
      fail(ErrorCode::kCorruptData, metadata.where(), "token type {} is outside [1, 6]", type);
    vocabulary.types.push_back(static_cast<TokenType>(type));
  }
  const auto merges = metadata.find_string_array("tokenizer.ggml.merges");
  // SentencePiece in GGUF goes by scores.
  if (merges && vocabulary.model == "gpt2") vocabulary.merges.assign(merges->begin(), merges->end());
  const auto id = [&](const char* key) -> std::optional<TokenId> {
    const auto value = metadata.find_u64(std::string("tokenizer.ggml.") + key);
    if (!value) return std::nullopt;
    if (*value >= vocabulary.tokens.size()) {
      fail(ErrorCode::kCorruptData, metadata.where(), "key tokenizer.ggml.{}: {} is no token of {}", key,
           *value, vocabulary.tokens.size());
    }
    return static_cast<TokenId>(*value);
  };
  vocabulary.bos = id("bos_token_id");
  vocabulary.eos = id("eos_token_id");
  vocabulary.eot = id("eot_token_id");
  vocabulary.eom = id("eom_token_id");
  vocabulary.unknown = id("unknown_token_id");
  vocabulary.padding = id("padding_token_id");
  for (const int32_t end : metadata.find_i32_array(kEndIdsKey).value_or(std::vector<int32_t>{})) {
    if (end < 0 || static_cast<size_t>(end) >= vocabulary.tokens.size()) {
      fail(ErrorCode::kCorruptData, metadata.where(), "key {}: {} is no token of {}", kEndIdsKey, end,
           vocabulary.tokens.size());
    }
    vocabulary.more_end_ids.push_back(end);
  }
  vocabulary.add_bos = metadata.find_bool("tokenizer.ggml.add_bos_token");
  vocabulary.add_eos = metadata.find_bool("tokenizer.ggml.add_eos_token");
  vocabulary.add_space_prefix = metadata.find_bool("tokenizer.ggml.add_space_prefix");
  return vocabulary;
}

int64_t read_vocab_size(const GgufFile& file) {
  const GgufTensor& table = file.tensor("token_embd.weight");
  if (table.dims.size() != 2) {
    fail(ErrorCode::kCorruptData, file.where(),
         "tensor token_embd.weight is {}, expected [vocabulary, hidden]", to_string(Dims(table.dims)));
  }
  return table.dims[0];
}

// A metadata value on one line: long texts are cut, arrays counted.
std::string value_text(const GgufValue& value) {
  constexpr size_t kLongest = 80;
  if (const auto* text = std::get_if<std::string>(&value.data)) {
    const bool cut = text->size() > kLongest;
    return fmt::format("\"{}\"{}", std::string_view(*text).substr(0, kLongest),
                       cut ? fmt::format(" … ({} bytes)", text->size()) : "");
  }
  if (const auto* flag = std::get_if<bool>(&value.data)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<uint64_t>(&value.data)) return std::to_string(*number);
  if (const auto* number = std::get_if<int64_t>(&value.data)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&value.data)) return fmt::format("{:g}", *number);
  return value.describe();
}

std::string title_of(const GgufFile& file, const std::filesystem::path& path) {
  return std::string(file.find_string("general.name").value_or(path.stem().string()));
}

}  // namespace

std::shared_ptr<const Tokenizer> load_tokenizer(const GgufFile& file) {
  return Tokenizer::create(read_vocabulary(file), file.where());
}

ModelBundle load_gguf_bundle(const std::filesystem::path& path) {
  const auto file = GgufFile::open(path);
  ModelBundle bundle;
  bundle.path = path;
  bundle.title = title_of(*file, path);
  if (file->get_string("general.architecture") == "clip") {
    fail(ErrorCode::kUnsupported, file->where(),
         "is the vision tower of a model (mmproj); name the model's own file, which takes this one from "
         "beside "
         "it or with --mmproj");
  }
  bundle.architecture = &find_architecture(file->get_string("general.architecture"), file->where());
  bundle.config = read_text_config(*file);
  if (bundle.config.experts.count > 0 && !bundle.architecture->has_experts) {
    fail(ErrorCode::kUnsupported, file->where(),
         "is a mixture of {} experts, which is not supported for architecture {}; known: glm4moe",
         bundle.config.experts.count, bundle.architecture->name);
  }
  bundle.config.rope_pairing = bundle.architecture->gguf_pairing(bundle.config);
  bundle.config.vocab_size = read_vocab_size(*file);
  bundle.weights = std::make_shared<const Weights>(file);
  bundle.tokenizer = load_tokenizer(*file);
  bundle.sampling = read_sampling_keys(*file);
  bundle.chat_template = std::string(file->find_string("tokenizer.chat_template").value_or(""));
  return bundle;
}

ModelDescription describe_gguf(const std::filesystem::path& path) {
  const auto file = GgufFile::open(path);
  ModelDescription description;
  description.title = title_of(*file, path);
  description.architecture = std::string(file->find_string("general.architecture").value_or(""));
  for (const GgufMetadata::Entry& entry : file->entries())
    description.metadata.emplace_back(entry.key, value_text(entry.value));
  description.tensors = list_tensors(*file);
  for (const auto& part : file->files()) description.file_bytes += part->bytes().size();
  description.owner = file;
  return description;
}

}  // namespace oag
