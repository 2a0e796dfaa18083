#include "llm/bundle/convert_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "llm/bundle/gguf_keys.h"
#include "llm/bundle/hugging_face_files.h"
#include "llm/models/glm4v_vision.h"

namespace oag {
namespace {

constexpr std::string_view kPatchKernels = "v.patch_embd.weight";

std::vector<QuantTensor> quant_tensors(const std::vector<const StoredTensor*>& tensors) {
  std::vector<QuantTensor> list;
  for (const StoredTensor* tensor : tensors) list.push_back({tensor->gguf_name, tensor->dtype, tensor->dims});
  return list;
}

// The tensors that have a part in the model, in the files' order.
std::vector<const StoredTensor*> named_tensors(const std::vector<StoredTensor>& tensors) {
  std::vector<const StoredTensor*> named;
  for (const StoredTensor& tensor : tensors) {
    if (!tensor.gguf_name.empty()) named.push_back(&tensor);
  }
  return named;
}

bool is_vector(const StoredTensor& tensor) {
  return tensor.dims.size() < 2;
}

// What llama.cpp's code for vision towers takes: it reads vectors and positions value by value, and
// convolves with f16 kernels.
std::vector<DType> vision_types(QuantRecipe recipe, const std::vector<const StoredTensor*>& tensors) {
  std::vector<DType> types = choose_types(recipe, {}, quant_tensors(tensors));
  for (size_t i = 0; i < tensors.size(); ++i) {
    const bool is_table = tensors[i]->gguf_name.find("position_embd") != std::string::npos;
    if (recipe == QuantRecipe::kF32 || is_vector(*tensors[i]) || is_table) {
      types[i] = DType::kF32;
    } else if (tensors[i]->dims.size() > 3) {
      types[i] = DType::kF16;
    }
  }
  return types;
}

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

class FolderPlan {
 public:
  FolderPlan(const ModelBundle& bundle, std::optional<DType> wanted)
      : bundle_(bundle), type_(hugging_face_type_of(bundle)), wanted_(wanted) {}

  std::vector<PlannedTensor> make() {
    for (const StoredTensor& tensor : bundle_.weights->tensors()) add_text(tensor);
    if (bundle_.vision) add_vision(*bundle_.vision->weights);
    return std::move(plan_);
  }

 private:
  const std::string& where() const { return bundle_.weights->where(); }

