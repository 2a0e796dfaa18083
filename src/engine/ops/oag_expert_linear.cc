// oag.ExpertLinear: products of rows with the matrices that a router chose for them.
#include <vector>

#include "engine/ops/schema.h"
#include "engine/tensor/block_format.h"

namespace oag {
namespace {

constexpr DTypeSet kStoredTypes = DTypeSet{DType::kF32, DType::kF16, DType::kBF16} | kBlockTypes;
constexpr size_t kX = 0, kExperts = 1, kFirstMatrix = 2;

void infer_expert_linear(InferenceContext& context) {
  const Shape &x = context.shape(kX), &experts = context.shape(kExperts);
  if (experts.size() != 2) context.refuse("experts {} must be [tokens, choices]", to_string(experts));
  const bool by_choice = x.size() == 3;
  if ((x.size() != 2 && !by_choice) || !(x[0] == experts[0]) || (by_choice && !(x[1] == experts[1]))) {
    context.refuse("x {} must be [tokens, inputs] or [tokens, choices, inputs] for experts {}", to_string(x),
                   to_string(experts));
  }
  const Shape& first = context.shape(kFirstMatrix);
  for (size_t i = kFirstMatrix; i < context.input_count(); ++i) {
    const Shape& w = context.shape(i);
    if (w.size() != 2 || !(w == first) || !(w[1] == x.back())) {
      context.refuse("w of expert {} is {}; all must be [outputs, inputs] alike, x is {}", i - kFirstMatrix,
                     to_string(w), to_string(x));
    }
  }
  context.set_output(0, DType::kF32, Shape{experts[0], experts[1], first[0]});
}

// Sums in double, one choice at a time.
void expert_linear_reference(KernelContext& context) {
  const Tensor &x = context.input(kX), &experts = context.input(kExperts), &y = context.output(0);
  const int64_t inputs = x.dims().back(), outputs = y.dim(2), choices = y.dim(1);
  const bool by_choice = x.rank() == 3;
  const auto matrices = static_cast<int64_t>(context.input_count() - kFirstMatrix);
  std::vector<float> row(static_cast<size_t>(inputs));
  for (int64_t at = 0; at < experts.count(); ++at) {
    const int64_t expert = experts.values<int64_t>()[static_cast<size_t>(at)];
    if (expert < 0 || expert >= matrices)
      context.refuse("choice {} is expert {}, there are {}", at, expert, matrices);
    const Tensor& w = context.input(kFirstMatrix + static_cast<size_t>(expert));
    const float* values = x.values<float>().data() + (by_choice ? at : at / choices) * inputs;
    const size_t stride = row_bytes(w.dtype(), inputs);
    for (int64_t o = 0; o < outputs; ++o) {
      decode_blocks(w.dtype(), w.bytes().subspan(static_cast<size_t>(o) * stride, stride), row);
      double sum = 0;
      for (size_t i = 0; i < row.size(); ++i) sum += double{values[i]} * double{row[i]};
      y.values<float>()[static_cast<size_t>(at * outputs + o)] = static_cast<float>(sum);
    }
  }
}

}  // namespace

// y[t, j] = w of expert experts[t, j] · x[t], or · x[t, j] where x has a row for each choice. x [T, in] or
// [T, k, in] f32, experts [T, k] i64, then one w [out, in] for each expert, in any storage -> y [T, k, out]
// f32. Matrices are inputs of their own, so that files that hold experts apart and files that stack them are
// both read in place. An expert that there is not is an error of the run.
extern constinit const OpSchema kExpertLinear = {
    .domain = "oag",
    .op = "ExpertLinear",
    .since_version = 1,
    .inputs = {{"x", "T", {DType::kF32}},
               {"experts", "I", {DType::kI64}},
               {"w", "", kStoredTypes, false, true}},
    .outputs = {{"y", "T", {DType::kF32}}},
    .attributes = {},
    .infer = infer_expert_linear,
    .reference = expert_linear_reference,
};

}  // namespace oag
