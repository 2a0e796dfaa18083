// CastMap, DictVectorizer, ZipMap: between maps and arrays. A map is its keys [n] beside its values [n].
#include <algorithm>
#include <charconv>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/element_run.h"
#include "engine/ops/ml_rows.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

constexpr KindSet kMapKind = {TypeKind::kMap};
constexpr DTypeSet kValueTypes = {DType::kF32, DType::kF64, DType::kI64, DType::kString};

struct MapParts {
  explicit MapParts(const KernelContext& context)
      : keys(elements_of(context.input(0))[0]), values(elements_of(context.input(0))[1]) {
    if (values.dtype() == DType::kSequence || values.count() != keys.count())
      context.refuse("the values of the map must be one for each of its {} keys", keys.count());
  }
  const Tensor& keys;
  const Tensor& values;
};

// The element type of a map's values.
DType value_dtype(const InferenceContext& context) {
  const ValueType& type = context.type(0);
  if (type.element == nullptr) context.refuse("input 0 is a map of unknown values");
  return type.element->dtype;
}

// What CastMap makes of its values.
template <typename Context>
DType cast_target(const Context& context) {
  const std::string name = context.node().string_attribute("cast_to", "TO_FLOAT");
  if (name == "TO_FLOAT") return DType::kF32;
  if (name == "TO_STRING") return DType::kString;
  if (name == "TO_INT64") return DType::kI64;
  context.refuse("cast_to \"{}\" is not TO_FLOAT, TO_STRING or TO_INT64", name);
}

// The places of a sparse array; nothing for a dense one.
template <typename Context>
std::optional<int64_t> sparse_length(const Context& context) {
  const std::string form = context.node().string_attribute("map_form", "DENSE");
  if (form == "DENSE") return std::nullopt;
  const int64_t length = context.node().int_attribute("max_map", 1);
  if (form != "SPARSE") context.refuse("map_form \"{}\" is not DENSE or SPARSE", form);
  if (length <= 0) context.refuse("max_map is {}; it must be above 0", length);
  return length;
}

void infer_cast_map(InferenceContext& context) {
  const auto length = sparse_length(context);
  context.set_output(0, cast_target(context), Shape{1, length ? Dim(*length) : context.fresh_dim("keys")});
}

template <typename Number>
Number parse_number(const KernelContext& context, const std::string& text) {
  Number number = 0;
  const char* first = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(first, text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    context.refuse("value \"{}\" is no number", text);
  return number;
}

// Value `from` of the map, as place `to` of `out`.
void cast_value(const KernelContext& context, const Tensor& values, int64_t from, const Tensor& out,
                int64_t to) {
  const auto place = static_cast<size_t>(to);
  if (out.dtype() == values.dtype()) return copy_run(out, to, values, from, 1);
  if (values.dtype() == DType::kString) {
    const std::string& text = values.values<std::string>()[static_cast<size_t>(from)];
    if (out.dtype() == DType::kF32) {
      out.values<float>()[place] = parse_number<float>(context, text);
    } else {
      out.values<int64_t>()[place] = parse_number<int64_t>(context, text);
    }
    return;
  }
  double value = 0;
  load_elements<double>(values, from, 1, std::span(&value, 1));
  if (out.dtype() == DType::kString) {
    out.values<std::string>()[place] = fmt::format("{:f}", value);
  } else {
    store_elements<double>(out, to, 1, std::span<const double>(&value, 1));
  }
}

void cast_map_reference(KernelContext& context) {
  const MapParts map(context);
  const auto keys = map.keys.values<int64_t>();
  std::vector<size_t> order(keys.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return keys[a] < keys[b]; });
  const auto length = sparse_length(context);
  const Tensor& out = context.allocate_output(0, cast_target(context),
                                              {1, length.value_or(static_cast<int64_t>(keys.size()))});
  if (out.dtype() == DType::kString) {
    const auto strings = out.values<std::string>();
    std::fill(strings.begin(), strings.end(), "0.f");  // as ONNX Runtime fills them
  } else {
    std::fill(out.bytes().begin(), out.bytes().end(), std::byte{});
  }
  for (size_t i = 0; i < order.size(); ++i) {
    const int64_t to = length ? keys[order[i]] : static_cast<int64_t>(i);
    if (to < 0 || to >= out.count()) context.refuse("key {} is outside [0, {})", to, out.count());
    cast_value(context, map.values, static_cast<int64_t>(order[i]), out, to);
  }
}

int64_t vocabulary_size(const auto& context, DType key) {
  const auto integers = context.node().ints_attribute("int64_vocabulary").size();
  const auto strings = context.node().strings_attribute("string_vocabulary").size();
  if ((key == DType::kString ? strings : integers) == 0)
    context.refuse("has no vocabulary for keys of {}", dtype_name(key));
  return static_cast<int64_t>(key == DType::kString ? strings : integers);
}

