// Operators that prepare features: ArrayFeatureExtractor Binarizer FeatureVectorizer Imputer Normalizer
// OneHotEncoder Scaler.
#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <vector>

#include "engine/ops/element_run.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/ml_rows.h"

namespace oag {
namespace {

void infer_extractor(InferenceContext& context) {
  if (!context.has_shape(0) || !context.has_shape(1))
    return context.set_output(0, context.dtype(0), std::nullopt);
  Shape out = context.shape(0);
  if (out.empty()) context.refuse("X is a scalar; it needs at least one dim");
  if (out.size() == 1) out.insert(out.begin(), 1);
  out.back() = element_count(context.shape(1));
  context.set_output(0, context.dtype(0), std::move(out));
}

void extractor_reference(KernelContext& context) {
  const Tensor& data = context.input(0);
  if (data.rank() == 0) context.refuse("X is a scalar; it needs at least one dim");
  const std::vector<int64_t> indices = read_integers(context.input(1));
  const int64_t length = data.dims().back(), chosen = static_cast<int64_t>(indices.size());
  if (indices.empty()) context.refuse("Y names no element");
  for (const int64_t index : indices) {
    if (index < 0 || index >= length) context.refuse("index {} is outside [0, {})", index, length);
  }
  Dims dims = data.dims();
  if (dims.size() == 1) dims.insert(dims.begin(), 1);
  dims.back() = chosen;
  const Tensor& out = context.allocate_output(0, data.dtype(), dims);
  context.env().parallel_for(out.count() / chosen, chosen, [&](int64_t row, int) {
    for (int64_t i = 0; i < chosen; ++i)
      copy_run(out, row * chosen + i, data, row * length + indices[static_cast<size_t>(i)], 1);
  });
}

void binarizer_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  const float threshold = context.node().float_attribute("threshold", 0);
  visit_wide(in.dtype(), [&](auto wide) {
    using Wide = decltype(wide);
    map_elements<Wide>(context.env(), in, out, [&](Wide value) {
      return static_cast<Wide>(static_cast<double>(value) > static_cast<double>(threshold) ? 1 : 0);
    });
  });
}

// Elements a row of an input that is [N, C], or one row [C].
template <typename Context, typename DimList>
auto columns_of(const Context& context, const DimList& dims) {
  if (dims.size() != 1 && dims.size() != 2) context.refuse("input {} must be [N, C] or [C]", to_string(dims));
  return dims.back();
}

void infer_vectorizer(InferenceContext& context) {
  const Dim rows = row_count(context);
  const std::vector<int64_t> lengths = context.node().ints_attribute("inputdimensions");
  Dim columns = 0;
  for (size_t i = 0; i < context.input_count(); ++i) {
    if (i < lengths.size()) {
      columns = columns + Dim(lengths[i]);
    } else if (context.has_shape(i)) {
      columns = columns + columns_of(context, context.shape(i));
    } else {
      columns = context.fresh_dim("columns");
      break;
    }
  }
  context.set_output(0, DType::kF32, Shape{rows, columns});
}

// As many values of an input as its place in inputdimensions says: zeros beside what it has.
void vectorizer_reference(KernelContext& context) {
  const int64_t rows = FeatureRows(context).count;
  std::vector<int64_t> lengths = context.node().ints_attribute("inputdimensions");
  int64_t columns = 0;
  for (size_t i = 0; i < context.input_count(); ++i) {
    const Dims& dims = context.input(i).dims();
    const int64_t have = columns_of(context, dims);
    if ((dims.size() == 2 ? dims[0] : 1) != rows)
      context.refuse("input {} {} has other rows than the {} of input 0", i, to_string(dims), rows);
    if (i >= lengths.size()) lengths.push_back(have);
    if (lengths[i] < 0 || __builtin_add_overflow(columns, lengths[i], &columns))
      context.refuse("inputdimensions {} has a bad length", to_string(lengths));
  }
  const Tensor& out = context.allocate_output(0, DType::kF32, {rows, columns});
  std::fill(out.bytes().begin(), out.bytes().end(), std::byte{});
  int64_t at = 0;
  for (size_t i = 0; i < context.input_count(); at += lengths[i++]) {
    const int64_t have = context.input(i).dims().back();
    std::vector<double> values(static_cast<size_t>(std::min(have, lengths[i])));
    for (int64_t row = 0; row < rows; ++row) {
      load_elements<double>(context.input(i), row * have, 1, values);
      store_elements<double>(out, row * columns + at, 1, values);
    }
  }
}

// Elements equal to one value become another, that of their column where there is one a column.
template <typename Wide, typename Value>
void impute(const KernelContext& context, const std::vector<Value>& imputed, Value replaced) {
  const Tensor& in = context.input(0);
  const int64_t width = in.rank() == 0 ? 1 : in.dims().back();
  if (imputed.size() != 1 && static_cast<int64_t>(imputed.size()) != width)
    context.refuse("{} imputed values for {} features", imputed.size(), width);
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  if (out.count() == 0) return;
  context.env().parallel_for(in.count() / width, width, [&](int64_t row, int) {
    std::vector<Wide> values(static_cast<size_t>(width));
    load_elements<Wide>(in, row * width, 1, values);
    for (size_t i = 0; i < values.size(); ++i) {
      const bool both_nan = is_nan(values[i]) && is_nan(replaced);
      if (both_nan || values[i] == static_cast<Wide>(replaced))
        values[i] = static_cast<Wide>(imputed[imputed.size() == 1 ? 0 : i]);
    }
    store_elements<Wide>(out, row * width, 1, values);
  });
}

void infer_imputer(InferenceContext& context) {
  const bool floats = !context.node().floats_attribute("imputed_value_floats").empty();
  const bool integers = !context.node().ints_attribute("imputed_value_int64s").empty();
  if (floats == integers)
    context.refuse("one of imputed_value_floats and imputed_value_int64s must be there");
  if (floats != is_float(context.dtype(0)))
    context.refuse("imputes {} into {}", floats ? "floats" : "integers", dtype_name(context.dtype(0)));
  infer_same_type(context);
}

void imputer_reference(KernelContext& context) {
  const Node& node = context.node();
  if (is_float(context.input(0).dtype())) {
    impute<double>(context, node.floats_attribute("imputed_value_floats"),
                   node.float_attribute("replaced_value_float", 0));
  } else {
    impute<int64_t>(context, node.ints_attribute("imputed_value_int64s"),
                    node.int_attribute("replaced_value_int64", 0));
  }
}

enum class Norm { kMax, kL1, kL2 };

template <typename Context>
Norm read_norm(const Context& context) {
  const std::string name = context.node().string_attribute("norm", "MAX");
  if (name == "MAX") return Norm::kMax;
  if (name == "L1") return Norm::kL1;
  if (name == "L2") return Norm::kL2;
  context.refuse("norm \"{}\" is not MAX, L1 or L2", name);
}

double norm_of(const std::vector<double>& row, Norm norm) {
  double total = norm == Norm::kMax && !row.empty() ? row[0] : 0;
  for (const double value : row) {
    if (norm == Norm::kMax) total = std::max(total, value);
    if (norm == Norm::kL1) total += std::abs(value);
    if (norm == Norm::kL2) total += value * value;
  }
  return norm == Norm::kL2 ? std::sqrt(total) : total;
}

void infer_float_rows(InferenceContext& context) {
  context.set_output(0, DType::kF32, context.has_shape(0) ? std::optional(context.shape(0)) : std::nullopt);
}

void infer_normalizer(InferenceContext& context) {
  read_norm(context);
  row_count(context);
  infer_float_rows(context);
}

void normalizer_reference(KernelContext& context) {
  const FeatureRows rows(context);
  const Norm norm = read_norm(context);
  const Tensor& out = context.allocate_output(0, DType::kF32, rows.tensor.dims());
  context.env().parallel_for(rows.count, rows.width, [&](int64_t row, int) {
    std::vector<double> values = rows.read(row);
    const double divisor = norm_of(values, norm);
    if (divisor != 0) {
      for (double& value : values) value /= divisor;
    }
    store_elements<double>(out, row * rows.width, 1, values);
  });
}

size_t category_count(const Node& node) {
  return std::max(node.ints_attribute("cats_int64s").size(), node.strings_attribute("cats_strings").size());
}

void infer_one_hot(InferenceContext& context) {
  const bool strings = !context.node().strings_attribute("cats_strings").empty();
  if (strings == !context.node().ints_attribute("cats_int64s").empty())
    context.refuse("one of cats_strings and cats_int64s must be there");
  if (strings != (context.dtype(0) == DType::kString))
    context.refuse("has {} as categories of {}", strings ? "strings" : "integers",
                   dtype_name(context.dtype(0)));
  if (!context.has_shape(0)) return context.set_output(0, DType::kF32, std::nullopt);
  Shape out = context.shape(0);
  out.push_back(static_cast<int64_t>(category_count(context.node())));
  context.set_output(0, DType::kF32, std::move(out));
}

template <typename Key>
void encode_one_hot(const KernelContext& context, std::span<const Key> values,
                    const std::vector<Key>& categories) {
  std::unordered_map<Key, size_t> places;
  for (size_t i = 0; i < categories.size(); ++i) places[categories[i]] = i;
  Dims dims = context.input(0).dims();
  dims.push_back(static_cast<int64_t>(categories.size()));
  const Tensor& out = context.allocate_output(0, DType::kF32, std::move(dims));
  const auto ones = out.values<float>();
  std::fill(ones.begin(), ones.end(), 0.0f);
  const bool accepts_others = context.node().int_attribute("zeros", 1) != 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto place = places.find(values[i]);
    if (place != places.end()) {
      ones[i * categories.size() + place->second] = 1;
    } else if (!accepts_others) {
      context.refuse("value {} is none of the categories, and zeros is 0", values[i]);
    }
  }
}

