#include "engine/formats/npy/npy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

std::string file_of(const std::string& dictionary, const std::string& values, char version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += {version, '\0'};
  const size_t length = dictionary.size();
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) bytes += static_cast<char>(length >> (8 * i));
  return bytes + dictionary + values;
}

std::string dictionary(const std::string& descr, const std::string& shape, bool fortran_order = false) {
  return "{'descr': '" + descr + "', 'fortran_order': " + (fortran_order ? "True" : "False") +
         ", 'shape': " + shape + ", }\n";
}

Tensor parse(const std::string& bytes) {
  return parse_npy(std::as_bytes(std::span(bytes)), "x.npy");
}

std::string refusal(const std::string& bytes) {
  try {
    parse(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

template <typename T>
std::vector<T> values_of(const Tensor& tensor) {
  return {tensor.values<T>().begin(), tensor.values<T>().end()};
}

TEST(Npy, AllVersionsAndScalarsAreRead) {
  for (const char version : {1, 2, 3}) {
    const Tensor tensor = parse(file_of(dictionary("<i4", "(3,)"), bytes_of<int32_t>({1, -2, 3}), version));
    EXPECT_EQ(tensor.dims(), Dims{3});
    EXPECT_EQ(values_of<int32_t>(tensor), (std::vector<int32_t>{1, -2, 3}));
  }
  const Tensor scalar = parse(file_of(dictionary("<f8", "()"), bytes_of<double>({0.5})));
  EXPECT_EQ(scalar.rank(), 0u);
  EXPECT_EQ(values_of<double>(scalar), std::vector<double>{0.5});
  EXPECT_EQ(parse(file_of(dictionary("<f4", "(2, 0, 3)"), "")).count(), 0);
}

TEST(Npy, ColumnMajorArraysAreTransposed) {
  // [[1, 2, 3], [4, 5, 6]] column by column.
  const Tensor tensor =
      parse(file_of(dictionary("<i2", "(2, 3)", true), bytes_of<int16_t>({1, 4, 2, 5, 3, 6})));
  EXPECT_EQ(values_of<int16_t>(tensor), (std::vector<int16_t>{1, 2, 3, 4, 5, 6}));
}

TEST(Npy, TextsBecomeStringsInUtf8) {
  const Tensor texts = parse(file_of(dictionary("<U2", "(2,)"), bytes_of<uint32_t>({'a', 0, 0xe9, 0x1f600})));
  EXPECT_EQ(strings_of(texts)[0], "a");
  EXPECT_EQ(strings_of(texts)[1], "\xc3\xa9\xf0\x9f\x98\x80");
  const Tensor bytes = parse(file_of(dictionary("|S3", "(2,)"), std::string("ab\0abc", 6)));
  EXPECT_EQ(strings_of(bytes)[0], "ab");
  EXPECT_EQ(strings_of(bytes)[1], "abc");
  EXPECT_NE(refusal(file_of(dictionary("<U1", "(1,)"), bytes_of<uint32_t>({0xd800}))).find("0xd800"),
            std::string::npos);
}

TEST(Npy, AnyByteButZeroIsTrue) {
  EXPECT_EQ(values_of<uint8_t>(parse(file_of(dictionary("|b1", "(3,)"), std::string("\0\1\7", 3)))),
            (std::vector<uint8_t>{0, 1, 1}));
}

TEST(Npy, WhatIsNotReadIsNamed) {
  const auto expect_named = [](const std::string& descr, const std::string& needle) {
    EXPECT_NE(refusal(file_of(dictionary(descr, "(1,)"), "")).find(needle), std::string::npos) << descr;
  };
  expect_named(">f4", "big-endian >f4; save it in this machine's order: array.astype(\"<f4\")");
  expect_named("|O", "pickled Python objects");
  expect_named("<M8[ns]", "dates or times");
  expect_named("|V2", "ml_dtypes");
  expect_named("<f16", "holds <f16, which no tensor has");
  expect_named("<U99999999999", "no tensor has");
  EXPECT_NE(refusal(file_of("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", ""))
                .find("structures of several fields"),
            std::string::npos);
}

TEST(Npy, HostileHeadersAreRefused) {
  const std::string good = dictionary("<f4", "(1,)");
  const std::string whole = file_of(good, bytes_of<float>({1}));
  EXPECT_EQ(refusal(whole), "accepted");
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(refusal(whole.substr(0, size)), "accepted") << size;
  EXPECT_NE(refusal(whole + "x"), "accepted");
  for (const char* bad :
       {"{}", "[]", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
        "{'descr': '<f4\n', 'fortran_order': False}"}) {
    EXPECT_NE(refusal(file_of(bad, bytes_of<float>({1}))), "accepted") << bad;
  }
  EXPECT_NE(refusal(file_of(dictionary("<U0", "(1000000000000,)"), "")), "accepted");
  EXPECT_EQ(parse(file_of(dictionary("<f4", "(4611686018427387904, 0)", true), "")).count(), 0);
}

TEST(Npy, WhatIsWrittenHasNumpysFormAndReadsBack) {
  const auto file = std::filesystem::temp_directory_path() / ("oag_npy_test." + std::to_string(::getpid()));
  const float values[] = {1, 2, 3};
  write_npy(file, Tensor::of<float>(DType::kF32, {3}, values));
  const std::string bytes = read_file(file);
  EXPECT_EQ(bytes.size(), 128u + 12);
  EXPECT_NE(bytes.find("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"), std::string::npos);
  EXPECT_EQ(bytes[127], '\n');
  EXPECT_EQ(values_of<float>(read_npy(file)), (std::vector<float>{1, 2, 3}));
  EXPECT_THROW(write_npy(file, Tensor::host(DType::kBF16, {1})), Error);
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace oag
