#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/ops/ml_rows.h"

namespace oag {

// Decision trees as the three tree operators of ai.onnx.ml store them.
struct TreeModel {
  enum class Mode : uint8_t {  // in the order of TreeEnsemble's nodes_modes
    kLessOrEqual,
    kLess,
    kGreaterOrEqual,
    kGreater,
    kEqual,
    kNotEqual,
    kMember,
    kLeaf,
  };
  struct Vote {
    size_t target;
    double weight;
  };
  struct Node {
    Mode mode = Mode::kLeaf;
    bool missing_is_true = false;  // where NaN goes
    size_t feature = 0;
    double split = 0;
    size_t if_true = 0, if_false = 0;  // nodes; of a leaf, its range of votes
    std::vector<double> members;
  };

  // The votes of the leaf that a row of features comes to in a tree.
  std::span<const Vote> votes_of(size_t root, std::span<const double> row) const;

  std::vector<Node> nodes;
  std::vector<size_t> roots;
  std::vector<Vote> votes;
};

// What the votes for a target make, in the order of TreeEnsemble's attribute.
enum class Aggregate { kAverage, kSum, kMin, kMax };

// Of each target, the aggregate of its votes by all trees, and whether there was one; 0 where there was none.
struct TreeScores {
  std::vector<double> scores;
  std::vector<bool> voted;
};
TreeScores run_trees(const TreeModel& model, Aggregate aggregate, size_t targets,
                     std::span<const double> row);

// The trees of TreeEnsembleRegressor ("target") or TreeEnsembleClassifier ("class"). Errors: through
// `context` for nodes that make no trees, features that X lacks, and targets of `targets` or above.
TreeModel read_trees_by_id(const KernelContext& context, const std::string& prefix, size_t targets,
                           int64_t features);
// Those of TreeEnsemble, likewise.
TreeModel read_trees_by_index(const KernelContext& context, size_t targets, int64_t features);

// A list of floats that is given as attribute `key`, or as a tensor in `key`_as_tensor.
std::vector<double> read_floats_or_tensor(const Node& node, const std::string& key);

}  // namespace oag
