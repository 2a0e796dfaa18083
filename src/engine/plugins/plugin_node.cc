#include "engine/plugins/plugin_node.h"

#include "engine/ops/onnx_dtype.h"
#include "engine/plugins/plugin_operator.h"

namespace oag {
namespace {

const Attribute* find_attribute(const oag_node* node, const char* name) {
  if (name == nullptr) return nullptr;
  const auto found = node->node.attributes.find(std::string_view(name));
  return found == node->node.attributes.end() ? nullptr : &found->second;
}

size_t input_count(const oag_node* node) {
  return node->node.inputs.size();
}

size_t output_count(const oag_node* node) {
  return node->node.outputs.size();
}

int32_t has_input(const oag_node* node, size_t i) {
  return i < node->node.inputs.size() && node->node.inputs[i] != kNoValue ? 1 : 0;
}

int32_t has_output(const oag_node* node, size_t i) {
  return i < node->node.outputs.size() && node->node.outputs[i] != kNoValue ? 1 : 0;
}

// Nothing for kinds that plugins cannot have.
bool fill_attribute(const Attribute& attribute, oag_attribute& out) {
  if (const auto* number = std::get_if<int64_t>(&attribute)) {
    out.kind = OAG_ATTRIBUTE_INT;
    out.int_value = *number;
  } else if (const auto* real = std::get_if<float>(&attribute)) {
    out.kind = OAG_ATTRIBUTE_FLOAT;
    out.float_value = *real;
  } else if (const auto* text = std::get_if<std::string>(&attribute)) {
    out.kind = OAG_ATTRIBUTE_STRING;
    out.text = text->c_str();
    out.count = text->size();
  } else if (const auto* ints = std::get_if<std::vector<int64_t>>(&attribute)) {
    out.kind = OAG_ATTRIBUTE_INTS;
    out.ints = ints->data();
    out.count = ints->size();
  } else if (const auto* floats = std::get_if<std::vector<float>>(&attribute)) {
    out.kind = OAG_ATTRIBUTE_FLOATS;
    out.floats = floats->data();
    out.count = floats->size();
  } else if (const auto* strings = std::get_if<std::vector<std::string>>(&attribute)) {
    out.kind = OAG_ATTRIBUTE_STRINGS;
    out.count = strings->size();
  } else if (std::holds_alternative<Tensor>(attribute)) {
    out.kind = OAG_ATTRIBUTE_TENSOR;
  } else {
    return false;
  }
  return true;
}

int32_t attribute(const oag_node* node, const char* name, oag_attribute* value) {
  const Attribute* found = find_attribute(node, name);
  if (found == nullptr || value->struct_size < sizeof(oag_attribute)) return 0;
  return fill_attribute(*found, *value) ? 1 : 0;
}

const char* attribute_string(const oag_node* node, const char* name, size_t index, size_t* size_bytes) {
  const Attribute* found = find_attribute(node, name);
  const auto* strings = found == nullptr ? nullptr : std::get_if<std::vector<std::string>>(found);
  if (strings == nullptr || index >= strings->size()) return nullptr;
  *size_bytes = (*strings)[index].size();
  return (*strings)[index].c_str();
}

int32_t attribute_tensor(const oag_node* node, const char* name, oag_tensor* tensor) {
  const Attribute* found = find_attribute(node, name);
  const auto* value = found == nullptr ? nullptr : std::get_if<Tensor>(found);
  return value != nullptr && kPluginTypes.contains(value->dtype()) && fill_tensor(*value, *tensor) ? 1 : 0;
}

}  // namespace

bool fill_tensor(const Tensor& tensor, oag_tensor& out) {
  if (out.struct_size < sizeof(oag_tensor)) return false;
  out.dtype = static_cast<int32_t>(onnx_from_dtype(tensor.dtype()));
  out.rank = tensor.rank();
  out.dims = tensor.dims().data();
  out.data = tensor.data();
  out.size_bytes = tensor.size_bytes();
  return true;
}

void add_node_functions(oag_plugin_host& host) {
  host.input_count = input_count;
  host.output_count = output_count;
  host.has_input = has_input;
  host.has_output = has_output;
  host.attribute = attribute;
  host.attribute_string = attribute_string;
  host.attribute_tensor = attribute_tensor;
}

}  // namespace oag
