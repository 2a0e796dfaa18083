#include <memory>
#include <utility>

#include "engine/formats/onnx/old_node.h"
#include "engine/formats/onnx/upgrade_families.h"

namespace oag {
namespace {

// Opset 8: (lengths?, states, scan inputs) all with a batch in front, the sequence axis next. Each element of
// the batch is scanned by itself, so an outer Scan over the batch runs the inner one.
struct BatchedScan {
  GraphPtr body;
  size_t states = 0, scans = 0, captures = 0, outputs = 0;
  std::vector<int64_t> directions;
};

BatchedScan read_scan(const OldNode& old) {
  BatchedScan scan;
  scan.body = old.node.graph_attribute("body");
  scan.directions = old.node.ints_attribute("directions");
  const int64_t scans = old.node.int_attribute("num_scan_inputs"),
                captures = old.node.int_attribute("captures", 0);
  const auto inputs = std::ssize(old.node.inputs) - 1;
  if (scans < 1 || captures < 0 || scans > inputs || captures > inputs - scans) {
    old.refuse("attribute num_scan_inputs is {}; the node has {} inputs behind sequence_lens", scans, inputs);
  }
  scan.scans = static_cast<size_t>(scans);
  scan.captures = static_cast<size_t>(captures);
  scan.states = static_cast<size_t>(inputs - scans - captures);
  scan.outputs = old.node.outputs.size();
  if (scan.outputs < scan.states) old.refuse("{} states but {} outputs", scan.states, scan.outputs);
  return scan;
}

// Types of the outer body's inputs as far as the inner body's tell them.
ValueType element_type(const BatchedScan& scan, size_t i) {
  if (i >= scan.body->inputs.size()) return {};
  const ValueType& type = scan.body->value(scan.body->inputs[i]).type;
  const bool is_scan_input = i >= scan.states && i < scan.states + scan.scans;
  return is_scan_input ? ValueType::tensor(type.dtype, std::nullopt) : type;
}

ValueId int_vector(Graph& graph, const char* name, int64_t value) {
  return graph.add_constant(name, Tensor::of<int64_t>(DType::kI64, {1}, std::vector<int64_t>{value}));
}

// One element of the batch. With lengths, scan inputs are cut to the element's and scan outputs are filled up
// with zeros, where opset 8 left values undefined.
Graph element_graph(const BatchedScan& scan, bool has_lengths) {
  Graph graph(scan.body->name + ".batch");
  ValueId length = kNoValue, zero = kNoValue, missing = kNoValue;
  if (has_lengths) {
    zero = int_vector(graph, "zero", 0);
    const ValueId scalar = graph.add_input("length", ValueType::tensor(DType::kI64, Shape{}));
    length = graph.add("", "Unsqueeze", {scalar, zero});
  }
  std::vector<ValueId> inputs;
  const size_t count = scan.states + scan.scans + scan.captures;
  for (size_t i = 0; i < count; ++i) {
    ValueId input = graph.add_input("input", element_type(scan, i));
    if (has_lengths && i >= scan.states && i < scan.states + scan.scans) {
      if (missing == kNoValue) {
        const ValueId longest = graph.add("", "Shape", {input}, {{"start", int64_t{0}}, {"end", int64_t{1}}});
        missing =
            graph.add("", "Concat", {zero, graph.add("", "Sub", {longest, length})}, {{"axis", int64_t{0}}});
      }
      input = graph.add("", "Slice", {input, zero, length, zero});
    }
    inputs.push_back(input);
  }
  Attributes attributes = {{"body", scan.body},
                           {"num_scan_inputs", static_cast<int64_t>(scan.scans)},
                           {"captures", static_cast<int64_t>(scan.captures)}};
  if (!scan.directions.empty()) attributes["scan_input_directions"] = scan.directions;
  graph.outputs = graph.add_node("", "Scan", inputs, std::move(attributes), scan.outputs).outputs;
  for (size_t i = scan.states; has_lengths && i < scan.outputs; ++i) {
    graph.outputs[i] = graph.add("", "Pad", {graph.outputs[i], missing, kNoValue, zero});
  }
  return graph;
}

}  // namespace

void upgrade_scan(OldNode& old) {
  const BatchedScan scan = read_scan(old);
  const bool has_lengths = old.has_input(0);
  std::vector<ValueId> inputs(old.node.inputs.begin() + (has_lengths ? 0 : 1), old.node.inputs.end());
  const auto outer = static_cast<int64_t>(inputs.size() - scan.captures);
  old.push_as("Scan", std::move(inputs),
              {{"body", std::make_shared<const Graph>(element_graph(scan, has_lengths))},
               {"num_scan_inputs", outer},
               {"captures", static_cast<int64_t>(scan.captures)}});
}

}  // namespace oag
