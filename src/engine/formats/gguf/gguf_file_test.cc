#include "engine/formats/gguf/gguf_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/error.h"

namespace oag {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string_view>;
using Ints = std::vector<int32_t>;
using Floats = std::vector<float>;

const fs::path kCases = fs::path(OAG_SOURCE_DIR) / "tests/data/gguf";

template <typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

class GgufFileOfGgufPy : public testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<const GgufFile> file_ = GgufFile::open(kCases / GetParam());
};

TEST_P(GgufFileOfGgufPy, ShowsScalarsOfEveryType) {
  EXPECT_EQ(file_->get_string("general.architecture"), "test");
  EXPECT_EQ(file_->get_u64("t.u8"), 200u);
  EXPECT_EQ(file_->get_i64("t.i8"), -100);
  EXPECT_EQ(file_->get_u64("t.u16"), 60000u);
  EXPECT_EQ(file_->get_i64("t.i16"), -30000);
  EXPECT_EQ(file_->get_u64("t.u32"), 4000000000u);
  EXPECT_EQ(file_->get_i64("t.i32"), -2000000000);
  EXPECT_EQ(file_->get_f64("t.f32"), static_cast<double>(0.1f));
  EXPECT_EQ(file_->get_f64("t.f64"), 0.1);
  EXPECT_TRUE(file_->get_bool("t.bool"));
  EXPECT_EQ(file_->get_string("t.string"), "na\xc3\xafve\n\xe6\xbc\xa2\xe5\xad\x97");
  EXPECT_EQ(file_->get_u64("t.u64"), (uint64_t{1} << 63) + 1);
  EXPECT_EQ(file_->get_i64("t.i64"), std::numeric_limits<int64_t>::min());
}

TEST_P(GgufFileOfGgufPy, ShowsArraysOfEveryType) {
  EXPECT_EQ(file_->get_i32_array("a.u8"), (Ints{1, 2, 255}));
  EXPECT_EQ(file_->get_i32_array("a.i8"), (Ints{-1, 2}));
  EXPECT_EQ(file_->get_i32_array("a.u16"), (Ints{1, 65535, 3}));
  EXPECT_EQ(file_->get_i32_array("a.i32"), (Ints{-1, 0, 2147483647}));
  EXPECT_EQ(file_->get_f32_array("a.f32"), (Floats{0.5f, -0.25f, 1e30f}));
  EXPECT_EQ(file_->get_f32_array("a.f64"), (Floats{0.1f, -2.0f}));
  EXPECT_EQ(file_->get_string_array("a.string"), (Strings{"", "a", "h\xc3\xa9llo"}));
  const auto& flags = std::get<GgufArray>(file_->find("a.bool")->data);
  EXPECT_EQ(flags.element, GgufType::kBool);
  EXPECT_EQ(flags.integer(0) * 4 + flags.integer(1) * 2 + flags.integer(2), 5);
  const auto& nested = std::get<GgufArray>(file_->find("a.nested")->data);
  ASSERT_EQ(nested.size(), 2u);
  EXPECT_EQ(nested.arrays[0].size(), 2u);
  EXPECT_EQ(nested.arrays[1].integer(0), 3);
  EXPECT_EQ(std::get<GgufArray>(file_->find("a.nested_strings")->data).arrays[1].strings[1], "zz");
}

TEST_P(GgufFileOfGgufPy, ShowsTensorsWithRowMajorDims) {
  ASSERT_EQ(file_->tensors().size(), 5u);
  const GgufTensor& f32 = file_->tensor("f32.weight");
  EXPECT_EQ(f32.dtype, DType::kF32);
  EXPECT_EQ(f32.dims, (std::vector<int64_t>{2, 3}));
  float last = 0;
  std::memcpy(&last, f32.bytes.data() + 20, 4);
  EXPECT_EQ(last, 5.0f);
  const GgufTensor& q8 = file_->tensor("q8_0.weight");
  EXPECT_EQ(q8.dtype, DType::kQ8_0);
  EXPECT_EQ(q8.dims, (std::vector<int64_t>{2, 32}));
  ASSERT_EQ(q8.bytes.size(), 68u);
  EXPECT_EQ(q8.bytes[67], std::byte{67});
  EXPECT_EQ(file_->tensor("bf16.cube").dims, (std::vector<int64_t>{1, 2, 1, 4}));
  EXPECT_EQ(file_->tensor("i64.ids").dtype, DType::kI64);
  EXPECT_EQ(file_->tensor("f16.bias").bytes.size(), 4u);
  for (const GgufTensor& tensor : file_->tensors()) {
    EXPECT_EQ(tensor.file, file_->files()[0].get());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.bytes.data()) % 64, 0u) << tensor.name;
  }
}

