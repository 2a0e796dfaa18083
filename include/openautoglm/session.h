// ONNX models: any of them, with tensors in and out. Include openautoglm.h, which includes this.
//
//   openautoglm::Runtime runtime;
//   openautoglm::Session session(runtime, "model.onnx");
//   std::vector<float> pixels(3 * 32 * 32);
//   auto outputs = session.run({openautoglm::Input::of<float>("image", pixels, {1, 3, 32, 32})});
//   for (float score : outputs["scores"].values<float>()) std::cout << score << "\n";
//
// Memory that is bound to a run is read and written in place; nothing is copied. It stays the caller's, who
// keeps it, and lets inputs be as they are, until the run has ended and, where outputs are wanted, run() or
// Run::outputs() has returned.
#pragma once

#include <chrono>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "openautoglm/export.h"

namespace openautoglm {

class Runtime;  // in openautoglm.h, as Error is, which everything here throws

// Element types of ONNX. Those of less than 8 bits are packed, the first value in the lowest bits.
enum class DType {
  kUndefined,
  kF32,
  kF64,
  kF16,
  kBF16,
  kF8E4M3FN,
  kF8E4M3FNUZ,
  kF8E5M2,
  kF8E5M2FNUZ,
  kF8E8M0,
  kF4E2M1,
  kI8,
  kI16,
  kI32,
  kI64,
  kU8,
  kU16,
  kU32,
  kU64,
  kI4,
  kU4,
  kI2,
  kU2,
  kBool,      // a byte, 0 or 1
  kString,    // elements are std::string objects
  kC64,       // std::complex<float>
  kC128,      // std::complex<double>
  kSequence,  // this and the next two describe ports; their values are neither bound nor read here
  kOptional,
  kMap,
};

// "f32"
OPENAUTOGLM_API std::string_view dtype_name(DType dtype);

// The type whose elements are T; kUndefined for what is none.
template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::kF32;
  if constexpr (std::is_same_v<T, double>) return DType::kF64;
  if constexpr (std::is_same_v<T, int8_t>) return DType::kI8;
  if constexpr (std::is_same_v<T, int16_t>) return DType::kI16;
  if constexpr (std::is_same_v<T, int32_t>) return DType::kI32;
  if constexpr (std::is_same_v<T, int64_t>) return DType::kI64;
  if constexpr (std::is_same_v<T, uint8_t>) return DType::kU8;
  if constexpr (std::is_same_v<T, uint16_t>) return DType::kU16;
  if constexpr (std::is_same_v<T, uint32_t>) return DType::kU32;
  if constexpr (std::is_same_v<T, uint64_t>) return DType::kU64;
  if constexpr (std::is_same_v<T, bool>) return DType::kBool;
  if constexpr (std::is_same_v<T, std::string>) return DType::kString;
  if constexpr (std::is_same_v<T, std::complex<float>>) return DType::kC64;
  if constexpr (std::is_same_v<T, std::complex<double>>) return DType::kC128;
  return DType::kUndefined;
}

// One dim of a port: a number; a name, which has one value throughout a run; or anything (size -1, no name).
struct PortDim {
  int64_t size = -1;
  std::string symbol = {};
};

// An input or output as the model declares it.
struct Port {
  std::string name;
  DType dtype = DType::kUndefined;
  std::optional<std::vector<PortDim>> shape = {};  // none where the model does not even tell the rank
  std::string type;                                // for people: "f32[N, 3]", "sequence(f32[...])"
};

using Dims = std::vector<int64_t>;

namespace detail {
// Errors: kInvalidArgument when `count` values do not fill the dims.
OPENAUTOGLM_API void check_count(const std::string& name, size_t count, const Dims& dims);
// Errors: kInvalidArgument when the types differ.
OPENAUTOGLM_API void check_dtype(const std::string& name, DType seen, DType asked);
}  // namespace detail

// Values for an input: dense, row-major, aligned as their type asks.
struct Input {
  std::string name;
  DType dtype = DType::kUndefined;
  Dims dims = {};
  const void* data = nullptr;

  // Errors: kInvalidArgument when the values do not fill the dims.
  template <typename T>
  static Input of(std::string name, std::span<const T> values, Dims dims) {
    static_assert(dtype_of<T>() != DType::kUndefined, "no element type; fill the members");
    detail::check_count(name, values.size(), dims);
    return {std::move(name), dtype_of<T>(), std::move(dims), values.data()};
  }
};

