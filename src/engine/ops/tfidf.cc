// TfIdfVectorizer: how often n-grams of a vocabulary stand in rows of tokens.
#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

enum class Weighting { kCount, kPresence, kWeightedCount };

template <typename Context>
Weighting read_weighting(const Context& context) {
  const std::string mode = context.node().string_attribute("mode", "");
  if (mode == "TF") return Weighting::kCount;
  if (mode == "IDF") return Weighting::kPresence;
  if (mode == "TFIDF") return Weighting::kWeightedCount;
  context.refuse("mode \"{}\" is not TF, IDF or TFIDF", mode);
}

// The n-grams to look for, as a tree of tokens.
class NgramTree {
 public:
  static constexpr int64_t kNone = -1;

  // `tokens` are the pool's, ngram i the i-th of the pool.
  void add(std::span<const int64_t> tokens, int64_t ngram) {
    int64_t node = 0;
    for (const int64_t token : tokens) {
      const auto [child, added] = children_.try_emplace({node, token}, static_cast<int64_t>(ngrams_.size()));
      if (added) ngrams_.push_back(kNone);
      node = child->second;
    }
    ngrams_[static_cast<size_t>(node)] = ngram;
  }

  // The node below `node` for a token, or kNone.
  int64_t child(int64_t node, int64_t token) const {
    const auto found = children_.find({node, token});
    return found == children_.end() ? kNone : found->second;
  }
  int64_t ngram(int64_t node) const { return ngrams_[static_cast<size_t>(node)]; }

 private:
  std::map<std::pair<int64_t, int64_t>, int64_t> children_;
  std::vector<int64_t> ngrams_ = {kNone};  // that end at each node
};

class Vectorizer {
 public:
  static constexpr int64_t kUnknown = -1;

  explicit Vectorizer(const KernelContext& context) : context_(context) {
    const Node& node = context.node();
    strings_ = node.strings_attribute("pool_strings");
    integers_ = node.ints_attribute("pool_int64s");
    columns_ = node.ints_attribute("ngram_indexes");
    weights_ = node.floats_attribute("weights");
    weighting_ = read_weighting(context);
    shortest_ = node.int_attribute("min_gram_length");
    longest_ = node.int_attribute("max_gram_length");
    skips_ = node.int_attribute("max_skip_count");
    if (shortest_ < 1 || longest_ < shortest_ || skips_ < 0)
      context.refuse("n-grams of {} to {} tokens with {} skipped make no sense", shortest_, longest_, skips_);
    if (!weights_.empty() && weights_.size() != columns_.size())
      context.refuse("has {} weights for {} n-grams", weights_.size(), columns_.size());
    number_tokens();
    grow_tree(node.ints_attribute("ngram_counts"));
  }

  // The pool's numbers for a row of tokens, kUnknown for others.
  std::vector<int64_t> read_tokens(const Tensor& tensor, int64_t start, int64_t count) const {
    std::vector<int64_t> tokens(static_cast<size_t>(count), kUnknown);
    if (tensor.dtype() == DType::kString) {
      for (size_t i = 0; i < tokens.size(); ++i) {
        const auto found = string_numbers_.find(tensor.values<std::string>()[static_cast<size_t>(start) + i]);
        if (found != string_numbers_.end()) tokens[i] = found->second;
      }
      return tokens;
    }
    std::vector<int64_t> values(tokens.size());
    load_elements<int64_t>(tensor, start, 1, values);
    for (size_t i = 0; i < tokens.size(); ++i) {
      const auto found = integer_numbers_.find(values[i]);
      if (found != integer_numbers_.end()) tokens[i] = found->second;
    }
    return tokens;
  }

  // Counts n-grams whose tokens stand 1, 2, … places apart. Single tokens, for which that is all one, count
  // once.
  void fill(const std::vector<int64_t>& tokens, std::span<float> out) const {
    std::fill(out.begin(), out.end(), 0.0f);
    int64_t shortest = shortest_;
    const int64_t last_distance = std::min(skips_ + 1, static_cast<int64_t>(tokens.size()));
    for (int64_t distance = 1; distance <= std::max<int64_t>(last_distance, 1); ++distance) {
      for (size_t start = 0; start < tokens.size(); ++start)
        count_from(tokens, start, distance, shortest, out);
      if (shortest == 1 && ++shortest > longest_) break;
    }
  }

 private:
  void number_tokens() {
    if (strings_.empty() == integers_.empty())
      context_.refuse("one of pool_strings and pool_int64s must be there");
    for (const std::string& token : strings_)
      pool_.push_back(
          string_numbers_.try_emplace(token, static_cast<int64_t>(string_numbers_.size())).first->second);
    for (const int64_t token : integers_)
      pool_.push_back(
          integer_numbers_.try_emplace(token, static_cast<int64_t>(integer_numbers_.size())).first->second);
  }

