#include "llm/text/tokenizer_json_reader.h"

#include "base/error.h"
#include "base/json_events.h"
#include "llm/text/vocabulary.h"

namespace oag {
namespace {

constexpr size_t kMaxTreeValues = 1'000'000;
constexpr size_t kMaxTreeKeys = 16384;  // of one object, which looks for every new key among all others

class Reader final : public JsonEvents {
 public:
  explicit Reader(std::string_view where) : where_(where) {}

  TokenizerJson out;

  void on_null() override {
    if (place_ == Place::kTree) return put(Json());
    refuse("null");
  }
  void on_bool(bool value) override {
    if (place_ == Place::kTree) return put(Json(value));
    refuse("a truth value");
  }
  void on_integer(int64_t value) override {
    if (place_ == Place::kTree) return put(Json(value));
    refuse("a number below 0");
  }
  void on_number(double value) override {
    if (place_ == Place::kTree) return put(Json(value));
    refuse("a number with a fraction");
  }
  void on_unsigned(uint64_t value) override {
    if (place_ == Place::kTree) return put(Json(value));
    if (place_ != Place::kVocabulary) refuse("a number");
    if (out.vocabulary.size() == kMaxTokens)
      fail(ErrorCode::kCorruptData, where_, "has more than {} tokens", kMaxTokens);
    out.vocabulary.push_back({std::move(key_), value});
  }
  void on_string(std::string& value) override {
    if (place_ == Place::kTree) return put(Json(std::move(value)));
    if (place_ == Place::kMerges) return add_merge(std::move(value));
    if (place_ != Place::kPair || pair_.size() == 2) refuse("a text");
    pair_.push_back(std::move(value));
  }
  void on_key(std::string& key) override {
    key_ = std::move(key);
    if (place_ == Place::kTree && open_.size() == 1) section_ = key_;
  }
  void on_begin_object() override {
    if (place_ == Place::kTree && in_model("vocab")) {
      place_ = Place::kVocabulary;
      return;
    }
    if (place_ != Place::kTree) refuse("an object");
    open(Json::object());
  }
  void on_end_object() override {
    if (place_ == Place::kVocabulary) {
      place_ = Place::kTree;
      return;
    }
    open_.pop_back();
  }
  void on_begin_array() override {
    if (place_ == Place::kMerges) {
      place_ = Place::kPair;
      pair_.clear();
      return;
    }
    if (place_ == Place::kTree && in_model("merges")) {
      out.has_merges = true;
      place_ = Place::kMerges;
      return;
    }
    if (place_ == Place::kTree && in_model("vocab")) {
      fail(ErrorCode::kUnsupported, where_,
           "the vocabulary is a list with scores (Unigram), which is not supported; known: BPE");
    }
    if (place_ != Place::kTree) refuse("a list");
    open(Json::array());
  }
  void on_end_array() override {
    if (place_ == Place::kPair) {
      if (pair_.size() != 2) refuse("a list of one");
      if (pair_[0].find(' ') != std::string::npos || pair_[1].find(' ') != std::string::npos)
        fail(ErrorCode::kUnsupported, where_, "merge {} has a space in it, which is not supported",
             out.merges.size());
      place_ = Place::kMerges;
      add_merge(pair_[0] + ' ' + pair_[1]);
    } else if (place_ == Place::kMerges) {
      place_ = Place::kTree;
    } else {
      open_.pop_back();
    }
  }

 private:
  enum class Place { kTree, kVocabulary, kMerges, kPair };

  // The value to come is model.<key>.
  bool in_model(std::string_view key) const {
    return open_.size() == 2 && section_ == "model" && open_.back()->is_object() && key_ == key;
  }
  void add_merge(std::string merge) {
    if (out.merges.size() == kMaxMerges)
      fail(ErrorCode::kCorruptData, where_, "has more than {} merges", kMaxMerges);
    out.merges.push_back(std::move(merge));
  }
  Json* place(Json value) {
    if (++values_ > kMaxTreeValues)
      fail(ErrorCode::kCorruptData, where_, "has more than {} values beside its vocabulary", kMaxTreeValues);
    if (open_.empty()) {
      out.rest = std::move(value);
      return &out.rest;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    if (parent.size() == kMaxTreeKeys)
      fail(ErrorCode::kCorruptData, where_, "a JSON object has more than {} keys", kMaxTreeKeys);
    Json& slot = parent[key_];
    slot = std::move(value);
    return &slot;
  }
  void put(Json value) { place(std::move(value)); }
  // Values of a container that is open never move: its parent grows no more until it is closed.
  void open(Json container) { open_.push_back(place(std::move(container))); }

  [[noreturn]] void refuse(std::string_view seen) const {
    const bool vocabulary = place_ == Place::kVocabulary;
    fail(ErrorCode::kCorruptData, where_, "model.{} has {} where {} is expected",
         vocabulary ? "vocab" : "merges", seen, vocabulary ? "a token id" : "a pair of texts");
  }

  std::string_view where_;
  Place place_ = Place::kTree;
  std::vector<Json*> open_;  // the containers of the tree that are not closed yet
  std::string key_, section_;
  std::vector<std::string> pair_;
  size_t values_ = 0;
};

}  // namespace

TokenizerJson parse_tokenizer_json(std::string_view text, std::string_view where) {
  Reader reader(where);
  read_json_events(text, where, reader);
  if (!reader.out.rest.is_object()) fail(ErrorCode::kCorruptData, where, "is no JSON object");
  return std::move(reader.out);
}

}  // namespace oag
