// Normalisations of com.microsoft that models exported by ONNX Runtime have: SkipLayerNormalization,
// SkipSimplifiedLayerNormalization, EmbedLayerNormalization; and SimplifiedLayerNormalization, which stands
// in domain "".
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/ops/decomposition.h"
#include "engine/ops/element.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

constexpr DTypeSet kRowTypes = {DType::kF32, DType::kF16, DType::kBF16};
constexpr DTypeSet kIdTypes = {DType::kI32};

std::vector<double> read_vector(const KernelContext& context, size_t input, int64_t width) {
  if (!context.has_input(input)) return {};
  const Tensor& tensor = context.input(input);
  if (tensor.count() != width)
    context.refuse("input {} {} must have {} values", input, to_string(tensor.dims()), width);
  std::vector<double> values(static_cast<size_t>(width));
  load_elements<double>(tensor, 0, 1, values);
  return values;
}

// Scales a row by its root mean square, or, when it is centred first, its deviation.
struct RowNorm {
  double mean = 0, inverse = 0;

  RowNorm(const std::vector<double>& row, double epsilon, bool centre) {
    const auto count = static_cast<double>(row.size());
    for (const double value : row) mean += centre ? value / count : 0;
    double squares = 0;
    for (const double value : row) squares += (value - mean) * (value - mean);
    inverse = 1 / std::sqrt(squares / count + epsilon);
  }

  void apply(std::vector<double>& row, const std::vector<double>& scale,
             const std::vector<double>& shift) const {
    for (size_t i = 0; i < row.size(); ++i)
      row[i] = (row[i] - mean) * inverse * scale[i] + (shift.empty() ? 0 : shift[i]);
  }
};

// The dims of X with those after `kept` made 1.
std::optional<Shape> statistics_shape(const InferenceContext& context, int64_t kept) {
  if (!context.has_shape(0)) return std::nullopt;
  Shape shape = context.shape(0);
  std::fill(shape.begin() + std::min<int64_t>(kept, static_cast<int64_t>(shape.size())), shape.end(), Dim(1));
  return shape;
}

void infer_skip(InferenceContext& context) {
  context.set_output(0, context.dtype(0), context.type(0).shape);
  const int64_t rank = context.has_shape(0) ? static_cast<int64_t>(context.shape(0).size()) : 0;
  if (context.has_shape(0) && rank == 0) context.refuse("the input is a scalar");
  context.set_output(1, DType::kF32, statistics_shape(context, rank - 1));
  context.set_output(2, DType::kF32, statistics_shape(context, rank - 1));
  context.set_output(3, context.dtype(0), context.type(0).shape);
}

template <bool kCentre>
void skip_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const Tensor& skip = context.input(1);
  if (in.rank() == 0) context.refuse("the input is a scalar");
  const int64_t width = in.dims().back(), rows = width == 0 ? 0 : in.count() / width;
  if (skip.rank() == 0 || skip.dims().back() != width || skip.count() == 0 ? in.count() != 0
                                                                           : in.count() % skip.count() != 0)
    context.refuse("skip {} does not repeat to {}", to_string(skip.dims()), to_string(in.dims()));
  const std::vector<double> scale = read_vector(context, 2, width);
  const std::vector<double> shift = kCentre ? read_vector(context, 3, width) : std::vector<double>();
  const std::vector<double> bias = read_vector(context, kCentre ? 4 : 3, width);
  const double epsilon = context.node().float_attribute("epsilon", 1e-12f);
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  Dims statistics = in.dims();
  statistics.back() = 1;
  for (size_t i = 1; i < 3; ++i) {
    if (context.wants_output(i)) context.allocate_output(i, DType::kF32, statistics);
  }
  if (context.wants_output(3)) context.allocate_output(3, in.dtype(), in.dims());
  const int64_t skip_rows = width == 0 ? 1 : skip.count() / width;
  context.env().parallel_for(rows, 8 * width, [&](int64_t r, int) {
    std::vector<double> row(static_cast<size_t>(width)), other(row.size());
    load_elements<double>(in, r * width, 1, row);
    load_elements<double>(skip, r % skip_rows * width, 1, other);
    for (size_t i = 0; i < row.size(); ++i) row[i] += other[i] + (bias.empty() ? 0 : bias[i]);
    if (context.wants_output(3)) store_elements<double>(context.output(3), r * width, 1, row);
    const RowNorm norm(row, epsilon, kCentre);
    norm.apply(row, scale, shift);
    store_elements<double>(out, r * width, 1, row);
    if (context.wants_output(1))
      context.output(1).values<float>()[static_cast<size_t>(r)] = static_cast<float>(norm.mean);
    if (context.wants_output(2))
      context.output(2).values<float>()[static_cast<size_t>(r)] = static_cast<float>(norm.inverse);
  });
}

