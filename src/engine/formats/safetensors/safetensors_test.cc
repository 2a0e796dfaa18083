#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/formats/safetensors/safetensors_file.h"
#include "engine/formats/safetensors/safetensors_index.h"
#include "engine/formats/safetensors/safetensors_parse.h"
#include "engine/formats/safetensors/safetensors_writer.h"
#include "engine/tensor/dim.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

// Files of tools/goldens/make_safetensors_cases.py, see tests/data/safetensors/README.md.
fs::path data_path(const std::string& name) {
  return fs::path(OAG_SOURCE_DIR) / "tests" / "data" / "safetensors" / name;
}

class Scratch : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("oag_safetensors_{}", ::getpid());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  void put(const std::string& name, const std::string& bytes) const {
    AtomicFile file(folder_ / name);
    file.write(bytes);
    file.commit();
  }

  fs::path folder_;
};

using SafetensorsFiles = Scratch;

TEST_F(SafetensorsFiles, OfEveryTypeAreReadAsThePackageWroteThem) {
  const auto file = SafetensorsFile::open(data_path("all_types.safetensors"));
  const Json expected = parse_json(read_file(data_path("all_types.json")), "all_types.json");
  ASSERT_EQ(file->tensors().size(), expected.size());
  for (const auto& [name, tensor] : expected.items()) {
    const SafetensorsTensor* found = file->find_tensor(name);
    ASSERT_NE(found, nullptr) << name;
    EXPECT_EQ(found->type_name, tensor["type"].get<std::string>()) << name;
    EXPECT_EQ(dtype_name(found->dtype), tensor["dtype"].get<std::string>()) << name;
    EXPECT_EQ(found->dims, tensor["dims"].get<std::vector<int64_t>>()) << name;
    std::string hex;
    for (const std::byte byte : found->bytes) hex += fmt::format("{:02x}", static_cast<int>(byte));
    EXPECT_EQ(hex, tensor["hex"].get<std::string>()) << name;
  }
  EXPECT_EQ(file->find_tensor("none"), nullptr);
  EXPECT_EQ(file->files().size(), 1u);
}

TEST_F(SafetensorsFiles, AreWrittenByteForByteAsByThePackage) {
  const auto from = SafetensorsFile::open(data_path("all_types.safetensors"));
  {
    SafetensorsWriter writer(folder_ / "copy.safetensors");
    writer.set("format", "pt");
    for (const SafetensorsTensor& tensor : from->tensors())
      writer.declare_tensor(tensor.name, tensor.dtype, tensor.dims);
    for (const SafetensorsTensor& tensor : from->tensors()) {
      const size_t half = tensor.bytes.size() / 2;
      writer.write(tensor.name, tensor.bytes.first(half));
      writer.write(tensor.name, tensor.bytes.subspan(half));
    }
    EXPECT_FALSE(fs::exists(folder_ / "copy.safetensors"));
    writer.finish();
  }
  EXPECT_EQ(read_file(folder_ / "copy.safetensors"), read_file(data_path("all_types.safetensors")));
}

TEST_F(SafetensorsFiles, ThatAreWrittenWrongAreRefusedAndLeaveNothing) {
  const fs::path path = folder_ / "wrong.safetensors";
  const std::vector<std::byte> bytes(16);
  const int64_t dims[] = {4}, negative[] = {-1}, huge[] = {INT64_MAX, 4};
  const std::function<void(SafetensorsWriter&)> kWrong[] = {
      [&](SafetensorsWriter& w) { w.declare_tensor("b", DType::kQ4_0, dims); },
      [&](SafetensorsWriter& w) { w.declare_tensor("a", DType::kF32, dims); },
      [&](SafetensorsWriter& w) { w.declare_tensor("__metadata__", DType::kF32, dims); },
      [&](SafetensorsWriter& w) { w.declare_tensor("b", DType::kF32, negative); },
      [&](SafetensorsWriter& w) { w.declare_tensor("b", DType::kF32, huge); },
      [&](SafetensorsWriter& w) { w.write("b", bytes); },
      [&](SafetensorsWriter& w) { w.write("a", std::vector<std::byte>(17)); },
      [&](SafetensorsWriter& w) { w.finish(); },
      [&](SafetensorsWriter& w) { w.write("a", bytes), w.set("late", "x"); },
      [&](SafetensorsWriter& w) { w.set("\xff", "x"), w.write("a", bytes); },
  };
  for (const auto& wrong : kWrong) {
    SafetensorsWriter writer(path);
    writer.declare_tensor("a", DType::kF32, dims);
    EXPECT_THROW(wrong(writer), Error);
  }
  EXPECT_FALSE(fs::exists(path));
}

