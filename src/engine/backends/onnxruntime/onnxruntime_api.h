#pragma once

#include <cstddef>
#include <cstdint>

// What is used of ONNX Runtime's C interface, declared here: the library is looked for at run time, and its
// headers are not needed. OrtApi is a struct of pointers to functions that only ever grows at its end, so an
// entry's place never changes. Source of places and signatures: onnxruntime_c_api.h of ONNX Runtime 1.21.
namespace oag::onnxruntime {

// The version of the interface in which the last of the entries used came: ONNX Runtime 1.15.
inline constexpr uint32_t kApiVersion = 15;

struct Status;
struct Env;
struct SessionOptions;
struct OrtSession;
struct RunOptions;
struct Value;
struct MemoryInfo;
struct Allocator;
struct TypeInfo;
struct TensorInfo;
struct SequenceInfo;
struct MapInfo;
struct OptionalInfo;

// ONNXType.
enum ValueKind : int {
  kUnknownKind,
  kTensorKind,
  kSequenceKind,
  kMapKind,
  kOpaqueKind,
  kSparseKind,
  kOptionalKind
};

// OrtErrorCode of what the library has no kernel for.
inline constexpr int kNotImplemented = 9;

using LogFunction = void (*)(void* parameter, int severity, const char* category, const char* id,
                             const char* place, const char* message);

struct ApiBase {
  const void* const* (*get_api)(uint32_t version);
  const char* (*get_version)();
};

template <typename Signature>
struct Entry;

// One entry, called like a function.
template <typename R, typename... Args>
struct Entry<R(Args...)> {
  R (*function)(Args...) = nullptr;
  void take(const void* const* table, size_t place) {
    function = reinterpret_cast<R (*)(Args...)>(const_cast<void*>(table[place]));
  }
  R operator()(Args... args) const { return function(args...); }
};

struct Api {
  Entry<int(const Status*)> get_error_code;
  Entry<const char*(const Status*)> get_error_message;
  Entry<Status*(LogFunction, void*, int severity, const char* id, Env**)> create_env;
  Entry<Status*(const Env*, const void*, size_t, const SessionOptions*, OrtSession**)> create_session;
  Entry<Status*(OrtSession*, const RunOptions*, const char* const* input_names, const Value* const* inputs,
                size_t input_count, const char* const* output_names, size_t output_count, Value** outputs)>
      run;
  Entry<Status*(SessionOptions**)> create_session_options;
  Entry<Status*(SessionOptions*, int)> set_intra_op_threads;
  Entry<Status*(const OrtSession*, size_t, TypeInfo**)> session_output_type;
  Entry<Status*(RunOptions**)> create_run_options;
  Entry<Status*(RunOptions*)> set_terminate;
  Entry<Status*(Allocator*, const int64_t* dims, size_t rank, int dtype, Value**)> create_tensor;
  Entry<Status*(const MemoryInfo*, void*, size_t bytes, const int64_t* dims, size_t rank, int dtype, Value**)>
      wrap_tensor;
  Entry<Status*(Value*, void**)> tensor_data;
  Entry<Status*(Value*, const char* const*, size_t)> fill_strings;
  Entry<Status*(const Value*, size_t*)> strings_length;
  Entry<Status*(const Value*, void* text, size_t text_bytes, size_t* offsets, size_t count)> get_strings;
  Entry<Status*(const TypeInfo*, const TensorInfo**)> as_tensor_info;
  Entry<Status*(const TypeInfo*, int*)> kind_of_type;
  Entry<Status*(const TensorInfo*, int*)> dtype_of;
  Entry<Status*(const TensorInfo*, size_t*)> rank_of;
  Entry<Status*(const TensorInfo*, int64_t*, size_t)> dims_of;
  Entry<Status*(const TensorInfo*, const char**, size_t)> symbols_of;
  Entry<Status*(const Value*, TensorInfo**)> tensor_info;
  Entry<Status*(const Value*, int*)> kind_of_value;
  Entry<Status*(int allocator, int memory, MemoryInfo**)> create_memory_info;
  Entry<Status*(Allocator**)> default_allocator;
  Entry<Status*(const Value*, int index, Allocator*, Value**)> get_value;
  Entry<Status*(const Value*, size_t*)> value_count;
  Entry<Status*(const Value* const*, size_t, int kind, Value**)> create_value;
  Entry<void(Env*)> release_env;
  Entry<void(Status*)> release_status;
  Entry<void(MemoryInfo*)> release_memory_info;
  Entry<void(OrtSession*)> release_session;
  Entry<void(Value*)> release_value;
  Entry<void(RunOptions*)> release_run_options;
  Entry<void(TypeInfo*)> release_type_info;
  Entry<void(TensorInfo*)> release_tensor_info;
  Entry<void(SessionOptions*)> release_session_options;
  Entry<Status*(const TypeInfo*, const MapInfo**)> as_map_info;
  Entry<Status*(const TypeInfo*, const SequenceInfo**)> as_sequence_info;
  Entry<Status*(const MapInfo*, int*)> map_key;
  Entry<Status*(const MapInfo*, TypeInfo**)> map_value;
  Entry<Status*(const SequenceInfo*, TypeInfo**)> sequence_element;
  Entry<Status*(SessionOptions*, const char* key, const char* value)> add_config;
  Entry<Status*(const Value*, int*)> has_value;
  Entry<Status*(SessionOptions*, const char* const* names, const Value* const* tensors, size_t)>
      add_external_initializers;
  Entry<Status*(const TypeInfo*, const OptionalInfo**)> as_optional_info;
  Entry<Status*(const OptionalInfo*, TypeInfo**)> optional_element;

  Api() = default;
  explicit Api(const void* const* table) {
    get_error_code.take(table, 1);
    get_error_message.take(table, 2);
    create_env.take(table, 4);
    create_session.take(table, 8);
    run.take(table, 9);
    create_session_options.take(table, 10);
    set_intra_op_threads.take(table, 24);
    session_output_type.take(table, 34);
    create_run_options.take(table, 39);
    set_terminate.take(table, 46);
    create_tensor.take(table, 48);
    wrap_tensor.take(table, 49);
    tensor_data.take(table, 51);
    fill_strings.take(table, 52);
    strings_length.take(table, 53);
    get_strings.take(table, 54);
    as_tensor_info.take(table, 55);
    kind_of_type.take(table, 56);
    dtype_of.take(table, 60);
    rank_of.take(table, 61);
    dims_of.take(table, 62);
    symbols_of.take(table, 63);
    tensor_info.take(table, 65);
    kind_of_value.take(table, 67);
    create_memory_info.take(table, 69);
    default_allocator.take(table, 78);
    get_value.take(table, 80);
    value_count.take(table, 81);
    create_value.take(table, 82);
    release_env.take(table, 92);
    release_status.take(table, 93);
    release_memory_info.take(table, 94);
    release_session.take(table, 95);
    release_value.take(table, 96);
    release_run_options.take(table, 97);
    release_type_info.take(table, 98);
    release_tensor_info.take(table, 99);
    release_session_options.take(table, 100);
    as_map_info.take(table, 103);
    as_sequence_info.take(table, 104);
    map_key.take(table, 105);
    map_value.take(table, 106);
    sequence_element.take(table, 107);
    add_config.take(table, 130);
    has_value.take(table, 192);
    add_external_initializers.take(table, 210);
    as_optional_info.take(table, 250);
    optional_element.take(table, 251);
  }
};

}  // namespace oag::onnxruntime
