#include "llm/bundle/folder_plan.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "llm/bundle/hugging_face_files.h"
#include "llm/models/glm4v_vision.h"

namespace oag {
namespace {

constexpr std::string_view kPatchKernels = "v.patch_embd.weight";

// The name that a GGUF tensor has in the folder; q, k and v of one tensor are told apart by `part`.
std::string folder_name(const NameTable& names, const std::string& gguf_name, const std::string& where) {
  if (auto name = hugging_face_tensor_name(names, gguf_name)) return *std::move(name);
  fail(ErrorCode::kUnsupported, where, "tensor {} has no name in Hugging Face folders of this architecture",
       gguf_name);
}

DType folder_type(DType stored, std::optional<DType> wanted) {
  if (wanted) return *wanted;
  return is_block_format(stored) ? DType::kF16 : stored;
}

// Layers behind the last one predict further tokens.
bool is_further_layer(const StoredTensor& tensor, const TextConfig& config) {
  constexpr std::string_view kLayer = "blk.";
  int64_t layer = -1;
  if (tensor.name.starts_with(kLayer)) {
    const char* number = tensor.name.data() + kLayer.size();
    std::from_chars(number, tensor.name.data() + tensor.name.size(), layer);
  }
  return layer >= config.layers;
}

class FolderPlan {
 public:
  FolderPlan(const ModelBundle& bundle, std::optional<DType> wanted)
      : bundle_(bundle), type_(hugging_face_type_of(bundle)), wanted_(wanted) {}

  // rope_freqs.weight is left out, which config.json says in numbers.
  std::vector<PlannedTensor> make() {
    for (const StoredTensor& tensor : bundle_.weights->tensors()) add_text(tensor);
    if (bundle_.vision) add_vision(*bundle_.vision->weights);
    return std::move(plan_);
  }

 private:
  const std::string& where() const { return bundle_.weights->where(); }

  void add_text(const StoredTensor& tensor) {
    if (tensor.name == "rope_freqs.weight" || is_further_layer(tensor, bundle_.config)) return;
    const DType dtype = folder_type(tensor.dtype, wanted_);
    const size_t at = tensor.name.find("attn_qkv");
    if (at != std::string::npos && !hugging_face_tensor_name(type_.names, tensor.name)) {
      add_parts(tensor, at, dtype);
      return;
    }
    if (tensor.name.ends_with("_exps.weight")) return add_experts(tensor, dtype);
    push(plan_tensor(tensor, folder_name(type_.names, tensor.name, where()), dtype, where()), tensor.name);
  }

  // q, k and v apart.
  void add_parts(const StoredTensor& tensor, size_t at, DType dtype) {
    const TextConfig& config = bundle_.config;
    const int64_t q = config.heads * config.head_size, k = config.kv_heads * config.head_size;
    const struct {
      const char* name;
      int64_t first, count;
    } parts[] = {{"attn_q", 0, q}, {"attn_k", q, k}, {"attn_v", q + k, k}};
    for (const auto& part : parts) {
      std::string name = tensor.name;
      name.replace(at, 8, part.name);
      push(plan_rows(tensor, folder_name(type_.names, name, where()), dtype, part.first, part.count, where()),
           name);
    }
  }

  void add_experts(const StoredTensor& tensor, DType dtype) {
    const std::string_view stem = std::string_view(tensor.name).substr(0, tensor.name.rfind('.'));
    for (int64_t i = 0; i < bundle_.config.experts.count; ++i) {
      const std::string name = folder_name(type_.names, expert_tensor_name(stem, i), where());
      plan_.push_back(plan_part(tensor, name, dtype, i, where()));
    }
  }

  void push(PlannedTensor plan, std::string_view gguf_name) {
    plan_head_order(plan, gguf_name, bundle_.config, bundle_.config.rope_pairing, type_.rope_pairing);
    plan_.push_back(std::move(plan));
  }

  void add_vision(const Weights& weights) {
    std::vector<const StoredTensor*> frames;
    for (const StoredTensor& tensor : weights.tensors()) {
      if (tensor.name.starts_with(kPatchKernels)) {
        frames.push_back(&tensor);
        continue;
      }
      plan_.push_back(plan_tensor(tensor, folder_name(kGlm4vVisionNames, tensor.name, weights.where()),
                                  folder_type(tensor.dtype, wanted_), weights.where()));
    }
    if (frames.empty()) return;
    std::ranges::sort(frames, {}, &StoredTensor::name);
    plan_.push_back(plan_joined_frames(
        frames, folder_name(kGlm4vVisionNames, std::string(kPatchKernels), weights.where()),
        folder_type(frames.front()->dtype, wanted_), weights.where()));
  }

  const ModelBundle& bundle_;
  const HuggingFaceType& type_;
  std::optional<DType> wanted_;
  std::vector<PlannedTensor> plan_;
};

}  // namespace

std::vector<PlannedTensor> plan_folder(const ModelBundle& bundle, std::optional<DType> wanted) {
  return FolderPlan(bundle, wanted).make();
}

std::vector<PlannedTensor> plan_folder_copy(const std::vector<StoredTensor>& tensors,
                                            std::optional<DType> wanted, std::string_view where) {
  std::vector<PlannedTensor> plan;
  for (const StoredTensor& tensor : tensors) {
    const bool changes = is_float(tensor.dtype) && wanted;
    plan.push_back(plan_tensor(tensor, tensor.name, changes ? *wanted : tensor.dtype, where));
  }
  return plan;
}

}  // namespace oag
