#include "llm/bundle/convert_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "llm/bundle/gguf_keys.h"
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

// A tensor of the GGUF file and what it is made of.
struct TextTensor {
  std::string name;
  std::vector<const StoredTensor*> parts;  // the matrices of all experts; else one tensor
  Dims dims;
};

// Where the first of a layer's experts stands, all of them do.
std::vector<TextTensor> text_tensors(const ModelBundle& bundle) {
  std::vector<TextTensor> tensors;
  std::set<std::string, std::less<>> stacked;
  for (const StoredTensor* tensor : named_tensors(bundle.weights->tensors())) {
    const auto expert = parse_expert_name(tensor->gguf_name);
    if (!expert) {
      tensors.push_back({tensor->gguf_name, {tensor}, tensor->dims});
      continue;
    }
    if (!stacked.emplace(expert->stem).second) continue;
    TextTensor stack = {std::string(expert->stem) + ".weight", {}, tensor->dims};
    for (int64_t i = 0; i < bundle.config.experts.count; ++i) {
      const StoredTensor* part = bundle.weights->entry(expert_tensor_name(expert->stem, i));
      if (part == nullptr) {
        fail(ErrorCode::kCorruptData, bundle.weights->where(),
             "expert {} has no tensor like {}, and config.json says that there are {} experts; the files are "
             "incomplete",
             i, tensor->name, bundle.config.experts.count);
      }
      stack.parts.push_back(part);
    }
    stack.dims.insert(stack.dims.begin(), bundle.config.experts.count);
    tensors.push_back(std::move(stack));
  }
  return tensors;
}

std::vector<DType> text_types(const TextConfig& config, const std::vector<TextTensor>& tensors,
                              std::optional<QuantRecipe> recipe) {
  if (recipe) {
    std::vector<QuantTensor> list;
    for (const TextTensor& tensor : tensors)
      list.push_back({tensor.name, tensor.parts.front()->dtype, tensor.dims});
    return choose_types(*recipe, {config.layers, config.heads, config.kv_heads, config.experts.count}, list);
  }
  std::vector<DType> types;
  for (const TextTensor& tensor : tensors) {
    const bool is_exact = tensor.dims.size() < 2 || tensor.name.ends_with("ffn_gate_inp.weight");
    types.push_back(is_exact ? DType::kF32 : tensor.parts.front()->dtype);
  }
  return types;
}

}  // namespace

std::vector<PlannedTensor> plan_gguf_text(const ModelBundle& bundle, std::optional<QuantRecipe> recipe) {
  const std::string& where = bundle.weights->where();
  const std::vector<TextTensor> tensors = text_tensors(bundle);
  const std::vector<DType> types = text_types(bundle.config, tensors, recipe);
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
    const auto& [name, parts, dims] = tensors[i];
    PlannedTensor tensor = dims == parts.front()->dims ? plan_tensor(*parts.front(), name, types[i], where)
                                                       : plan_stack(parts, name, types[i], where);
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
