#include <cmath>
#include <string>

#include "engine/formats/onnx/old_node.h"
#include "engine/formats/onnx/upgrade_families.h"

namespace oag {

// The axis was an attribute, 1 by default; as an input it is -2 by default.
void upgrade_dft(OldNode& old) {
  old.set_input(2, old.integer("axis", old.erase_int("axis", 1)));
  old.push();
}

// Until opset 6 is_test told the mode; from 7 to 11 nothing could ask for training. The mask had data's type
// until opset 9.
void upgrade_dropout(OldNode& old) {
  const ValueId data = old.input(0);
  const bool training = old.erase_int("is_test", old.opset < 7 ? 0 : 1) == 0;
  old.node.inputs = {data};
  if (training) {
    old.set_input(1, old.scalar_like("ratio", old.node.float_attribute("ratio", 0.5f), data));
    old.set_input(2, old.truth("training_mode"));
  }
  old.erase("ratio");
  if (old.opset >= 10 || !old.has_output(1)) return old.push();
  const ValueId mask = old.detach_output(1);
  old.push();
  old.add_as(mask, "CastLike", {old.node.outputs[1], data});
}

// C met the product's shape at its end, as it does today.
void upgrade_gemm(OldNode& old) {
  old.erase("broadcast");
  old.push();
}

// The modes got names that fit any number of dims.
void upgrade_grid_sample(OldNode& old) {
  const std::string mode = old.node.string_attribute("mode", "bilinear");
  old.node.attributes["mode"] = mode == "bilinear"  ? std::string("linear")
                                : mode == "bicubic" ? std::string("cubic")
                                                    : mode;
  old.push();
}

// In opset 1, p was a float and LpPool's kernel_shape could be left out, which says nothing.
void upgrade_lp_pool(OldNode& old) {
  const float p = old.node.float_attribute("p", 2);
  if (p != std::trunc(p) || p < 1 || p > 1e6f) {
    old.refuse("attribute p is {}; the newest operator takes whole numbers from 1 on", p);
  }
  if (old.node.op == "LpPool" && !old.node.has_attribute("kernel_shape")) {
    old.refuse("attribute kernel_shape is absent; the newest operator demands it");
  }
  old.node.attributes["p"] = static_cast<int64_t>(p);
  old.push();
}

// output_sequence said whether the first output is wanted, which its name says too. Opset 1 of GRU misspelt
// its default direction.
void upgrade_recurrent(OldNode& old) {
  old.erase("output_sequence");
  if (old.node.string_attribute("direction", "forward") == "foward") old.erase("direction");
  old.push();
}

// Opsets 10 to 15 knew one transformation of coordinates, which is no longer the default.
void upgrade_roi_align(OldNode& old) {
  old.node.attributes.try_emplace("coordinate_transformation_mode", "output_half_pixel");
  old.push();
}

}  // namespace oag