void infer_simplified(InferenceContext& context) {
  context.set_output(0, context.dtype(1), context.type(0).shape);
  std::optional<Shape> statistics;
  if (context.has_shape(0)) {
    statistics = statistics_shape(
        context, normalize_axis(context, context.node().int_attribute("axis", -1), context.shape(0).size()));
  }
  context.set_output(1, DType::kF32, std::move(statistics));
}

void simplified_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const auto rank = static_cast<int64_t>(in.rank());
  int64_t axis = context.node().int_attribute("axis", -1);
  if (axis < -rank || axis >= rank) context.refuse("axis {} is outside [-{}, {})", axis, rank, rank);
  if (axis < 0) axis += rank;
  const Dims kept(in.dims().begin(), in.dims().begin() + axis),
      taken(in.dims().begin() + axis, in.dims().end());
  const int64_t width = element_count(taken);
  const std::vector<double> scale = read_vector(context, 1, width);
  const double epsilon = context.node().float_attribute("epsilon", 1e-5f);
  const Tensor& out = context.allocate_output(0, context.input(1).dtype(), in.dims());
  Dims statistics = in.dims();
  std::fill(statistics.begin() + axis, statistics.end(), 1);
  if (context.wants_output(1)) context.allocate_output(1, DType::kF32, statistics);
  context.env().parallel_for(element_count(kept), 4 * width, [&](int64_t r, int) {
    std::vector<double> row(static_cast<size_t>(width));
    load_elements<double>(in, r * width, 1, row);
    const RowNorm norm(row, epsilon, false);
    norm.apply(row, scale, {});
    store_elements<double>(out, r * width, 1, row);
    if (context.wants_output(1))
      context.output(1).values<float>()[static_cast<size_t>(r)] = static_cast<float>(norm.inverse);
  });
}

void infer_embed(InferenceContext& context) {
  std::optional<Shape> out, sums;
  Dim batch = context.fresh_dim("batch"), tokens = context.fresh_dim("tokens"),
      width = context.fresh_dim("width");
  if (context.has_shape(0) && context.shape(0).size() == 2)
    batch = context.shape(0)[0], tokens = context.shape(0)[1];
  if (context.has_shape(2) && context.shape(2).size() == 2) width = context.shape(2)[1];
  const DType dtype = context.dtype(2);
  context.set_output(0, dtype, Shape{batch, tokens, width});
  context.set_output(1, DType::kI32, Shape{batch});
  context.set_output(2, dtype, Shape{batch, tokens, width});
}

// Adds row `index` of the table in an input.
void add_row(const KernelContext& context, size_t input, int64_t index, std::vector<double>& sum) {
  std::vector<double> row(sum.size());
  load_elements<double>(context.input(input), index * static_cast<int64_t>(sum.size()), 1, row);
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += row[i];
}

// Indices in an input [batch, tokens] into the table of another input, each checked.
std::vector<int64_t> read_ids(const KernelContext& context, size_t input, size_t table, int64_t count) {
  const std::vector<int64_t> ids = read_integers(context.input(input));
  if (static_cast<int64_t>(ids.size()) != count)
    context.refuse("input {} has {} ids where {} are expected", input, ids.size(), count);
  const int64_t rows = context.input(table).dim(0);
  for (const int64_t id : ids) {
    if (id < 0 || id >= rows) context.refuse("id {} is outside a table of {} rows", id, rows);
  }
  return ids;
}