void one_hot_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  if (in.dtype() == DType::kString) {
    return encode_one_hot<std::string>(context, in.values<std::string>(),
                                       context.node().strings_attribute("cats_strings"));
  }
  std::vector<int64_t> values(static_cast<size_t>(in.count()));
  load_elements<int64_t>(in, 0, 1, values);
  encode_one_hot<int64_t>(context, values, context.node().ints_attribute("cats_int64s"));
}

void scaler_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const auto scale = context.node().floats_attribute("scale"),
             offset = context.node().floats_attribute("offset");
  const int64_t width = in.rank() == 0 ? 1 : in.dims().back();
  if (scale.size() != offset.size() || (scale.size() != 1 && static_cast<int64_t>(scale.size()) != width))
    context.refuse("{} scales and {} offsets for {} features", scale.size(), offset.size(), width);
  const Tensor& out = context.allocate_output(0, DType::kF32, in.dims());
  if (out.count() == 0) return;
  context.env().parallel_for(in.count() / width, width, [&](int64_t row, int) {
    std::vector<double> values(static_cast<size_t>(width));
    load_elements<double>(in, row * width, 1, values);
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t feature = scale.size() == 1 ? 0 : i;
      values[i] = (values[i] - offset[feature]) * scale[feature];
    }
    store_elements<double>(out, row * width, 1, values);
  });
}

