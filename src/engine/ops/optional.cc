// Optional, OptionalHasElement, OptionalGetElement: values that may be missing.
#include "engine/ops/schema.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

constexpr DTypeSet kElementTypes = kViewableTypes | DTypeSet{DType::kString};
constexpr KindSet kOptionalKind = {TypeKind::kOptional};
constexpr KindSet kPresentKinds = {TypeKind::kTensor, TypeKind::kSequence};
constexpr KindSet kMaybeKinds = {TypeKind::kTensor, TypeKind::kSequence, TypeKind::kOptional};

bool is_optional(const Tensor& value) {
  return value.dtype() == DType::kOptional;
}

void infer_make(InferenceContext& context) {
  const ValueType* type = context.node().type_attribute("type");
  if (context.has_input(0)) type = &context.type(0);
  if (type == nullptr) context.refuse("has neither an input nor the attribute type");
  context.set_output_type(0, ValueType::optional(*type));
}

void make_reference(KernelContext& context) {
  std::optional<Tensor> element;
  if (context.has_input(0)) element = deep_copy(context.input(0));
  context.set_output(0, make_optional(std::move(element)));
}

void infer_has(InferenceContext& context) {
  context.set_output(0, DType::kBool, Shape{});
}

void has_reference(KernelContext& context) {
  const bool has = context.has_input(0) && (!is_optional(context.input(0)) || context.input(0).count() == 1);
  context.allocate_output(0, DType::kBool, {}).values<bool>()[0] = has;
}

void infer_get(InferenceContext& context) {
  const ValueType& type = context.type(0);
  if (type.kind != TypeKind::kOptional) return context.set_output_type(0, type);
  if (type.element == nullptr) context.refuse("input 0 is an optional of an unknown type");
  context.set_output_type(0, *type.element);
}

void get_reference(KernelContext& context) {
  const Tensor& value = context.input(0);
  if (!is_optional(value)) return context.set_output(0, value);
  if (value.count() == 0) context.refuse("the optional has no element");
  context.set_output(0, elements_of(value)[0]);
}

}  // namespace

// An optional that holds the input, or nothing, of the type that the attribute says.
extern constinit const OpSchema kOptional = {
    .domain = "",
    .op = "Optional",
    .since_version = 28,
    .inputs = {{"input", "", kElementTypes, true, false, kPresentKinds}},
    .outputs = {{"output", "", {}, false, false, kOptionalKind}},
    .attributes = {{"type", AttributeKind::kType}},
    .infer = infer_make,
    .reference = make_reference,
};

// Whether there is an input, and it holds something or is no optional.
extern constinit const OpSchema kOptionalHasElement = {
    .domain = "",
    .op = "OptionalHasElement",
    .since_version = 28,
    .inputs = {{"input", "", kElementTypes, true, false, kMaybeKinds}},
    .outputs = {{"output", "", {DType::kBool}}},
    .attributes = {},
    .infer = infer_has,
    .reference = has_reference,
};

// What the optional holds; the input itself when it is none. Errors at run time: an empty optional.
extern constinit const OpSchema kOptionalGetElement = {
    .domain = "",
    .op = "OptionalGetElement",
    .since_version = 28,
    .inputs = {{"input", "", kElementTypes, false, false, kMaybeKinds}},
    .outputs = {{"output", "", kElementTypes, false, false, kPresentKinds}},
    .attributes = {},
    .infer = infer_get,
    .reference = get_reference,
};

}  // namespace oag
