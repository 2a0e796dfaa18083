// Right operators of unusual signatures: optional and variadic parameters, every kind of attribute, dims and
// ranks that depend on data.
#include <algorithm>
#include <chrono>
#include <thread>

#include "openautoglm/plugin.h"

using openautoglm::plugin::AttributeKind;
using openautoglm::plugin::DType;
using openautoglm::plugin::Kernel;
using openautoglm::plugin::KernelContext;
using openautoglm::plugin::ShapeContext;

namespace {

class Sum : public Kernel {
 public:
  void compute(KernelContext& context) const override {
    const auto y = context.output(0).values<float>();
    std::ranges::fill(y, 0.0F);
    for (size_t i = 0; i < context.input_count(); ++i) {
      if (!context.has_input(i)) continue;
      const auto x = context.input(i).values<float>();
      for (size_t n = 0; n < std::min(x.size(), y.size()); ++n) y[n] += x[n];
    }
  }
};

class ElementCounts : public Kernel {
 public:
  void compute(KernelContext& context) const override {
    const auto y = context.output(0).values<int64_t>();
    for (size_t i = 0; i < y.size(); ++i) {
      y[i] = 1;
      for (const int64_t dim : context.input(i).dims()) y[i] *= dim;
    }
  }
};

void one_count_for_each_input(ShapeContext& context) {
  context.set_output(0, DType::kInt64, {static_cast<int64_t>(context.input_count())});
}

// Each output is the input plus its own number.
class Spread : public Kernel {
 public:
  void compute(KernelContext& context) const override {
    const auto x = context.input(0).values<float>();
    for (size_t o = 0; o < context.output_count(); ++o) {
      if (!context.has_output(o)) continue;
      const auto y = context.output(o).values<float>();
      for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] + static_cast<float>(o);
    }
  }
};

void all_as_first_input(ShapeContext& context) {
  for (size_t o = 0; o < context.output_count(); ++o)
    context.set_output(o, context.dtype(0), context.shape(0));
}

class Attributes : public Kernel {
 public:
  void compute(KernelContext& context) const override {
    float sum = static_cast<float>(context.int_attribute("int")) + context.float_attribute("float");
    for (const int64_t value : context.ints_attribute("ints")) sum += static_cast<float>(value);
    for (const float value : context.floats_attribute("floats")) sum += value;
    sum += static_cast<float>(context.string_attribute("string").size());
    for (const std::string& value : context.strings_attribute("strings"))
      sum += static_cast<float>(value.size());
    if (context.has_attribute("tensor"))
      for (const float value : context.tensor_attribute("tensor").values<float>()) sum += value;
    const auto x = context.input(0).values<float>();
    const auto y = context.output(0).values<float>();
    for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] + sum;
  }
};

// The positive elements, in order, and as many zeros.
class Positive : public Kernel {
 public:
  void compute(KernelContext& context) const override {
    std::vector<float> kept;
    for (const float x : context.input(0).values<float>()) {
      if (x > 0) kept.push_back(x);
    }
    kept.resize(2 * kept.size());
    const auto y =
        context.allocate_output(0, DType::kFloat, {static_cast<int64_t>(kept.size())}).values<float>();
    std::ranges::copy(kept, y.begin());
  }
};

void twice_what_is_positive(ShapeContext& context) {
  context.set_output(0, DType::kFloat, {context.new_dim("kept") * 2});
}

// Removes dims of 1, so that the rank depends on data.
class Squeezed : public Kernel {
 public:
  void compute(KernelContext& context) const override {
    const auto x = context.input(0);
    openautoglm::plugin::Dims dims;
    for (const int64_t dim : x.dims()) {
      if (dim != 1) dims.push_back(dim);
    }
    std::ranges::copy(x.values<float>(),
                      context.allocate_output(0, DType::kFloat, dims).values<float>().begin());
  }
};

// Ends when it is told to.
class Waits : public Kernel {
 public:
  void compute(KernelContext& context) const override {
    while (!context.should_stop()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
};

}  // namespace

#define ODD_OPERATOR(name) REGISTER_OPERATOR(name).Domain("test").TypeConstraint("T", {DType::kFloat})

ODD_OPERATOR(OptionalSum)
    .Input("A", "")
    .OptionalInput("B", "")
    .OptionalInput("C", "")
    .Output("Y", "")
    .ShapeFn(openautoglm::plugin::same_as_first_input)
    .SetKernelFn([] { return new Sum(); });
ODD_OPERATOR(ElementCounts)
    .VariadicInput("X", "", "")
    .Output("Y", "", "I")
    .TypeConstraint("I", {DType::kInt64})
    .ShapeFn(one_count_for_each_input)
    .SetKernelFn([] { return new ElementCounts(); });
ODD_OPERATOR(Spread).Input("X", "").VariadicOutput("Y", "").ShapeFn(all_as_first_input).SetKernelFn([] {
  return new Spread();
});
ODD_OPERATOR(Attributes)
    .Input("X", "")
    .Output("Y", "")
    .Attr("int", "", 1)
    .Attr("float", "", 0.5F)
    .Attr("string", "", "four")
    .Attr("ints", "", std::vector<int64_t>{10, 20})
    .Attr("floats", "", std::vector<float>{0.25F})
    .Attr("strings", "", std::vector<std::string>{"a", "bc"})
    .OptionalAttr("tensor", "", AttributeKind::kTensor)
    .ShapeFn(openautoglm::plugin::same_as_first_input)
    .SetKernelFn([] { return new Attributes(); });
ODD_OPERATOR(MustHaveAttribute)
    .Input("X", "")
    .Output("Y", "")
    .RequiredAttr("axis", "", AttributeKind::kInt)
    .ShapeFn(openautoglm::plugin::same_as_first_input)
    .SetKernelFn([] { return new Sum(); });
ODD_OPERATOR(Positive).Input("X", "").Output("Y", "").ShapeFn(twice_what_is_positive).SetKernelFn([] {
  return new Positive();
});
// Of a name that ai.onnx has too; it negates nothing.
ODD_OPERATOR(Neg).Input("X", "").Output("Y", "").ShapeFn(all_as_first_input).SetKernelFn([] {
  return new Spread();
});
ODD_OPERATOR(Waits)
    .Input("X", "")
    .Output("Y", "")
    .ShapeFn(openautoglm::plugin::same_as_first_input)
    .SetKernelFn([] { return new Waits(); });
ODD_OPERATOR(Squeezed).Input("X", "").Output("Y", "").SetKernelFn([] { return new Squeezed(); });
