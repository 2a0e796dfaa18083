#include "engine/ops/schema.h"

namespace oag {

#define OAG_OP(schema) extern const OpSchema schema;
#include "engine/ops/op_list.inc"
#undef OAG_OP

const OperatorRegistry& OperatorRegistry::builtin() {
  static const OperatorRegistry registry = [] {
    OperatorRegistry all;
#define OAG_OP(schema) all.add(&schema);
#include "engine/ops/op_list.inc"
#undef OAG_OP
    return all;
  }();
  return registry;
}

}  // namespace oag
