// ONNX models through the C++ API: stored cases, memory of the caller, threads, cancels.
#include "openautoglm/openautoglm.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "engine/formats/onnx/onnx_test_model.h"
#include "engine/formats/onnx/onnx_value.h"
#include "engine/tensor/container.h"

namespace openautoglm {
namespace {

namespace fs = std::filesystem;
using oag::testing::graph;
using oag::testing::node;
using oag::testing::value;
using Clock = std::chrono::steady_clock;

template <typename Call>
Error error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  throw std::runtime_error("no error");
}

// A model file that goes with the test.
class ModelFile {
 public:
  explicit ModelFile(const oag::testing::GraphParts& parts)
      : path_(fs::temp_directory_path() / ("oag_session_test." + std::to_string(::getpid()) + ".onnx")) {
    const std::string bytes = oag::testing::model(parts);
    std::ofstream(path_, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  ~ModelFile() { fs::remove(path_); }
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;

  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

Session open(const Runtime& runtime, const oag::testing::GraphParts& parts,
             const SessionOptions& options = {}) {
  return Session(runtime, ModelFile(parts).path(), options);
}

// y = a b, z = y + y
Session matmul(const Runtime& runtime) {
  return open(runtime, {.nodes = {node("MatMul", {"a", "b"}, {"y"}), node("Add", {"y", "y"}, {"z"})},
                        .inputs = {value("a", {"N", "2"}), value("b", {"2", ""})},
                        .outputs = {value("y"), value("z")}});
}

const std::vector<float> kA = {1, 2, 3, 4, 5, 6}, kB = {1, 10};

std::vector<Input> matmul_inputs() {
  return {Input::of<float>("b", kB, {2, 1}), Input::of<float>("a", kA, {3, 2})};
}

std::vector<float> floats_of(const TensorView& view) {
  return {view.values<float>().begin(), view.values<float>().end()};
}

oag::Tensor read_case(const fs::path& file, bool is_string) {
  const auto kind = oag::ValueType::tensor(is_string ? oag::DType::kString : oag::DType::kF32, {});
  const std::string bytes = oag::read_file(file);
  return oag::read_value_proto(std::as_bytes(std::span(bytes)), kind, file.string());
}

void expect_near(const TensorView& seen, const oag::Tensor& expected) {
  ASSERT_EQ(dtype_name(seen.dtype), oag::dtype_name(expected.dtype()));
  ASSERT_EQ(seen.dims, expected.dims());
  for (size_t i = 0; i < seen.count; ++i) {
    if (seen.dtype == DType::kString) {
      EXPECT_EQ(seen.values<std::string>()[i], oag::strings_of(expected)[i]);
    } else if (seen.dtype == DType::kF32) {
      EXPECT_NEAR(seen.values<float>()[i], expected.values<float>()[i], 1e-5);
    }
  }
  if (seen.dtype != DType::kString && seen.dtype != DType::kF32) {
    EXPECT_EQ(std::memcmp(seen.data, expected.data(), seen.size_bytes), 0);
  }
}

void check_case(const Runtime& runtime, const std::string& name) {
  SCOPED_TRACE(name);
  const fs::path folder = oag::testing::data_path("cases") / name, values = folder / "test_data_set_0";
  const Session session(runtime, (folder / "model.onnx").string());
  std::vector<oag::Tensor> tensors;
  std::vector<Input> inputs;
  for (const Port& port : session.inputs()) {
    const auto file = values / ("input_" + std::to_string(inputs.size()) + ".pb");
    const oag::Tensor& tensor = tensors.emplace_back(read_case(file, port.dtype == DType::kString));
    inputs.push_back({port.name, port.dtype, tensor.dims(), tensor.data()});
  }
  const Outputs outputs = session.run(inputs);
  ASSERT_EQ(outputs.size(), session.outputs().size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto file = values / ("output_" + std::to_string(i) + ".pb");
    expect_near(outputs[i], read_case(file, outputs[i].dtype == DType::kString));
  }
}

TEST(Session, AgreesWithStoredCases) {
  const Runtime runtime({.threads = 2});
  for (const char* name :
       {"ai.onnx/simplifiedlayernormalization_plain", "ai.onnx/stringsplit_commas_1",
        "ai.onnx/stringnormalizer_upper_stop", "ai.onnx.ml/labelencoder_int_string",
        "ai.onnx.ml/linearclassifier_softmax", "ai.onnx.ml/treeensembleregressor_average",
        "com.microsoft/skiplayernormalization_plain", "com.microsoft/rotaryembedding_half"}) {
    check_case(runtime, name);
  }
}

TEST(Session, DescribesItsPorts) {
  const Session session = matmul(Runtime());
  ASSERT_EQ(session.inputs().size(), 2u);
  const Port &a = session.inputs()[0], &b = session.inputs()[1];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.dtype, DType::kF32);
  EXPECT_EQ(a.type, "f32[N, 2]");
  ASSERT_EQ(a.shape->size(), 2u);
  EXPECT_EQ(a.shape->at(0).symbol, "N");
  EXPECT_EQ(a.shape->at(0).size, -1);
  EXPECT_EQ(a.shape->at(1).size, 2);
  EXPECT_EQ(b.shape->at(1).symbol, "");
  EXPECT_EQ(b.shape->at(1).size, -1);
  ASSERT_EQ(session.outputs().size(), 2u);
  EXPECT_EQ(session.outputs()[1].name, "z");
}

TEST(Session, RunsOnBestAndReferenceKernels) {
  const Runtime runtime({.threads = 2});
  const std::vector<float> twice = {42, 86, 130};
  EXPECT_EQ(floats_of(matmul(runtime).run(matmul_inputs())["z"]), twice);
  const Session reference = open(
      runtime,
      {.nodes = {node("Add", {"x", "x"}, {"y"})}, .inputs = {value("x", {"3"})}, .outputs = {value("y")}},
      {.reference_kernels = true});
  const std::vector<float> x = {21, 43, 65};
  EXPECT_EQ(floats_of(reference.run({Input::of<float>("x", x, {3})})[0]), twice);
}

TEST(Session, WritesMemoryOfTheCaller) {
  const Session session = matmul(Runtime({.threads = 1}));
  std::vector<float> z(3);
  const Outputs outputs = session.run(matmul_inputs(), {Output::of<float>("z", z, {3, 1})});
  EXPECT_EQ(outputs["z"].data, z.data());
  EXPECT_EQ(z, (std::vector<float>{42, 86, 130}));
  EXPECT_EQ(floats_of(outputs["y"]), (std::vector<float>{21, 43, 65}));

  std::vector<float> y(3);
  const auto run = session.submit(matmul_inputs(), {Output::of<float>("y", y, {3, 1})});
  EXPECT_EQ(run.wait(), RunState::kDone);
  EXPECT_EQ(y, (std::vector<float>{21, 43, 65}));
  EXPECT_EQ(run.outputs()["y"].data, y.data());
}

// More than the machine has: a copy would end the test.
TEST(Session, ReadsInputsInPlace) {
  constexpr size_t kCount = size_t{1} << 38, kBytes = kCount * sizeof(float);
  void* memory = ::mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) GTEST_SKIP() << "the system maps no region of " << kBytes << " bytes";
  oag::ProtoWriter at = oag::testing::tensor("at", 7, {1});
  at.packed(7, std::vector<int64_t>{kCount - 1});
  const Session session = open(Runtime({.threads = 1}), {.nodes = {node("Gather", {"x", "at"}, {"y"})},
                                                         .inputs = {value("x", {"N"})},
                                                         .outputs = {value("y")},
                                                         .initializers = {at}});
  const Outputs outputs = session.run({{"x", DType::kF32, {kCount}, memory}});
  EXPECT_EQ(floats_of(outputs["y"]), std::vector<float>{0});
  ::munmap(memory, kBytes);
}

TEST(Session, OutputsThatAreInputsOutliveThem) {
  const Session session = open(
      Runtime({.threads = 1}),
      {.nodes = {node("Identity", {"x"}, {"y"})}, .inputs = {value("x", {"N"})}, .outputs = {value("y")}});
  std::vector<float> x = {1, 2, 3};
  const Outputs outputs = session.run({Input::of<float>("x", x, {3})});
  EXPECT_NE(outputs["y"].data, x.data());
  x.assign(3, 0);
  EXPECT_EQ(floats_of(outputs["y"]), (std::vector<float>{1, 2, 3}));
}

TEST(Session, IsSharedByThreads) {
  const Session session = matmul(Runtime({.threads = 2}));
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const int rows = 1 + (t + i) % 5;
        const std::vector<float> a(static_cast<size_t>(2 * rows), static_cast<float>(t));
        const std::vector<Input> inputs = {Input::of<float>("a", a, {rows, 2}),
                                           Input::of<float>("b", kB, {2, 1})};
        const Outputs outputs = i % 2 == 0 ? session.run(inputs) : session.submit(inputs).outputs();
        const std::vector<float> expected(static_cast<size_t>(rows), static_cast<float>(22 * t));
        right += floats_of(outputs["z"]) == expected;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 8 * 50);
}

TEST(Session, RefusesWhatDoesNotFit) {
  const Runtime runtime({.threads = 1});
  const Session session = matmul(runtime);
  const auto refusal = [&](std::vector<Input> inputs, std::vector<Output> outputs = {}) {
    const Error error = error_of([&] { session.run(inputs, outputs); });
    return std::pair(error.code(), std::string(error.what()));
  };
  const auto expect = [](const auto& seen, ErrorCode code, const std::string& part) {
    EXPECT_EQ(seen.first, code) << seen.second;
    EXPECT_NE(seen.second.find(part), std::string::npos) << seen.second;
  };
  const Input a = Input::of<float>("a", kA, {3, 2}), b = Input::of<float>("b", kB, {2, 1});
  std::vector<float> memory(4);
  const auto output = [&](Dims dims, DType dtype = DType::kF32) {
    return std::vector<Output>{{"y", dtype, std::move(dims), memory.data()}};
  };
  expect(refusal({a, {"c", DType::kF32, {1}, kB.data()}}), ErrorCode::kNotFound,
         "no input \"c\"; it has: a, b");
  expect(refusal({a}), ErrorCode::kInvalidArgument, "input b: gets no value; the model takes f32[2, ");
  expect(refusal({a, a, b}), ErrorCode::kInvalidArgument, "input a: is given twice");
  expect(refusal({a, {"b", DType::kI32, {2, 1}, kB.data()}}), ErrorCode::kInvalidArgument,
         "input b: got i32");
  expect(refusal({a, {"b", DType::kF32, {2}, kB.data()}}), ErrorCode::kInvalidArgument,
         "input b: got f32 [2]");
  expect(refusal({a, {"b", DType::kF32, {1, 2}, kB.data()}}), ErrorCode::kInvalidArgument, "input b");
  expect(refusal({a, {"b", DType::kF32, {2, -1}, kB.data()}}), ErrorCode::kInvalidArgument, "");
  expect(refusal({a, {"b", DType::kF32, {2, 1}, nullptr}}), ErrorCode::kInvalidArgument,
         "input b: has no memory");
  expect(refusal({a, {"b", DType::kF32, {2, 1}, reinterpret_cast<const char*>(kB.data()) + 1}}),
         ErrorCode::kInvalidArgument, "not aligned");
  expect(refusal({a, {"b", DType::kUndefined, {2, 1}, kB.data()}}), ErrorCode::kInvalidArgument,
         "element type");
  expect(refusal({a, {"b", DType::kMap, {2}, kB.data()}}), ErrorCode::kUnsupported, "tensors only");
  expect(refusal({a, b}, {{"q", DType::kF32, {3, 1}, memory.data()}}), ErrorCode::kNotFound, "it has: y, z");
  expect(refusal({a, b}, output({4, 1})), ErrorCode::kInvalidArgument, "output y: got memory for f32 [4, 1]");
  expect(refusal({a, b}, output({3, 1}, DType::kI32)), ErrorCode::kInvalidArgument,
         "output y: got memory for i32");

  EXPECT_EQ(error_of([&] { Input::of<float>("a", kA, {4, 2}); }).code(), ErrorCode::kInvalidArgument);
  const Outputs outputs = session.run({a, b});
  EXPECT_EQ(error_of([&] { outputs["y"].values<int>(); }).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { outputs["q"]; }).code(), ErrorCode::kNotFound);
  EXPECT_EQ(error_of([&] { outputs[2]; }).code(), ErrorCode::kNotFound);
  EXPECT_EQ(error_of([&] { session.submit({{"b", DType::kF32, {2}, kB.data()}, a}).outputs(); }).code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { Session(runtime, "/nowhere.onnx"); }).code(), ErrorCode::kNotFound);
}

