#include "engine/formats/onnx/onnx_tensor.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "engine/formats/onnx/onnx_test_model.h"
#include "engine/formats/onnx/onnx_value.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

using testing::data_path;
using testing::error_of;
using testing::tensor;

// What the stored cases say of a tensor, or of a container's elements.
Json describe(const Tensor& value) {
  if (is_container(value.dtype())) {
    Json elements = Json::array();
    for (const Tensor& element : elements_of(value)) elements.push_back(describe(element));
    return elements;
  }
  Json json;
  json["dtype"] = std::string(dtype_name(value.dtype()));
  json["dims"] = value.dims();
  if (value.dtype() == DType::kString) {
    json["strings"] = std::vector<std::string>(strings_of(value).begin(), strings_of(value).end());
    return json;
  }
  std::string hex;
  for (const std::byte byte : value.bytes()) hex += fmt::format("{:02x}", static_cast<int>(byte));
  json["hex"] = hex;
  return json;
}

Json stored(const std::string& name) {
  return parse_json(read_file(data_path(name)), name);
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

Tensor read(const ProtoWriter& writer) {
  return read_tensor_proto(bytes_of(writer.encoded()), "t.pb");
}

std::string refusal_of(const ProtoWriter& writer) {
  return error_of([&] { read(writer); });
}

TEST(OnnxTensor, OfEveryTypeIsReadAsOnnxHoldsItTypedAndRaw) {
  const Json expected = stored("types.json");
  ASSERT_EQ(expected.size(), 26u);
  for (const char* file : {"typed.onnx", "raw.onnx"}) {
    const OnnxModel model = import_onnx(data_path(file));
    for (const auto& [name, wanted] : expected.items()) {
      const auto id = model.graph.find_value(name);
      ASSERT_TRUE(id) << name;
      EXPECT_EQ(describe(*model.graph.value(*id).constant), wanted) << file << " " << name;
    }
  }
}

TEST(OnnxTensor, ValuesOfEveryKindAreReadAndWritten) {
  const ValueType number = ValueType::tensor(DType::kF32, std::nullopt);
  const std::map<std::string, ValueType> types = {{"tensor", number},
                                                  {"sequence", ValueType::sequence(number)},
                                                  {"optional", ValueType::optional(number)},
                                                  {"map", ValueType::map(DType::kI64, number)}};
  const Json cases = stored("values.json");
  for (const auto& [name, wanted] : cases.items()) {
    const ValueType& type = types.at(wanted["kind"].get<std::string>());
    const Tensor value = read_value_proto(bytes_of(read_file(data_path(name + ".pb"))), type, name);
    EXPECT_EQ(value.dtype(), wanted["kind"] == "tensor" ? value.dtype() : type.dtype) << name;
    EXPECT_EQ(describe(value), wanted["value"]) << name;
    EXPECT_EQ(describe(read_value_proto(bytes_of(write_value_proto(value, "v")), type, name)),
              wanted["value"])
        << name;
  }
}

TEST(OnnxTensor, RefusesValuesThatDoNotFillItsDims) {
  ProtoWriter typed = tensor("w", 1, {2, 2});
  typed.packed(4, std::vector<float>{1, 2, 3});
  EXPECT_EQ(refusal_of(typed), "t.pb: tensor w: f32 [2, 2] has 3 values, expected 4");
  ProtoWriter raw = tensor("w", 1, {2, 2});
  raw.text(9, "12345678");
  EXPECT_EQ(refusal_of(raw), "t.pb: tensor w: f32 [2, 2] has 8 bytes of data, expected 16");
  EXPECT_EQ(refusal_of(tensor("w", 1, {int64_t{1} << 40, int64_t{1} << 40})),
            "t.pb: tensor w: f32 [1099511627776, 1099511627776] has more than 2^63 bits");
  EXPECT_EQ(refusal_of(tensor("w", 1, {-1})), "t.pb: tensor w: has a dim of -1");
  EXPECT_EQ(refusal_of(tensor("w", 27, {1})),
            "t.pb: tensor w: its element type is number 27 of TensorProto.DataType, which this engine does "
            "not know");
  EXPECT_EQ(refusal_of(tensor("w", 0, {1})),
            "t.pb: tensor w: has no element type; is it empty, or another message?");
  ProtoWriter narrow = tensor("w", 3, {1});
  narrow.packed(5, std::vector<int64_t>{128});
  EXPECT_EQ(refusal_of(narrow), "t.pb: tensor w: 128 is no value of type i8");
}

TEST(OnnxTensor, TruthValuesBecomeZeroAndOne) {
  ProtoWriter raw = tensor("b", 9, {3});
  raw.text(9, std::string("\x00\x02\xff", 3));
  EXPECT_EQ(describe(read(raw))["hex"], "000101");
}

ProtoWriter sparse(std::vector<int64_t> dims, const std::vector<int64_t>& indices,
                   std::vector<int64_t> index_dims) {
  ProtoWriter positions = tensor("", 7, std::move(index_dims));
  positions.packed(7, indices);
  ProtoWriter writer;
  writer.message(1, testing::floats("s", {5, 6}));
  writer.message(2, positions);
  writer.packed(3, dims);
  return writer;
}

TEST(OnnxTensor, SparseTensorsBecomeDense) {
  const std::vector<float> wanted = {0, 5, 0, 0, 0, 6};
  for (const ProtoWriter& writer : {sparse({2, 3}, {1, 5}, {2}), sparse({2, 3}, {0, 1, 1, 2}, {2, 2})}) {
    const Tensor dense = read_sparse_tensor_proto(bytes_of(writer.encoded()), "s.pb");
    EXPECT_EQ(dense.dims(), (Dims{2, 3}));
    EXPECT_EQ(std::vector<float>(dense.values<float>().begin(), dense.values<float>().end()), wanted);
  }
  const auto refusal_of_sparse = [](const ProtoWriter& writer) {
    return error_of([&] { read_sparse_tensor_proto(bytes_of(writer.encoded()), "s.pb"); });
  };
  EXPECT_EQ(refusal_of_sparse(sparse({2, 3}, {1, 6}, {2})),
            "s.pb: sparse tensor s: index 1 is 6, expected less than 6");
  EXPECT_EQ(refusal_of_sparse(sparse({1 << 20, 1 << 20}, {1, 6}, {2})),
            "s.pb: sparse tensor s: [1048576, 1048576] is stored with its zeros here, and may have "
            "1073741824 bytes "
            "then");
}

}  // namespace
}  // namespace oag
