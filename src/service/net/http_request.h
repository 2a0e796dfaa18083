#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace oag {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// One HTTP/1.x request, complete with its body.
struct HttpRequest {
  std::string method;      // as sent: methods are case sensitive
  std::string path;        // as sent, not decoded; starts with '/', or is "*" (OPTIONS)
  std::string query;       // what follows the first '?', not decoded
  HttpHeaders headers;     // names and values as sent, values without surrounding white space
  std::string body;        // without its transfer coding
  std::string peer;        // the client's address, without its port
  int minor_version = 1;   // HTTP/1.0 or HTTP/1.1
  bool keep_alive = true;  // what the client asks for

  // The value of the first header of that name (case does not matter), or null.
  const std::string* find_header(std::string_view name) const;
};

}  // namespace oag
