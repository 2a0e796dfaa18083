#include <algorithm>
#include <string>

#include "engine/formats/onnx/old_node.h"
#include "engine/formats/onnx/upgrade_families.h"

namespace oag {
namespace {

// Upsample and Resize of opset 10 divided coordinates by the scale. The nearest neighbour was below where the
// scale is at least 1 and above where it is less, as ONNX Runtime does it (the definition does not say). At a
// scale of 1, neither is needed.
void push_asymmetric(OldNode& old, ValueId x, ValueId scales) {
  std::string mode = old.node.string_attribute("mode", "nearest");
  if (mode == "bilinear" || mode == "trilinear") mode = "linear";
  Attributes attributes = {{"mode", mode}, {"coordinate_transformation_mode", "asymmetric"}};
  if (mode != "nearest") return old.push_as("Resize", {x, kNoValue, scales}, std::move(attributes));

  const Tensor* known = old.constant(scales);
  const bool is_known = known != nullptr && known->dtype() == DType::kF32;
  const auto never = [&](auto crosses_one) {
    return is_known && std::ranges::none_of(known->values<float>(), crosses_one);
  };
  const bool never_shrinks = never([](float scale) { return scale < 1; });
  const bool never_grows = never([](float scale) { return scale > 1; });
  Attributes above = attributes, below = attributes;
  above["nearest_mode"] = "ceil";
  below["nearest_mode"] = "floor";
  if (never_shrinks) return old.push_as("Resize", {x, kNoValue, scales}, std::move(below));
  if (never_grows) return old.push_as("Resize", {x, kNoValue, scales}, std::move(above));

  const ValueId one = old.floats("one", {1});
  const ValueId shrunk = old.add("Resize", {x, kNoValue, old.add("Min", {scales, one})}, std::move(above));
  old.push_as("Resize", {shrunk, kNoValue, old.add("Max", {scales, one})}, std::move(below));
}

bool is_absent(const OldNode& old, size_t i) {
  const Tensor* constant = old.constant(old.input_or_none(i));
  return !old.has_input(i) || (constant != nullptr && constant->count() == 0);
}

// tf_half_pixel_for_nn, (x + 0.5) / scale, is half_pixel plus 0.5: what rounds the one down rounds the other
// to the nearest.
void replace_half_pixel_for_nn(OldNode& old) {
  const std::string mode = old.node.string_attribute("mode", "nearest");
  const std::string rounding = old.node.string_attribute("nearest_mode", "round_prefer_floor");
  if (mode != "nearest" || (rounding != "floor" && rounding != "round_prefer_floor")) {
    old.refuse(
        "attribute coordinate_transformation_mode is tf_half_pixel_for_nn, which goes with nearest_mode "
        "floor "
        "or round_prefer_floor only; mode is {}, nearest_mode {}",
        mode, rounding);
  }
  old.node.attributes["coordinate_transformation_mode"] = "half_pixel";
  old.node.attributes["nearest_mode"] = rounding == "floor" ? "round_prefer_ceil" : "ceil";
}

}  // namespace

// From opset 11 on, inputs that an old definition demanded but did not use came as empty tensors.
void upgrade_resize(OldNode& old) {
  if (old.opset < 11) return push_asymmetric(old, old.input(0), old.input(1));
  const std::string coordinates = old.node.string_attribute("coordinate_transformation_mode", "half_pixel");
  if (coordinates == "tf_half_pixel_for_nn") replace_half_pixel_for_nn(old);
  if (coordinates != "tf_crop_and_resize" && old.has_input(1)) old.set_input(1, kNoValue);
  if (!is_absent(old, 3)) {
    old.set_input(2, kNoValue);
  } else {
    old.node.inputs.resize(std::min<size_t>(old.node.inputs.size(), 3));
  }
  old.push();
}

void upgrade_upsample(OldNode& old) {
  const ValueId x = old.input(0);
  if (old.has_input(1)) return push_asymmetric(old, x, old.input(1));
  const auto scale = [&](std::string_view attribute) {
    if (!old.node.has_attribute(attribute))
      old.refuse("neither a second input nor attribute scales or {} gives its scales", attribute);
    return old.node.float_attribute(attribute, 1);
  };
  std::vector<float> scales = old.node.floats_attribute("scales");
  if (scales.empty()) scales = {1, 1, scale("height_scale"), scale("width_scale")};
  push_asymmetric(old, x, old.floats("scales", scales));
}

}  // namespace oag
