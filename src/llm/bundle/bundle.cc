#include "llm/bundle/bundle.h"

#include <map>

#include "base/error.h"
#include "llm/bundle/gguf_bundle.h"
#include "llm/bundle/hugging_face_bundle.h"
#include "llm/text/chat_template.h"

namespace oag {

bool is_folder(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

void check_takes_pictures(const ModelBundle& bundle) {
  if (!bundle.config.rope_sections.empty() && bundle.image_token) return;
  fail(ErrorCode::kUnsupported, bundle.weights->where(), "takes no pictures: it has no {}",
       bundle.image_token ? "M-RoPE sections, which files of GLM-4.1V made with its vision part have"
                          : "token <|image|>");
}

void add_vision(ModelBundle& bundle, const std::filesystem::path& given) {
  check_takes_pictures(bundle);
  const std::string& where = bundle.weights->where();
  bundle.vision = load_vision_bundle(bundle.path, given);
  if (bundle.vision->config.output_size != bundle.config.hidden_size) {
    fail(ErrorCode::kCorruptData, bundle.vision->path.string(),
         "makes rows of {} values, {} takes {}; they do not belong together",
         bundle.vision->config.output_size, where, bundle.config.hidden_size);
  }
  bundle.config.takes_images = true;
}

ModelBundle load_bundle(const std::filesystem::path& path, const BundleOptions& options) {
  ModelBundle bundle = is_folder(path) ? load_hugging_face_bundle(path) : load_gguf_bundle(path);
  const auto tokens = static_cast<int64_t>(bundle.tokenizer->size_tokens());
  if (tokens > bundle.config.vocab_size) {
    fail(ErrorCode::kCorruptData, bundle.weights->where(),
         "the tokenizer has {} tokens, the embedding only {} rows", tokens, bundle.config.vocab_size);
  }
  bundle.config.token_count = tokens;
  if (bundle.chat_template.empty()) {
    const FallbackTemplate fallback =
        fallback_chat_template(bundle.config.architecture, bundle.tokenizer->vocabulary());
    bundle.chat_template = fallback.source;
    bundle.fallback_template = fallback.name;
  }
  bundle.image_token = bundle.tokenizer->find("<|image|>");
  if (options.vision) add_vision(bundle, options.vision_path);
  return bundle;
}

std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path) {
  return is_folder(path) ? load_hugging_face_tokenizer(path) : load_tokenizer(*GgufFile::open(path));
}

ModelDescription describe_model(const std::filesystem::path& path) {
  return is_folder(path) ? describe_hugging_face(path) : describe_gguf(path);
}

Graph ModelBundle::build_graph() const {
  Graph graph = architecture->build(config, *weights);
  weights->refuse_unread();
  return graph;
}

int64_t ModelBundle::parameters() const {
  int64_t total = 0;
  for (const StoredTensor& tensor : weights->tensors()) total += element_count(tensor.dims);
  return total;
}

uint64_t ModelBundle::weight_bytes() const {
  uint64_t total = 0;
  for (const StoredTensor& tensor : weights->tensors()) total += tensor.bytes.size();
  return total;
}

uint64_t ModelBundle::file_bytes() const {
  uint64_t total = 0;
  for (const auto& file : weights->files()) total += file->bytes().size();
  return total;
}

std::string ModelBundle::precision() const {
  std::map<DType, uint64_t> bytes;
  for (const StoredTensor& tensor : weights->tensors()) bytes[tensor.dtype] += tensor.bytes.size();
  DType most = DType::kUndefined;
  for (const auto& [dtype, size] : bytes) {
    if (size > bytes[most]) most = dtype;
  }
  return std::string(dtype_name(most));
}

}  // namespace oag