// Memory for an output of exactly these dims. It overlaps that of no other output.
struct Output {
  std::string name;
  DType dtype = DType::kUndefined;
  Dims dims = {};
  void* data = nullptr;

  // Errors: as Input::of.
  template <typename T>
  static Output of(std::string name, std::span<T> values, Dims dims) {
    static_assert(dtype_of<T>() != DType::kUndefined, "no element type; fill the members");
    detail::check_count(name, values.size(), dims);
    return {std::move(name), dtype_of<T>(), std::move(dims), values.data()};
  }
};

// Values that a run gave. `data` is the memory that was bound, or belongs to the Outputs.
struct TensorView {
  std::string name;
  DType dtype = DType::kUndefined;
  Dims dims;
  const void* data = nullptr;
  size_t count = 0;       // of elements
  size_t size_bytes = 0;  // of strings, that of the objects

  // Errors: kInvalidArgument when T is not the element type.
  template <typename T>
  std::span<const T> values() const {
    static_assert(dtype_of<T>() != DType::kUndefined, "no element type; read data");
    detail::check_dtype(name, dtype, dtype_of<T>());
    return {static_cast<const T*>(data), count};
  }
};

// What a run gave, in the order of Session::outputs(). Copies share the memory.
class OPENAUTOGLM_API Outputs {
 public:
  size_t size() const;
  // Errors: kNotFound; kUnsupported for sequences, optionals and maps. A reference lives as long as a copy.
  const TensorView& operator[](size_t index) const;
  const TensorView& operator[](std::string_view name) const;

 private:
  friend class Run;
  friend class Session;
  struct Impl;
  explicit Outputs(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

enum class RunState { kQueued, kRunning, kDone, kCancelled, kDeadlineExceeded, kFailed };

struct RunOptions {
  int priority = 0;  // of submitted runs, higher ones begin first
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
};

// A submitted run. It may outlive its Session.
class OPENAUTOGLM_API Run {
 public:
  ~Run();  // cancels what still runs and waits for it: bound memory is then the caller's alone
  Run(Run&&) noexcept;
  Run& operator=(Run&&) noexcept;

  RunState status() const;  // never blocks

  // Waits until the run has ended, or the time has come; returns the status then.
  RunState wait(std::optional<std::chrono::steady_clock::time_point> until = {}) const;

  void cancel();  // returns at once; the run stops between two tiles of a kernel

  // Waits for the end. Errors: the run's own (as Session::run); kCancelled, kDeadlineExceeded.
  Outputs outputs() const;

 private:
  friend class Session;
  struct Impl;
  explicit Run(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct SessionOptions {
  bool reference_kernels = false;         // each operator's plain definition: slow, to compare with
  std::vector<std::string> plugins = {};  // paths of libraries of custom operators (plugin.h)
  // The path of a policy: which nodes go to other engines, and more plugins (docs/backends.md).
  std::string policy = {};
};

// An ONNX model, compiled for the devices of a Runtime. Any number of threads may run it at once. Copies
// share it.
class OPENAUTOGLM_API Session {
 public:
  // Errors: kNotFound, kIo, kCorruptData; kUnsupported, naming the node, for what this build cannot run;
  // kOutOfMemory; of plugins kInvalidArgument too, for names that are taken.
  Session(const Runtime& runtime, const std::string& path, const SessionOptions& options = {});

  // Without initializers. They live as long as a copy of the Session.
  std::span<const Port> inputs() const;
  std::span<const Port> outputs() const;

  // Runs on the calling thread and the Runtime's. Every input is given once, in any order. Outputs without
  // memory of the caller get their own. Errors: kNotFound for names; kInvalidArgument for types, shapes, and
  // values that an operator refuses; kUnsupported for sequences, optionals and maps; kDeadlineExceeded.
  Outputs run(const std::vector<Input>& inputs, const std::vector<Output>& outputs = {},
              const RunOptions& options = {}) const;

  // Queues a run and returns at once. Errors: kBusy when 1,024 runs wait already; those of names and memory.
  // What is wrong with types, shapes and values reaches Run::outputs().
  [[nodiscard]] Run submit(const std::vector<Input>& inputs, const std::vector<Output>& outputs = {},
                           const RunOptions& options = {}) const;

 private:
  friend class Run;
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace openautoglm