void embed_reference(KernelContext& context) {
  const Tensor& words = context.input(0);
  if (words.rank() != 2 || context.input(2).rank() != 2)
    context.refuse("ids must be [batch, tokens], tables [rows, width]");
  const int64_t batch = words.dim(0), tokens = words.dim(1), width = context.input(2).dim(1);
  for (size_t i : {size_t{3}, size_t{4}}) {
    if (context.has_input(i) && (context.input(i).rank() != 2 || context.input(i).dim(1) != width))
      context.refuse("table {} must be [rows, {}]", to_string(context.input(i).dims()), width);
  }
  const std::vector<int64_t> word_ids = read_ids(context, 0, 2, batch * tokens);
  std::vector<int64_t> segments, positions;
  if (context.has_input(1) && context.has_input(4)) segments = read_ids(context, 1, 4, batch * tokens);
  const bool one_row = context.has_input(8) && context.input(8).count() == tokens;
  if (context.has_input(8)) positions = read_ids(context, 8, 3, one_row ? tokens : batch * tokens);
  if (!context.has_input(8) && tokens > context.input(3).dim(0))
    context.refuse("{} tokens for {} positions", tokens, context.input(3).dim(0));
  const std::vector<double> scale = read_vector(context, 5, width), shift = read_vector(context, 6, width);
  const double epsilon = context.node().float_attribute("epsilon", 1e-12f);
  const DType dtype = context.input(2).dtype();
  const Tensor& out = context.allocate_output(0, dtype, {batch, tokens, width});
  if (context.wants_output(1)) {
    const auto lengths = context.allocate_output(1, DType::kI32, {batch}).values<int32_t>();
    std::fill(lengths.begin(), lengths.end(), 0);
    const std::vector<int64_t> mask =
        context.has_input(7) ? read_integers(context.input(7)) : std::vector<int64_t>();
    for (size_t i = 0; i < mask.size() && i < word_ids.size(); ++i)
      lengths[i / static_cast<size_t>(tokens)] += mask[i] == 1 ? 1 : 0;
  }
  if (context.wants_output(2)) context.allocate_output(2, dtype, {batch, tokens, width});
  context.env().parallel_for(batch * tokens, 10 * width, [&](int64_t r, int) {
    const auto at = static_cast<size_t>(r);
    std::vector<double> row(static_cast<size_t>(width), 0.0);
    add_row(context, 2, word_ids[at], row);
    add_row(context, 3, positions.empty() ? r % tokens : positions[one_row ? at % positions.size() : at],
            row);
    if (!segments.empty()) add_row(context, 4, segments[at], row);
    if (context.wants_output(2)) store_elements<double>(context.output(2), r * width, 1, row);
    RowNorm(row, epsilon, true).apply(row, scale, shift);
    store_elements<double>(out, r * width, 1, row);
  });
}

ValueId add_sum(Decomposition& into, size_t bias) {
  const ValueId sum = into.add("Add", {into.input(0), into.input(1)});
  return into.has_input(bias) ? into.add("Add", {sum, into.input(bias)}) : sum;
}

// Of narrower types the sum is not rounded before it is normalised.
std::vector<ValueId> decompose_skip(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  if (into.dtype(0) != DType::kF32) return {};
  const ValueId sum = add_sum(into, 4);
  const auto made =
      into.add_many("LayerNormalization", {sum, into.input(2), into.input(3)},
                    {{"axis", int64_t{-1}}, {"epsilon", node.float_attribute("epsilon", 1e-12f)}}, 3);
  return {made[0], made[1], made[2], sum};
}

// RMSNormalization tells no statistics.
std::vector<ValueId> decompose_skip_simplified(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  if (into.dtype(0) != DType::kF32 || into.wants_output(1) || into.wants_output(2)) return {};
  const ValueId sum = add_sum(into, 3);
  const ValueId y = into.add("RMSNormalization", {sum, into.input(2)},
                             {{"axis", int64_t{-1}}, {"epsilon", node.float_attribute("epsilon", 1e-12f)}});
  return {y, kNoValue, kNoValue, sum};
}

