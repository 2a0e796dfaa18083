#include "engine/ops/tree_model.h"

#include <array>
#include <cmath>
#include <map>
#include <utility>

namespace oag {
namespace {

bool is_true(const TreeModel::Node& node, double value) {
  if (std::isnan(value)) return node.missing_is_true;
  switch (node.mode) {
    case TreeModel::Mode::kLessOrEqual: return value <= node.split;
    case TreeModel::Mode::kLess: return value < node.split;
    case TreeModel::Mode::kGreaterOrEqual: return value >= node.split;
    case TreeModel::Mode::kGreater: return value > node.split;
    case TreeModel::Mode::kEqual: return value == node.split;
    case TreeModel::Mode::kNotEqual: return value != node.split;
    case TreeModel::Mode::kMember: return std::ranges::find(node.members, value) != node.members.end();
    case TreeModel::Mode::kLeaf: break;
  }
  return false;
}

TreeModel::Mode mode_from_name(const KernelContext& context, const std::string& name) {
  constexpr std::array<std::string_view, 8> kNames = {"BRANCH_LEQ",    "BRANCH_LT", "BRANCH_GTE",
                                                      "BRANCH_GT",     "BRANCH_EQ", "BRANCH_NEQ",
                                                      "BRANCH_MEMBER", "LEAF"};
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) context.refuse("node mode \"{}\" is not known", name);
  return static_cast<TreeModel::Mode>(found - kNames.begin());
}

void check_size(const KernelContext& context, std::string_view what, size_t size, size_t expected) {
  if (size != expected) context.refuse("{} has {} entries where {} are expected", what, size, expected);
}

size_t checked_index(const KernelContext& context, std::string_view what, int64_t index, size_t limit) {
  if (index < 0 || static_cast<size_t>(index) >= limit)
    context.refuse("{} has {}, which is outside [0, {})", what, index, limit);
  return static_cast<size_t>(index);
}

// Refuses branches that meet or run in circles: every walk from a root then ends in a leaf.
void check_trees(const KernelContext& context, const TreeModel& model) {
  std::vector<bool> seen(model.nodes.size(), false);
  std::vector<size_t> pending = model.roots;
  while (!pending.empty()) {
    const size_t at = pending.back();
    pending.pop_back();
    const TreeModel::Node& node = model.nodes[at];
    if (node.mode == TreeModel::Mode::kLeaf) continue;
    if (seen[at]) context.refuse("node {} is reached on two ways: these are no trees", at);
    seen[at] = true;
    pending.push_back(node.if_true);
    pending.push_back(node.if_false);
  }
}

std::vector<double> read_doubles(const Tensor& tensor) {
  std::vector<double> values(static_cast<size_t>(tensor.count()));
  load_elements<double>(tensor, 0, 1, values);
  return values;
}

std::vector<double> doubles_attribute(const KernelContext& context, std::string_view key) {
  const Tensor* tensor = context.node().tensor_attribute(key);
  return tensor == nullptr ? std::vector<double>() : read_doubles(*tensor);
}

using NodeKey = std::pair<int64_t, int64_t>;  // of a tree, and of a node within it

// Gives each leaf its votes.
void add_votes(const KernelContext& context, const std::string& prefix, size_t targets,
               const std::map<NodeKey, size_t>& places, TreeModel& model) {
  const Node& node = context.node();
  const auto trees = node.ints_attribute(prefix + "_treeids"), ids = node.ints_attribute(prefix + "_nodeids"),
             chosen = node.ints_attribute(prefix + "_ids");
  const std::vector<double> weights = read_floats_or_tensor(node, prefix + "_weights");
  check_size(context, prefix + "_nodeids", ids.size(), trees.size());
  check_size(context, prefix + "_ids", chosen.size(), trees.size());
  check_size(context, prefix + "_weights", weights.size(), trees.size());
  std::vector<std::vector<TreeModel::Vote>> by_leaf(model.nodes.size());
  for (size_t i = 0; i < trees.size(); ++i) {
    const auto place = places.find({trees[i], ids[i]});
    if (place == places.end())
      context.refuse("a vote is for node {} of tree {}, which is not there", ids[i], trees[i]);
    by_leaf[place->second].push_back(
        {checked_index(context, prefix + "_ids", chosen[i], targets), weights[i]});
  }
  for (size_t i = 0; i < model.nodes.size(); ++i) {
    if (model.nodes[i].mode != TreeModel::Mode::kLeaf) continue;
    model.nodes[i].if_true = model.votes.size();
    model.votes.insert(model.votes.end(), by_leaf[i].begin(), by_leaf[i].end());
    model.nodes[i].if_false = model.votes.size();
  }
}

}  // namespace

