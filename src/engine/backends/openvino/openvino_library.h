#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

// What is used of OpenVINO's C interface, declared here: the library is looked for at run time, and its
// headers are not needed. Source of the signatures: openvino/c/*.h of OpenVINO 2026.4.
namespace oag::openvino {

struct Core;
struct Model;
struct CompiledModel;
struct InferRequest;
struct OvTensor;
struct Port;

struct OvShape {
  int64_t rank;
  int64_t* dims;
};

struct OvDim {
  int64_t least, most;  // -1 for no limit
};

struct OvPartialShape {
  OvDim rank;
  OvDim* dims;
};

struct OvVersion {
  const char* number;
  const char* description;
};

// An object of the library, released at its end.
template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

// Every entry gives a status, 0 when all is well.
struct Api {
  int (*get_version)(OvVersion*);
  void (*free_version)(OvVersion*);
  const char* (*last_error)();
  int (*create_core)(Core**);
  int (*read_model)(const Core*, const char* bytes, size_t size, const OvTensor* weights, Model**);
  int (*compile_model)(const Core*, const Model*, const char* device, size_t property_texts, CompiledModel**,
                       ...);
  void (*free_model)(Model*);
  void (*free_compiled_model)(CompiledModel*);
  int (*model_output)(const Model*, size_t, Port**);
  int (*port_dtype)(const Port*, int*);
  int (*port_shape)(const Port*, OvPartialShape*);
  void (*free_port)(Port*);
  void (*free_partial_shape)(OvPartialShape*);
  int (*input_named)(const CompiledModel*, const char* name, Port**);
  int (*output_named)(const CompiledModel*, const char* name, Port**);
  int (*create_request)(const CompiledModel*, InferRequest**);
  int (*set_tensor)(InferRequest*, const char* name, const OvTensor*);
  int (*get_tensor)(const InferRequest*, const char* name, OvTensor**);
  int (*start)(InferRequest*);
  int (*wait)(InferRequest*);
  int (*cancel)(InferRequest*);
  void (*free_request)(InferRequest*);
  int (*wrap_tensor)(int dtype, OvShape, void*, OvTensor**);
  int (*tensor_shape)(const OvTensor*, OvShape*);
  int (*tensor_dtype)(const OvTensor*, int*);
  int (*tensor_data)(const OvTensor*, void**);
  void (*free_tensor)(OvTensor*);
  int (*free_shape)(OvShape*);
};

// The library and its one core. Loaded at first use and never unloaded.
class Library {
 public:
  // Errors: kUnsupported, with why it is not available and what to do; asked again, it tries again.
  static const Library& get();

  const Api& api() const { return api_; }
  const Core* core() const { return core_; }
  const std::string& version() const { return version_; }  // "2026.4.1"
  const std::string& path() const { return path_; }

  // Errors: kUnsupported with the library's words, unless the status is 0.
  void check(int status) const;
  // The library's words for what went wrong last on this thread, as one line.
  std::string last_error() const;

 private:
  Library();

  Api api_ = {};
  Core* core_ = nullptr;
  std::string version_, path_;
};

}  // namespace oag::openvino