  void add_text(const StoredTensor& tensor) {
    if (tensor.name == "rope_freqs.weight") return;  // config.json says it
    const DType dtype = folder_type(tensor.dtype, wanted_);
    const size_t at = tensor.name.find("attn_qkv");
    if (at != std::string::npos && !hugging_face_tensor_name(type_.names, tensor.name)) {
      add_parts(tensor, at, dtype);
      return;
    }
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

std::vector<PlannedTensor> plan_gguf_text(const ModelBundle& bundle, std::optional<QuantRecipe> recipe) {
  const std::string& where = bundle.weights->where();
  const std::vector<const StoredTensor*> tensors = named_tensors(bundle.weights->tensors());
  std::vector<DType> types;
  if (recipe) {
    types = choose_types(*recipe, {bundle.config.layers, bundle.config.heads, bundle.config.kv_heads, 0},
                         quant_tensors(tensors));
  } else {
    for (const StoredTensor* tensor : tensors)
      types.push_back(is_vector(*tensor) ? DType::kF32 : tensor->dtype);
  }
  std::vector<PlannedTensor> plan;
  if (std::vector<float> divisors = llama3_divisors(bundle.config); !divisors.empty()) {
    PlannedTensor computed;
    computed.name = "rope_freqs.weight";
    computed.dtype = DType::kF32;
    computed.dims = {static_cast<int64_t>(divisors.size())};
    computed.computed = std::move(divisors);
    plan.push_back(std::move(computed));
  }
  const RopePairing pairing = bundle.architecture->gguf_pairing(bundle.config);
  for (size_t i = 0; i < tensors.size(); ++i) {
    PlannedTensor tensor = plan_tensor(*tensors[i], tensors[i]->gguf_name, types[i], where);
    plan_head_order(tensor, tensor.name, bundle.config, bundle.config.rope_pairing, pairing);
    plan.push_back(std::move(tensor));
  }
  return plan;
}

std::vector<PlannedTensor> plan_gguf_vision(const VisionBundle& vision, QuantRecipe recipe) {
  const std::string& where = vision.weights->where();
  const std::vector<const StoredTensor*> tensors = named_tensors(vision.weights->tensors());
  const std::vector<DType> types = vision_types(recipe, tensors);
  std::vector<PlannedTensor> plan;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = tensors[i]->gguf_name;
    if (name != kPatchKernels) {
      plan.push_back(plan_tensor(*tensors[i], name, types[i], where));
      continue;
    }
    for (PlannedTensor& frame : plan_frames(*tensors[i], name, types[i], where))
      plan.push_back(std::move(frame));
  }
  return plan;
}

std::vector<PlannedTensor> plan_gguf_copy(const GgufFile& file, const std::vector<StoredTensor>& tensors,
                                          std::optional<QuantRecipe> recipe) {
  const std::vector<const StoredTensor*> all = named_tensors(tensors);
  std::vector<DType> types;
  const std::string architecture(file.find_string("general.architecture").value_or(""));
  if (!recipe) {
    for (const StoredTensor* tensor : all) types.push_back(tensor->dtype);
  } else if (architecture == "clip") {
    types = vision_types(*recipe, all);
  } else {
    const auto number = [&](const char* key) {
      const GgufValue* value = file.find(architecture + key);
      const auto* list = value == nullptr ? nullptr : std::get_if<GgufArray>(&value->data);
      if (list != nullptr) return list->size() > 0 ? list->integer(0) : 0;  // one a layer
      return static_cast<int64_t>(file.find_u64(architecture + key).value_or(0));
    };
    QuantModel model = {number(".block_count"), number(".attention.head_count"),
                        number(".attention.head_count_kv"), number(".expert_count")};
    if (model.kv_heads == 0) model.kv_heads = model.heads;
    types = choose_types(*recipe, model, quant_tensors(all));
  }
  std::vector<PlannedTensor> plan;
  for (size_t i = 0; i < all.size(); ++i)
    plan.push_back(plan_tensor(*all[i], all[i]->name, types[i], file.where()));
  return plan;
}

std::vector<GgufMetadata::Entry> copied_gguf_keys(const GgufFile& file, std::optional<QuantRecipe> recipe) {
  std::vector<GgufMetadata::Entry> keys;
  for (const GgufMetadata::Entry& entry : file.entries()) {
    const bool is_changed = entry.key == "general.file_type" || entry.key == "general.quantization_version";
    if (entry.key.starts_with("split.") || (recipe && is_changed)) continue;
    keys.push_back(entry);
  }
  if (recipe) {
    keys.push_back(file_type_key(quant_recipe_info(*recipe).file_type));
    keys.push_back({"general.quantization_version", GgufValue::of(uint32_t{2})});
  }
  return keys;
}

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

DType most_stored(const std::vector<PlannedTensor>& tensors) {
  std::map<DType, uint64_t> bytes;
  for (const PlannedTensor& tensor : tensors) bytes[tensor.dtype] += tensor.size_bytes();
  if (bytes.empty()) return DType::kF32;
  return std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; })->first;
}

uint32_t stored_file_type(const std::vector<PlannedTensor>& tensors) {
  const DType most = most_stored(tensors);
  for (const QuantRecipeInfo& info : quant_recipes()) {
    if (info.base == most) return info.file_type;
  }
  return 0;
}

GgufMetadata::Entry file_type_key(uint32_t file_type) {
  return {"general.file_type", GgufValue::of(file_type)};
}

}  // namespace oag
