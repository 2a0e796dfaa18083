#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/tensor/tensor.h"

namespace oag::cli {

// A named result of a run.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// The file of each output: its name with '/' as '_' and .npy, or .pb for types that .npy lacks (bfloat16,
// floats of 8 bits and less, integers of less, strings, sequences, optionals, maps); "_2", "_3", … where that
// is taken.
std::vector<std::string> output_files(std::span<const NamedTensor> outputs);

// Writes each output into `folder`, which is made where it is missing, and then outputs.json: a list of
// {name, file, dtype, shape}. Errors: kIo.
void write_outputs(const std::filesystem::path& folder, std::span<const NamedTensor> outputs);

// A table for people: name, type, least, greatest and mean value, the first values; elements of containers
// below them.
std::string outputs_table(std::span<const NamedTensor> outputs);

// {name, dtype, shape, min, max, mean, nans, first}; null where there are no such numbers.
Json output_json(const NamedTensor& output);

}  // namespace oag::cli
