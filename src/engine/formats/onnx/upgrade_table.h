#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace oag {

class OldNode;

inline constexpr int64_t kNeverCurrent = std::numeric_limits<int64_t>::max();

// How nodes of one operator become nodes of its newest definition.
struct OperatorHistory {
  std::string_view op;
  int64_t newest;        // the last opset that defined the operator; a deprecation defines nothing
  int64_t current_from;  // from this opset on, nodes mean what the newest definition says; kNeverCurrent: the
                         // operator is deprecated and always rewritten
  void (*upgrade)(OldNode&) = nullptr;  // for nodes of opsets below current_from; null when there are none
};

// Every operator of ai.onnx (domain "") or of ai.onnx.ml, sorted by name; empty for other domains.
std::span<const OperatorHistory> operator_histories(std::string_view domain);

// Null for operators that ONNX does not know.
const OperatorHistory* find_history(std::string_view domain, std::string_view op);

}  // namespace oag
