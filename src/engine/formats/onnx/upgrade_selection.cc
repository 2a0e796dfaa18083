#include "engine/formats/onnx/old_node.h"
#include "engine/formats/onnx/upgrade_families.h"
#include "engine/ops/onnx_dtype.h"

namespace oag {

// Opset 9 knew no negative indices: they gave off values alone, as indices of `depth` and more still do.
void upgrade_one_hot(OldNode& old) {
  const Attributes to_i64 = {{"to", onnx_from_dtype(DType::kI64)}};
  const ValueId indices = old.add("Cast", {old.input(0)}, to_i64);
  const ValueId depth = old.add("Reshape", {old.add("Cast", {old.input(1)}, to_i64), old.ints("scalar", {})});
  const ValueId negative = old.add("Less", {indices, old.integer("zero", 0)});
  old.set_input(0, old.add("Where", {negative, depth, indices}));
  old.push();
}

void upgrade_scatter(OldNode& old) {
  old.node.op = "ScatterElements";
  old.push();
}

void upgrade_topk(OldNode& old) {
  old.set_input(1, old.ints("k", {old.node.int_attribute("k")}));  // the newest wants [1]
  old.erase("k");
  old.push();
}

}  // namespace oag
