#include <numeric>

#include "engine/formats/onnx/old_node.h"
#include "engine/formats/onnx/upgrade_families.h"
#include "engine/ops/onnx_dtype.h"

namespace oag {

void upgrade_axes(OldNode& old) {
  old.attribute_to_input("axes", 1);
  old.push();
}

void upgrade_concat(OldNode& old) {
  old.node.attributes.try_emplace("axis", int64_t{1});
  old.push();
}

void upgrade_pad(OldNode& old) {
  const ValueId data = old.input(0);
  old.attribute_to_input(old.opset < 2 ? "paddings" : "pads", 1);
  const float value = old.node.float_attribute("value", 0);
  old.erase("value");
  if (value != 0) old.set_input(2, old.scalar_like("value", value, data));
  old.push();
}

void upgrade_reshape(OldNode& old) {
  old.attribute_to_input("shape", 1);
  old.push();
}

// `axes` is written out: opset 1 said that starts may be fewer than the rank.
void upgrade_slice(OldNode& old) {
  if (!old.node.has_attribute("axes")) {
    std::vector<int64_t> axes(old.node.ints_attribute("starts").size());
    std::iota(axes.begin(), axes.end(), 0);
    old.node.attributes.emplace("axes", std::move(axes));
  }
  old.attribute_to_input("starts", 1);
  old.attribute_to_input("ends", 2);
  old.attribute_to_input("axes", 3);
  old.push();
}

// Opset 1 also took the sizes as an input, of data's element type.
void upgrade_split(OldNode& old) {
  if (old.opset < 2 && old.has_input(1)) {
    old.set_input(1, old.add("Cast", {old.input(1)}, {{"to", onnx_from_dtype(DType::kI64)}}));
    old.erase("split");
  }
  old.attribute_to_input("split", 1);
  if (!old.has_input(1)) {
    old.node.inputs.resize(1, kNoValue);
    old.node.attributes["num_outputs"] = static_cast<int64_t>(old.node.outputs.size());
  }
  old.push();
}

// Opset 1: (input, tiles, axis), both of one element and of input's type.
void upgrade_tile(OldNode& old) {
  if (!old.has_input(2)) return old.push();
  const ValueId x = old.input(0), any_length = old.ints("vector", {-1});
  const auto index = [&](size_t i) {
    const ValueId number = old.add("Cast", {old.input(i)}, {{"to", onnx_from_dtype(DType::kI64)}});
    return old.add("Reshape", {number, any_length});
  };
  const ValueId tiles = index(1), axis = index(2);
  const ValueId ones = old.ones(old.rank_of(x));
  old.push_as("Tile", {x, old.add("ScatterElements", {ones, axis, tiles}, {{"axis", int64_t{0}}})});
}

}  // namespace oag
