// NonMaxSuppression: of boxes that overlap, the ones with the best scores.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

enum SuppressionInput : size_t { kBoxes, kScores, kMostBoxes, kOverlap, kScore };

void infer_suppression(InferenceContext& context) {
  context.set_output(0, DType::kI64, Shape{context.fresh_dim("selected"), 3});
}

struct Box {
  double top, left, bottom, right;
  double area() const { return (bottom - top) * (right - left); }
};

// Intersection over union; 0 for boxes without area.
double overlap(const Box& a, const Box& b) {
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top),
               width = std::min(a.right, b.right) - std::max(a.left, b.left);
  if (!(height > 0) || !(width > 0) || !(a.area() > 0) || !(b.area() > 0)) return 0;
  const double shared = height * width;
  return shared / (a.area() + b.area() - shared);
}

std::vector<Box> read_boxes(const KernelContext& context) {
  const Tensor& tensor = context.input(kBoxes);
  std::vector<double> values(static_cast<size_t>(tensor.count()));
  load_elements<double>(tensor, 0, 1, values);
  const bool centred = context.node().int_attribute("center_point_box", 0) != 0;
  std::vector<Box> boxes;
  for (size_t i = 0; i < values.size(); i += 4) {
    const double* v = values.data() + i;
    if (centred) {
      boxes.push_back({v[1] - v[3] / 2, v[0] - v[2] / 2, v[1] + v[3] / 2, v[0] + v[2] / 2});
    } else {
      boxes.push_back(
          {std::min(v[0], v[2]), std::min(v[1], v[3]), std::max(v[0], v[2]), std::max(v[1], v[3])});
    }
  }
  return boxes;
}

// The one value of an optional input.
template <typename Wide>
Wide single(const KernelContext& context, size_t input, Wide fallback) {
  if (!context.has_input(input) || context.input(input).count() == 0) return fallback;
  if (context.input(input).count() != 1)
    context.refuse("input {} is {}; it must be one value", input, to_string(context.input(input).dims()));
  Wide value = 0;
  load_elements<Wide>(context.input(input), 0, 1, {&value, 1});
  return value;
}

struct Limits {
  int64_t most;
  double overlap, score;
};

// The boxes of one class that stay, best score first.
std::vector<int64_t> select(const KernelEnv& env, std::span<const Box> boxes, std::span<const double> scores,
                            const Limits& limits) {
  std::vector<int64_t> order;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] > limits.score) order.push_back(static_cast<int64_t>(i));
  }
  const auto score = [&](int64_t i) { return scores[static_cast<size_t>(i)]; };
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
  std::vector<int64_t> selected;
  for (const int64_t i : order) {
    if (static_cast<int64_t>(selected.size()) >= limits.most || env.should_stop()) break;
    const bool covered = std::any_of(selected.begin(), selected.end(), [&](int64_t other) {
      return overlap(boxes[static_cast<size_t>(i)], boxes[static_cast<size_t>(other)]) > limits.overlap;
    });
    if (!covered) selected.push_back(i);
  }
  return selected;
}

void suppression_reference(KernelContext& context) {
  const Tensor& boxes = context.input(kBoxes);
  const Tensor& scores = context.input(kScores);
  if (boxes.rank() != 3 || scores.rank() != 3 || boxes.dim(2) != 4 || scores.dim(0) != boxes.dim(0) ||
      scores.dim(2) != boxes.dim(1))
    context.refuse("boxes {} and scores {} must be [batches, boxes, 4] and [batches, classes, boxes]",
                   to_string(boxes.dims()), to_string(scores.dims()));
  Limits limits = {single<int64_t>(context, kMostBoxes, 0), single<double>(context, kOverlap, 0),
                   single<double>(context, kScore, -std::numeric_limits<double>::infinity())};
  if (!(limits.overlap >= 0 && limits.overlap <= 1))
    context.refuse("iou_threshold is {}; it must be 0 … 1", limits.overlap);
  const int64_t classes = scores.dim(1), count = boxes.dim(1), lists = boxes.dim(0) * classes;
  const std::vector<Box> all = read_boxes(context);
  std::vector<std::vector<int64_t>> selected(static_cast<size_t>(lists));
  context.env().parallel_for(limits.most > 0 ? lists : 0, 64 * count, [&](int64_t i, int) {
    std::vector<double> values(static_cast<size_t>(count));
    load_elements<double>(scores, i * count, 1, values);
    selected[static_cast<size_t>(i)] =
        select(context.env(), std::span(all).subspan(static_cast<size_t>(i / classes * count), values.size()),
               values, limits);
  });
  std::vector<int64_t> result;
  for (int64_t i = 0; i < lists; ++i) {
    for (const int64_t box : selected[static_cast<size_t>(i)])
      result.insert(result.end(), {i / classes, i % classes, box});
  }
  const Tensor& out = context.allocate_output(0, DType::kI64, {static_cast<int64_t>(result.size() / 3), 3});
  std::copy(result.begin(), result.end(), out.values<int64_t>().begin());
}

}  // namespace

// [selected, 3] of batch, class and box: for each batch and class the boxes [batches, boxes, 4] by falling
// score of scores [batches, classes, boxes] (above score_threshold), but those that an earlier one overlaps
// by more than iou_threshold, max_output_boxes_per_class at most. A box is two opposite corners (y, x), or
// (center_point_box) centre and size (x, y, width, height).
extern constinit const OpSchema kNonMaxSuppression = {
    .domain = "",
    .op = "NonMaxSuppression",
    .since_version = 11,
    .inputs = {{"boxes", "", {DType::kF32}},
               {"scores", "", {DType::kF32}},
               {"max_output_boxes_per_class", "", {DType::kI64}, true},
               {"iou_threshold", "", {DType::kF32}, true},
               {"score_threshold", "", {DType::kF32}, true}},
    .outputs = {{"selected_indices", "", {DType::kI64}}},
    .attributes = {{"center_point_box", AttributeKind::kInt}},
    .infer = infer_suppression,
    .reference = suppression_reference,
};

}  // namespace oag
