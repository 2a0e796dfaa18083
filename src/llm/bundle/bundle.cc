#include "llm/bundle/bundle.h"

#include <algorithm>
#include <map>

#include "base/error.h"
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
  if (merges) vocabulary.merges.assign(merges->begin(), merges->end());
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

std::optional<TokenId> find_token(const Vocabulary& vocabulary, std::string_view text) {
  const auto found = std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), text);
  if (found == vocabulary.tokens.end()) return std::nullopt;
  return static_cast<TokenId>(found - vocabulary.tokens.begin());
}

void load_vision(ModelBundle& bundle, std::filesystem::path path) {
  const std::string where = bundle.file->where();
  bundle.image_token = find_token(bundle.tokenizer->vocabulary(), "<|image|>");
  if (bundle.config.rope_sections.empty() || !bundle.image_token) {
    fail(ErrorCode::kUnsupported, where,
         "takes no pictures: it has no {}; files of GLM-4.1V that do were made with its vision part",
         bundle.image_token ? "M-RoPE sections (rope.dimension_sections)" : "token <|image|>");
  }
  if (path.empty()) {
    const auto beside = find_vision_file(bundle.path);
    if (!beside) {
      fail(ErrorCode::kNotFound, where,
           "has no vision tower beside it; put its mmproj-….gguf into the same folder or name it with "
           "--mmproj");
    }
    path = *beside;
  }
  bundle.vision = load_vision_bundle(path);
  if (bundle.vision->config.output_size != bundle.config.hidden_size) {
    fail(ErrorCode::kCorruptData, path.string(),
         "makes rows of {} values, {} takes {}; they do not belong together",
         bundle.vision->config.output_size, where, bundle.config.hidden_size);
  }
  bundle.config.takes_images = true;
}

}  // namespace

std::shared_ptr<const Tokenizer> load_tokenizer(const GgufFile& file) {
  return Tokenizer::create(read_vocabulary(file), file.where());
}

ModelBundle load_bundle(const std::filesystem::path& path, const BundleOptions& options) {
  ModelBundle bundle;
  bundle.path = path;
  bundle.file = GgufFile::open(path);
  bundle.architecture =
      &find_architecture(bundle.file->get_string("general.architecture"), bundle.file->where());
  bundle.config = read_text_config(*bundle.file);
  bundle.config.vocab_size = read_vocab_size(*bundle.file);
  bundle.tokenizer = load_tokenizer(*bundle.file);
  if (static_cast<int64_t>(bundle.tokenizer->size_tokens()) > bundle.config.vocab_size) {
    fail(ErrorCode::kCorruptData, bundle.file->where(),
         "the tokenizer has {} tokens, the embedding only {} rows", bundle.tokenizer->size_tokens(),
         bundle.config.vocab_size);
  }
  bundle.config.token_count = static_cast<int64_t>(bundle.tokenizer->size_tokens());
  if (const auto own = bundle.file->find_string("tokenizer.chat_template")) {
    bundle.chat_template = *own;
  } else {
    const FallbackTemplate fallback =
        fallback_chat_template(bundle.config.architecture, bundle.tokenizer->vocabulary());
    bundle.chat_template = fallback.source;
    bundle.fallback_template = fallback.name;
  }
  if (options.vision) load_vision(bundle, options.vision_path);
  return bundle;
}

std::string ModelBundle::name() const {
  return std::string(file->find_string("general.name").value_or(path.stem().string()));
}

int64_t ModelBundle::parameters() const {
  int64_t total = 0;
  for (const GgufTensor& tensor : file->tensors()) total += element_count(Dims(tensor.dims));
  return total;
}

uint64_t ModelBundle::weight_bytes() const {
  uint64_t total = 0;
  for (const GgufTensor& tensor : file->tensors()) total += tensor.bytes.size();
  return total;
}

std::string ModelBundle::precision() const {
  std::map<DType, uint64_t> bytes;
  for (const GgufTensor& tensor : file->tensors()) bytes[tensor.dtype] += tensor.bytes.size();
  DType most = DType::kUndefined;
  for (const auto& [dtype, size] : bytes) {
    if (size > bytes[most]) most = dtype;
  }
  return std::string(dtype_name(most));
}

}  // namespace oag
