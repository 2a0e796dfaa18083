#include "engine/formats/onnx/external_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/formats/onnx/onnx_test_model.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

class ExternalTensors : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("oag_external_{}", ::getpid());
    fs::create_directories(folder_ / "model");
    put("model/w.bin", std::string(4, 'x') + std::string("\x00\x00\x80\x3f\x00\x00\x00\x40", 8));
    put("secret", "12345678");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void put(const std::string& name, const std::string& bytes) const {
    AtomicFile file(folder_ / name);
    file.write(bytes);
    file.commit();
  }

  // A model with one tensor of two floats at the given place.
  OnnxModel load(const std::vector<std::pair<std::string, std::string>>& entries) const {
    ProtoWriter weights = testing::tensor("w", 1, {2});
    for (const auto& [key, value] : entries) {
      ProtoWriter entry;
      entry.text(1, key);
      entry.text(2, value);
      weights.message(13, entry);
    }
    weights.integer(14, 1);
    put("model/m.onnx", testing::model({.nodes = {testing::node("Neg", {"w"}, {"y"})},
                                        .inputs = {},
                                        .outputs = {testing::value("y")},
                                        .initializers = {weights}}));
    return import_onnx(folder_ / "model" / "m.onnx");
  }
  // What the refusal says behind the file's name.
  std::string refusal_of(const std::vector<std::pair<std::string, std::string>>& entries) const {
    const std::string line = testing::error_of([&] { load(entries); });
    const std::string where = (folder_ / "model" / "m.onnx").string() + ": ";
    return line.starts_with(where) ? line.substr(where.size()) : line;
  }

  fs::path folder_;
};

TEST_F(ExternalTensors, AreViewsIntoTheFileBesideTheModel) {
  const OnnxModel model = load({{"location", "w.bin"}, {"offset", "4"}, {"length", "8"}});
  const Tensor& weights = *model.graph.value(*model.graph.find_value("w")).constant;
  EXPECT_EQ(weights.values<float>()[1], 2.0F);
  ASSERT_EQ(model.files.size(), 2u);
  EXPECT_EQ(weights.data(), model.files[1]->bytes().data() + 4);
}

// As the cache of a model hub: names that are links to contents in another folder.
TEST_F(ExternalTensors, AreFoundWhereTheModelIsALinkTo) {
  load({{"location", "w.bin"}, {"offset", "4"}});
  fs::create_directories(folder_ / "names");
  fs::create_symlink("../model/m.onnx", folder_ / "names" / "m.onnx");
  fs::create_symlink("../model/w.bin", folder_ / "names" / "w.bin");
  const OnnxModel model = import_onnx(folder_ / "names" / "m.onnx");
  EXPECT_EQ(model.graph.value(*model.graph.find_value("w")).constant->values<float>()[1], 2.0F);

  fs::remove(folder_ / "names" / "w.bin");
  fs::create_symlink(folder_ / "secret", folder_ / "names" / "w.bin");
  EXPECT_THAT(testing::error_of([&] { import_onnx(folder_ / "names" / "m.onnx"); }),
              ::testing::HasSubstr("w.bin is a link out of the model's folder"));
}

TEST_F(ExternalTensors, AsOnnxWritesThemAreRead) {
  const OnnxModel model = import_onnx(testing::data_path("external.onnx"));
  const auto values = model.graph.value(*model.graph.find_value("b")).constant->values<int64_t>();
  EXPECT_EQ(std::vector<int64_t>(values.begin(), values.end()), (std::vector<int64_t>{0, 1, 2, 3}));
}

TEST_F(ExternalTensors, OutOfTheFolderOrTheFileAreRefused) {
  const auto at = [&](const std::string& location) { return refusal_of({{"location", location}}); };
  EXPECT_EQ(at("../secret"), "tensor w: its values lie in ../secret, expected a path in the model's folder");
  EXPECT_EQ(at("a/../../secret"),
            "tensor w: its values lie in a/../../secret, expected a path in the model's folder");
  EXPECT_EQ(at((folder_ / "secret").string()),
            fmt::format("tensor w: its values lie in {}, expected a path in the model's folder",
                        (folder_ / "secret").string()));
  EXPECT_EQ(at("none.bin"), "tensor w: its values lie in none.bin, which is missing beside the model");
  EXPECT_EQ(at("."), "tensor w: its values lie in ., which is a folder, expected a file");
  EXPECT_EQ(at(""), "tensor w: its external data has no location");
  fs::create_symlink(folder_ / "secret", folder_ / "model" / "link");
  fs::create_directory_symlink(folder_, folder_ / "model" / "up");
  for (const std::string name : {"link", "up/secret"}) {
    EXPECT_EQ(
        at(name),
        fmt::format("tensor w: {} is a link out of the model's folder, expected a file in it (copy it there)",
                    name));
  }
  EXPECT_EQ(refusal_of({{"location", "w.bin"}, {"offset", "5"}}),
            "tensor w: its 8 bytes begin at byte 5 of w.bin, which has 12");
  EXPECT_EQ(refusal_of({{"location", "w.bin"}, {"offset", "18446744073709551615"}}),
            "tensor w: its 8 bytes begin at byte 18446744073709551615 of w.bin, which has 12");
  EXPECT_EQ(refusal_of({{"location", "w.bin"}, {"length", "4"}}),
            "tensor w: its external data has 4 bytes, expected 8");
  EXPECT_EQ(refusal_of({{"location", "w.bin"}, {"offset", "-1"}}),
            "tensor w: the offset of its external data is \"-1\", expected a number");
}

}  // namespace
}  // namespace oag
