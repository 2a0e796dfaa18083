#include "engine/plugins/plugin_operator.h"

#include <algorithm>
#include <cstddef>

#include "base/error.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/plugins/plugin_call.h"
#include "engine/plugins/plugin_run.h"
#include "engine/plugins/plugin_shapes.h"

namespace oag {
namespace {

constexpr size_t kLongestText = 256;

constexpr std::pair<oag_attribute_kind, AttributeKind> kAttributeKinds[] = {
    {OAG_ATTRIBUTE_INT, AttributeKind::kInt},       {OAG_ATTRIBUTE_FLOAT, AttributeKind::kFloat},
    {OAG_ATTRIBUTE_STRING, AttributeKind::kString}, {OAG_ATTRIBUTE_INTS, AttributeKind::kInts},
    {OAG_ATTRIBUTE_FLOATS, AttributeKind::kFloats}, {OAG_ATTRIBUTE_STRINGS, AttributeKind::kStrings},
    {OAG_ATTRIBUTE_TENSOR, AttributeKind::kTensor},
};

bool is_plain_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
}

DTypeSet dtypes_of(uint64_t bits) {
  DTypeSet dtypes;
  for (int64_t code = 1; code < 64; ++code) {
    const auto dtype = dtype_from_onnx(code);
    if ((bits >> code & 1) != 0 && dtype && kPluginTypes.contains(*dtype)) dtypes = dtypes | DTypeSet{*dtype};
  }
  return dtypes;
}

bool is_empty(DTypeSet dtypes) {
  for (int64_t code = 1; code < 64; ++code) {
    const auto dtype = dtype_from_onnx(code);
    if (dtype && dtypes.contains(*dtype)) return false;
  }
  return true;
}

void infer_plugin(InferenceContext& context) {
  const Node& node = context.node();
  context.registry().find(node.domain, node.op)->custom->infer(context);
}

}  // namespace

PluginOperator::PluginOperator(std::string plugin, const oag_operator& description)
    : plugin_(std::move(plugin)), description_(description) {
  if (description.struct_size < sizeof(oag_operator))
    fail(ErrorCode::kCorruptData, plugin_, "describes an operator in {} bytes, expected {}",
         description.struct_size, sizeof(oag_operator));
  schema_.op = keep(description.name, "name of an operator");
  schema_.domain = keep(description.domain, "domain");
  for (const std::string_view text : {schema_.op, schema_.domain}) {
    if (!is_plain_name(text) && !text.empty())
      fail(ErrorCode::kCorruptData, plugin_,
           "operator \"{}\" of domain \"{}\": names are letters, digits, \"_\", \".\" and \"-\"",
           one_line(schema_.op), one_line(schema_.domain));
  }
  if (schema_.op.empty()) fail(ErrorCode::kCorruptData, plugin_, "has an operator without a name");
  schema_.since_version = 1;
  schema_.infer = infer_plugin;
  schema_.deterministic = description.deterministic != 0;
  schema_.custom = this;
  describe_parameters();
  describe_attributes();
  find_kernel();
}

std::string_view PluginOperator::keep(const char* text, std::string_view what) {
  if (text == nullptr)
    fail(ErrorCode::kCorruptData, plugin_, "operator \"{}\": a {} is NULL", schema_.op, what);
  const std::string_view seen = text;
  if (seen.size() > kLongestText)
    fail(ErrorCode::kCorruptData, plugin_, "operator \"{}\": a {} has {} bytes, {} are the most", schema_.op,
         what, seen.size(), kLongestText);
  return texts_.emplace_back(seen);
}