INSTANTIATE_TEST_SUITE_P(, GgufFileOfGgufPy, testing::Values("all_types.gguf", "version2.gguf"),
                         [](const auto& info) {
                           return std::string(info.param).substr(0, std::string(info.param).find('.'));
                         });

TEST(GgufFile, KeepsKeysInFileOrder) {
  const auto file = GgufFile::open(kCases / "all_types.gguf");
  EXPECT_EQ(file->entries().front().key, "general.architecture");
  EXPECT_EQ(file->entries()[1].key, "t.u8");
  EXPECT_EQ(file->entries().back().key, "general.alignment");
}

TEST(GgufFile, ErrorsOfGettersNameFileKeySeenAndExpected) {
  const fs::path path = kCases / "all_types.gguf";
  const auto file = GgufFile::open(path);
  const std::string at = path.string() + ": metadata key ";
  EXPECT_EQ(error_of([&] { file->get_u64("none"); }),
            at + "none is missing, expected an integer of 0 or more");
  EXPECT_EQ(error_of([&] { file->get_string_array("none"); }),
            at + "none is missing, expected an array of strings");
  EXPECT_EQ(error_of([&] { file->get_u64("t.i8"); }),
            at + "t.i8 is i8 -100, expected an integer of 0 or more");
  EXPECT_EQ(error_of([&] { file->get_i64("t.u64"); }),
            at + "t.u64 is u64 9223372036854775809, expected a 64-bit signed integer");
  EXPECT_EQ(error_of([&] { file->get_f64("t.u32"); }), at + "t.u32 is u32 4000000000, expected a float");
  EXPECT_EQ(error_of([&] { file->get_u64("t.bool"); }),
            at + "t.bool is bool true, expected an integer of 0 or more");
  EXPECT_EQ(error_of([&] { file->get_bool("t.u8"); }), at + "t.u8 is u8 200, expected a bool");
  EXPECT_EQ(error_of([&] { file->get_string("a.string"); }),
            at + "a.string is array of 3 string, expected a string");
  EXPECT_EQ(error_of([&] { file->get_string_array("a.f32"); }),
            at + "a.f32 is array of 3 f32, expected an array of strings");
  EXPECT_EQ(error_of([&] { file->get_i32_array("a.bool"); }),
            at + "a.bool is array of 3 bool, expected an array of integers");
  EXPECT_EQ(error_of([&] { file->get_i32_array("t.u8"); }),
            at + "t.u8 is u8 200, expected an array of integers");
  EXPECT_EQ(error_of([&] { file->get_i32_array("a.u32"); }),
            at + "a.u32: element 0 does not fit a 32-bit signed integer");
  EXPECT_EQ(error_of([&] { file->get_i32_array("a.u64"); }),
            at + "a.u64: element 0 does not fit a 32-bit signed integer");
  EXPECT_EQ(error_of([&] { file->get_f32_array("a.i32"); }),
            at + "a.i32 is array of 3 i32, expected an array of floats");
}

TEST(GgufFile, OptionalGettersTellAbsentFromWrong) {
  const auto file = GgufFile::open(kCases / "all_types.gguf");
  EXPECT_EQ(file->find_u64("none"), std::nullopt);
  EXPECT_EQ(file->find_f32_array("none"), std::nullopt);
  EXPECT_EQ(file->find_u64("t.u8"), 200u);
  EXPECT_THROW(file->find_u64("t.string"), Error);
}

