#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/value_compare.h"

namespace oag::cli {

// A folder with model.onnx and test_data_set_N/{input,output}_K.pb, as ONNX's backend tests are laid out.
struct ModelCase {
  std::filesystem::path folder;
  std::string name;  // "node/test_abs": where it stands below what was asked for
  std::string kind;  // of the manifest ("node"), else empty
  Tolerance tolerance;
};

struct ModelCaseOptions {
  std::vector<std::filesystem::path> folders;
  std::filesystem::path manifest;  // empty: sought from each case's folder upwards
  Tolerance tolerance;             // of cases that no manifest lists
};

// The cases that the folders are or hold, at any depth, in the order of the folders and then of names; each
// once. Errors: kNotFound for a folder that is not there or holds no case; kCorruptData for a manifest that
// is broken.
std::vector<ModelCase> find_model_cases(const ModelCaseOptions& options);

// The files of one test_data_set_N: place K holds input_K.pb or output_K.pb.
struct ModelDataSet {
  std::string name;
  std::vector<std::filesystem::path> inputs, outputs;
};

// In the order of N. Errors: kNotFound where there is no set, or a set lacks a file before its last one.
std::vector<ModelDataSet> data_sets_of(const ModelCase& model_case);

}  // namespace oag::cli