TEST(Session, RefusesToReadMapsAndReadsTheRest) {
  const fs::path folder = oag::testing::data_path("cases") / "ai.onnx.ml" / "zipmap_int64";
  const Session session(Runtime({.threads = 1}), (folder / "model.onnx").string());
  EXPECT_EQ(session.outputs()[0].dtype, DType::kSequence);
  const oag::Tensor x = read_case(folder / "test_data_set_0" / "input_0.pb", false);
  const Outputs outputs = session.run({{session.inputs()[0].name, DType::kF32, x.dims(), x.data()}});
  EXPECT_EQ(error_of([&] { outputs[0]; }).code(), ErrorCode::kUnsupported);
}

TEST(Session, RunsCustomOperatorsOfPlugins) {
  const Runtime runtime({.threads = 2});
  const fs::path folder = fs::path(OAG_SOURCE_DIR) / "examples/custom_op/cases/custom_gelu";
  const std::string model = (folder / "model.onnx").string();
  const oag::Tensor x = read_case(folder / "test_data_set_0/input_0.pb", false);
  const Session session(runtime, model, {.plugins = {OAG_PLUGIN_DIR "/custom_op.so"}});
  const Outputs outputs = session.run({{"x", DType::kF32, x.dims(), x.data()}});
  expect_near(outputs["y"], read_case(folder / "test_data_set_0/output_0.pb", false));

  const Error unknown = error_of([&] { Session(runtime, model); });
  EXPECT_EQ(unknown.code(), ErrorCode::kUnsupported);
  EXPECT_NE(std::string(unknown.what()).find("domain \"com.example\" has no operator CustomGelu"),
            std::string::npos);
  const auto code_with = [&](const std::string& plugin) {
    return error_of([&] { Session(runtime, model, {.plugins = {plugin}}); }).code();
  };
  EXPECT_EQ(code_with("/nowhere.so"), ErrorCode::kNotFound);
  EXPECT_EQ(code_with(OAG_PLUGIN_DIR "/wrong_abi.so"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_with(OAG_PLUGIN_DIR "/name_twice.so"), ErrorCode::kInvalidArgument);
}

// Products of square matrices, one after the other.
struct Chain {
  Session session;
  int64_t n;
  std::vector<float> x = std::vector<float>(static_cast<size_t>(n * n)), w = x;

  std::vector<Input> inputs() const {
    return {Input::of<float>("x0", x, {n, n}), Input::of<float>("w", w, {n, n})};
  }
};

Chain chain(const Runtime& runtime, int64_t n, int length) {
  oag::testing::GraphParts parts;
  const std::string size = std::to_string(n), last = "x" + std::to_string(length);
  for (int i = 0; i < length; ++i)
    parts.nodes.push_back(node("MatMul", {"x" + std::to_string(i), "w"}, {"x" + std::to_string(i + 1)}));
  parts.inputs = {value("x0", {size, size}), value("w", {size, size})};
  parts.outputs = {value(last)};
  return {open(runtime, parts), n};
}

double ms_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

// The least of a few times from a cancel, asked for `after_ms` into a run, to its end: by the clock, or the
// process's processor time where that is less, as on a machine that has other work.
double cancel_ms(const Chain& chain, double after_ms, double good_ms) {
  double best = INFINITY;
  for (int i = 0; i < 5 && best > good_ms; ++i) {
    auto run = chain.session.submit(chain.inputs());
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(after_ms));
    EXPECT_EQ(run.status(), RunState::kRunning);
    const auto asked = Clock::now();
    const std::clock_t used = std::clock();
    run.cancel();
    EXPECT_EQ(run.wait(), RunState::kCancelled);
    const double used_ms = 1e3 * static_cast<double>(std::clock() - used) / CLOCKS_PER_SEC;
    best = std::min({best, used_ms, ms_between(asked, Clock::now())});
    EXPECT_EQ(error_of([&] { run.outputs(); }).code(), ErrorCode::kCancelled);
  }
  return best;
}

