// TreeEnsemble, TreeEnsembleClassifier, TreeEnsembleRegressor.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "engine/ops/ml_rows.h"
#include "engine/ops/tree_model.h"

namespace oag {
namespace {

size_t target_count(const auto& context) {
  const int64_t targets = context.node().int_attribute("n_targets", 1);
  constexpr int64_t kMost = int64_t{1} << 31;
  if (targets < 1 || targets > kMost) context.refuse("n_targets is {}; it must be at least 1", targets);
  return static_cast<size_t>(targets);
}

Aggregate aggregate_from_index(const auto& context) {
  const int64_t index = context.node().int_attribute("aggregate_function", 1);
  if (index < 0 || index > 3) context.refuse("aggregate_function {} is not known", index);
  return static_cast<Aggregate>(index);
}

PostTransform transform_from_index(const auto& context) {
  const int64_t index = context.node().int_attribute("post_transform", 0);
  if (index < 0 || index > 4) context.refuse("post_transform {} is not known", index);
  return static_cast<PostTransform>(index);
}

Aggregate aggregate_from_name(const auto& context) {
  const std::string name = context.node().string_attribute("aggregate_function", "SUM");
  if (name == "AVERAGE") return Aggregate::kAverage;
  if (name == "SUM") return Aggregate::kSum;
  if (name == "MIN") return Aggregate::kMin;
  if (name == "MAX") return Aggregate::kMax;
  context.refuse("aggregate_function \"{}\" is not AVERAGE, SUM, MIN or MAX", name);
}

// Y [N, targets] of trees that score targets; `base` is added to each target, or to all.
void score_targets(const KernelContext& context, const FeatureRows& rows, const TreeModel& model,
                   Aggregate aggregate, PostTransform transform, const std::vector<double>& base,
                   DType dtype) {
  const size_t targets = target_count(context);
  if (base.size() > 1 && base.size() != targets)
    context.refuse("has {} base values for {} targets", base.size(), targets);
  const auto columns = static_cast<int64_t>(targets);
  const Tensor& out = context.allocate_output(0, dtype, {rows.count, columns});
  context.env().parallel_for(
      rows.count, static_cast<int64_t>(model.roots.size()) * 50, [&](int64_t row, int) {
        std::vector<double> scores = run_trees(model, aggregate, targets, rows.read(row)).scores;
        if (base.size() == targets) {
          for (size_t i = 0; i < targets; ++i) scores[i] += base[i];
        }
        transform_scores(scores, transform, SecondClass::kNone);
        store_elements<double>(out, row * columns, 1, scores);
      });
}

void infer_ensemble(InferenceContext& context) {
  aggregate_from_index(context);
  transform_from_index(context);
  context.set_output(0, context.dtype(0),
                     Shape{row_count(context), static_cast<int64_t>(target_count(context))});
}

void ensemble_reference(KernelContext& context) {
  const FeatureRows rows(context);
  score_targets(context, rows, read_trees_by_index(context, target_count(context), rows.width),
                aggregate_from_index(context), transform_from_index(context), {}, rows.tensor.dtype());
}

void infer_regressor(InferenceContext& context) {
  aggregate_from_name(context);
  read_post_transform(context);
  context.set_output(0, DType::kF32, Shape{row_count(context), static_cast<int64_t>(target_count(context))});
}

void regressor_reference(KernelContext& context) {
  const FeatureRows rows(context);
  score_targets(context, rows, read_trees_by_id(context, "target", target_count(context), rows.width),
                aggregate_from_name(context), read_post_transform(context),
                read_floats_or_tensor(context.node(), "base_values"), DType::kF32);
}

ClassLabels labels_of(const auto& context) {
  return ClassLabels(context, "classlabels_int64s", "classlabels_strings");
}

// How the scores of a classifier choose a class: where ONNX leaves it open, for two classes with votes for
// one, as ONNX Runtime does it.
struct ClassRule {
  ClassRule(const KernelContext& context, size_t label_count)
      : labels(label_count), base(read_floats_or_tensor(context.node(), "base_values")) {
    const auto ids = context.node().ints_attribute("class_ids");
    const std::set<int64_t> voted(ids.begin(), ids.end());
    one_class = labels == 2 && voted.size() == 1;
    first_class = one_class && *voted.begin() == 0;
    const std::vector<double> weights = read_floats_or_tensor(context.node(), "class_weights");
    all_positive = std::all_of(weights.begin(), weights.end(), [](double weight) { return weight >= 0; });
    if (base.size() > labels) context.refuse("has {} base values for {} classes", base.size(), labels);
  }