TEST(GgufFile, MissingTensorsAndUnreadableTypesFailWhenAskedFor) {
  const fs::path path = kCases / "iq2.gguf";
  const auto file = GgufFile::open(path);
  EXPECT_EQ(file->tensors()[0].dims, (std::vector<int64_t>{2, 256}));
  EXPECT_EQ(file->tensors()[0].dtype, DType::kUndefined);
  EXPECT_EQ(file->find_tensor("none"), nullptr);
  EXPECT_EQ(error_of([&] { file->tensor("none"); }), path.string() + ": tensor none is missing");
  EXPECT_EQ(
      error_of([&] { file->find_tensor("iq2.weight"); }),
      path.string() + ": tensor iq2.weight is stored as IQ2_XXS (type 16), which this engine cannot read");
  // A type without a name, in a copy of the file whose type number is another.
  std::string bytes = read_file(path);
  const size_t at = bytes.find("iq2.weight") + std::string_view("iq2.weight").size() + 4 + 2 * 8;
  bytes[at] = static_cast<char>(250);
  EXPECT_EQ(
      error_of([&] { GgufFile::parse(std::as_bytes(std::span(bytes)), "f")->find_tensor("iq2.weight"); }),
      "f: tensor iq2.weight is stored as type 250, which this engine cannot read");
  EXPECT_EQ(file->tensor("f32.weight").bytes.size(), 16u);
}

TEST(GgufFile, RefusesBigEndianFiles) {
  EXPECT_EQ(error_of([] { GgufFile::open(kCases / "big_endian.gguf"); }),
            (kCases / "big_endian.gguf").string() +
                ": at byte 0: is a big-endian GGUF file, expected a little-endian one");
}

TEST(GgufFile, AMemoryFileHasNoMappedFile) {
  const std::string bytes = read_file(kCases / "all_types.gguf");
  const auto file = GgufFile::parse(std::as_bytes(std::span(bytes)), "memory");
  EXPECT_TRUE(file->files().empty());
  EXPECT_EQ(file->tensor("f32.weight").file, nullptr);
  EXPECT_EQ(file->where(), "memory");
}

class SplitGguf : public testing::Test {
 protected:
  SplitGguf() {
    std::string pattern = testing::TempDir() + "oag_split_test.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    for (int part = 1; part <= 3; ++part) fs::copy_file(kCases / name(part), folder_ / name(part));
  }
  ~SplitGguf() override { fs::remove_all(folder_); }

  static std::string name(int part) { return fmt::format("split-{:05}-of-00003.gguf", part); }

  fs::path folder_;
};

TEST_F(SplitGguf, AnyPartOpensTheWholeModel) {
  for (int part = 1; part <= 3; ++part) {
    const auto file = GgufFile::open(folder_ / name(part));
    EXPECT_EQ(file->get_u64("test.block_count"), 5u);
    ASSERT_EQ(file->tensors().size(), 5u);
    for (int i = 0; i < 5; ++i) {
      float value = -1;
      const GgufTensor& tensor = file->tensor(fmt::format("blk.{}.weight", i));
      std::memcpy(&value, tensor.bytes.data(), sizeof value);
      EXPECT_EQ(value, static_cast<float>(i));
      EXPECT_EQ(tensor.file, file->files()[static_cast<size_t>(i / 2)].get());
    }
  }
}

TEST_F(SplitGguf, MissingPartsAreNamed) {
  fs::remove(folder_ / name(1));
  fs::remove(folder_ / name(3));
  EXPECT_EQ(error_of([&] { GgufFile::open(folder_ / name(2)); }),
            (folder_ / name(1)).string() +
                ": is missing: the model has 3 parts, 2 of them (part 1, 3) are not in this folder");
}

TEST_F(SplitGguf, ARenamedPartSaysWhatNameIsExpected) {
  fs::rename(folder_ / name(2), folder_ / "model.gguf");
  EXPECT_NE(error_of([&] { GgufFile::open(folder_ / "model.gguf"); }).find("ends in -NNNNN-of-00003.gguf"),
            std::string::npos);
}

TEST_F(SplitGguf, PartsInTheWrongPlaceAreRefused) {
  fs::copy_file(folder_ / name(3), folder_ / name(2), fs::copy_options::overwrite_existing);
  EXPECT_EQ(error_of([&] { GgufFile::open(folder_ / name(1)); }),
            (folder_ / name(2)).string() +
                ": its name says part 2 of 3, its metadata says part 3 of 3 (split.no, split.count)");
}

TEST_F(SplitGguf, APartFromAnotherModelIsRefused) {
  fs::copy_file(kCases / "all_types.gguf", folder_ / name(2), fs::copy_options::overwrite_existing);
  EXPECT_EQ(error_of([&] { GgufFile::open(folder_ / name(1)); }),
            (folder_ / name(2)).string() +
                ": metadata key split.count is missing, expected an integer of 0 or more");
}

}  // namespace
}  // namespace oag