  // counts[n - 1] is where the n-grams of n tokens begin in the pool.
  void grow_tree(const std::vector<int64_t>& counts) {
    size_t ngram = 0;
    for (size_t i = 0; i < counts.size(); ++i) {
      const int64_t pool_size = static_cast<int64_t>(pool_.size());
      const int64_t start = counts[i], end = i + 1 < counts.size() ? counts[i + 1] : pool_size;
      const size_t size = i + 1;
      if (start < 0 || end < start || end > pool_size || static_cast<size_t>(end - start) % size != 0)
        context_.refuse("ngram_counts {} do not part a pool of {} tokens", to_string(counts), pool_size);
      for (int64_t at = start; at < end; at += static_cast<int64_t>(size), ++ngram) {
        if (ngram == columns_.size())
          context_.refuse("has {} ngram_indexes, fewer than n-grams", columns_.size());
        if (static_cast<int64_t>(size) < shortest_ || static_cast<int64_t>(size) > longest_) continue;
        tree_.add(std::span(pool_).subspan(static_cast<size_t>(at), size), static_cast<int64_t>(ngram));
      }
    }
  }

  void count_from(const std::vector<int64_t>& tokens, size_t start, int64_t distance, int64_t shortest,
                  std::span<float> out) const {
    int64_t node = 0, at = static_cast<int64_t>(start);
    for (int64_t size = 1; size <= longest_ && at < static_cast<int64_t>(tokens.size());
         ++size, at += distance) {
      node = tree_.child(node, tokens[static_cast<size_t>(at)]);
      if (node == NgramTree::kNone) return;
      const int64_t ngram = tree_.ngram(node);
      if (size < shortest || ngram == NgramTree::kNone) continue;
      float& value = out[static_cast<size_t>(columns_[static_cast<size_t>(ngram)])];
      const float weight =
          weights_.empty() || weighting_ == Weighting::kCount ? 1.0f : weights_[static_cast<size_t>(ngram)];
      value = weighting_ == Weighting::kPresence ? weight : value + weight;
    }
  }

  const KernelContext& context_;
  std::vector<std::string> strings_;
  std::vector<int64_t> integers_, columns_, pool_;
  std::vector<float> weights_;
  Weighting weighting_ = Weighting::kCount;
  int64_t shortest_ = 1, longest_ = 1, skips_ = 0;
  std::unordered_map<std::string, int64_t> string_numbers_;
  std::unordered_map<int64_t, int64_t> integer_numbers_;
  NgramTree tree_;
};

// Columns of the output.
template <typename Context>
int64_t column_count(const Context& context) {
  int64_t largest = -1;
  for (const int64_t column : context.node().ints_attribute("ngram_indexes")) {
    constexpr int64_t kMost = int64_t{1} << 31;
    if (column < 0 || column >= kMost) context.refuse("ngram_indexes has a bad column {}", column);
    largest = std::max(largest, column);
  }
  if (largest < 0) context.refuse("ngram_indexes is empty");
  return largest + 1;
}

void infer_tfidf(InferenceContext& context) {
  read_weighting(context);
  const int64_t columns = column_count(context);
  const bool strings = !context.node().strings_attribute("pool_strings").empty();
  if (strings != (context.dtype(0) == DType::kString))
    context.refuse("has a pool of {} for tokens of {}", strings ? "strings" : "integers",
                   dtype_name(context.dtype(0)));
  if (!context.has_shape(0)) return context.set_output(0, DType::kF32, std::nullopt);
  const Shape& shape = context.shape(0);
  if (shape.size() > 2) context.refuse("X {} must be [C] or [N, C]", to_string(shape));
  context.set_output(0, DType::kF32, shape.size() == 2 ? Shape{shape[0], columns} : Shape{columns});
}

void tfidf_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  if (in.rank() > 2) context.refuse("X {} must be [C] or [N, C]", to_string(in.dims()));
  const Vectorizer vectorizer(context);
  const int64_t columns = column_count(context);
  const int64_t rows = in.rank() == 2 ? in.dim(0) : 1, width = in.rank() == 0 ? 1 : in.dims().back();
  const Tensor& out =
      context.allocate_output(0, DType::kF32, in.rank() == 2 ? Dims{rows, columns} : Dims{columns});
  context.env().parallel_for(rows, width * 100, [&](int64_t row, int) {
    vectorizer.fill(
        vectorizer.read_tokens(in, row * width, width),
        out.values<float>().subspan(static_cast<size_t>(row * columns), static_cast<size_t>(columns)));
  });
}

}  // namespace

// Y [N, columns]: for each n-gram of the pool, in the column that ngram_indexes says, how often it stands in
// a row of X [N, C] (TF), its weight if it does (IDF), or the product of both (TFIDF). Up to max_skip_count
// tokens may lie between those of an n-gram, the same number between all.
extern constinit const OpSchema kTfIdfVectorizer = {
    .domain = "",
    .op = "TfIdfVectorizer",
    .since_version = 9,
    .inputs = {{"X", "", {DType::kString, DType::kI32, DType::kI64}}},
    .outputs = {{"Y", "", {DType::kF32}}},
    .attributes = {{"max_gram_length", AttributeKind::kInt, true},
                   {"max_skip_count", AttributeKind::kInt, true},
                   {"min_gram_length", AttributeKind::kInt, true},
                   {"mode", AttributeKind::kString, true},
                   {"ngram_counts", AttributeKind::kInts, true},
                   {"ngram_indexes", AttributeKind::kInts, true},
                   {"pool_int64s", AttributeKind::kInts},
                   {"pool_strings", AttributeKind::kStrings},
                   {"weights", AttributeKind::kFloats}},
    .infer = infer_tfidf,
    .reference = tfidf_reference,
};

}  // namespace oag
