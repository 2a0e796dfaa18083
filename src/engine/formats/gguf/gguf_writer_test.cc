#include "engine/formats/gguf/gguf_writer.h"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <set>

#include "base/error.h"
#include "engine/formats/gguf/gguf_file.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

const fs::path kCases = fs::path(OAG_SOURCE_DIR) / "tests/data/gguf";

class GgufWriterTest : public testing::Test {
 protected:
  GgufWriterTest() {
    std::string pattern = testing::TempDir() + "oag_gguf_writer_test.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ / "out.gguf";
  }
  ~GgufWriterTest() override { fs::remove_all(folder_); }

  bool folder_is_empty() const { return fs::is_empty(folder_); }

  fs::path folder_;
  fs::path path_;
};

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.message();
  }
  return "no error";
}

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

template <typename T>
GgufValue array(std::initializer_list<T> values) {
  return GgufValue::of_array(std::span<const T>(values.begin(), values.size()));
}

GgufValue bools(std::initializer_list<uint8_t> flags) {
  GgufValue value = array<uint8_t>(flags);
  std::get<GgufArray>(value.data).element = GgufType::kBool;
  return value;
}

GgufValue strings(std::initializer_list<std::string_view> texts) {
  return GgufValue::of_strings(std::span(texts.begin(), texts.size()));
}

GgufValue nested(std::vector<GgufValue> values) {
  GgufArray outer;
  outer.element = GgufType::kArray;
  for (GgufValue& value : values) outer.arrays.push_back(std::get<GgufArray>(std::move(value.data)));
  return GgufValue::of(std::move(outer));
}

// What tools/goldens/make_gguf_cases.py writes as all_types.gguf.
void set_all_types(GgufWriter& writer) {
  writer.set("general.architecture", GgufValue::of("test"));
  writer.set("t.u8", GgufValue::of(uint8_t{200}));
  writer.set("t.i8", GgufValue::of(int8_t{-100}));
  writer.set("t.u16", GgufValue::of(uint16_t{60000}));
  writer.set("t.i16", GgufValue::of(int16_t{-30000}));
  writer.set("t.u32", GgufValue::of(uint32_t{4000000000}));
  writer.set("t.i32", GgufValue::of(int32_t{-2000000000}));
  writer.set("t.f32", GgufValue::of(0.1f));
  writer.set("t.bool", GgufValue::of(true));
  writer.set("t.string", GgufValue::of("na\xc3\xafve\n\xe6\xbc\xa2\xe5\xad\x97"));
  writer.set("t.u64", GgufValue::of((uint64_t{1} << 63) + 1));
  writer.set("t.i64", GgufValue::of(std::numeric_limits<int64_t>::min()));
  writer.set("t.f64", GgufValue::of(0.1));
  writer.set("a.u8", array<uint8_t>({1, 2, 255}));
  writer.set("a.i8", array<int8_t>({-1, 2}));
  writer.set("a.u16", array<uint16_t>({1, 65535, 3}));
  writer.set("a.i32", array<int32_t>({-1, 0, 2147483647}));
  writer.set("a.u32", array<uint32_t>({4294967295}));
  writer.set("a.u64", array<uint64_t>({std::numeric_limits<uint64_t>::max(), 5}));
  writer.set("a.f32", array<float>({0.5f, -0.25f, 1e30f}));
  writer.set("a.f64", array<double>({0.1, -2.0}));
  writer.set("a.bool", bools({1, 0, 1}));
  writer.set("a.string", strings({"", "a", "h\xc3\xa9llo"}));
  writer.set("a.nested", nested({array<int32_t>({1, 2}), array<int32_t>({3})}));
  writer.set("a.nested_strings", nested({strings({"x"}), strings({"y", "zz"})}));
  writer.set("general.alignment", GgufValue::of(uint32_t{64}));
}

