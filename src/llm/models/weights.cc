#include "llm/models/weights.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/error.h"

namespace oag {
namespace {

// Tables that old checkpoints carry, and that are computed.
bool is_computed_table(std::string_view name) {
  return name.ends_with("rotary_emb.inv_freq") || name.ends_with("rotary_pos_emb.inv_freq") ||
         name.ends_with(".masked_bias") || name.ends_with("position_ids");
}

// These, and parts that are not the text model.
bool is_known_extra(std::string_view name) {
  const std::string_view rest = without_text_prefix(name);
  return is_computed_table(name) || rest.starts_with("visual.") || rest.starts_with("vision");
}

bool is_quantisation(std::string_view name) {
  constexpr std::string_view kEndings[] = {
      ".qweight", ".qzeros", ".scales",      ".weight_scale",  ".weight_scale_inv",
      ".g_idx",   ".absmax", ".input_scale", ".weight_packed", ".weight_zero_point"};
  return std::ranges::any_of(kEndings, [&](std::string_view ending) { return name.ends_with(ending); }) ||
         name.find(".weight.quant_") != std::string_view::npos;
}

// The number behind `word` in a name, as in "layers.<number>.", or -1.
int64_t layer_of(std::string_view name, std::string_view word) {
  constexpr size_t kMostDigits = 7;
  const size_t at = name.find(word);
  if (at == std::string_view::npos) return -1;
  name.remove_prefix(at + word.size());
  int64_t layer = 0;
  size_t i = 0;
  for (; i < std::min(name.size(), kMostDigits) && name[i] >= '0' && name[i] <= '9'; ++i)
    layer = layer * 10 + (name[i] - '0');
  return i > 0 ? layer : -1;
}

// The layers that predict further tokens, which is for training and for guesses: they join the last layer's
// row with an embedding, by tensors that no other layer has.
std::set<int64_t> further_layers(const std::vector<StoredTensor>& tensors, std::string_view word) {
  std::set<int64_t> layers;
  for (const StoredTensor& tensor : tensors) {
    constexpr std::string_view kParts[] = {".nextn.", ".eh_proj.", ".enorm.", ".hnorm.", ".shared_head."};
    const bool joins = std::ranges::any_of(
        kParts, [&](std::string_view part) { return tensor.name.find(part) != std::string::npos; });
    if (joins) layers.insert(layer_of(tensor.name, word));
  }
  layers.erase(-1);
  return layers;
}

[[noreturn]] void refuse_stranger(const std::string& where, std::string_view name, std::string_view family) {
  if (is_quantisation(name)) {
    fail(ErrorCode::kUnsupported, where,
         "tensor {} belongs to weights quantised by another tool, which is not supported; use the model in "
         "bf16 "
         "or f16, or a GGUF of it",
         name);
  }
  fail(ErrorCode::kUnsupported, where, "tensor {} has no part in a model of type {}; this is another variant",
       name, family);
}

// What stands in one layer stands in all, or in all of the first ones or of those after them: no file gives
// a part of its layers a bias or a norm.
void check_layers(const std::vector<StoredTensor>& tensors, int64_t layers, int64_t first_layers,
                  const std::string& where) {
  struct Seen {
    std::vector<bool> layers;
    int64_t count = 0;
  };
  std::map<std::string, Seen, std::less<>> seen;
  for (const StoredTensor& tensor : tensors) {
    if (!tensor.gguf_name.starts_with("blk.")) continue;
    const size_t dot = tensor.gguf_name.find('.', 4);
    const int64_t layer = layer_of(tensor.gguf_name, "blk.");
    if (layer >= layers) {
      fail(ErrorCode::kCorruptData, where,
           "tensor {} stands in layer {}, counted from 0, but config.json says {} layers; they do not belong "
           "together",
           tensor.name, layer, layers);
    }
    Seen& entry = seen[tensor.gguf_name.substr(dot + 1)];
    entry.layers.resize(static_cast<size_t>(layers));
    entry.layers[static_cast<size_t>(layer)] = true;
    ++entry.count;
  }
  for (const auto& [name, entry] : seen) {
    const auto first_end = entry.layers.begin() + first_layers;
    const int64_t in_first = std::count(entry.layers.begin(), first_end, true);
    const bool alone = first_layers > 0 && (in_first == 0 || in_first == entry.count);
    const auto begin = alone && in_first == 0 ? first_end : entry.layers.begin();
    const auto end = alone && in_first != 0 ? first_end : entry.layers.end();
    const auto missing = std::find(begin, end, false);
    if (missing == end) continue;
    fail(ErrorCode::kCorruptData, where,
         "layer {} has no {}, which other layers have; the files are incomplete",
         missing - entry.layers.begin(), name);
  }
}

// Kernels read values in place, so these must stand where the processor can.
std::shared_ptr<Buffer> aligned(const StoredTensor& tensor, const std::shared_ptr<const void>& owner) {
  const size_t unit = is_block_format(tensor.dtype) ? 2 : dtype_info(tensor.dtype).block_bytes;
  if (unit == 0 || reinterpret_cast<uintptr_t>(tensor.bytes.data()) % unit == 0)
    return wrap_host(tensor.bytes, owner, tensor.file);
  auto copy = allocate_host(tensor.bytes.size());
  std::memcpy(copy->data(), tensor.bytes.data(), tensor.bytes.size());
  return copy;
}

}  // namespace

std::vector<StoredTensor> list_tensors(const GgufFile& file) {
  std::vector<StoredTensor> tensors;
  for (const GgufTensor& tensor : file.tensors()) {
    const bool known = tensor.dtype != DType::kUndefined;
    tensors.push_back({tensor.name, tensor.name,
                       known ? std::string(dtype_name(tensor.dtype)) : ggml_type_name(tensor.type_id),
                       tensor.dtype, Dims(tensor.dims), tensor.bytes, tensor.file});
  }
  return tensors;
}

std::vector<StoredTensor> list_tensors(const SafetensorsFile& file) {
  std::vector<StoredTensor> tensors;
  for (const SafetensorsTensor& tensor : file.tensors()) {
    const bool known = tensor.dtype != DType::kUndefined;
    tensors.push_back({tensor.name, "", std::string(known ? dtype_name(tensor.dtype) : tensor.type_name),
                       tensor.dtype, Dims(tensor.dims), tensor.bytes, tensor.file});
  }
  return tensors;
}

Weights::Weights(std::shared_ptr<const GgufFile> file)
    : where_(file->where()), tensors_(list_tensors(*file)), files_(file->files()) {
  owner_ = std::move(file);
  index_names();
}

Weights::Weights(std::shared_ptr<const SafetensorsFile> file, const Naming& naming)
    : where_(file->where()), tensors_(list_tensors(*file)), files_(file->files()) {
  const bool tied = naming.tied_head.value_or(false);
  constexpr std::string_view kLayers = "layers.";
  const std::set<int64_t> further = further_layers(tensors_, kLayers);
  for (StoredTensor& tensor : tensors_) {
    const int64_t layer = layer_of(tensor.name, kLayers);
    if (is_known_extra(tensor.name) || (layer >= naming.layers && further.contains(layer))) continue;
    auto name = gguf_tensor_name(naming.names, tensor.name);
    if (!name) refuse_stranger(where_, tensor.name, naming.family);
    if (!tied || !name->starts_with("output.")) tensor.gguf_name = *std::move(name);
  }
  owner_ = std::move(file);
  index_names();
  check_layers(tensors_, naming.layers, naming.first_layers, where_);
  if (naming.tied_head == false && !has("output.weight")) {
    fail(ErrorCode::kNotFound, where_,
         "the head ({}) is missing, and config.json says that it is not the embedding (tie_word_embeddings)",
         hugging_face_tensor_name(naming.names, "output.weight").value_or("output.weight"));
  }
}

Weights::Weights(std::shared_ptr<const SafetensorsFile> file, const NameTable& vision)
    : where_(file->where()), tensors_(list_tensors(*file)), files_(file->files()) {
  for (StoredTensor& tensor : tensors_) {
    if (!without_text_prefix(tensor.name).starts_with("visual.")) continue;
    auto name = gguf_tensor_name(vision, tensor.name);
    if (!name) refuse_stranger(where_, tensor.name, "GLM-4.1V");
    tensor.gguf_name = *std::move(name);
  }
  owner_ = std::move(file);
  index_names();
}

void Weights::index_names() {
  read_ = std::make_shared<std::vector<std::atomic<bool>>>(tensors_.size());
  const auto name_of = [this](uint32_t i) -> std::string_view { return tensors_[i].gguf_name; };
  for (uint32_t i = 0; i < tensors_.size(); ++i) {
    if (!tensors_[i].gguf_name.empty()) by_name_.push_back(i);
  }
  std::ranges::sort(by_name_, {}, name_of);
  const auto twin = std::ranges::adjacent_find(by_name_, {}, name_of);
  if (twin != by_name_.end()) {
    fail(ErrorCode::kCorruptData, where_, "tensors {} and {} have the same part in the model, expected one",
         tensors_[*twin].name, tensors_[*std::next(twin)].name);
  }
}

const StoredTensor* Weights::entry(std::string_view name) const {
  const auto name_of = [this](uint32_t i) -> std::string_view { return tensors_[i].gguf_name; };
  const auto at = std::ranges::lower_bound(by_name_, name, {}, name_of);
  return at == by_name_.end() || name_of(*at) != name ? nullptr : &tensors_[*at];
}

std::optional<Tensor> Weights::find(std::string_view name, const Dims& dims) const {
  const StoredTensor* tensor = entry(name);
  if (tensor == nullptr) return std::nullopt;
  (*read_)[static_cast<size_t>(tensor - tensors_.data())].store(true, std::memory_order_relaxed);
  const bool computable = tensor->dtype == DType::kF32 || tensor->dtype == DType::kF16 ||
                          tensor->dtype == DType::kBF16 || is_block_format(tensor->dtype);
  if (!computable) {
    fail(ErrorCode::kUnsupported, where_,
         "tensor {} is stored as {}, which this engine cannot read as a weight; use the model in f32, bf16, "
         "f16 or "
         "a GGUF type",
         tensor->name, tensor->type_name);
  }
  if (tensor->dims != dims) {
    fail(ErrorCode::kCorruptData, where_, "tensor {} is {}, expected {}", tensor->name,
         to_string(tensor->dims), to_string(dims));
  }
  return Tensor(tensor->dtype, dims, aligned(*tensor, owner_));
}

Tensor Weights::get(std::string_view name, const Dims& dims) const {
  auto tensor = find(name, dims);
  if (!tensor) {
    fail(ErrorCode::kNotFound, where_,
         "tensor {} {} is missing; the file is incomplete or of another architecture", name, to_string(dims));
  }
  return *std::move(tensor);
}

void Weights::refuse_unread() const {
  constexpr std::string_view kLayers = "blk.";
  std::set<int64_t> read_layers;
  std::vector<const StoredTensor*> unread;
  const std::set<int64_t> further = further_layers(tensors_, kLayers);
  for (const uint32_t i : by_name_) {
    const int64_t layer = layer_of(tensors_[i].gguf_name, kLayers);
    if ((*read_)[i].load(std::memory_order_relaxed)) {
      read_layers.insert(layer);
    } else if (!is_computed_table(tensors_[i].name) && !further.contains(layer)) {
      unread.push_back(&tensors_[i]);
    }
  }
  if (unread.empty()) return;
  const std::string others = unread.size() > 1 ? fmt::format(" and {} more", unread.size() - 1) : "";
  const int64_t layer = layer_of(unread.front()->gguf_name, kLayers);
  if (layer >= 0 && !read_layers.contains(layer)) {
    fail(
        ErrorCode::kCorruptData, where_,
        "tensor {}{}: the model's numbers count fewer layers than the files have; they contradict each other",
        unread.front()->name, others);
  }
  fail(ErrorCode::kUnsupported, where_,
       "tensor {}{} has no part in a model of this type; this is another variant", unread.front()->name,
       others);
}

std::vector<Tensor> Weights::get_stack(std::string_view name, int64_t count, const Dims& dims) const {
  std::vector<Tensor> parts;
  const std::string stem(name), stacked = stem + ".weight";
  if (!has(stacked)) {
    for (int64_t i = 0; i < count; ++i) parts.push_back(get(expert_tensor_name(stem, i), dims));
    return parts;
  }
  Dims all = dims;
  all.insert(all.begin(), count);
  const Tensor whole = get(stacked, all);
  const size_t part_bytes = whole.size_bytes() / static_cast<size_t>(count);
  for (size_t i = 0; i < static_cast<size_t>(count); ++i)
    parts.emplace_back(whole.dtype(), dims, whole.buffer(), i * part_bytes);
  return parts;
}

}  // namespace oag
