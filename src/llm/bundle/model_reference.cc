#include "llm/bundle/model_reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "base/fnv1a.h"
#include "engine/tensor/block_format.h"

namespace oag {

extern const std::string_view kEmbeddedModelReferences;

std::string model_fingerprint(const ModelBundle& bundle) {
  const TextConfig& config = bundle.config;
  Fnv1a hash;
  for (const int64_t number : {config.hidden_size, config.layers, config.heads, config.kv_heads,
                               config.head_size, config.ffn_size, config.vocab_size, config.rope_dims})
    hash.add(static_cast<uint64_t>(number));
  for (const int64_t section : config.rope_sections) hash.add(static_cast<uint64_t>(section));
  hash.add(std::bit_cast<uint64_t>(config.rope_theta));
  for (const std::string& token : bundle.tokenizer->vocabulary().tokens) hash.add(token);
  const Tensor norm = bundle.weights->get("output_norm.weight", {config.hidden_size});
  std::vector<float> values(static_cast<size_t>(norm.count()));
  decode_blocks(norm.dtype(), norm.bytes(), values);
  for (const float value : values) hash.add(uint64_t{std::bit_cast<uint32_t>(value)});
  return fmt::format("{:016x}", hash.value());
}

std::vector<ModelReference> parse_model_references(const Json& document, std::string_view where) {
  std::vector<ModelReference> references;
  try {
    for (const Json& item : document.at("references")) {
      ModelReference reference;
      reference.name = item.at("name").get<std::string>();
      reference.fingerprint = item.at("fingerprint").get<std::string>();
      reference.source = item.at("source").get<std::string>();
      reference.prompt = item.at("prompt_ids").get<std::vector<TokenId>>();
      reference.tolerance = item.at("tolerance").get<double>();
      for (const Json& logit : item.at("best"))
        reference.best.push_back({logit.at("id").get<TokenId>(), logit.at("logit").get<float>()});
      if (reference.prompt.empty() || reference.best.empty())
        fail(ErrorCode::kCorruptData, where, "{}: prompt_ids or best is empty", reference.name);
      references.push_back(std::move(reference));
    }
  } catch (const Json::exception& error) {
    const std::string_view text = error.what();
    fail(ErrorCode::kCorruptData, where,
         "is no table of references ({}); expected {{\"references\": [{{\"name\", \"fingerprint\", "
         "\"source\", \"prompt_ids\": [id], \"tolerance\", \"best\": [{{\"id\", \"logit\"}}]}}]}}",
         text.substr(text.find("] ") + 2));
  }
  return references;
}

std::vector<ModelReference> built_in_references() {
  constexpr std::string_view kName = "built-in references.json";
  return parse_model_references(parse_json(kEmbeddedModelReferences, kName), kName);
}

double largest_difference(const ModelReference& reference, std::span<const float> logits) {
  double largest = 0;
  for (const auto& [id, value] : reference.best) {
    if (id < 0 || static_cast<size_t>(id) >= logits.size()) {
      fail(ErrorCode::kCorruptData, "reference " + reference.name, "names token {}, the model has {}", id,
           logits.size());
    }
    const double difference = std::abs(double{logits[static_cast<size_t>(id)]} - double{value});
    largest = std::isnan(difference) ? INFINITY : std::max(largest, difference);
  }
  return largest;
}

}  // namespace oag
