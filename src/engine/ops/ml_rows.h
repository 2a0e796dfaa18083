#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"

namespace oag {

// Pieces that the operators of ai.onnx.ml share. Most take rows of features, X [N, F] or one row [F].

inline constexpr DTypeSet kFeatureTypes = {DType::kF32, DType::kF64, DType::kI64, DType::kI32};

// The rows of input 0 at run time. Errors: through `context` for other ranks.
struct FeatureRows {
  explicit FeatureRows(const KernelContext& context);
  std::vector<double> read(int64_t row) const;

  const Tensor& tensor;
  int64_t count = 1;
  int64_t width = 0;
};

// How many rows input 0 has, for a shape rule.
Dim row_count(const InferenceContext& context);

// The labels of a classifier: strings or integers, whichever attribute is there.
struct ClassLabels {
  // Errors: kInvalidArgument through `context` unless exactly one attribute has labels.
  template <typename Context>
  ClassLabels(const Context& context, std::string_view integer_key, std::string_view string_key)
      : integers(context.node().ints_attribute(integer_key)),
        strings(context.node().strings_attribute(string_key)) {
    if (integers.empty() == strings.empty())
      context.refuse("one of {} and {} must have labels", integer_key, string_key);
  }

  size_t size() const { return integers.empty() ? strings.size() : integers.size(); }
  DType dtype() const { return integers.empty() ? DType::kString : DType::kI64; }
  // out[i] = label `index`; `integer` where that is no index: ORT's labels of a classifier of one class.
  void write(const Tensor& out, int64_t i, size_t index) const;
  void write_bare(const Tensor& out, int64_t i, int64_t integer) const;

  std::vector<int64_t> integers;
  std::vector<std::string> strings;
};

// What a classifier or regressor does to its scores. The order is that of TreeEnsemble's attribute.
enum class PostTransform { kNone, kSoftmax, kLogistic, kSoftmaxZero, kProbit };

std::optional<PostTransform> post_transform_from_name(std::string_view name);

// The attribute post_transform, a name. Errors: through `context` for one that is not known.
template <typename Context>
PostTransform read_post_transform(const Context& context) {
  const std::string name = context.node().string_attribute("post_transform", "NONE");
  const auto transform = post_transform_from_name(name);
  if (!transform) context.refuse("post_transform \"{}\" is not known", name);
  return *transform;
}

// How a single score becomes those of two classes.
enum class SecondClass { kNone, kComplement, kOpposite };

// The scores of one row, transformed as ONNX Runtime does it: of a single score only PROBIT is taken, and
// LOGISTIC where a class is added. SOFTMAX_ZERO leaves scores of 0 out.
void transform_scores(std::vector<double>& scores, PostTransform transform, SecondClass second);

}  // namespace oag
