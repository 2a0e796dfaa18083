// Einsum: sums of products over named dims.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

// A dim's name: a letter, or for those of "..." the place counted from their last as kEllipsis + place.
using Label = int;
using Labels = std::vector<Label>;
constexpr Label kEllipsis = 1000;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// One side's terms: "..." is kEllipsis alone until the ranks are known.
template <typename Context>
std::vector<Labels> parse_terms(const Context& context, const std::string& text) {
  std::vector<Labels> terms(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      terms.emplace_back();
    } else if (is_letter(text[i])) {
      terms.back().push_back(text[i]);
    } else if (text.compare(i, 3, "...") == 0 && std::ranges::count(terms.back(), kEllipsis) == 0) {
      terms.back().push_back(kEllipsis);
      i += 2;
    } else if (text[i] != ' ') {
      context.refuse("equation \"{}\" has a {} that is no label, comma or single ...", text.substr(0, 80),
                     text[i]);
    }
  }
  return terms;
}

// What an equation says for operands of known ranks.
struct Equation {
  std::vector<Labels> inputs;
  Labels output;
};

// Puts a label for each of its dims in place of "...", the last `count` ones.
void expand_ellipsis(Labels& labels, int count) {
  const auto place = std::ranges::find(labels, kEllipsis);
  if (place == labels.end()) return;
  const auto at = labels.erase(place);
  Labels dims;
  for (int i = count; i-- > 0;) dims.push_back(kEllipsis + i);
  labels.insert(at, dims.begin(), dims.end());
}

// Labels that occur once, those of "..." first, then by letter.
Labels implicit_output(const std::vector<Labels>& inputs, int ellipsis_rank) {
  std::map<Label, int> uses;
  for (const Labels& labels : inputs) {
    for (const Label label : labels) ++uses[label];
  }
  Labels output;
  for (int i = ellipsis_rank; i-- > 0;) output.push_back(kEllipsis + i);
  for (const auto& [label, count] : uses) {
    if (label < kEllipsis && count == 1) output.push_back(label);
  }
  return output;
}

template <typename Context>
Equation parse_equation(const Context& context, const std::vector<size_t>& ranks) {
  const std::string text = context.node().string_attribute("equation", "");
  const size_t arrow = text.find("->");
  Equation equation{parse_terms(context, text.substr(0, arrow)), {}};
  if (equation.inputs.size() != ranks.size())
    context.refuse("equation \"{}\" has {} terms for {} inputs", text, equation.inputs.size(), ranks.size());
  int ellipsis_rank = 0;
  for (size_t i = 0; i < ranks.size(); ++i) {
    Labels& labels = equation.inputs[i];
    const bool open = std::ranges::count(labels, kEllipsis) > 0;
    const size_t named = labels.size() - (open ? 1 : 0);
    if (open ? named > ranks[i] : named != ranks[i])
      context.refuse("term {} of equation \"{}\" does not fit an input of rank {}", i, text, ranks[i]);
    const auto rank = static_cast<int>(ranks[i] - named);
    expand_ellipsis(labels, rank);
    ellipsis_rank = std::max(ellipsis_rank, rank);
  }
  if (arrow == std::string::npos) {
    equation.output = implicit_output(equation.inputs, ellipsis_rank);
    return equation;
  }
  const auto output = parse_terms(context, text.substr(arrow + 2));
  if (output.size() != 1) context.refuse("equation \"{}\" has several outputs", text);
  equation.output = output[0];
  expand_ellipsis(equation.output, ellipsis_rank);
  for (const Label label : equation.output) {
    const bool known = label >= kEllipsis || std::ranges::any_of(equation.inputs, [&](const Labels& labels) {
                         return std::ranges::count(labels, label) > 0;
                       });
    if (!known || std::ranges::count(equation.output, label) > 1)
      context.refuse("equation \"{}\": an output label must be one of the inputs', once", text);
  }
  return equation;
}

void infer_einsum(InferenceContext& context) {
  std::vector<size_t> ranks;
  for (size_t i = 0; i < context.input_count(); ++i) {
    if (!context.has_shape(i)) return context.set_output(0, context.dtype(0), std::nullopt);
    ranks.push_back(context.shape(i).size());
  }
  const Equation equation = parse_equation(context, ranks);
  std::map<Label, Dim> sizes;
  for (size_t i = 0; i < ranks.size(); ++i) {
    for (size_t d = 0; d < ranks[i]; ++d) {
      const auto [slot, fresh] = sizes.emplace(equation.inputs[i][d], context.shape(i)[d]);
      if (!fresh) slot->second = broadcast_shapes(context, {slot->second}, {context.shape(i)[d]})[0];
    }
  }
  Shape out;
  for (const Label label : equation.output) out.push_back(sizes.at(label));
  context.set_output(0, context.dtype(0), std::move(out));
}

using Sizes = std::map<Label, int64_t>;

Sizes label_sizes(const KernelContext& context, const Equation& equation) {
  Sizes sizes;
  for (size_t i = 0; i < equation.inputs.size(); ++i) {
    for (size_t d = 0; d < equation.inputs[i].size(); ++d) {
      const auto [slot, fresh] = sizes.emplace(equation.inputs[i][d], context.input(i).dim(d));
      if (!fresh) slot->second = broadcast_dims(context, {slot->second}, {context.input(i).dim(d)})[0];
    }
  }
  return sizes;
}

struct Operand {
  Tensor tensor;
  Labels labels;

  // What a step along each of `over` moves by: a repeated label moves along all its dims, a lacking one along
  // none.
  Strides strides(const Labels& over) const {
    const Strides dense = dense_strides(tensor.dims());
    Strides steps(over.size(), 0);
    for (size_t k = 0; k < over.size(); ++k) {
      for (size_t d = 0; d < labels.size(); ++d) {
        if (labels[d] == over[k] && tensor.dim(d) != 1) steps[k] += dense[d];
      }
    }
    return steps;
  }
};

