#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "service/protocol/request.h"

namespace oag {

// A client's name of something in quotes, cut and in printable ASCII: it may be long or hold anything.
std::string shown_name(std::string_view name);

// What becomes of a field of a request's body.
enum class FieldUse {
  kHonoured,  // it does what its description says
  kNoEffect,  // accepted; it could not change the answer
  kUnneeded,  // accepted at the values of `neutral`, which ask for nothing; refused at others
  kOldName,   // honoured, with a warning that names `better`
};

// One line of an endpoint's table: decoding, the OpenAPI description and the documentation are made of these.
struct Field {
  std::string_view name;
  FieldUse use;
  std::string_view schema;                            // JSON Schema of its values, null left out
  void (*read)(const Json& value, Request& request);  // null where there is nothing to keep
  std::string_view about;                             // one sentence
  std::string_view neutral = {};                      // a list as JSON
  std::string_view better = {};
};

// The fields of one endpoint's body, ready to read it with.
class FieldTable {
 public:
  // `required` are names out of `lists`; of a name that stands twice the first one counts.
  FieldTable(std::vector<std::span<const Field>> lists, std::vector<std::string_view> required);

  // Reads every field of `body` into `request`, whose payload has its kind already. A field that is null
  // counts as left out. Unknown fields are warned of, or refused if `strict`. Errors: RequestError.
  void read(const Json& body, bool strict, Request& request) const;

  // The body as a JSON Schema.
  Json schema() const;

  struct Entry {
    const Field* field;
    Json schema, neutral;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string_view, size_t> by_name_;
  std::vector<std::string_view> required_;
};

}  // namespace oag