constexpr DTypeSet kCategoryTypes = kFeatureTypes | DTypeSet{DType::kString};

}  // namespace

// Z [..., n]: of the last dim of X, the n elements that Y names.
extern constinit const OpSchema kArrayFeatureExtractor = {
    .domain = "ai.onnx.ml",
    .op = "ArrayFeatureExtractor",
    .since_version = 1,
    .inputs = {{"X", "T", kCategoryTypes}, {"Y", "", {DType::kI64}}},
    .outputs = {{"Z", "T", kCategoryTypes}},
    .attributes = {},
    .infer = infer_extractor,
    .reference = extractor_reference,
};

// 1 where X is above threshold, else 0.
extern constinit const OpSchema kBinarizer = {
    .domain = "ai.onnx.ml",
    .op = "Binarizer",
    .since_version = 1,
    .inputs = {{"X", "T", kFeatureTypes}},
    .outputs = {{"Y", "T", kFeatureTypes}},
    .attributes = {{"threshold", AttributeKind::kFloat}},
    .infer = infer_same_type,
    .reference = binarizer_reference,
};

// Inputs [N, C] side by side.
extern constinit const OpSchema kFeatureVectorizer = {
    .domain = "ai.onnx.ml",
    .op = "FeatureVectorizer",
    .since_version = 1,
    .inputs = {{"X", "", kFeatureTypes, false, true}},
    .outputs = {{"Y", "", {DType::kF32}}},
    .attributes = {{"inputdimensions", AttributeKind::kInts}},
    .infer = infer_vectorizer,
    .reference = vectorizer_reference,
};

// X [*, F] with another value where it equals replaced_value: one imputed value, or one a feature.
extern constinit const OpSchema kImputer = {
    .domain = "ai.onnx.ml",
    .op = "Imputer",
    .since_version = 1,
    .inputs = {{"X", "T", kFeatureTypes}},
    .outputs = {{"Y", "T", kFeatureTypes}},
    .attributes = {{"imputed_value_floats", AttributeKind::kFloats},
                   {"imputed_value_int64s", AttributeKind::kInts},
                   {"replaced_value_float", AttributeKind::kFloat},
                   {"replaced_value_int64", AttributeKind::kInt}},
    .infer = infer_imputer,
    .reference = imputer_reference,
};

// Each row divided by its maximum, the sum of its magnitudes or its length, unless that is 0.
extern constinit const OpSchema kNormalizer = {
    .domain = "ai.onnx.ml",
    .op = "Normalizer",
    .since_version = 1,
    .inputs = {{"X", "", kFeatureTypes}},
    .outputs = {{"Y", "", {DType::kF32}}},
    .attributes = {{"norm", AttributeKind::kString}},
    .infer = infer_normalizer,
    .reference = normalizer_reference,
};

// Y [..., categories]: 1 at the category that an element of X is, 0 elsewhere. Errors at run time: an element
// that is none, when zeros is 0.
extern constinit const OpSchema kOneHotEncoder = {
    .domain = "ai.onnx.ml",
    .op = "OneHotEncoder",
    .since_version = 1,
    .inputs = {{"X", "", kCategoryTypes}},
    .outputs = {{"Y", "", {DType::kF32}}},
    .attributes = {{"cats_int64s", AttributeKind::kInts},
                   {"cats_strings", AttributeKind::kStrings},
                   {"zeros", AttributeKind::kInt}},
    .infer = infer_one_hot,
    .reference = one_hot_reference,
};

// (X [..., F] - offset) * scale, one of each or one a feature.
extern constinit const OpSchema kScaler = {
    .domain = "ai.onnx.ml",
    .op = "Scaler",
    .since_version = 1,
    .inputs = {{"X", "", kFeatureTypes}},
    .outputs = {{"Y", "", {DType::kF32}}},
    .attributes = {{"offset", AttributeKind::kFloats}, {"scale", AttributeKind::kFloats}},
    .infer = infer_float_rows,
    .reference = scaler_reference,
};

}  // namespace oag