double run_ms(const Chain& chain) {
  chain.session.run(chain.inputs());
  const auto begin = Clock::now();
  chain.session.run(chain.inputs());
  return ms_between(begin, Clock::now());
}

TEST(Session, CancelsInsideOneLargeMatMul) {
  const Runtime runtime;
  const double whole_ms = 64 * run_ms(chain(runtime, 1024, 1));
  EXPECT_LT(cancel_ms(chain(runtime, 4096, 1), 0.3 * whole_ms, 20), 20);
}

TEST(Session, CancelsInsideAChainOfMatMuls) {
  const Runtime runtime;
  const double whole_ms = 40 * run_ms(chain(runtime, 512, 10));
  EXPECT_LT(cancel_ms(chain(runtime, 512, 400), 0.3 * whole_ms, 5), 5);
}

TEST(Session, KeepsDeadlines) {
  const Runtime runtime;
  const Chain long_one = chain(runtime, 4096, 4);
  const auto soon = [] { return Clock::now() + std::chrono::milliseconds(30); };
  EXPECT_EQ(error_of([&] { long_one.session.run(long_one.inputs(), {}, {.deadline = soon()}); }).code(),
            ErrorCode::kDeadlineExceeded);
  const auto run = long_one.session.submit(long_one.inputs(), {}, {.deadline = soon()});
  EXPECT_NE(run.wait(Clock::now()), RunState::kDone);
  EXPECT_EQ(run.wait(), RunState::kDeadlineExceeded);
  EXPECT_EQ(error_of([&] { run.outputs(); }).code(), ErrorCode::kDeadlineExceeded);
}

TEST(Session, DroppedRunsLetGoOfMemory) {
  std::optional<Chain> long_one = chain(Runtime(), 2048, 50);
  std::vector<float> y(long_one->x.size());
  std::optional<openautoglm::Run> run = long_one->session.submit(long_one->inputs());
  const auto begin = Clock::now();
  run.reset();  // waits for the end, of which there is much left
  EXPECT_LT(ms_between(begin, Clock::now()), 1000);
}

}  // namespace
}  // namespace openautoglm
