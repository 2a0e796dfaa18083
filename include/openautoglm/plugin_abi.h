/* OpenAutoGLM: what a library of custom operators and the engine say to each other, in C. plugin.h makes it
 * pleasant in C++; this header is for whoever writes a plugin in another language.
 *
 * A plugin is a shared library that exports one function, oag_plugin_entry. The engine calls it once and
 * keeps the library loaded to the end of the process.
 *
 * Structs that start with struct_size, the sizeof in the writer's header, may grow at their end within an ABI
 * version; all others stay as they are. An engine takes plugins of its own ABI version alone.
 *
 * Functions of the plugin return 0 when all went well. Else they have written one line of at most
 * OAG_PLUGIN_ERROR_BYTES - 1 bytes and a NUL into `error`, and the compile or run ends with it. No exception
 * may leave them. Functions of the host never throw; after one that fails the plugin returns as soon as it
 * can, with any result: the host remembers what was wrong and tells it. Pointers to results are never NULL.
 *
 * Element types are numbers of ONNX's TensorProto.DataType. Types of whole bytes are passed: 1 float, 2
 * uint8, 3 int8, 4 uint16, 5 int16, 6 int32, 7 int64, 9 bool, 10 float16, 11 double, 12 uint32, 13 uint64, 14
 * complex64, 15 complex128, 16 bfloat16, 17 to 20 float8, 24 float8e8m0. Tensors are dense and row-major.
 * Text is UTF-8.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OAG_PLUGIN_ABI_VERSION 1u
#define OAG_PLUGIN_ERROR_BYTES 1024
#define OAG_PLUGIN_MOST_DIMS 64
#define OAG_PLUGIN_ENTRY_NAME "oag_plugin_entry"

/* The host's: a node of a model, one call of a shape function, one execution of a node. */
typedef struct oag_node oag_node;
typedef struct oag_shapes oag_shapes;
typedef struct oag_run oag_run;

/* --- attributes --- */

typedef int32_t oag_attribute_kind; /* one of */
enum {
  OAG_ATTRIBUTE_INT = 0,
  OAG_ATTRIBUTE_FLOAT = 1,
  OAG_ATTRIBUTE_STRING = 2,
  OAG_ATTRIBUTE_INTS = 3,
  OAG_ATTRIBUTE_FLOATS = 4,
  OAG_ATTRIBUTE_STRINGS = 5,
  OAG_ATTRIBUTE_TENSOR = 6
};

typedef struct oag_tensor {
  size_t struct_size;
  int32_t dtype;
  size_t rank;
  const int64_t* dims;
  void* data; /* of inputs and attributes: to be read alone */
  size_t size_bytes;
} oag_tensor;

/* The value of an attribute; it lives as long as the node. Strings and tensors have functions of their own.
 */
typedef struct oag_attribute {
  size_t struct_size;
  oag_attribute_kind kind;
  int64_t int_value;
  float float_value;
  const char* text; /* STRING: `count` bytes, and a NUL */
  const int64_t* ints;
  const float* floats;
  size_t count; /* of bytes, ints, floats or strings */
} oag_attribute;

/* --- dims --- */

/* A dim is known (symbol 0, value) or an expression that runs will know (symbol, of this call alone). */
typedef struct oag_dim {
  int64_t value;
  int64_t symbol;
} oag_dim;

typedef int32_t oag_dim_operation; /* one of */
enum {
  OAG_DIM_ADD = 0,
  OAG_DIM_SUBTRACT = 1,
  OAG_DIM_MULTIPLY = 2,
  OAG_DIM_FLOOR_DIVIDE = 3,
  OAG_DIM_CEIL_DIVIDE = 4,
  OAG_DIM_MIN = 5,
  OAG_DIM_MAX = 6
};

/* --- what the engine does for a plugin --- */