  // Completes the scores and returns the index of the class, or 0 or 1 where `labels` is 1.
  size_t choose(TreeScores& result, SecondClass& second) const {
    std::vector<double>& scores = result.scores;
    for (size_t i = 0; i < base.size(); ++i) scores[i] += base[i];
    second = SecondClass::kNone;
    if (labels == 1) return scores[0] > 0 ? 1 : 0;
    if (!one_class) {
      size_t best = labels;
      for (size_t i = 0; i < labels; ++i) {
        if (!result.voted[i] && i >= base.size()) continue;
        if (best == labels || scores[i] > scores[best]) best = i;
      }
      return best == labels ? 0 : best;
    }
    const double positive = scores[first_class ? 0 : 1];
    if (first_class) {
      scores.pop_back();
      second = all_positive ? SecondClass::kComplement : SecondClass::kOpposite;
    }
    return positive > (all_positive ? 0.5 : 0) ? 1 : 0;
  }

  size_t labels;
  std::vector<double> base;
  bool one_class = false;     // two classes, votes for one of them only, which then stand for the second
  bool first_class = false;   // and they are those of the first
  bool all_positive = false;  // no vote is below 0
};

void infer_classifier(InferenceContext& context) {
  read_post_transform(context);
  const ClassLabels labels = labels_of(context);
  const Dim rows = row_count(context);
  context.set_output(0, labels.dtype(), Shape{rows});
  context.set_output(1, DType::kF32, Shape{rows, static_cast<int64_t>(labels.size())});
}

void classifier_reference(KernelContext& context) {
  const FeatureRows rows(context);
  const ClassLabels labels = labels_of(context);
  const TreeModel model = read_trees_by_id(context, "class", labels.size(), rows.width);
  const ClassRule rule(context, labels.size());
  const PostTransform transform = read_post_transform(context);
  const auto columns = static_cast<int64_t>(labels.size());
  const Tensor& chosen = context.allocate_output(0, labels.dtype(), {rows.count});
  const Tensor& out = context.allocate_output(1, DType::kF32, {rows.count, columns});
  context.env().parallel_for(
      rows.count, static_cast<int64_t>(model.roots.size()) * 50, [&](int64_t row, int) {
        TreeScores result = run_trees(model, Aggregate::kSum, labels.size(), rows.read(row));
        SecondClass second = SecondClass::kNone;
        const size_t winner = rule.choose(result, second);
        if (labels.size() == 1) {
          labels.write_bare(chosen, row, static_cast<int64_t>(winner));
        } else {
          labels.write(chosen, row, winner);
        }
        transform_scores(result.scores, transform, second);
        result.scores.resize(labels.size(), 0);
        store_elements<double>(out, row * columns, 1, result.scores);
      });
}

constexpr DTypeSet kTreeTypes = {DType::kF32, DType::kF64, DType::kF16};

}  // namespace

// Y [N, n_targets]: of each target, the weights of the leaves that a row of X [N, F] comes to in the trees,
// added up, averaged over the trees, or the least or largest of them; transformed.
extern constinit const OpSchema kTreeEnsemble = {
    .domain = "ai.onnx.ml",
    .op = "TreeEnsemble",
    .since_version = 5,
    .inputs = {{"X", "T", kTreeTypes}},
    .outputs = {{"Y", "T", kTreeTypes}},
    .attributes = {{"aggregate_function", AttributeKind::kInt},
                   {"leaf_targetids", AttributeKind::kInts, true},
                   {"leaf_weights", AttributeKind::kTensor, true},
                   {"membership_values", AttributeKind::kTensor},
                   {"n_targets", AttributeKind::kInt},
                   {"nodes_falseleafs", AttributeKind::kInts, true},
                   {"nodes_falsenodeids", AttributeKind::kInts, true},
                   {"nodes_featureids", AttributeKind::kInts, true},
                   {"nodes_hitrates", AttributeKind::kTensor},
                   {"nodes_missing_value_tracks_true", AttributeKind::kInts},
                   {"nodes_modes", AttributeKind::kTensor, true},
                   {"nodes_splits", AttributeKind::kTensor, true},
                   {"nodes_trueleafs", AttributeKind::kInts, true},
                   {"nodes_truenodeids", AttributeKind::kInts, true},
                   {"post_transform", AttributeKind::kInt},
                   {"tree_roots", AttributeKind::kInts, true}},
    .infer = infer_ensemble,
    .reference = ensemble_reference,
};

// As TreeEnsemble, with nodes named by tree and number, several votes a leaf, and base values to add at the
// end.
extern constinit const OpSchema kTreeEnsembleRegressor = {
    .domain = "ai.onnx.ml",
    .op = "TreeEnsembleRegressor",
    .since_version = 3,
    .inputs = {{"X", "", kFeatureTypes}},
    .outputs = {{"Y", "", {DType::kF32}}},
    .attributes = {{"aggregate_function", AttributeKind::kString},
                   {"base_values", AttributeKind::kFloats},
                   {"base_values_as_tensor", AttributeKind::kTensor},
                   {"n_targets", AttributeKind::kInt},
                   {"nodes_falsenodeids", AttributeKind::kInts},
                   {"nodes_featureids", AttributeKind::kInts},
                   {"nodes_hitrates", AttributeKind::kFloats},
                   {"nodes_hitrates_as_tensor", AttributeKind::kTensor},
                   {"nodes_missing_value_tracks_true", AttributeKind::kInts},
                   {"nodes_modes", AttributeKind::kStrings},
                   {"nodes_nodeids", AttributeKind::kInts},
                   {"nodes_treeids", AttributeKind::kInts},
                   {"nodes_truenodeids", AttributeKind::kInts},
                   {"nodes_values", AttributeKind::kFloats},
                   {"nodes_values_as_tensor", AttributeKind::kTensor},
                   {"post_transform", AttributeKind::kString},
                   {"target_ids", AttributeKind::kInts},
                   {"target_nodeids", AttributeKind::kInts},
                   {"target_treeids", AttributeKind::kInts},
                   {"target_weights", AttributeKind::kFloats},
                   {"target_weights_as_tensor", AttributeKind::kTensor}},
    .infer = infer_regressor,
    .reference = regressor_reference,
};

// Y [N] the label of the class with the largest sum of votes, Z [N, classes] the sums, transformed.
extern constinit const OpSchema kTreeEnsembleClassifier = {
    .domain = "ai.onnx.ml",
    .op = "TreeEnsembleClassifier",
    .since_version = 3,
    .inputs = {{"X", "", kFeatureTypes}},
    .outputs = {{"Y", "", {DType::kI64, DType::kString}}, {"Z", "", {DType::kF32}}},
    .attributes = {{"base_values", AttributeKind::kFloats},
                   {"base_values_as_tensor", AttributeKind::kTensor},
                   {"class_ids", AttributeKind::kInts},
                   {"class_nodeids", AttributeKind::kInts},
                   {"class_treeids", AttributeKind::kInts},
                   {"class_weights", AttributeKind::kFloats},
                   {"class_weights_as_tensor", AttributeKind::kTensor},
                   {"classlabels_int64s", AttributeKind::kInts},
                   {"classlabels_strings", AttributeKind::kStrings},
                   {"nodes_falsenodeids", AttributeKind::kInts},
                   {"nodes_featureids", AttributeKind::kInts},
                   {"nodes_hitrates", AttributeKind::kFloats},
                   {"nodes_hitrates_as_tensor", AttributeKind::kTensor},
                   {"nodes_missing_value_tracks_true", AttributeKind::kInts},
                   {"nodes_modes", AttributeKind::kStrings},
                   {"nodes_nodeids", AttributeKind::kInts},
                   {"nodes_treeids", AttributeKind::kInts},
                   {"nodes_truenodeids", AttributeKind::kInts},
                   {"nodes_values", AttributeKind::kFloats},
                   {"nodes_values_as_tensor", AttributeKind::kTensor},
                   {"post_transform", AttributeKind::kString}},
    .infer = infer_classifier,
    .reference = classifier_reference,
};

}  // namespace oag
