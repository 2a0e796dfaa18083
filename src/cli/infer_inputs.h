#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/formats/onnx/onnx_import.h"
#include "engine/tensor/tensor.h"

namespace oag::cli {

constexpr const char *kInputOption = "--input", *kShapeOption = "--shape", *kSeedOption = "--seed";

// Where a model's inputs come from.
struct InputOptions {
  std::vector<std::string> files;   // "NAME=FILE"
  std::vector<std::string> shapes;  // "NAME=1,3,480,640", of inputs that are drawn
  bool random = false;              // draw those that no file gives
  uint64_t seed = 0;
};

// --input, --shape and --seed.
void declare_input_options(CLI::App& command, InputOptions& inputs);

// A tensor for each of the model's inputs. A file is .npy, .pb (the protobuf message of the input's type) or
// a picture, whose values are u8 or, for inputs of floats, 0 to 255, in the order that the input's shape asks
// for. Drawn are floats from [0, 1), integers and truth values of 0 and 1, and words; dims that nothing gives
// are those of other inputs where they have the same symbol, else 1, which standard error is told. Errors:
// kNotFound for a name that is no input's; kInvalidArgument for what does not fit the model, naming both
// shapes; those of the files' readers.
std::vector<Tensor> make_inputs(std::span<const OnnxPort> inputs, const InputOptions& options);

}  // namespace oag::cli