std::span<const TreeModel::Vote> TreeModel::votes_of(size_t root, std::span<const double> row) const {
  const Node* node = &nodes[root];
  while (node->mode != Mode::kLeaf)
    node = &nodes[is_true(*node, row[node->feature]) ? node->if_true : node->if_false];
  return std::span(votes).subspan(node->if_true, node->if_false - node->if_true);
}

TreeScores run_trees(const TreeModel& model, Aggregate aggregate, size_t targets,
                     std::span<const double> row) {
  TreeScores result{std::vector<double>(targets, 0.0), std::vector<bool>(targets, false)};
  for (const size_t root : model.roots) {
    for (const TreeModel::Vote& vote : model.votes_of(root, row)) {
      double& score = result.scores[vote.target];
      const bool first = !result.voted[vote.target];
      result.voted[vote.target] = true;
      switch (aggregate) {
        case Aggregate::kAverage:
        case Aggregate::kSum: score += vote.weight; break;
        case Aggregate::kMin: score = first ? vote.weight : std::min(score, vote.weight); break;
        case Aggregate::kMax: score = first ? vote.weight : std::max(score, vote.weight); break;
      }
    }
  }
  if (aggregate == Aggregate::kAverage) {
    for (double& score : result.scores) score /= static_cast<double>(model.roots.size());
  }
  return result;
}

std::vector<double> read_floats_or_tensor(const Node& node, const std::string& key) {
  if (const Tensor* tensor = node.tensor_attribute(key + "_as_tensor")) return read_doubles(*tensor);
  const std::vector<float> floats = node.floats_attribute(key);
  return {floats.begin(), floats.end()};
}

TreeModel read_trees_by_id(const KernelContext& context, const std::string& prefix, size_t targets,
                           int64_t features) {
  const Node& node = context.node();
  const auto trees = node.ints_attribute("nodes_treeids"), ids = node.ints_attribute("nodes_nodeids"),
             if_true = node.ints_attribute("nodes_truenodeids"),
             if_false = node.ints_attribute("nodes_falsenodeids"),
             chosen = node.ints_attribute("nodes_featureids"),
             missing = node.ints_attribute("nodes_missing_value_tracks_true");
  const std::vector<std::string> modes = node.strings_attribute("nodes_modes");
  const std::vector<double> splits = read_floats_or_tensor(node, "nodes_values");
  for (const auto& [name, size] : std::initializer_list<std::pair<std::string_view, size_t>>{
           {"nodes_nodeids", ids.size()},
           {"nodes_truenodeids", if_true.size()},
           {"nodes_falsenodeids", if_false.size()},
           {"nodes_featureids", chosen.size()},
           {"nodes_modes", modes.size()},
           {"nodes_values", splits.size()},
           {"nodes_missing_value_tracks_true", missing.empty() ? trees.size() : missing.size()}}) {
    check_size(context, name, size, trees.size());
  }
  TreeModel model;
  model.nodes.resize(trees.size());
  std::map<NodeKey, size_t> places;
  std::map<int64_t, size_t> first_of_tree;
  for (size_t i = 0; i < trees.size(); ++i) {
    if (!places.try_emplace({trees[i], ids[i]}, i).second)
      context.refuse("node {} of tree {} is there twice", ids[i], trees[i]);
    if (first_of_tree.try_emplace(trees[i], i).second) model.roots.push_back(i);
  }
  const auto child = [&](size_t i, int64_t id) {
    const auto place = places.find({trees[i], id});
    if (place == places.end())
      context.refuse("a branch leads to node {} of tree {}, which is not there", id, trees[i]);
    return place->second;
  };
  for (size_t i = 0; i < trees.size(); ++i) {
    TreeModel::Node& made = model.nodes[i];
    made.mode = mode_from_name(context, modes[i]);
    if (made.mode == TreeModel::Mode::kLeaf) continue;
    if (made.mode == TreeModel::Mode::kMember) context.refuse("BRANCH_MEMBER is only of TreeEnsemble");
    made.missing_is_true = !missing.empty() && missing[i] != 0;
    made.feature = checked_index(context, "nodes_featureids", chosen[i], static_cast<size_t>(features));
    made.split = splits[i];
    made.if_true = child(i, if_true[i]);
    made.if_false = child(i, if_false[i]);
  }
  add_votes(context, prefix, targets, places, model);
  check_trees(context, model);
  return model;
}

