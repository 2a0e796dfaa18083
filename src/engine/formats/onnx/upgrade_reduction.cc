#include "engine/formats/onnx/old_node.h"
#include "engine/formats/onnx/upgrade_families.h"

namespace oag {
namespace {

// No axes, or an empty list, meant all of them, as leaving out the input does.
void move_axes(OldNode& old) {
  if (old.node.ints_attribute("axes").empty()) return old.erase("axes");
  old.attribute_to_input("axes", 1);
}

}  // namespace

void upgrade_reduction(OldNode& old) {
  move_axes(old);
  old.push();
}

void upgrade_log_reduction(OldNode& old) {
  move_axes(old);
  if (is_integer(old.dtype(old.input(0)))) return old.push_through_double();
  old.push();
}

// Until opset 12, `axis` split the dims into two groups, and the second was reduced as one dim.
void upgrade_softmax(OldNode& old) {
  const int64_t axis = old.node.int_attribute("axis", 1);
  const ValueId x = old.input(0);
  const auto rank = old.rank(x);
  const Attributes last = {{"axis", int64_t{-1}}};
  if (axis == -1 || (rank && axis == *rank - 1)) {
    old.node.attributes = last;
    return old.push();
  }
  const ValueId flat = old.add("Flatten", {x}, {{"axis", axis}});
  const ValueId y = old.add(old.node.op, {flat}, last);
  old.push_as("Reshape", {y, old.add("Shape", {x})}, {{"allowzero", int64_t{1}}});
}

}  // namespace oag
