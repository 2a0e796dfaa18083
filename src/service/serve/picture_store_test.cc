#include "service/serve/picture_store.h"

#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/file.h"
#include "tests/tiny_service.h"

namespace oag {
namespace {

TEST(PictureStore, KnowsAPictureByItsFileWhateverItIsCalled) {
  const std::filesystem::path data = std::filesystem::path(OAG_SOURCE_DIR) / "tests/data";
  const std::shared_ptr<Runtime> runtime = test::test_runtime(1);
  const auto model = ServedModel::load(
      runtime,
      ServedModel::plan(runtime, data / "glm4v/glm4v.bf16.gguf", ModelSpec{}, testing::small_settings()), 0);
  const std::string file = read_file(data / "images/jpeg_444.jpg");
  const std::string written = encode_base64(file);
  PictureStore& pictures = model->pictures();
  const Picture picture = pictures.open("data:image/jpeg;base64," + written, "picture");
  EXPECT_EQ(pictures.open("data:image/png;base64," + written, "picture").hash, picture.hash);
  const std::string other = encode_base64(read_file(data / "images/jpeg_420.jpg"));
  EXPECT_NE(pictures.open("data:image/jpeg;base64," + other, "picture").hash, picture.hash);
}

}  // namespace
}  // namespace oag