TreeModel read_trees_by_index(const KernelContext& context, size_t targets, int64_t features) {
  const Node& node = context.node();
  const auto if_true = node.ints_attribute("nodes_truenodeids"),
             if_false = node.ints_attribute("nodes_falsenodeids"),
             true_leaf = node.ints_attribute("nodes_trueleafs"),
             false_leaf = node.ints_attribute("nodes_falseleafs"),
             chosen = node.ints_attribute("nodes_featureids"), voted = node.ints_attribute("leaf_targetids"),
             missing = node.ints_attribute("nodes_missing_value_tracks_true");
  const std::vector<double> modes = doubles_attribute(context, "nodes_modes"),
                            splits = doubles_attribute(context, "nodes_splits"),
                            weights = doubles_attribute(context, "leaf_weights"),
                            members = doubles_attribute(context, "membership_values");
  const size_t count = modes.size();
  for (const auto& [name, size] : std::initializer_list<std::pair<std::string_view, size_t>>{
           {"nodes_splits", splits.size()},
           {"nodes_truenodeids", if_true.size()},
           {"nodes_falsenodeids", if_false.size()},
           {"nodes_trueleafs", true_leaf.size()},
           {"nodes_falseleafs", false_leaf.size()},
           {"nodes_featureids", chosen.size()},
           {"nodes_missing_value_tracks_true", missing.empty() ? count : missing.size()}}) {
    check_size(context, name, size, count);
  }
  check_size(context, "leaf_targetids", voted.size(), weights.size());
  TreeModel model;
  model.nodes.resize(count + weights.size());  // the leaves after the others
  for (size_t i = 0; i < weights.size(); ++i) {
    model.votes.push_back({checked_index(context, "leaf_targetids", voted[i], targets), weights[i]});
    model.nodes[count + i] = {.if_true = i, .if_false = i + 1, .members = {}};
  }
  const auto child = [&](int64_t index, bool leaf) {
    return leaf ? count + checked_index(context, "a branch", index, weights.size())
                : checked_index(context, "a branch", index, count);
  };
  size_t member = 0;
  for (size_t i = 0; i < count; ++i) {
    TreeModel::Node& made = model.nodes[i];
    if (!(modes[i] >= 0 && modes[i] <= static_cast<double>(TreeModel::Mode::kMember)))
      context.refuse("node mode {} is not known", modes[i]);
    made.mode = static_cast<TreeModel::Mode>(modes[i]);
    made.missing_is_true = !missing.empty() && missing[i] != 0;
    made.feature = checked_index(context, "nodes_featureids", chosen[i], static_cast<size_t>(features));
    made.split = splits[i];
    made.if_true = child(if_true[i], true_leaf[i] != 0);
    made.if_false = child(if_false[i], false_leaf[i] != 0);
    if (made.mode != TreeModel::Mode::kMember) continue;
    for (; member < members.size() && !std::isnan(members[member]); ++member)
      made.members.push_back(members[member]);
    if (member++ >= members.size())
      context.refuse("membership_values has no set that ends in NaN for node {}", i);
  }
  for (const int64_t root : node.ints_attribute("tree_roots"))
    model.roots.push_back(checked_index(context, "tree_roots", root, count));
  check_trees(context, model);
  return model;
}

}  // namespace oag
