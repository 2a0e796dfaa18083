#pragma once

#include <string>

#include "engine/ops/kernel.h"
#include "engine/session/program.h"

namespace oag {

// oag.Linear and oag.MultiLinear: inputs x, w, b, w, b, …; an output for each w.
bool is_product(const Node& node);
// oag.RankedLinear, the head of a language model: inputs x, w, b, …; its first output is x's product.
bool is_head(const Node& node);

// The least that one execution of a step moves and computes.
struct StepCost {
  double bytes = 0;     // read and written: weights as they are packed, other inputs and outputs once
  double f32_ops = 0;   // of products and attention, two per multiply-add; nothing else is counted
  double int8_ops = 0;  // of products with weights stored in blocks

  StepCost& operator+=(const StepCost& other);
};

// The cost of a step with the tensors it has just run on; attention's depends on the batch's layout, a
// lookup's on how many rows it took.
StepCost step_cost(const Step& step, const KernelContext& context);

// What steps have in common that are worth one row of a report.
struct StepKind {
  std::string op, kernel;
  std::string weights;  // storage of the weights, the table or the cache; empty when there is none
  std::string shape;    // "576>1536" of products, "9:3x64" (heads) of attention, else the output's "[T, 576]"

  bool operator==(const StepKind&) const = default;
};
StepKind step_kind(const Program& program, const Step& step);

}  // namespace oag