TEST_F(GgufWriterTest, WritesTheBytesThatGgufPyWrites) {
  GgufWriter writer(path_);
  set_all_types(writer);
  writer.declare_tensor("f32.weight", DType::kF32, std::vector<int64_t>{2, 3});
  writer.declare_tensor("q8_0.weight", DType::kQ8_0, std::vector<int64_t>{2, 32});
  writer.declare_tensor("i64.ids", DType::kI64, std::vector<int64_t>{3});
  writer.declare_tensor("bf16.cube", DType::kBF16, std::vector<int64_t>{1, 2, 1, 4});
  writer.declare_tensor("f16.bias", DType::kF16, std::vector<int64_t>{2});
  std::vector<uint8_t> count(68);
  for (size_t i = 0; i < count.size(); ++i) count[i] = static_cast<uint8_t>(i);
  const std::vector<float> ramp = {0, 1, 2, 3, 4, 5};
  writer.write("f32.weight", bytes_of(ramp).first(5));  // tensors may come in pieces
  writer.write("f32.weight", bytes_of(ramp).subspan(5));
  writer.write("q8_0.weight", bytes_of(count));
  writer.write("i64.ids", bytes_of(std::vector<int64_t>{1, -2, int64_t{1} << 40}));
  writer.write("bf16.cube", bytes_of(count).first(16));
  writer.write("f16.bias", bytes_of(std::vector<uint16_t>{0x3800, 0xbc00}));
  writer.finish();
  EXPECT_EQ(read_file(path_), read_file(kCases / "all_types.gguf"));
}

// Any file that the reader understands goes through the writer unchanged.
TEST_F(GgufWriterTest, CopiesAFileByteForByte) {
  for (const char* name : {"all_types.gguf", "split-00002-of-00003.gguf"}) {
    const std::string original = read_file(kCases / name);
    const auto file = GgufFile::parse(std::as_bytes(std::span(original)), name);
    GgufWriter writer(path_, {.overwrite = true});
    for (const auto& [key, value] : file->entries()) writer.set(key, value);
    for (const GgufTensor& tensor : file->tensors())
      writer.declare_tensor(tensor.name, tensor.dtype, tensor.dims);
    for (const GgufTensor& tensor : file->tensors()) writer.write(tensor.name, tensor.bytes);
    writer.finish();
    EXPECT_EQ(read_file(path_), original) << name;
  }
}

TEST_F(GgufWriterTest, NothingStandsUnderTheNameBeforeFinish) {
  {
    GgufWriter writer(path_);
    writer.declare_tensor("a", DType::kF32, std::vector<int64_t>{4});
    writer.write("a", bytes_of(std::vector<float>(4)));
    EXPECT_FALSE(fs::exists(path_));
  }
  EXPECT_TRUE(folder_is_empty());
}

TEST_F(GgufWriterTest, AFileWithoutTensorsIsRead) {
  GgufWriter writer(path_);
  writer.set("general.architecture", GgufValue::of("test"));
  writer.finish();
  EXPECT_EQ(GgufFile::open(path_)->get_string("general.architecture"), "test");
}

TEST_F(GgufWriterTest, RefusesWhatTheReaderWouldRefuse) {
  GgufWriter writer(path_);
  writer.set("k", GgufValue::of(true));
  writer.declare_tensor("a", DType::kF32, std::vector<int64_t>{4});
  EXPECT_EQ(error_of([&] { writer.set("k", GgufValue::of(false)); }), "metadata key k is set twice");
  EXPECT_NE(error_of([&] { writer.set("", GgufValue::of(false)); }), "no error");
  EXPECT_NE(error_of([&] { writer.set("a b\n", GgufValue::of(false)); }), "no error");
  EXPECT_EQ(error_of([&] { writer.set("general.alignment", GgufValue::of(uint32_t{24})); }),
            "general.alignment is u32 24, expected a u32, a power of two from 8 to 1073741824");
  const auto declare = [&](std::string_view name, DType dtype, std::vector<int64_t> dims) {
    return error_of([&] { writer.declare_tensor(name, dtype, dims); });
  };
  EXPECT_EQ(declare("a", DType::kF32, {4}), "tensor a is declared twice");
  EXPECT_EQ(declare("b", DType::kBool, {4}), "tensor b: GGUF has no type for bool");
  EXPECT_NE(declare("c", DType::kF32, {4, 0}), "no error");
  EXPECT_NE(declare("d", DType::kF32, {-1}), "no error");
  EXPECT_NE(declare("e", DType::kF32, {1, 1, 1, 1, 1}), "no error");
  EXPECT_NE(declare("f", DType::kQ4_K, {2, 128}), "no error");
  EXPECT_NE(declare("g", DType::kF32, {int64_t{1} << 40, int64_t{1} << 40}), "no error");
  EXPECT_EQ(declare("h", DType::kQ4_K, {2, 256}), "no error");
}

