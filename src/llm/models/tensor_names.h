#pragma once

#include <cstdint>
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
  std::span<const NameRule> shared = {};  // further rules, those of several families
};

// What transformers' decoders call alike.
inline constexpr NameRule kDecoderNames[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm"},
    {"lm_head", "output", true},
    {"layers.{}.input_layernorm", "blk.{}.attn_norm"},
    {"layers.{}.self_attn.q_proj", "blk.{}.attn_q"},
    {"layers.{}.self_attn.k_proj", "blk.{}.attn_k"},
    {"layers.{}.self_attn.v_proj", "blk.{}.attn_v"},
    {"layers.{}.self_attn.o_proj", "blk.{}.attn_output"},
    {"layers.{}.mlp.down_proj", "blk.{}.ffn_down"},
};

// What a tensor of a Hugging Face file is called in GGUF, empty for one without a part; nothing for one that
// is not in the table.
std::optional<std::string> gguf_tensor_name(const NameTable& table, std::string_view hugging_face);

// The reverse, with the table's own prefix.
std::optional<std::string> hugging_face_tensor_name(const NameTable& table, std::string_view gguf);

// The matrix of one expert: <stem>.<number>.weight, where a GGUF file has <stem>.weight with those of all.
struct ExpertName {
  std::string_view stem;  // "blk.3.ffn_up_exps"
  int64_t expert;
};
std::optional<ExpertName> parse_expert_name(std::string_view gguf);
std::string expert_tensor_name(std::string_view stem, int64_t expert);

// The name without the prefix that marks the text part of a model ("model.language_model.", "model.", …).
std::string_view without_text_prefix(std::string_view hugging_face);

}  // namespace oag