Dims dims_of(const Labels& labels, const Sizes& sizes) {
  Dims dims;
  for (const Label label : labels) dims.push_back(sizes.at(label));
  return dims;
}

// product[i] *= values[i]; integers wrap around.
template <typename Wide>
void multiply(std::span<Wide> product, std::span<const Wide> values) {
  using Unsigned = std::conditional_t<std::is_integral_v<Wide>, uint64_t, double>;
  for (size_t i = 0; i < product.size(); ++i)
    product[i] = static_cast<Wide>(static_cast<Unsigned>(product[i]) * static_cast<Unsigned>(values[i]));
}

// out[kept…] = Σ over all other labels of the product of one or two operands.
template <typename Wide>
bool contract(KernelEnv& env, std::span<const Operand> operands, const Labels& kept, const Sizes& sizes,
              const Tensor& out) {
  using Unsigned = std::conditional_t<std::is_integral_v<Wide>, uint64_t, double>;
  Labels summed;
  for (const Operand& operand : operands) {
    for (const Label label : operand.labels) {
      if (std::ranges::count(kept, label) + std::ranges::count(summed, label) == 0) summed.push_back(label);
    }
  }
  std::vector<Strides> outer, inner;
  for (const Operand& operand : operands) {
    outer.push_back(operand.strides(kept));
    inner.push_back(operand.strides(summed));
  }
  const Dims kept_dims = dims_of(kept, sizes), summed_dims = dims_of(summed, sizes);
  const StridedWalk walk(summed_dims, inner);
  return env.parallel_for(out.count(), 2 * element_count(summed_dims), [&](int64_t i, int) {
    std::array<int64_t, 2> starts = {0, 0};
    int64_t rest = i;
    for (size_t d = kept.size(); d-- > 0; rest /= kept_dims[d]) {
      for (size_t k = 0; k < operands.size(); ++k) starts[k] += rest % kept_dims[d] * outer[k][d];
    }
    Unsigned sum = 0;
    walk.run_serial([&](std::span<const int64_t> at, int64_t count) {
      std::array<Wide, StridedWalk::kPiece> product, factor;
      const auto size = static_cast<size_t>(count);
      load_elements<Wide>(operands[0].tensor, starts[0] + at[0], walk.step(0),
                          std::span(product).first(size));
      if (operands.size() > 1) {
        load_elements<Wide>(operands[1].tensor, starts[1] + at[1], walk.step(1),
                            std::span(factor).first(size));
        multiply<Wide>(std::span(product).first(size), std::span<const Wide>(factor).first(size));
      }
      for (size_t k = 0; k < size; ++k) sum += static_cast<Unsigned>(product[k]);
    });
    const auto result = static_cast<Wide>(sum);
    store_elements<Wide>(out, i, 1, {&result, 1});
  });
}

template <typename Wide>
constexpr DType wide_type() {
  return std::is_same_v<Wide, double>    ? DType::kF64
         : std::is_same_v<Wide, int64_t> ? DType::kI64
                                         : DType::kU64;
}

// Folds the inputs from left to right: after each product the labels that nothing needs any more are summed
// over.
template <typename Wide>
void einsum(KernelContext& context, const Equation& equation, const Sizes& sizes, const Tensor& out) {
  std::vector<Operand> pair = {{context.input(0), equation.inputs[0]}};
  for (size_t i = 1; i < equation.inputs.size(); ++i) {
    pair.push_back({context.input(i), equation.inputs[i]});
    if (i + 1 == equation.inputs.size()) break;
    Labels kept;
    const auto needed_later = [&](Label label) {
      return std::ranges::count(equation.output, label) > 0 ||
             std::any_of(equation.inputs.begin() + static_cast<std::ptrdiff_t>(i) + 1, equation.inputs.end(),
                         [&](const Labels& labels) { return std::ranges::count(labels, label) > 0; });
    };
    for (const Operand& operand : pair) {
      for (const Label label : operand.labels) {
        if (needed_later(label) && std::ranges::count(kept, label) == 0) kept.push_back(label);
      }
    }
    const Tensor product = Tensor::host(wide_type<Wide>(), dims_of(kept, sizes));
    if (!contract<Wide>(context.env(), pair, kept, sizes, product)) return;
    pair = {{product, kept}};
  }
  contract<Wide>(context.env(), pair, equation.output, sizes, out);
}

void einsum_reference(KernelContext& context) {
  std::vector<size_t> ranks;
  for (size_t i = 0; i < context.input_count(); ++i) ranks.push_back(context.input(i).rank());
  const Equation equation = parse_equation(context, ranks);
  const Sizes sizes = label_sizes(context, equation);
  const Tensor& out = context.allocate_output(0, context.input(0).dtype(), dims_of(equation.output, sizes));
  visit_wide(out.dtype(), [&](auto wide) { einsum<decltype(wide)>(context, equation, sizes, out); });
}

}  // namespace

// equation "ij,jk->ik": each term names an input's dims; the products are summed over the labels that the
// output lacks. Without "->" the output has the labels that occur once, in order. "..." are dims that
// broadcast, a label twice in a term is its diagonal.
extern constinit const OpSchema kEinsum = {
    .domain = "",
    .op = "Einsum",
    .since_version = 28,
    .inputs = {{"Inputs", "T", kNumericTypes, false, true}},
    .outputs = {{"Output", "T", kNumericTypes}},
    .attributes = {{"equation", AttributeKind::kString, true}},
    .infer = infer_einsum,
    .reference = einsum_reference,
};

}  // namespace oag