TEST_F(GgufWriterTest, RefusesBytesOutOfOrderTooManyOrTooFew) {
  GgufWriter writer(path_);
  writer.declare_tensor("a", DType::kF32, std::vector<int64_t>{4});
  writer.declare_tensor("b", DType::kF32, std::vector<int64_t>{4});
  const std::vector<float> four(4);
  EXPECT_EQ(error_of([&] { writer.write("b", bytes_of(four)); }), "bytes of tensor b came, expected a");
  EXPECT_EQ(error_of([&] { writer.write("a", bytes_of(std::vector<float>(5))); }),
            "tensor a got 20 bytes, expected 16");
  writer.write("a", bytes_of(four));
  EXPECT_EQ(error_of([&] { writer.set("late", GgufValue::of(1)); }),
            "late comes after the first tensor's bytes");
  EXPECT_EQ(error_of([&] { writer.finish(); }), "tensor b got 0 bytes, expected 16");
  writer.write("b", bytes_of(four));
  EXPECT_EQ(error_of([&] { writer.write("b", bytes_of(four)); }),
            "bytes of tensor b came, expected no more tensors");
  writer.finish();
  EXPECT_EQ(GgufFile::open(path_)->tensors().size(), 2u);
}

TEST_F(GgufWriterTest, AnExistingFileIsRefusedUnlessItMayBeOverwritten) {
  write_file(path_, "precious");
  for (const char* inputs : {"", "model"}) {
    EXPECT_EQ(error_of([&] { GgufWriter(path_, {.inputs = inputs}); }),
              "exists already; remove it, or allow it to be overwritten (--force)");
  }
  EXPECT_EQ(read_file(path_), "precious");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
  GgufWriter writer(path_, {.overwrite = true});
  writer.finish();
  EXPECT_TRUE(GgufFile::open(path_)->tensors().empty());
}

TEST_F(GgufWriterTest, AFileThatAppearsMeanwhileIsNotOverwritten) {
  GgufWriter writer(path_);
  write_file(path_, "precious");
  EXPECT_NE(error_of([&] { writer.finish(); }), "no error");
  EXPECT_EQ(read_file(path_), "precious");
}

TEST_F(GgufWriterTest, AFileThatDoesNotFitOnTheDiskIsRefusedAtOnce) {
  GgufWriter writer(path_);
  writer.declare_tensor("a", DType::kF32, std::vector<int64_t>{int64_t{1} << 20, int64_t{1} << 30});
  try {
    writer.begin();
    FAIL() << "4 PB fit";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_NE(error.message().find("needs 4503599627"), std::string::npos) << error.message();
  }
}

// Five tensors of sizes that need padding; each value tells its tensor and place.
class ResumedWriteTest : public GgufWriterTest {
 protected:
  static constexpr int kTensors = 5;

  static std::vector<float> values(int tensor) {
    std::vector<float> values(static_cast<size_t>(101 + 7 * tensor));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(1000 * tensor) + static_cast<float>(i);
    return values;
  }

  static std::string name(int tensor) { return "t" + std::to_string(tensor); }

  std::unique_ptr<GgufWriter> open(const std::string& inputs, const std::string& title = "model") const {
    auto writer = std::make_unique<GgufWriter>(path_, GgufWriteOptions{.inputs = inputs});
    writer->set("general.name", GgufValue::of(title));
    for (int i = 0; i < kTensors; ++i) {
      writer->declare_tensor(name(i), DType::kF32,
                             std::vector<int64_t>{static_cast<int64_t>(values(i).size())});
    }
    return writer;
  }

  // Writes from the first missing tensor up to `end`, then `bytes` of the next. Gives the first missing one.
  static int go_on(GgufWriter& writer, int end, size_t bytes = 0) {
    const int first = static_cast<int>(writer.begin());
    for (int i = first; i < end; ++i) {
      const std::vector<float> all = values(i);
      writer.write(name(i), bytes_of(all).first(33));
      writer.write(name(i), bytes_of(all).subspan(33));
    }
    if (bytes > 0) writer.write(name(end), bytes_of(values(end)).first(bytes));
    return first;
  }

  std::string whole() {
    const auto writer = open("");
    go_on(*writer, kTensors);
    writer->finish();
    std::string bytes = read_file(path_);
    fs::remove(path_);
    return bytes;
  }

  // Leaves three complete tensors and a piece of the fourth.
  void interrupt() const { go_on(*open("v1"), 3, 50); }

  fs::path part() const { return path_.string() + ".part"; }
  fs::path journal() const { return path_.string() + ".part.journal"; }

