#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/backends/onnxruntime/onnxruntime_library.h"
#include "engine/graph/graph.h"
#include "engine/tensor/tensor.h"

namespace oag::onnxruntime {

// The tensor as a value of the library, which reads and writes the tensor's own memory; strings and
// containers are copied. Errors: kUnsupported for values that the library's interface cannot make.
Owned<Value> to_value(const Library& library, const Tensor& tensor);

// A value that the library made, as a tensor of this type, which keeps it; strings are copied. Errors:
// kUnsupported for other types.
Tensor from_value(const Library& library, Owned<Value> value, const ValueType& type);

// A type as the library describes it. `dim` makes one of a dim: its size, or -1 and its symbol.
ValueType type_of(const Library& library, const TypeInfo* info,
                  const std::function<Dim(int64_t size, std::string_view symbol)>& dim);

}  // namespace oag::onnxruntime
