// Equal, Greater, GreaterOrEqual, Less and LessOrEqual of f32, i32 and i64, broadcast.
#include <functional>

#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/ops/strided.h"

namespace oag::cpu {
namespace {

Refusal accept(const KernelQuery& query) {
  const DType dtype = query.dtype(0);
  return dtype == DType::kF32 || dtype == DType::kI32 || dtype == DType::kI64
             ? Refusal{}
             : "inputs are not f32, i32 or i64";
}

// A step is 1, or 0 for one value that all are compared with, where the compiler can know it.
template <typename T, typename Compare>
void compare_run(const T* a, int64_t a_step, const T* b, int64_t b_step, int64_t count, uint8_t* y) {
  const Compare compare;
  if (a_step == 1 && b_step == 1) {
    for (int64_t i = 0; i < count; ++i) y[i] = compare(a[i], b[i]);
  } else if (a_step == 0 && b_step == 1) {
    const T value = *a;
    for (int64_t i = 0; i < count; ++i) y[i] = compare(value, b[i]);
  } else if (a_step == 1 && b_step == 0) {
    const T value = *b;
    for (int64_t i = 0; i < count; ++i) y[i] = compare(a[i], value);
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = compare(a[i * a_step], b[i * b_step]);
  }
}

template <typename T, typename Compare>
void compare_all(const KernelContext& context, const Tensor& out) {
  const Dims& dims = out.dims();
  const Strides strides[] = {broadcast_strides(context.input(0).dims(), dims),
                             broadcast_strides(context.input(1).dims(), dims), dense_strides(dims)};
  const StridedWalk walk(dims, strides);
  const T* a = context.input(0).values<T>().data();
  const T* b = context.input(1).values<T>().data();
  auto* y = reinterpret_cast<uint8_t*>(out.data());
  walk.run(context.env(), [&](std::span<const int64_t> at, int64_t count) {
    compare_run<T, Compare>(a + at[0], walk.step(0), b + at[1], walk.step(1), count, y + at[2]);
  });
}

template <template <typename> typename Compare>
void run(const KernelContext& context, const MicroKernels&) {
  const Dims dims = broadcast_dims(context, context.input(0).dims(), context.input(1).dims());
  const Tensor& out = context.allocate_output(0, DType::kBool, dims);
  switch (context.input(0).dtype()) {
    case DType::kF32: return compare_all<float, Compare<float>>(context, out);
    case DType::kI32: return compare_all<int32_t, Compare<int32_t>>(context, out);
    default: return compare_all<int64_t, Compare<int64_t>>(context, out);
  }
}

}  // namespace

extern constinit const KernelImpl kEqual = {"", "Equal", "equal", accept, make_kernel<run<std::equal_to>>};
extern constinit const KernelImpl kGreater = {"", "Greater", "greater", accept,
                                              make_kernel<run<std::greater>>};
extern constinit const KernelImpl kGreaterOrEqual = {"", "GreaterOrEqual", "greater_or_equal", accept,
                                                     make_kernel<run<std::greater_equal>>};
extern constinit const KernelImpl kLess = {"", "Less", "less", accept, make_kernel<run<std::less>>};
extern constinit const KernelImpl kLessOrEqual = {"", "LessOrEqual", "less_or_equal", accept,
                                                  make_kernel<run<std::less_equal>>};

}  // namespace oag::cpu