  void expect_finishes_from(int first, const std::string& expected, const std::string& inputs = "v1") {
    const auto writer = open(inputs);
    EXPECT_EQ(go_on(*writer, kTensors), first);
    writer->finish();
    EXPECT_TRUE(read_file(path_) == expected);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
  }
};

TEST_F(ResumedWriteTest, GivesTheSameBytesWhereverItWasInterrupted) {
  const std::string expected = whole();
  for (int complete = 0; complete < kTensors; ++complete) {
    for (const size_t bytes : {size_t{0}, size_t{50}}) {
      go_on(*open("v1"), complete, bytes);
      EXPECT_FALSE(fs::exists(path_));
      expect_finishes_from(complete, expected);
      fs::remove(path_);
    }
  }
}

TEST_F(ResumedWriteTest, AKilledProcessLosesNoCompleteTensor) {
  const std::string expected = whole();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto writer = open("v1");
    go_on(*writer, 4, 9);
    ::_exit(0);  // no destructor runs
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  expect_finishes_from(4, expected);
}

TEST_F(ResumedWriteTest, IsResumedManyTimes) {
  const std::string expected = whole();
  for (int complete = 1; complete <= kTensors; ++complete)
    EXPECT_EQ(go_on(*open("v1"), complete), complete - 1);
  expect_finishes_from(kTensors, expected);
}

TEST_F(ResumedWriteTest, OtherInputsOrAnotherHeaderStartAnew) {
  const std::string expected = whole();
  interrupt();
  EXPECT_EQ(open("v2")->begin(), 0u);
  interrupt();
  EXPECT_EQ(open("v1", "other name")->begin(), 0u);
  interrupt();
  expect_finishes_from(0, expected, "v3");
}

TEST_F(ResumedWriteTest, DamagedTensorsAreWrittenAgain) {
  const std::string expected = whole();
  interrupt();
  const size_t end_of_second = read_file(part()).size() - 50 - 480;  // less the piece and tensor 2
  for (const size_t before : {size_t{3}, size_t{100}}) {             // padding, values
    interrupt();
    std::string bytes = read_file(part());
    bytes[end_of_second - before] = static_cast<char>(bytes[end_of_second - before] ^ 1);
    write_file(part(), bytes);
    expect_finishes_from(1, expected);
    fs::remove(path_);
  }
  interrupt();
  write_file(part(), read_file(part()).substr(0, 700));  // as after a power failure
  const auto writer = open("v1");
  EXPECT_LT(writer->begin(), 3u);
}

TEST_F(ResumedWriteTest, ADamagedJournalCostsWorkButNoCorrectness) {
  const std::string expected = whole();
  interrupt();
  const std::string lines = read_file(journal());
  for (size_t size = 0; size <= lines.size(); size += 3) {
    interrupt();
    write_file(journal(), lines.substr(0, size));
    const auto writer = open("v1");
    EXPECT_LE(go_on(*writer, kTensors), 3);
    writer->finish();
    EXPECT_TRUE(read_file(path_) == expected) << size;
    fs::remove(path_);
  }
  for (const char* text : {"", "\n\n", "garbage", "oag-gguf 1 0 0\n0 0\n"}) {
    interrupt();
    write_file(journal(), text);
    expect_finishes_from(0, expected);
    fs::remove(path_);
  }
  interrupt();
  write_file(journal(), lines + "3 00\n4 zz\n");
  expect_finishes_from(3, expected);
}

TEST_F(ResumedWriteTest, HasOneWriterAtATime) {
  const auto writer = open("v1");
  EXPECT_THROW(open("v1"), Error);
}

TEST(Checksum, IsTheSameForAnySplitAndTellsBytesAndLengthsApart) {
  std::string text(300, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7);
  const uint64_t whole = checksum_of(text);
  for (const size_t step : {1u, 7u, 31u, 32u, 33u, 100u}) {
    Checksum checksum;
    for (size_t at = 0; at < text.size(); at += step)
      checksum.add(std::as_bytes(std::span(text)).subspan(at, std::min<size_t>(step, text.size() - at)));
    EXPECT_EQ(checksum.value(), whole) << step;
  }
  std::set<uint64_t> seen = {whole};
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 4);
    seen.insert(checksum_of(changed));
  }
  for (size_t size = 0; size < 100; ++size) seen.insert(checksum_of(std::string(size, '\0')));
  EXPECT_EQ(seen.size(), 401u);
}

}  // namespace
}  // namespace oag