void infer_dict_vectorizer(InferenceContext& context) {
  context.set_output(0, value_dtype(context), Shape{1, vocabulary_size(context, context.type(0).key)});
}

template <typename Key>
void vectorize(const KernelContext& context, const MapParts& map, const std::vector<Key>& vocabulary,
               const Tensor& out) {
  std::unordered_map<Key, int64_t> places;
  for (size_t i = 0; i < vocabulary.size(); ++i) places[vocabulary[i]] = static_cast<int64_t>(i);
  const auto keys = map.keys.values<Key>();
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto place = places.find(keys[i]);
    if (place == places.end()) continue;
    copy_run(out, place->second, map.values, static_cast<int64_t>(i), 1);
  }
  if (context.env().should_stop()) return;
}

void dict_vectorizer_reference(KernelContext& context) {
  const MapParts map(context);
  const DType key = map.keys.dtype();
  const Tensor& out = context.allocate_output(0, map.values.dtype(), {1, vocabulary_size(context, key)});
  if (out.dtype() == DType::kString) {
    const auto strings = out.values<std::string>();
    std::fill(strings.begin(), strings.end(), std::string());
  } else {
    std::fill(out.bytes().begin(), out.bytes().end(), std::byte{});
  }
  if (key == DType::kString) {
    vectorize<std::string>(context, map, context.node().strings_attribute("string_vocabulary"), out);
  } else {
    vectorize<int64_t>(context, map, context.node().ints_attribute("int64_vocabulary"), out);
  }
}

ClassLabels keys_of(const auto& context) {
  return ClassLabels(context, "classlabels_int64s", "classlabels_strings");
}

void infer_zip_map(InferenceContext& context) {
  row_count(context);
  context.set_output_type(0, ValueType::sequence(ValueType::map(keys_of(context).dtype(),
                                                                ValueType::tensor(DType::kF32, Shape{}))));
}

void zip_map_reference(KernelContext& context) {
  const FeatureRows rows(context);
  const ClassLabels labels = keys_of(context);
  const auto count = static_cast<int64_t>(labels.size());
  if (rows.width != count) context.refuse("{} labels for the {} columns of X", count, rows.width);
  const Tensor keys = Tensor::host(labels.dtype(), {count});
  for (int64_t i = 0; i < count; ++i) labels.write(keys, i, static_cast<size_t>(i));
  std::vector<Tensor> maps;
  for (int64_t row = 0; row < rows.count; ++row) {
    if (context.env().should_stop()) return;
    const Tensor values = Tensor::host(DType::kF32, {count});
    copy_run(values, 0, rows.tensor, row * count, count);
    maps.push_back(make_map(keys, values));
  }
  context.set_output(0, make_sequence(std::move(maps)));
}

}  // namespace

// Y [1, n]: the values by ascending key, or [1, max_map] with each at the place that is its key and 0
// elsewhere.
extern constinit const OpSchema kCastMap = {
    .domain = "ai.onnx.ml",
    .op = "CastMap",
    .since_version = 1,
    .inputs = {{"X", "", {}, false, false, kMapKind}},
    .outputs = {{"Y", "", {DType::kString, DType::kF32, DType::kI64}}},
    .attributes = {{"cast_to", AttributeKind::kString},
                   {"map_form", AttributeKind::kString},
                   {"max_map", AttributeKind::kInt}},
    .infer = infer_cast_map,
    .reference = cast_map_reference,
};

// Y [1, vocabulary]: each value at the place of its key in the vocabulary, 0 elsewhere.
extern constinit const OpSchema kDictVectorizer = {
    .domain = "ai.onnx.ml",
    .op = "DictVectorizer",
    .since_version = 1,
    .inputs = {{"X", "", {}, false, false, kMapKind}},
    .outputs = {{"Y", "", kValueTypes}},
    .attributes = {{"int64_vocabulary", AttributeKind::kInts},
                   {"string_vocabulary", AttributeKind::kStrings}},
    .infer = infer_dict_vectorizer,
    .reference = dict_vectorizer_reference,
};

// A map for each row of X [N, labels]: its elements by label.
extern constinit const OpSchema kZipMap = {
    .domain = "ai.onnx.ml",
    .op = "ZipMap",
    .since_version = 1,
    .inputs = {{"X", "", {DType::kF32}}},
    .outputs = {{"Z", "", {}, false, false, kSequenceKind}},
    .attributes = {{"classlabels_int64s", AttributeKind::kInts},
                   {"classlabels_strings", AttributeKind::kStrings}},
    .infer = infer_zip_map,
    .reference = zip_map_reference,
};

}  // namespace oag
