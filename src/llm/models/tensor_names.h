#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace oag {

// One tensor, or one of every layer ({} stands for its number, a second {} for that of an expert), under its
// Hugging Face and its GGUF name, both without the ending .weight or .bias; with it where the Hugging Face
// name has none.
struct NameRule {
  std::string_view hugging_face;
  std::string_view gguf;  // empty: it has no part in the graph
  bool at_top = false;    // its Hugging Face name does not begin with the table's prefix
};

// The tensors of a model family: what a name of one kind of file is called in the other. No data changes but
// the order of q and k rows, which RopePairing tells.
struct NameTable {
  std::string_view prefix;  // of the Hugging Face names; other known prefixes are taken as well
  std::span<const NameRule> rules;
};

// What a tensor of a Hugging Face file is called in GGUF, empty for one without a part; nothing for one that
// is not in the table.
std::optional<std::string> gguf_tensor_name(const NameTable& table, std::string_view hugging_face);

// The reverse, with the table's own prefix.
std::optional<std::string> hugging_face_tensor_name(const NameTable& table, std::string_view gguf);

// The name without the prefix that marks the text part of a model ("model.language_model.", "model.", …).
std::string_view without_text_prefix(std::string_view hugging_face);

}  // namespace oag
