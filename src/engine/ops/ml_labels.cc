// CategoryMapper and LabelEncoder: elements looked up in a table.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/element_run.h"
#include "engine/ops/schema.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

// A key that compares as ONNX wants it: integers by value, floats by value with all NaNs and both zeros
// equal, strings by their bytes.
using Key = std::variant<int64_t, uint64_t, std::string>;

Key float_key(double value) {
  if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
  if (value == 0) value = 0;
  return std::bit_cast<uint64_t>(value);
}

std::vector<Key> keys_of(const Tensor& tensor) {
  std::vector<Key> keys(static_cast<size_t>(tensor.count()));
  if (tensor.dtype() == DType::kString) {
    const auto strings = tensor.values<std::string>();
    std::copy(strings.begin(), strings.end(), keys.begin());
  } else if (is_float(tensor.dtype())) {
    std::vector<double> values(keys.size());
    load_elements<double>(tensor, 0, 1, values);
    std::transform(values.begin(), values.end(), keys.begin(), float_key);
  } else {
    std::vector<int64_t> values(keys.size());
    load_elements<int64_t>(tensor, 0, 1, values);
    std::copy(values.begin(), values.end(), keys.begin());
  }
  return keys;
}

Tensor string_tensor(std::vector<std::string> strings) {
  const auto count = static_cast<int64_t>(strings.size());
  return make_strings({count}, std::move(strings));
}

// One of prefix_tensor, prefix_strings, prefix_int64s, prefix_floats, as a tensor.
template <typename Context>
Tensor read_table(const Context& context, const std::string& prefix) {
  const Node& node = context.node();
  std::vector<Tensor> found;
  if (const Tensor* tensor = node.tensor_attribute(prefix + "_tensor")) found.push_back(*tensor);
  if (const auto strings = node.strings_attribute(prefix + "_strings"); !strings.empty())
    found.push_back(string_tensor(strings));
  const auto size = [](const auto& list) { return Dims{static_cast<int64_t>(list.size())}; };
  if (const auto integers = node.ints_attribute(prefix + "_int64s"); !integers.empty())
    found.push_back(Tensor::of<int64_t>(DType::kI64, size(integers), integers));
  if (const auto floats = node.floats_attribute(prefix + "_floats"); !floats.empty())
    found.push_back(Tensor::of<float>(DType::kF32, size(floats), floats));
  if (found.size() != 1)
    context.refuse("has {} of the attributes {}_*; it must have one", found.size(), prefix);
  return found[0];
}

// What an element that is no key becomes: a tensor of one element, of the values' type.
template <typename Context>
Tensor read_default(const Context& context, DType dtype) {
  const Node& node = context.node();
  if (const Tensor* tensor = node.tensor_attribute("default_tensor")) {
    if (tensor->dtype() != dtype || tensor->count() != 1)
      context.refuse("default_tensor {} {} must be one {}", dtype_name(tensor->dtype()),
                     to_string(tensor->dims()), dtype_name(dtype));
    return tensor->reshaped({1});
  }
  if (dtype == DType::kString) return string_tensor({node.string_attribute("default_string", "_Unused")});
  Tensor value = Tensor::host(dtype, {1});
  if (is_float(dtype)) {
    const double number = node.float_attribute("default_float", -0.0f);
    store_elements<double>(value, 0, 1, std::span(&number, 1));
  } else {
    const int64_t number = node.int_attribute("default_int64", -1);
    store_elements<int64_t>(value, 0, 1, std::span(&number, 1));
  }
  return value;
}

std::optional<Shape> shape_of(const InferenceContext& context) {
  return context.has_shape(0) ? std::optional(context.shape(0)) : std::nullopt;
}

// out[i] = values[place of in[i] among keys], the last place where a key is repeated, else fallback.
void look_up(const KernelContext& context, const Tensor& keys, const Tensor& values, const Tensor& fallback) {
  const Tensor& in = context.input(0);
  std::unordered_map<Key, int64_t> places;
  const std::vector<Key> table = keys_of(keys);
  for (size_t i = 0; i < table.size(); ++i) places[table[i]] = static_cast<int64_t>(i);
  const Tensor& out = context.allocate_output(0, values.dtype(), in.dims());
  const std::vector<Key> wanted = keys_of(in);
  for (size_t i = 0; i < wanted.size(); ++i) {
    const auto place = places.find(wanted[i]);
    const bool found = place != places.end();
    copy_run(out, static_cast<int64_t>(i), found ? values : fallback, found ? place->second : 0, 1);
  }
}

