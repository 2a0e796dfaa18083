#include "engine/formats/safetensors/safetensors_index.h"

#include "base/error.h"
#include "base/json_events.h"

namespace oag {
namespace {

// {"metadata": {…}, "weight_map": {tensor: file}}; all but weight_map is passed over.
class IndexReader final : public JsonEvents {
 public:
  explicit IndexReader(std::string_view where) : where_(where) {}

  std::map<std::string, std::string, std::less<>> shards;
  bool seen = false;

  void on_null() override { other_value(); }
  void on_bool(bool) override { other_value(); }
  void on_integer(int64_t) override { other_value(); }
  void on_unsigned(uint64_t) override { other_value(); }
  void on_number(double) override { other_value(); }
  void on_string(std::string& value) override {
    if (!in_map()) return;
    // A path would let an index from outside open any file.
    if (value.empty() || value.find('/') != std::string::npos || value.find('\\') != std::string::npos) {
      fail(ErrorCode::kCorruptData, where_,
           "tensor {} is said to be in \"{}\", expected a file beside the index", key_, value.substr(0, 200));
    }
    if (!shards.emplace(key_, std::move(value)).second)
      fail(ErrorCode::kCorruptData, where_, "weight_map names tensor {} twice, expected once", key_);
  }
  void on_begin_object() override {
    other_value();
    if (++depth_ == 2 && key_ == "weight_map") map_ = seen = true;
  }
  void on_key(std::string& key) override { key_ = std::move(key); }
  void on_end_object() override {
    if (depth_-- == 2) map_ = false;
  }
  void on_begin_array() override {
    other_value();
    ++depth_;
  }
  void on_end_array() override { --depth_; }

 private:
  bool in_map() const { return map_ && depth_ == 2; }
  void other_value() const {
    if (in_map())
      fail(ErrorCode::kCorruptData, where_, "weight_map has no file name for tensor {}", key_.substr(0, 200));
  }

  std::string_view where_;
  std::string key_;
  int depth_ = 0;
  bool map_ = false;
};

}  // namespace

std::map<std::string, std::string, std::less<>> parse_safetensors_index(std::string_view text,
                                                                        std::string_view where) {
  IndexReader reader(where);
  read_json_events(text, where, reader);
  if (!reader.seen || reader.shards.empty())
    fail(ErrorCode::kCorruptData, where, "has no weight_map that names tensors; it is no index of shards");
  return std::move(reader.shards);
}

}  // namespace oag
