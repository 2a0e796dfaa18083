// Operators that each do one thing wrong.
#include "openautoglm/plugin.h"

using oag::plugin::DType;
using oag::plugin::KernelContext;

namespace {

template <void (*work)(KernelContext&)>
class Calls : public oag::plugin::Kernel {
 public:
  void compute(KernelContext& context) const override { work(context); }
};

void throws(KernelContext&) {
  throw std::runtime_error("the kernel\nis unhappy");
}
void throws_in_tile(KernelContext& context) {
  context.parallel_for(100, 1000, [](int64_t, int) { throw 5; });
}
void takes_workspace(KernelContext& context) {
  context.workspace<double>(SIZE_MAX);
}
void takes_much_workspace(KernelContext& context) {
  context.workspace<char>(size_t{1} << 46);
}
void gives_wrong_dims(KernelContext& context) {
  context.allocate_output(0, DType::kFloat, {1, 2, 3});
}
void gives_wrong_type(KernelContext& context) {
  context.allocate_output(0, DType::kInt32, {4});
}
void writes_behind(KernelContext& context) {
  const auto y = context.output(0).values<float>();
  for (size_t i = 0; i <= y.size(); ++i) y.data()[i] = 1;
}
void writes_behind_workspace(KernelContext& context) {
  context.workspace<char>(10).data()[10] = 1;
  context.output(0);
}
void forgets(KernelContext&) {}
void reads_too_much(KernelContext& context) {
  context.input(7);
}

void shape_throws(oag::plugin::ShapeContext&) {
  throw std::runtime_error("no shape today");
}
void shape_is_negative(oag::plugin::ShapeContext& context) {
  context.set_output(0, DType::kFloat, {-4});
}

}  // namespace

#define BAD_OPERATOR(name, work)                 \
  REGISTER_OPERATOR(name)                        \
      .Domain("test")                            \
      .Input("X", "")                            \
      .Output("Y", "")                           \
      .TypeConstraint("T", {DType::kFloat})      \
      .ShapeFn(oag::plugin::same_as_first_input) \
      .SetKernelFn([] { return new Calls<work>(); })

BAD_OPERATOR(Throws, throws);
BAD_OPERATOR(ThrowsInTile, throws_in_tile);
BAD_OPERATOR(TakesWorkspace, takes_workspace);
BAD_OPERATOR(TakesMuchWorkspace, takes_much_workspace);
BAD_OPERATOR(GivesWrongDims, gives_wrong_dims);
BAD_OPERATOR(GivesWrongType, gives_wrong_type);
BAD_OPERATOR(WritesBehind, writes_behind);
BAD_OPERATOR(WritesBehindWorkspace, writes_behind_workspace);
BAD_OPERATOR(Forgets, forgets);
BAD_OPERATOR(ReadsTooMuch, reads_too_much);
BAD_OPERATOR(ShapeThrows, forgets).ShapeFn(shape_throws);
BAD_OPERATOR(ShapeIsNegative, forgets).ShapeFn(shape_is_negative);