typedef struct oag_plugin_host {
  size_t struct_size;
  uint32_t abi_version;

  /* Of a node. Inputs that are left out count. Attributes are 0 where there is none of the name and kind. */
  size_t (*input_count)(const oag_node* node);
  size_t (*output_count)(const oag_node* node);
  int32_t (*has_input)(const oag_node* node, size_t input);
  int32_t (*has_output)(const oag_node* node, size_t output);
  int32_t (*attribute)(const oag_node* node, const char* name, oag_attribute* value);
  const char* (*attribute_string)(const oag_node* node, const char* name, size_t index, size_t* size_bytes);
  int32_t (*attribute_tensor)(const oag_node* node, const char* name, oag_tensor* tensor);

  /* Of a shape function. `input_rank` is -1 where the rank is unknown; the others are 0 where they fail, and
   * `input_ints` where the input is no constant of int32 or int64. */
  int32_t (*input_dtype)(oag_shapes* shapes, size_t input);
  int64_t (*input_rank)(oag_shapes* shapes, size_t input);
  int32_t (*input_dim)(oag_shapes* shapes, size_t input, size_t axis, oag_dim* dim);
  int32_t (*input_ints)(oag_shapes* shapes, size_t input, const int64_t** values, size_t* count);
  int32_t (*compute_dim)(oag_shapes* shapes, oag_dim_operation operation, oag_dim left, oag_dim right,
                         oag_dim* dim);
  int32_t (*new_dim)(oag_shapes* shapes, const char* hint, oag_dim* dim); /* known once the kernel ran */
  int32_t (*set_output)(oag_shapes* shapes, size_t output, int32_t dtype, int64_t rank, const oag_dim* dims);

  /* Of a run. `output` is 0 where the dims depend on data: `allocate_output` gives that output its memory,
   * once. A tile of parallel_for calls none of `allocate_output`, `workspace` and `parallel_for`, and
   * `output` for those alone that were made before. */
  int32_t (*input)(oag_run* run, size_t input, oag_tensor* tensor); /* 0: left out */
  int32_t (*output)(oag_run* run, size_t output, oag_tensor* tensor);
  int32_t (*allocate_output)(oag_run* run, size_t output, int32_t dtype, size_t rank, const int64_t* dims,
                             oag_tensor* tensor);
  void* (*workspace)(oag_run* run, size_t size_bytes); /* aligned to 64 bytes; NULL: refused */
  int32_t (*should_stop)(oag_run* run);
  int32_t (*workers)(oag_run* run); /* `worker` is below this */
  /* Calls tile(state, i, worker) for i below `tiles`, on several threads. 0: the run was stopped; return. */
  int32_t (*parallel_for)(oag_run* run, int64_t tiles, int64_t ns_per_tile,
                          void (*tile)(void* state, int64_t i, int32_t worker), void* state);
} oag_plugin_host;

/* --- what a plugin is --- */

typedef struct oag_parameter {
  const char* name;
  const char* description;
  const char* type_variable; /* inputs and outputs of one variable have one element type; "" for none */
  uint64_t dtypes;           /* bit n: the element type n is taken */
  int32_t optional;
  int32_t variadic; /* the last one only */
} oag_parameter;

typedef struct oag_attribute_spec {
  const char* name;
  const char* description;
  oag_attribute_kind kind;
  int32_t required;
} oag_attribute_spec;

/* How nodes of an operator run on a device: the engine takes the first one for the device it computes on. One
 * kernel is made for each node of a compiled model; several threads run it at once. */
typedef struct oag_kernel {
  size_t struct_size;
  const char* device; /* "cpu", whose tensors lie in memory of the host, is the one that this engine has */
  const void* state;  /* handed to `create` */
  int32_t (*create)(const void* state, const oag_plugin_host* host, const oag_node* node, void** kernel,
                    char* error);
  int32_t (*compute)(void* kernel, const oag_plugin_host* host, const oag_node* node, oag_run* run,
                     char* error);
  void (*destroy)(void* kernel);
} oag_kernel;

typedef struct oag_operator {
  size_t struct_size;
  const char* domain;
  const char* name;
  const char* description;
  size_t input_count;
  const oag_parameter* inputs;
  size_t output_count;
  const oag_parameter* outputs;
  size_t attribute_count;
  const oag_attribute_spec* attributes;
  int32_t deterministic; /* equal inputs give equal outputs */
  const void* state;     /* handed to `shapes` */
  /* Sets the type of each output, the same for the same inputs: it is called several times, also with other
   * symbols for the same dims. NULL: dims depend on data, element types follow the type variables. */
  int32_t (*shapes)(const void* state, const oag_plugin_host* host, const oag_node* node, oag_shapes* shapes,
                    char* error);
  size_t kernel_count;
  const oag_kernel* const* kernels;
} oag_operator;

typedef struct oag_plugin {
  size_t struct_size;
  uint32_t abi_version; /* OAG_PLUGIN_ABI_VERSION */
  size_t operator_count;
  const oag_operator* const* operators;
} oag_plugin;

/* `const oag_plugin* oag_plugin_entry(const oag_plugin_host*)`: what it returns lives as long as the library.
 * NULL: this host does not suit. */
typedef const oag_plugin* (*oag_plugin_entry_function)(const oag_plugin_host* host);

#ifdef __cplusplus
}
#endif
