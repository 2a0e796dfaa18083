#pragma once

#include <string_view>

namespace oag {

// How text is cut before it is merged, by the pattern of its Split.
struct KnownSplit {
  std::string_view pattern;
  std::string_view merging;   // the pre-tokenizer's name where merges count always,
  std::string_view ignoring;  // and where a piece that is a token is not merged
};

inline constexpr KnownSplit kSplits[] = {
    // Llama 3, GLM-4
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "dbrx", "llama-bpe"},
    // Qwen2, Qwen3
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "stablelm2", "stablelm2"},
    // Mistral's Tekken
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "tekken", "tekken"},
};

}  // namespace oag
