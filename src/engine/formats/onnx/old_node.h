#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/graph/graph.h"

namespace oag {

// A node of an older opset on its way into the graph. An upgrade changes `node` and appends it with push(),
// or appends other nodes that make its outputs.
class OldNode {
 public:
  OldNode(Graph& target, Node old, int64_t its_opset)
      : graph(target), node(std::move(old)), opset(its_opset) {}

  Graph& graph;
  Node node;
  const int64_t opset;

  bool has_input(size_t i) const { return i < node.inputs.size() && node.inputs[i] != kNoValue; }
  bool has_output(size_t i) const { return i < node.outputs.size() && node.outputs[i] != kNoValue; }
  // Errors: kInvalidArgument when it is left out.
  ValueId input(size_t i) const;
  ValueId input_or_none(size_t i) const { return has_input(i) ? node.inputs[i] : kNoValue; }

  // What is known of a value: kUndefined, nothing, null when it is not.
  DType dtype(ValueId id) const;
  std::optional<int64_t> rank(ValueId id) const;
  const Tensor* constant(ValueId id) const;

  // Appends a node of domain "" named after this one; its output.
  ValueId add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {});
  // The same with `output_count` outputs.
  std::vector<ValueId> add_many(std::string_view op, std::vector<ValueId> inputs, Attributes attributes,
                                size_t output_count);
  // Constants named after this node: a scalar i64, [n] i64, [n] f32.
  ValueId integer(std::string_view what, int64_t value);
  ValueId truth(std::string_view what);  // a scalar bool, true
  ValueId ints(std::string_view what, const std::vector<int64_t>& values);
  ValueId floats(std::string_view what, const std::vector<float>& values);
  // A scalar of the element type of `like`: a constant where that is known, else made by CastLike.
  ValueId scalar_like(std::string_view what, float value, ValueId like);
  // The rank of a value as [1] i64, computed at run time.
  ValueId rank_of(ValueId id);
  // A tensor of ones, i64, as long as the [1] i64 `count` says.
  ValueId ones(ValueId count);

  // Appends `node` as it has become; it stays for what comes behind it.
  void push();
  // Appends another node of domain "" in its place, which keeps name and outputs.
  void push_as(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {});

  // The same operator computed in f64 and converted back: what operators that have since lost the integer
  // types meant for them.
  void push_through_double();

  // Appends a node of domain "" that makes a value which is there already.
  void add_as(ValueId output, std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {});
  // Gives `node` a value of its own as output `i`; the one that it had, for add_as to make.
  ValueId detach_output(size_t i);

  // Removes an attribute. erase_int tells what it was, `fallback` when absent.
  void erase(std::string_view attribute);
  int64_t erase_int(std::string_view attribute, int64_t fallback);
  // Makes the attribute, when present, constant input `i`, leaving out those before it that are absent.
  void attribute_to_input(std::string_view attribute, size_t i);
  void set_input(size_t i, ValueId id);

  // Errors: kUnsupported, one line that names operator and opset.
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    refuse_line(fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  [[noreturn]] void refuse_line(const std::string& message) const;
  std::string name_for(std::string_view what) const;
};

}  // namespace oag