// What the package itself says of damaged files is stored beside them.
TEST_F(SafetensorsFiles, ThatThePackageRefusesAreRefusedInOneLine) {
  const Json cases = parse_json(read_file(data_path("damaged.json")), "damaged.json");
  ASSERT_GE(cases.size(), 25u);
  for (const Json& one : cases) {
    const auto name = one["name"].get<std::string>();
    const auto hex = one["hex"].get<std::string>();
    std::vector<std::byte> bytes;
    for (size_t i = 0; i < hex.size(); i += 2)
      bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    std::string line;
    try {
      SafetensorsFile::parse(bytes, "f");
    } catch (const Error& error) {
      line = error.what();
    }
    if (one["accepted"].get<bool>()) {
      EXPECT_EQ(line, "") << name;
    } else {
      EXPECT_NE(line.find(one["said"].get<std::string>()), std::string::npos) << name << ": " << line;
      EXPECT_EQ(line.find('\n'), std::string::npos) << name << ": " << line;
    }
  }
}

std::string small_file(const std::string& name) {
  std::string header = R"({")" + name + R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  return bytes + header + std::string(4, '\1');
}

std::string refusal_of(const fs::path& path) {
  try {
    SafetensorsFile::open(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST_F(SafetensorsFiles, OfASetAreOpenedTogetherAndAMissingShardIsNamed) {
  put("model.safetensors.index.json", R"({"metadata": {"total_size": 8, "weight_map": {"x": 1}},
      "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
  put("one.safetensors", small_file("a"));
  EXPECT_NE(refusal_of(folder_).find("two.safetensors: is missing"), std::string::npos)
      << refusal_of(folder_);
  put("two.safetensors", small_file("c"));
  EXPECT_NE(refusal_of(folder_).find("tensor b is not in two.safetensors"), std::string::npos);
  put("two.safetensors", small_file("a"));
  EXPECT_NE(refusal_of(folder_).find("tensor a stands in two shards"), std::string::npos);
  put("two.safetensors", small_file("b"));
  const auto set = SafetensorsFile::open(folder_);
  EXPECT_EQ(set->tensors().size(), 2u);
  EXPECT_EQ(set->find_tensor("b")->file->path().filename(), "two.safetensors");
  fs::remove(folder_ / "model.safetensors.index.json");
  EXPECT_NE(refusal_of(folder_).find("index.json: is missing: the folder holds 2"), std::string::npos);
  fs::remove(folder_ / "two.safetensors");
  EXPECT_EQ(SafetensorsFile::open(folder_)->tensors().size(), 1u);
  fs::remove(folder_ / "one.safetensors");
  EXPECT_NE(refusal_of(folder_).find("holds no weights"), std::string::npos);
}

TEST_F(SafetensorsFiles, IndexThatNamesNoFilesBesideItIsRefused) {
  for (const char* text :
       {"{}", "[]", R"({"weight_map": {}})", R"({"weight_map": {"a": "../b"}})",
        R"({"weight_map": {"a": 1}})", R"({"weight_map": {"a": {"b": "c"}}})",
        R"({"weight_map": {"a": "b", "a": "b"}})", R"({"weight_map": {"a": "/etc/passwd"}})",
        R"({"weight_map": {"a": ""}})", R"({"weight_map": "a"})", "{"}) {
    EXPECT_THROW(parse_safetensors_index(text, "index"), Error) << text;
  }
}

TEST_F(SafetensorsFiles, HeaderWithManyTensorsIsReadInTimeThatGrowsWithIt) {
  constexpr int kTensors = 200'000;
  std::string header = "{";
  for (int i = 0; i < kTensors; ++i) {
    header += fmt::format(R"({}"t{}":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}})", i == 0 ? "" : ",",
                          i, i, i + 1);
  }
  header += "}";
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  bytes += header + std::string(kTensors, '\7');
  const auto file = SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "f");
  EXPECT_EQ(file->tensors().size(), static_cast<size_t>(kTensors));
  EXPECT_NE(file->find_tensor("t199999"), nullptr);
}

}  // namespace
}  // namespace oag
