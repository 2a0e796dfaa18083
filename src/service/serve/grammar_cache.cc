#include "service/serve/grammar_cache.h"

#include <algorithm>

#include "service/net/sha256.h"

namespace oag {
namespace {

constexpr size_t kMostKept = 64;

std::shared_ptr<const Grammar> make_grammar(const StructuredOutput& output) {
  using Kind = StructuredOutput::Kind;
  const JsonWhitespace whitespace = output.compact ? JsonWhitespace::kCompact : JsonWhitespace::kFlexible;
  switch (output.kind) {
    case Kind::kJsonObject: return Grammar::any_json_object(whitespace);
    case Kind::kJsonSchema: return Grammar::from_json_schema(output.schema, output.field, whitespace);
    case Kind::kRegex: return Grammar::from_regex(output.text, output.field);
    case Kind::kChoice: return Grammar::from_choices(output.choices, output.field);
    case Kind::kGrammar: return Grammar::from_gbnf(output.text, output.field);
    case Kind::kNone: break;
  }
  return nullptr;
}

std::string key_of(const StructuredOutput& output) {
  return sha256_hex(
      Json({static_cast<int>(output.kind), output.schema, output.text, output.choices, output.compact})
          .dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

GrammarCache::GrammarCache(std::shared_ptr<const Tokenizer> tokenizer, size_t most_bytes)
    : vocabulary_(GrammarVocabulary::create(*tokenizer)), most_bytes_(most_bytes) {}

// They grow while answers use them, so they are weighed at each request.
void GrammarCache::drop_oldest() {
  if (kept_.size() > kMostKept) kept_.pop_back();
  size_t bytes = 0;
  for (auto kept = kept_.begin(); kept != kept_.end(); ++kept) {
    bytes += kept->second->cached_bytes();
    if (bytes <= most_bytes_ || kept == kept_.begin()) continue;
    kept_.erase(kept, kept_.end());
    return;
  }
}

std::shared_ptr<CompiledGrammar> GrammarCache::find(const StructuredOutput& output) {
  if (output.kind == StructuredOutput::Kind::kNone) return nullptr;
  return find(key_of(output), [&] { return make_grammar(output); });
}

std::shared_ptr<CompiledGrammar> GrammarCache::agent_action() {
  return find("agent action", [] { return Grammar::phone_agent_action(); });
}

std::shared_ptr<CompiledGrammar> GrammarCache::calls(const Json& schema, const Grammar::Marks& marks) {
  const Json key = {"calls", marks.begin, marks.end, marks.several, schema};
  return find(key.dump(-1, ' ', false, Json::error_handler_t::replace),
              [&] { return Grammar::from_marked_json(schema, marks, "tools"); });
}

std::shared_ptr<CompiledGrammar> GrammarCache::find(
    const std::string& key, const std::function<std::shared_ptr<const Grammar>()>& make) {
  {
    std::lock_guard lock(mutex_);
    const auto known =
        std::ranges::find(kept_, key, &std::pair<std::string, std::shared_ptr<CompiledGrammar>>::first);
    if (known != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, known);
      drop_oldest();
      return kept_.front().second;
    }
  }
  auto compiled = CompiledGrammar::create(make(), vocabulary_);
  std::lock_guard lock(mutex_);
  kept_.emplace_front(key, compiled);
  drop_oldest();
  return compiled;
}

}  // namespace oag
