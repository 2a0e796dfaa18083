#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/ops/kernel.h"

namespace oag {

// A set of element types, one bit each.
class DTypeSet {
 public:
  constexpr DTypeSet() = default;
  constexpr DTypeSet(std::initializer_list<DType> dtypes) {
    for (const DType dtype : dtypes) bits_ |= bit(dtype);
  }
  constexpr bool contains(DType dtype) const { return (bits_ & bit(dtype)) != 0; }
  friend constexpr DTypeSet operator|(DTypeSet a, DTypeSet b) {
    DTypeSet both;
    both.bits_ = a.bits_ | b.bits_;
    return both;
  }

 private:
  static constexpr uint64_t bit(DType dtype) { return uint64_t{1} << static_cast<unsigned>(dtype); }
  uint64_t bits_ = 0;
};

inline constexpr DTypeSet kFloatTypes = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16};
inline constexpr DTypeSet kSignedTypes = {DType::kI8, DType::kI16, DType::kI32, DType::kI64};
inline constexpr DTypeSet kUnsignedTypes = {DType::kU8, DType::kU16, DType::kU32, DType::kU64};
inline constexpr DTypeSet kIntegerTypes = kSignedTypes | kUnsignedTypes;
inline constexpr DTypeSet kNumericTypes = kFloatTypes | kIntegerTypes;
inline constexpr DTypeSet kPlainTypes = kNumericTypes | DTypeSet{DType::kBool};
inline constexpr DTypeSet kFloat8Types = {DType::kF8E4M3FN, DType::kF8E4M3FNUZ, DType::kF8E5M2,
                                          DType::kF8E5M2FNUZ, DType::kF8E8M0};
inline constexpr DTypeSet kComplexTypes = {DType::kC64, DType::kC128};
// Types whose elements are whole bytes or strings: operators that only move elements take them all.
inline constexpr DTypeSet kMovableTypes =
    kPlainTypes | kFloat8Types | kComplexTypes | DTypeSet{DType::kString};
// With those that pack several elements into a byte: operators that leave the bytes alone take these too.
inline constexpr DTypeSet kViewableTypes =
    kMovableTypes | DTypeSet{DType::kF4E2M1, DType::kI4, DType::kU4, DType::kI2, DType::kU2};
inline constexpr DTypeSet kBlockTypes = {
    DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,   DType::kQ8_0,   DType::kQ2_K, DType::kQ3_K,
    DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4};

// A set of kinds of values, one bit each.
class KindSet {
 public:
  constexpr KindSet() = default;
  constexpr KindSet(std::initializer_list<TypeKind> kinds) {
    for (const TypeKind kind : kinds) bits_ |= bit(kind);
  }
  constexpr bool contains(TypeKind kind) const { return (bits_ & bit(kind)) != 0; }

 private:
  static constexpr unsigned bit(TypeKind kind) { return 1U << static_cast<unsigned>(kind); }
  unsigned bits_ = 0;
};

inline constexpr KindSet kTensorKind = {TypeKind::kTensor, TypeKind::kState};
inline constexpr KindSet kSequenceKind = {TypeKind::kSequence};
inline constexpr KindSet kAnyKind = {TypeKind::kTensor, TypeKind::kState, TypeKind::kSequence,
                                     TypeKind::kOptional, TypeKind::kMap};

// A list of at most N items that is a constant expression, so that operator tables need no start-up code.
template <typename T, size_t N>
class FixedList {
 public:
  constexpr FixedList() = default;
  constexpr FixedList(std::initializer_list<T> items) {  // more than N items do not compile
    for (const T& item : items) items_[count_++] = item;
  }
  static constexpr size_t capacity() { return N; }
  constexpr void push_back(const T& item) { items_[count_++] = item; }  // while size() < capacity()
  constexpr size_t size() const { return count_; }
  constexpr bool empty() const { return count_ == 0; }
  constexpr const T* begin() const { return items_; }
  constexpr const T* end() const { return items_ + count_; }
  constexpr const T& operator[](size_t i) const { return items_[i]; }
  constexpr const T& back() const { return items_[count_ - 1]; }

 private:
  T items_[N] = {};
  size_t count_ = 0;
};

// A formal input or output. Parameters that name the same type variable ("T") must have the same element
// type. Element types are asked of tensors alone.
struct Parameter {
  std::string_view name;
  std::string_view type_variable;
  DTypeSet dtypes;
  bool optional = false;
  bool variadic = false;  // last parameter only: one or more values
  KindSet kinds = kTensorKind;
};

enum class AttributeKind { kInt, kFloat, kString, kInts, kFloats, kStrings, kTensor, kGraph, kType };

struct AttributeSpec {
  std::string_view name;
  AttributeKind kind = AttributeKind::kInt;
  bool required = false;
};

class CustomOperator;
class InferenceContext;
class OperatorRegistry;

// Output `output` occupies the memory of input `input`: a view (same bytes, other dims) or an update in
// place.
struct Alias {
  enum Kind { kView, kUpdate };
  int output = 0;
  int input = 0;
  Kind kind = kView;
};