std::vector<ValueId> decompose_simplified(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  if (into.dtype(0) != DType::kF32 || into.dtype(1) != DType::kF32 || into.wants_output(1)) return {};
  return {into.add(
      "RMSNormalization", {into.input(0), into.input(1)},
      {{"axis", node.int_attribute("axis", -1)}, {"epsilon", node.float_attribute("epsilon", 1e-5f)}})};
}

}  // namespace

// Layer normalization of input + skip (+ bias), with the sum as fourth output.
extern constinit const OpSchema kMicrosoftSkipLayerNormalization = {
    .domain = "com.microsoft",
    .op = "SkipLayerNormalization",
    .since_version = 1,
    .inputs = {{"input", "T", kRowTypes},
               {"skip", "T", kRowTypes},
               {"gamma", "T", kRowTypes},
               {"beta", "T", kRowTypes, true},
               {"bias", "T", kRowTypes, true}},
    .outputs = {{"output", "T", kRowTypes},
                {"mean", "", {DType::kF32}, true},
                {"inv_std_var", "", {DType::kF32}, true},
                {"input_skip_bias_sum", "T", kRowTypes, true}},
    .attributes = {{"epsilon", AttributeKind::kFloat}},
    .infer = infer_skip,
    .reference = skip_reference<true>,
    .decompose = decompose_skip,
};

// RMS normalization of input + skip (+ bias), with the sum as fourth output.
extern constinit const OpSchema kMicrosoftSkipSimplifiedLayerNormalization = {
    .domain = "com.microsoft",
    .op = "SkipSimplifiedLayerNormalization",
    .since_version = 1,
    .inputs = {{"input", "T", kRowTypes},
               {"skip", "T", kRowTypes},
               {"gamma", "T", kRowTypes},
               {"bias", "T", kRowTypes, true}},
    .outputs = {{"output", "T", kRowTypes},
                {"mean", "", {DType::kF32}, true},
                {"inv_std_var", "", {DType::kF32}, true},
                {"input_skip_bias_sum", "T", kRowTypes, true}},
    .attributes = {{"epsilon", AttributeKind::kFloat}},
    .infer = infer_skip,
    .reference = skip_reference<false>,
    .decompose = decompose_skip_simplified,
};

// RMS normalization over the dims from `axis`.
extern constinit const OpSchema kMicrosoftSimplifiedLayerNormalization = {
    .domain = "",
    .op = "SimplifiedLayerNormalization",
    .since_version = 1,
    .inputs = {{"X", "T", kFloatTypes}, {"scale", "V", kFloatTypes}},
    .outputs = {{"Y", "V", kFloatTypes}, {"inv_std_var", "", {DType::kF32}, true}},
    .attributes = {{"axis", AttributeKind::kInt},
                   {"epsilon", AttributeKind::kFloat},
                   {"stash_type", AttributeKind::kInt}},
    .infer = infer_simplified,
    .reference = simplified_reference,
    .decompose = decompose_simplified,
};

// Layer normalization of word, position and segment embeddings, added up; the tokens of each row of the mask.
extern constinit const OpSchema kMicrosoftEmbedLayerNormalization = {
    .domain = "com.microsoft",
    .op = "EmbedLayerNormalization",
    .since_version = 1,
    .inputs = {{"input_ids", "T1", kIdTypes},
               {"segment_ids", "T1", kIdTypes, true},
               {"word_embedding", "T", kRowTypes},
               {"position_embedding", "T", kRowTypes},
               {"segment_embedding", "T", kRowTypes, true},
               {"gamma", "T", kRowTypes},
               {"beta", "T", kRowTypes},
               {"mask", "T1", kIdTypes, true},
               {"position_ids", "T1", kIdTypes, true}},
    .outputs = {{"output", "T", kRowTypes},
                {"mask_index", "T1", kIdTypes, true},
                {"embedding_sum", "T", kRowTypes, true}},
    .attributes = {{"epsilon", AttributeKind::kFloat}, {"mask_index_type", AttributeKind::kInt}},
    .infer = infer_embed,
    .reference = embed_reference,
};

}  // namespace oag