Parameter PluginOperator::parameter(const oag_parameter& described, bool last, std::string_view what) {
  Parameter parameter;
  parameter.name = keep(described.name, what);
  parameter.type_variable = keep(described.type_variable, "type variable");
  parameter.dtypes = dtypes_of(described.dtypes);
  parameter.optional = described.optional != 0;
  parameter.variadic = described.variadic != 0;
  if (is_empty(parameter.dtypes))
    fail(ErrorCode::kCorruptData, plugin_,
         "operator {}: its {} {} takes no element type that a plugin can have", schema_.op, what,
         one_line(parameter.name));
  if (parameter.variadic && !last)
    fail(ErrorCode::kCorruptData, plugin_,
         "operator {}: its {} {} is variadic, which the last one alone can be", schema_.op, what,
         one_line(parameter.name));
  return parameter;
}

void PluginOperator::describe_parameters() {
  const auto describe = [&](size_t count, const oag_parameter* described, FixedList<Parameter, 16>& list,
                            std::string_view what) {
    if (count > list.capacity() || (count > 0 && described == nullptr))
      fail(ErrorCode::kCorruptData, plugin_, "operator {}: has {} {}s{}, {} are the most", schema_.op, count,
           what, described == nullptr ? " without a description" : "", list.capacity());
    for (size_t i = 0; i < count; ++i) list.push_back(parameter(described[i], i + 1 == count, what));
  };
  describe(description_.input_count, description_.inputs, schema_.inputs, "input");
  describe(description_.output_count, description_.outputs, schema_.outputs, "output");
  if (schema_.outputs.empty())
    fail(ErrorCode::kCorruptData, plugin_, "operator {}: has no output", schema_.op);
}

void PluginOperator::describe_attributes() {
  const size_t count = description_.attribute_count;
  if (count > schema_.attributes.capacity() || (count > 0 && description_.attributes == nullptr))
    fail(ErrorCode::kCorruptData, plugin_, "operator {}: has {} attributes{}, {} are the most", schema_.op,
         count, description_.attributes == nullptr ? " without a description" : "",
         schema_.attributes.capacity());
  for (size_t i = 0; i < count; ++i) {
    const oag_attribute_spec& described = description_.attributes[i];
    const auto* kind = std::ranges::find(kAttributeKinds, described.kind,
                                         &std::pair<oag_attribute_kind, AttributeKind>::first);
    const std::string_view name = keep(described.name, "name of an attribute");
    if (kind == std::end(kAttributeKinds))
      fail(ErrorCode::kCorruptData, plugin_, "operator {}: its attribute {} is of kind {}, expected 0 to {}",
           schema_.op, one_line(name), described.kind, std::size(kAttributeKinds) - 1);
    schema_.attributes.push_back({name, kind->second, described.required != 0});
  }
}

void PluginOperator::find_kernel() {
  if (description_.kernel_count > 0 && description_.kernels == nullptr)
    fail(ErrorCode::kCorruptData, plugin_, "operator {}: has {} kernels without a description", schema_.op,
         description_.kernel_count);
  for (size_t k = 0; k < description_.kernel_count && kernel_ == nullptr; ++k) {
    const oag_kernel* kernel = description_.kernels[k];
    if (kernel == nullptr || kernel->struct_size < sizeof(oag_kernel) || kernel->create == nullptr ||
        kernel->compute == nullptr || kernel->destroy == nullptr)
      fail(ErrorCode::kCorruptData, plugin_, "operator {}: kernel {} lacks functions", schema_.op, k);
    if (keep(kernel->device, "device of a kernel") == "cpu") kernel_ = kernel;
  }
  if (kernel_ == nullptr)
    fail(ErrorCode::kCorruptData, plugin_, "operator {}: has no kernel for the device cpu", schema_.op);
}

const Parameter& PluginOperator::formal_output(size_t i) const {
  return schema_.outputs[std::min(i, schema_.outputs.size() - 1)];
}

void PluginOperator::infer(InferenceContext& context) const {
  infer_plugin_shapes(*this, context);
}

std::unique_ptr<CustomKernel> PluginOperator::make_kernel(const Graph& graph, const Node& node) const {
  return make_plugin_kernel(*this, *kernel_, graph, node);
}

}  // namespace oag
