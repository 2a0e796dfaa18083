#include <numeric>

#include "engine/formats/onnx/old_node.h"
#include "engine/formats/onnx/upgrade_families.h"

namespace oag {
namespace {

// Opset 1 turned strings into their places among classes_strings, or places into strings: which, tells the
// input's type or the output's, else the default that is given.
bool maps_from_strings(const OldNode& old) {
  const DType from = old.dtype(old.input(0));
  if (from != DType::kUndefined) return from == DType::kString;
  const DType to = old.has_output(0) ? old.dtype(old.node.outputs[0]) : DType::kUndefined;
  if (to != DType::kUndefined) return to != DType::kString;
  const bool to_int = old.node.has_attribute("default_int64"),
             to_string = old.node.has_attribute("default_string");
  if (to_int == to_string) {
    old.refuse(
        "the types of input and output are unknown; exactly one of the attributes default_int64 and "
        "default_string has to be there");
  }
  return to_int;
}

}  // namespace

void upgrade_label_encoder(OldNode& old) {
  const bool from_strings = maps_from_strings(old);
  const Attribute classes = old.node.strings_attribute("classes_strings");
  std::vector<int64_t> places(std::get<std::vector<std::string>>(classes).size());
  std::iota(places.begin(), places.end(), 0);
  old.erase("classes_strings");
  old.node.attributes[from_strings ? "keys_strings" : "values_strings"] = classes;
  old.node.attributes[from_strings ? "values_int64s" : "keys_int64s"] = std::move(places);
  old.push();
}

}  // namespace oag
