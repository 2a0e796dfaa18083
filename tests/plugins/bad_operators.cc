// Operators that each do one thing wrong.
#include "openautoglm/plugin.h"

using openautoglm::plugin::DType;
using openautoglm::plugin::Kernel;
using openautoglm::plugin::KernelContext;
using openautoglm::plugin::ShapeContext;

namespace {

template <void (*work)(KernelContext&)>
class Calls : public Kernel {
 public:
  void compute(KernelContext& context) const override { work(context); }
};

void throws(KernelContext&) {
  throw std::runtime_error("the kernel\nis unhappy");
}
void throws_bytes(KernelContext&) {
  throw std::runtime_error("\xff\xfe\x1b[31m");
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
void takes_workspace_in_tile(KernelContext& context) {
  context.parallel_for(100, 1000, [&](int64_t, int) { context.workspace<char>(1); });
}
void nests_parallel_for(KernelContext& context) {
  context.parallel_for(100, 100000,
                       [&](int64_t, int) { context.parallel_for(100, 100000, [](int64_t, int) {}); });
}
void gives_wrong_dims(KernelContext& context) {
  context.allocate_output(0, DType::kFloat, {1, 2, 3});
}
void gives_wrong_type(KernelContext& context) {
  context.allocate_output(0, DType::kInt32, {4});
}
void gives_huge_dims(KernelContext& context) {
  context.allocate_output(0, DType::kFloat, {int64_t{1} << 40, 4});
}
void gives_overflowing_dims(KernelContext& context) {
  context.allocate_output(0, DType::kFloat, {int64_t{1} << 62, 4});
}
void gives_other_columns(KernelContext& context) {
  context.allocate_output(0, DType::kFloat, {3, 5});
}
void contradicts_itself(KernelContext& context) {
  context.allocate_output(0, DType::kFloat, {2});
  context.allocate_output(1, DType::kFloat, {3});
}
void writes_behind(KernelContext& context) {
  const auto y = context.output(0).values<float>();
  for (size_t i = 0; i <= y.size(); ++i) y.data()[i] = 1;
}
void writes_before(KernelContext& context) {
  context.output(0).values<float>().data()[-1] = 1;
}
void writes_behind_workspace(KernelContext& context) {
  context.workspace<char>(10).data()[10] = 1;
  context.output(0);
}
void makes_twice(KernelContext& context) {
  context.output(0);
  context.allocate_output(0, DType::kFloat, {4});
}
void forgets(KernelContext&) {}
void asks_for_second_output(KernelContext& context) {
  context.output(1);
}
void asks_for_output(KernelContext& context) {
  context.output(0);
}
void reads_too_much(KernelContext& context) {
  context.input(7);
}
void reads_too_much_in_tiles(KernelContext& context) {
  context.parallel_for(100, 100000, [&](int64_t i, int) { context.input(static_cast<size_t>(i) + 7); });
}
void reads_other_type(KernelContext& context) {
  context.input(0).values<double>();
}
void reads_absent_attribute(KernelContext& context) {
  context.int_attribute("axis");
}

class Unprepared : public Kernel {
 public:
  void prepare(const openautoglm::plugin::Node&) override { throw std::runtime_error("not prepared"); }
  void compute(KernelContext&) const override {}
};

void shape_throws(ShapeContext&) {
  throw std::runtime_error("no shape today");
}
void shape_is_negative(ShapeContext& context) {
  context.set_output(0, DType::kFloat, {-4});
}
void shape_becomes_negative(ShapeContext& context) {
  context.set_output(0, DType::kFloat, {context.shape(0)[0] - 5});
}
void shape_is_of_other_type(ShapeContext& context) {
  context.set_output(0, DType::kInt32, context.shape(0));
}
void shape_has_many_dims(ShapeContext& context) {
  context.set_output(0, DType::kFloat, openautoglm::plugin::Shape(65, 1));
}
void shape_of_absent_input(ShapeContext& context) {
  context.set_output(0, DType::kFloat, context.shape(3));
}
void shape_of_absent_output(ShapeContext& context) {
  context.set_output(4, DType::kFloat, context.shape(0));
}
void shape_divides_by_zero(ShapeContext& context) {
  context.set_output(0, DType::kFloat, {floor_div(context.shape(0)[0], 0)});
}
void shape_changes(ShapeContext& context) {
  static int64_t calls = 0;
  context.set_output(0, DType::kFloat, {context.shape(0)[0] + ++calls});
}
void rows_by_columns(ShapeContext& context) {
  context.set_output(0, DType::kFloat, {context.new_dim("rows"), context.shape(0)[0]});
}
void one_new_dim(ShapeContext& context) {
  const auto dim = context.new_dim("length");
  context.set_output(0, DType::kFloat, {dim});
  context.set_output(1, DType::kFloat, {dim});
}

}  // namespace

#define BAD_OPERATOR(name, work)                         \
  REGISTER_OPERATOR(name)                                \
      .Domain("test")                                    \
      .Input("X", "")                                    \
      .Output("Y", "")                                   \
      .OptionalOutput("Z", "")                           \
      .TypeConstraint("T", {DType::kFloat})              \
      .ShapeFn(openautoglm::plugin::same_as_first_input) \
      .SetKernelFn([] { return new Calls<work>(); })

BAD_OPERATOR(Throws, throws);
BAD_OPERATOR(ThrowsBytes, throws_bytes);
BAD_OPERATOR(ThrowsInTile, throws_in_tile);
BAD_OPERATOR(TakesWorkspace, takes_workspace);
BAD_OPERATOR(TakesMuchWorkspace, takes_much_workspace);
BAD_OPERATOR(TakesWorkspaceInTile, takes_workspace_in_tile);
BAD_OPERATOR(NestsParallelFor, nests_parallel_for);
BAD_OPERATOR(GivesWrongDims, gives_wrong_dims);
BAD_OPERATOR(GivesWrongType, gives_wrong_type);
BAD_OPERATOR(GivesHugeDims, gives_huge_dims).ShapeFn(nullptr);
BAD_OPERATOR(GivesOverflowingDims, gives_overflowing_dims).ShapeFn(nullptr);
BAD_OPERATOR(GivesOtherColumns, gives_other_columns).ShapeFn(rows_by_columns);
BAD_OPERATOR(ContradictsItself, contradicts_itself).ShapeFn(one_new_dim);
BAD_OPERATOR(WritesBehind, writes_behind);
BAD_OPERATOR(WritesBefore, writes_before);
BAD_OPERATOR(WritesBehindWorkspace, writes_behind_workspace);
BAD_OPERATOR(MakesTwice, makes_twice);
BAD_OPERATOR(Forgets, forgets);
BAD_OPERATOR(AsksForLeftOut, asks_for_second_output);
BAD_OPERATOR(AsksForUnknownDims, asks_for_output).ShapeFn(rows_by_columns);
BAD_OPERATOR(ReadsTooMuch, reads_too_much);
BAD_OPERATOR(ReadsTooMuchInTiles, reads_too_much_in_tiles);
BAD_OPERATOR(ReadsOtherType, reads_other_type);
BAD_OPERATOR(ReadsAbsentAttribute, reads_absent_attribute);
BAD_OPERATOR(ShapeThrows, forgets).ShapeFn(shape_throws);
BAD_OPERATOR(ShapeIsNegative, forgets).ShapeFn(shape_is_negative);
BAD_OPERATOR(ShapeBecomesNegative, asks_for_output).ShapeFn(shape_becomes_negative);
BAD_OPERATOR(ShapeIsOfOtherType, forgets).ShapeFn(shape_is_of_other_type);
BAD_OPERATOR(ShapeHasManyDims, forgets).ShapeFn(shape_has_many_dims);
BAD_OPERATOR(ShapeOfAbsentInput, forgets).ShapeFn(shape_of_absent_input);
BAD_OPERATOR(ShapeOfAbsentOutput, forgets).ShapeFn(shape_of_absent_output);
BAD_OPERATOR(ShapeDividesByZero, forgets).ShapeFn(shape_divides_by_zero);
BAD_OPERATOR(ShapeChanges, asks_for_output).ShapeFn(shape_changes);

REGISTER_OPERATOR(IsNotPrepared).Domain("test").Input("X", "").Output("Y", "").SetKernelFn([] {
  return new Unprepared();
});
REGISTER_OPERATOR(HasNoKernelObject).Domain("test").Input("X", "").Output("Y", "").SetKernelFn([] {
  return static_cast<Kernel*>(nullptr);
});
