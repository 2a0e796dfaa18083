#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "llm/bundle/bundle.h"

namespace oag {

// Tells models apart, 16 hex digits: the numbers that shape it, the texts of its tokens, and the values of
// its last norm, which no quantisation touches. Which file format it came from, and how it is quantised, does
// not matter. Errors: those of Weights::get.
std::string model_fingerprint(const ModelBundle& bundle);

// What another engine computed for a model.
struct ModelReference {
  struct Logit {
    TokenId id;
    float value;
  };

  std::string name;
  std::string fingerprint;
  std::string source;  // which engine, in which arithmetic
  std::vector<TokenId> prompt;
  std::vector<Logit> best;  // of the token after the prompt, best first
  double tolerance = 0;     // of a logit, for weights stored as floats
};

// A document with a list `references`. Errors: kCorruptData naming the key.
std::vector<ModelReference> parse_model_references(const Json& document, std::string_view where);

// Those built in (data/doctor/references.json).
std::vector<ModelReference> built_in_references();

// The largest difference between the reference's best logits and these, which are all of the model's. Errors:
// kCorruptData for an id that the model does not have.
double largest_difference(const ModelReference& reference, std::span<const float> logits);

}  // namespace oag