// What a body of a control-flow operator is given for one of its inputs.
struct BodyInput {
  ValueType type;
  const Tensor* constant = nullptr;  // when the same value comes with every call
};

// The subgraph of a node's attribute, and what its inputs are.
struct Body {
  std::string_view attribute;
  std::vector<BodyInput> inputs;
};

struct OpSchema {
  std::string_view domain;  // "" is ai.onnx
  std::string_view op;
  int since_version;  // the opset whose definition this is
  FixedList<Parameter, 16> inputs;
  FixedList<Parameter, 16> outputs;
  FixedList<AttributeSpec, 24> attributes;
  void (*infer)(InferenceContext&);    // sets output types; errors name the node
  KernelFunction reference = nullptr;  // correct on every accepted type; the oracle of faster kernels
  // Writes the operator in terms of others into `graph`: same inputs, returns the outputs. For fused
  // operators.
  std::vector<ValueId> (*decompose)(Graph& graph, const Node& node) = nullptr;
  FixedList<Alias, 4> aliases = {};
  bool deterministic = true;  // false for random operators: never folded
  // Of control flow: what the node's bodies take, so that they can be compiled.
  std::vector<Body> (*bodies)(const InferenceContext&) = nullptr;
  // Of plugins: makes the kernels; `infer` leads there too.
  const CustomOperator* custom = nullptr;
};

// What a shape rule sees: input types, constant inputs, attributes. It sets output types.
class InferenceContext {
 public:
  InferenceContext(Graph& graph, const Node& node, const OperatorRegistry& registry)
      : graph_(graph), node_(node), registry_(registry) {}

  const Node& node() const { return node_; }
  const OperatorRegistry& registry() const { return registry_; }
  size_t input_count() const { return node_.inputs.size(); }
  size_t output_count() const { return node_.outputs.size(); }
  bool has_input(size_t i) const { return i < node_.inputs.size() && node_.inputs[i] != kNoValue; }
  const ValueType& type(size_t i) const { return graph_.value(node_.inputs[i]).type; }
  DType dtype(size_t i) const { return type(i).dtype; }
  bool has_shape(size_t i) const { return has_input(i) && type(i).shape.has_value(); }
  // Errors: kInvalidArgument when the rank is unknown.
  const Shape& shape(size_t i) const;

  // The content of an input that is constant, i64 or i32 widened; nothing otherwise.
  std::optional<std::vector<int64_t>> constant_ints(size_t i) const;
  const Tensor* constant(size_t i) const;

  void set_output(size_t i, DType dtype, std::optional<Shape> shape);
  void set_output_type(size_t i, ValueType type);
  // A symbol that no other value has, for a dim that depends on data.
  Dim fresh_dim(std::string_view hint) const;
  // Such a symbol for each of `rank` dims. Errors: kInvalidArgument above 64, which no real array has.
  Shape fresh_shape(int64_t rank) const;

  // Input i as a body sees it that gets it with every call.
  BodyInput body_input(size_t i) const { return {type(i), constant(i)}; }
  // The types of the outputs of a body. Errors: as infer_types; kInvalidArgument when the body takes another
  // number of inputs.
  std::vector<ValueType> infer_body(const Body& body) const;

  // Errors: kInvalidArgument, prefixed with node and operator.
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    refuse_line(fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  [[noreturn]] void refuse_line(const std::string& message) const;

  Graph& graph_;
  const Node& node_;
  const OperatorRegistry& registry_;
};

// The operators of one Runtime: built-in tables plus what plugins add. Immutable once a compile uses it.
class OperatorRegistry {
 public:
  // Every operator of op_list.inc.
  static const OperatorRegistry& builtin();

  OperatorRegistry() = default;
  // Errors: kInvalidArgument when the operator is there already.
  void add(const OpSchema* schema);
  // The same for one that lives no longer than it is used.
  void add(std::shared_ptr<const OpSchema> schema);
  const OpSchema* find(std::string_view domain, std::string_view op) const;
  std::span<const OpSchema* const> all() const { return schemas_; }
  // Those that have to be kept while one of their nodes is used.
  const std::vector<std::shared_ptr<const OpSchema>>& owned() const { return owned_; }

 private:
  std::vector<const OpSchema*> schemas_;
  std::vector<std::shared_ptr<const OpSchema>> owned_;
};

// The subgraph of a node's attribute with its inputs typed; constant ones become constants. Errors:
// kInvalidArgument when it takes another number of inputs.
Graph bind_body(const Graph& around, const Node& node, const Body& body);

// Numpy-style broadcast of two shapes; symbolic dims broadcast with 1 and with equal dims, else with their
// max. Errors: kInvalidArgument through `context`.
Shape broadcast_shapes(const InferenceContext& context, const Shape& a, const Shape& b);

// `axis` in [-rank, rank) made non-negative. Errors through `context`.
int64_t normalize_axis(const InferenceContext& context, int64_t axis, size_t rank);

}  // namespace oag
