// Cast and CastLike: change of element type.
#include <string>

#include "engine/ops/elementwise.h"
#include "engine/ops/float8.h"
#include "engine/ops/number_text.h"
#include "engine/ops/onnx_dtype.h"

namespace oag {
namespace {

constexpr DTypeSet kCastTypes =
    kPlainTypes | kFloat8Types |
    DTypeSet{DType::kF4E2M1, DType::kI4, DType::kU4, DType::kI2, DType::kU2, DType::kString};

void check_round_mode(const InferenceContext& context) {
  const std::string mode = context.node().string_attribute("round_mode", "up");
  if (mode != "up" && mode != "down" && mode != "nearest")
    context.refuse("round_mode is \"{}\"; it must be up, down or nearest", mode);
}

DType cast_target(const InferenceContext& context) {
  const int64_t code = context.node().int_attribute("to");
  const auto dtype = dtype_from_onnx(code);
  if (!dtype) context.refuse("to is {}, which is no element type of ONNX", code);
  if (!kCastTypes.contains(*dtype)) context.refuse("to is {}, which Cast does not make", dtype_name(*dtype));
  return *dtype;
}

void infer_cast(InferenceContext& context) {
  check_round_mode(context);
  context.set_output(0, cast_target(context), context.type(0).shape);
}

void infer_cast_like(InferenceContext& context) {
  check_round_mode(context);
  context.set_output(0, context.dtype(1), context.type(0).shape);
}

// Runs convert(first element, elements) over all of them.
void walk_elements(KernelContext& context, FunctionRef<void(int64_t, size_t)> convert) {
  const StridedWalk walk({context.input(0).count()}, std::vector<Strides>{{1}});
  walk.run(context.env(),
           [&](std::span<const int64_t> at, int64_t count) { convert(at[0], static_cast<size_t>(count)); });
}

void write_texts(KernelContext& context, const Tensor& out) {
  const Tensor& in = context.input(0);
  const auto texts = out.values<std::string>();
  walk_elements(context, [&](int64_t first, size_t count) {
    for (size_t i = static_cast<size_t>(first); i < static_cast<size_t>(first) + count; ++i) {
      texts[i] = in.dtype() == DType::kString ? in.values<std::string>()[i]
                                              : text_of_element(in, static_cast<int64_t>(i));
    }
  });
}

template <typename Wide>
std::optional<Wide> parse(const std::string& text, DType dtype) {
  if constexpr (std::is_same_v<Wide, double>) return parse_number(text, dtype);
  if constexpr (std::is_same_v<Wide, int64_t>) return parse_signed(text);
  if constexpr (std::is_same_v<Wide, uint64_t>) return parse_unsigned(text);
}

template <typename Wide>
void read_texts(KernelContext& context, const Tensor& out) {
  const auto texts = context.input(0).values<std::string>();
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto number = parse<Wide>(texts[i], out.dtype());
    if (!number) context.refuse("\"{}\" is no number", texts[i].substr(0, 40));
    store_elements<Wide>(out, static_cast<int64_t>(i), 1, {&*number, 1});
  }
}

// To floats of 8 bits, whose rounding and overflow the attributes choose.
void write_float8(KernelContext& context, const Tensor& out) {
  const DType dtype = out.dtype();
  const bool saturate = context.node().int_attribute("saturate", 1) != 0;
  const std::string mode = context.node().string_attribute("round_mode", "up");
  const PowerRounding rounding = mode == "down"      ? PowerRounding::kDown
                                 : mode == "nearest" ? PowerRounding::kNearest
                                                     : PowerRounding::kUp;
  walk_elements(context, [&](int64_t first, size_t count) {
    std::array<double, StridedWalk::kPiece> values;
    load_elements<double>(context.input(0), first, 1, std::span(values).first(count));
    std::transform(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count),
                   out.values<uint8_t>().begin() + first, [&](double value) {
                     return dtype == DType::kF8E8M0 ? e8m0_from_double(value, saturate, rounding)
                                                    : float8_from_double(dtype, value, saturate);
                   });
  });
}

void convert(KernelContext& context, DType dtype) {
  const Tensor& in = context.input(0);
  const Tensor& out = context.allocate_output(0, dtype, in.dims());
  if (dtype == DType::kString) return write_texts(context, out);
  if (in.dtype() == DType::kString)
    return visit_wide(dtype, [&](auto wide) { read_texts<decltype(wide)>(context, out); });
  if (kFloat8Types.contains(dtype)) return write_float8(context, out);
  visit_wide(in.dtype(), [&](auto wide) {
    using Wide = decltype(wide);
    map_elements<Wide>(context.env(), in, out, [](Wide value) { return value; });
  });
}

void cast_reference(KernelContext& context) {
  convert(context, dtype_from_onnx(context.node().int_attribute("to")).value_or(DType::kUndefined));
}

void cast_like_reference(KernelContext& context) {
  convert(context, context.input(1).dtype());
}

}  // namespace

// Floats round to nearest even; floats to integers truncate (what ONNX leaves undefined saturates, NaN is 0);
// integers keep their low bits; bool is "not 0". saturate (1) concerns floats of 8 bits, round_mode (up,
// down, nearest) E8M0. Text is read and written as number_text.h says; what is no number is refused.
extern constinit const OpSchema kCast = {
    .domain = "",
    .op = "Cast",
    .since_version = 28,
    .inputs = {{"input", "T1", kCastTypes}},
    .outputs = {{"output", "T2", kCastTypes}},
    .attributes = {{"to", AttributeKind::kInt, true},
                   {"saturate", AttributeKind::kInt},
                   {"round_mode", AttributeKind::kString}},
    .infer = infer_cast,
    .reference = cast_reference,
};

// The same, to the element type of the second input.
extern constinit const OpSchema kCastLike = {
    .domain = "",
    .op = "CastLike",
    .since_version = 25,
    .inputs = {{"input", "T1", kCastTypes}, {"target_type", "T2", kCastTypes}},
    .outputs = {{"output", "T2", kCastTypes}},
    .attributes = {{"saturate", AttributeKind::kInt}, {"round_mode", AttributeKind::kString}},
    .infer = infer_cast_like,
    .reference = cast_like_reference,
};

}  // namespace oag
