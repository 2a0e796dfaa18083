#include <algorithm>

#include "engine/formats/onnx/old_node.h"
#include "engine/formats/onnx/upgrade_families.h"
#include "engine/ops/onnx_dtype.h"

namespace oag {
namespace {

// Outputs of old training modes: Y, running mean and variance, saved mean and variance of the batch.
constexpr size_t kSavedMean = 3;

bool wants_any(const std::vector<ValueId>& outputs, size_t from) {
  for (size_t i = from; i < outputs.size(); ++i) {
    if (outputs[i] != kNoValue) return true;
  }
  return false;
}

// With spatial = 0 every feature was a channel of its own: all dims behind the batch become one.
std::vector<ValueId> joined_features(OldNode& old) {
  const ValueId any_length = old.ints("features", {-1});
  std::vector<ValueId> inputs = {old.add("Flatten", {old.input(0)}, {{"axis", int64_t{1}}})};
  for (size_t i = 1; i < 5; ++i) inputs.push_back(old.add("Reshape", {old.input(i), any_length}));
  return inputs;
}

// The five outputs that opsets 1 to 13 had. Test mode leaves the statistics alone. The batch's own are what
// the running ones become at a momentum of 0.
std::vector<ValueId> normalize_batch(OldNode& old, const std::vector<ValueId>& inputs, bool training) {
  Attributes attributes = old.node.attributes;
  if (!training) {
    const ValueId y = old.add("BatchNormalization", inputs, std::move(attributes));
    return {y, inputs[3], inputs[4], inputs[3], inputs[4]};
  }
  attributes["training_mode"] = int64_t{1};
  std::vector<ValueId> outputs = old.add_many("BatchNormalization", inputs, attributes, 3);
  if (wants_any(old.node.outputs, kSavedMean)) {
    attributes["momentum"] = 0.0f;
    const auto batch = old.add_many("BatchNormalization", inputs, std::move(attributes), 3);
    outputs.insert(outputs.end(), batch.begin() + 1, batch.end());
  }
  return outputs;
}

}  // namespace

// Until opset 13 the outputs told the mode: statistics came with training. In opsets 1 to 6, is_test stood
// beside that.
void upgrade_batch_normalization(OldNode& old) {
  for (size_t i = 0; i < 5; ++i) old.input(i);
  const bool spatial = old.erase_int("spatial", 1) != 0, is_test = old.erase_int("is_test", 0) != 0;
  const std::vector<ValueId>& wanted = old.node.outputs;
  const bool statistics = wants_any(wanted, 1);
  if (spatial && !statistics) {
    old.node.outputs.resize(1, kNoValue);
    return old.push();
  }
  const auto made =
      normalize_batch(old, spatial ? old.node.inputs : joined_features(old), statistics && !is_test);
  for (size_t i = 0; i < std::min(wanted.size(), made.size()); ++i) {
    if (wanted[i] == kNoValue) continue;
    if (spatial) {
      old.add_as(wanted[i], "Identity", {made[i]});
    } else {
      const ValueId shape = old.add("Shape", {old.input(i == 0 ? 0 : 3)});
      old.add_as(wanted[i], "Reshape", {made[i], shape}, {{"allowzero", int64_t{1}}});
    }
  }
}

// Until opset 20, scale and bias had one value for each group instead of one for each channel, and the
// precision was that of X.
void upgrade_group_normalization(OldNode& old) {
  const ValueId x = old.input(0);
  const ValueId channels = old.add("Shape", {x}, {{"start", int64_t{1}}, {"end", int64_t{2}}});
  const ValueId in_group =
      old.add("Div", {channels, old.ints("num_groups", {old.node.int_attribute("num_groups")})});
  const ValueId repeats = old.add("Concat", {old.ints("one", {1}), in_group}, {{"axis", int64_t{0}}});
  for (const size_t i : {size_t{1}, size_t{2}}) {
    const ValueId column = old.add("Unsqueeze", {old.input(i), old.ints("axes", {1})});
    const ValueId rows = old.add("Expand", {column, repeats});
    old.set_input(i, old.add("Reshape", {rows, old.ints("channels", {-1})}));
  }
  if (old.dtype(x) == DType::kF64) old.node.attributes["stash_type"] = onnx_from_dtype(DType::kF64);
  old.push();
}

}  // namespace oag
