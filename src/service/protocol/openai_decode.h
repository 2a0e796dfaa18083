#pragma once

#include <string_view>

#include "service/protocol/field.h"
#include "service/protocol/request.h"

namespace oag {

// Reads the bodies of OpenAI's endpoints into requests. Made once: its tables are parsed then. Immutable and
// thread safe.
class OpenAiDecoder {
 public:
  // With `strict_fields`, a field that is not known is refused rather than warned of.
  explicit OpenAiDecoder(bool strict_fields = false);

  // The body of one request, as JSON text. The context's model, priority, deadline and id are set where the
  // body names them. Errors: RequestError naming the field; malformed JSON has the code invalid_json.
  Request chat(std::string_view body) const;
  Request completion(std::string_view body) const;
  Request embedding(std::string_view body) const;
  Request tokenize(std::string_view body) const;
  Request detokenize(std::string_view body) const;

  const FieldTable& chat_table() const { return chat_; }
  const FieldTable& completion_table() const { return completion_; }
  const FieldTable& embedding_table() const { return embedding_; }
  const FieldTable& tokenize_table() const { return tokenize_; }
  const FieldTable& detokenize_table() const { return detokenize_; }

 private:
  void read(const FieldTable& table, std::string_view body, std::string_view api, Request& request) const;

  bool strict_;
  FieldTable chat_, completion_, embedding_, tokenize_, detokenize_;
};

}  // namespace oag