void infer_label_encoder(InferenceContext& context) {
  const Tensor keys = read_table(context, "keys"), values = read_table(context, "values");
  if (keys.count() != values.count())
    context.refuse("has {} keys and {} values", keys.count(), values.count());
  if (keys.dtype() != context.dtype(0))
    context.refuse("looks up {} among keys of {}", dtype_name(context.dtype(0)), dtype_name(keys.dtype()));
  read_default(context, values.dtype());
  context.set_output(0, values.dtype(), shape_of(context));
}

void label_encoder_reference(KernelContext& context) {
  const Tensor values = read_table(context, "values");
  look_up(context, read_table(context, "keys"), values, read_default(context, values.dtype()));
}

void infer_category_mapper(InferenceContext& context) {
  const Node& node = context.node();
  const size_t strings = node.strings_attribute("cats_strings").size(),
               integers = node.ints_attribute("cats_int64s").size();
  if (strings != integers) context.refuse("has {} cats_strings and {} cats_int64s", strings, integers);
  context.set_output(0, context.dtype(0) == DType::kString ? DType::kI64 : DType::kString, shape_of(context));
}

void category_mapper_reference(KernelContext& context) {
  const Node& node = context.node();
  const Tensor strings = string_tensor(node.strings_attribute("cats_strings"));
  const std::vector<int64_t> list = node.ints_attribute("cats_int64s");
  const Tensor integers = Tensor::of<int64_t>(DType::kI64, {static_cast<int64_t>(list.size())}, list);
  if (context.input(0).dtype() == DType::kString) {
    look_up(context, strings, integers, read_default(context, DType::kI64));
  } else {
    look_up(context, integers, strings, read_default(context, DType::kString));
  }
}

constexpr DTypeSet kLabelTypes = {DType::kString, DType::kI64, DType::kF32,
                                  DType::kI32,    DType::kI16, DType::kF64};
constexpr DTypeSet kCategoryTypes = {DType::kString, DType::kI64};

}  // namespace

// Each element of X replaced by the value beside the key that it equals, or by the default.
extern constinit const OpSchema kLabelEncoder = {
    .domain = "ai.onnx.ml",
    .op = "LabelEncoder",
    .since_version = 4,
    .inputs = {{"X", "", kLabelTypes}},
    .outputs = {{"Y", "", kLabelTypes}},
    .attributes = {{"default_float", AttributeKind::kFloat},
                   {"default_int64", AttributeKind::kInt},
                   {"default_string", AttributeKind::kString},
                   {"default_tensor", AttributeKind::kTensor},
                   {"keys_floats", AttributeKind::kFloats},
                   {"keys_int64s", AttributeKind::kInts},
                   {"keys_strings", AttributeKind::kStrings},
                   {"keys_tensor", AttributeKind::kTensor},
                   {"values_floats", AttributeKind::kFloats},
                   {"values_int64s", AttributeKind::kInts},
                   {"values_strings", AttributeKind::kStrings},
                   {"values_tensor", AttributeKind::kTensor}},
    .infer = infer_label_encoder,
    .reference = label_encoder_reference,
};

// Strings become the integers beside them in a table, and integers the strings.
extern constinit const OpSchema kCategoryMapper = {
    .domain = "ai.onnx.ml",
    .op = "CategoryMapper",
    .since_version = 1,
    .inputs = {{"X", "", kCategoryTypes}},
    .outputs = {{"Y", "", kCategoryTypes}},
    .attributes = {{"cats_int64s", AttributeKind::kInts},
                   {"cats_strings", AttributeKind::kStrings},
                   {"default_int64", AttributeKind::kInt},
                   {"default_string", AttributeKind::kString}},
    .infer = infer_category_mapper,
    .reference = category_mapper_reference,
};

}  // namespace oag
