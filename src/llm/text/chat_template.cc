#include "llm/text/chat_template.h"

#include "base/error.h"
#include "llm/text/jinja_eval.h"
#include "llm/text/jinja_parser.h"

namespace oag {

struct ChatTemplate::Compiled {
  std::string source;
  std::string name;
  jinja::Body body;
};

ChatTemplate ChatTemplate::compile(std::string source, std::string name) {
  constexpr size_t kMaxSource = 1 << 20;  // the longest template in use has some 30 KB
  if (source.size() > kMaxSource) {
    fail(ErrorCode::kUnsupported, name, "the template has {} bytes; at most {} are taken", source.size(),
         kMaxSource);
  }
  auto compiled = std::make_shared<Compiled>();
  compiled->source = std::move(source);
  compiled->name = std::move(name);
  compiled->body = jinja::parse_template(compiled->source, compiled->name);
  return ChatTemplate(std::move(compiled));
}

std::string ChatTemplate::render(const Json& context, const RenderLimits& limits) const {
  if (!context.is_object())
    fail(ErrorCode::kInvalidArgument, compiled_->name, "the context must be a JSON object");
  jinja::Runtime rt(compiled_->name, limits);
  jinja::Scope* variables = rt.make_scope(nullptr);
  for (const auto& [name, value] : context.items()) variables->set(name, rt.from_json(value));
  return jinja::Evaluator(rt, rt.make_scope(variables)).run(compiled_->body);
}

const std::string& ChatTemplate::source() const {
  return compiled_->source;
}
const std::string& ChatTemplate::name() const {
  return compiled_->name;
}

}  // namespace oag
