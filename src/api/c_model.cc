// The C API: devices, runtimes, models, text and tokens.
#include <algorithm>
#include <cstring>

#include "api/c_messages.h"
#include "api/c_status.h"
#include "api/c_struct.h"

using openautoglm::guarded;
using openautoglm::read_struct;
using openautoglm::require;
using openautoglm::write_struct;

namespace {

template <size_t kSize>
void copy_text(char (&to)[kSize], const std::string& from) {
  const size_t size = std::min(from.size(), kSize - 1);
  std::memcpy(to, from.data(), size);
  to[size] = 0;
}

// Stores how much there is and, where it fits, all of it.
template <typename Element>
oag_status copy_out(std::span<const Element> from, Element* to, size_t capacity, size_t* needed) {
  *needed = from.size();
  if (to == nullptr && capacity == 0) return OAG_OK;
  require(to, "buffer");
  if (from.size() > capacity) {
    return openautoglm::failed(OAG_ERROR_BUFFER_TOO_SMALL,
                               fmt::format("buffer: holds {}, {} are needed", capacity, from.size()));
  }
  std::copy(from.begin(), from.end(), to);
  return OAG_OK;
}

openautoglm::Runtime make_runtime(const oag_runtime_options* options) {
  openautoglm::RuntimeOptions wanted;
  if (options != nullptr) {
    const oag_runtime_options given = read_struct(*options, "oag_runtime_options");
    if (given.device != nullptr) wanted.device = given.device;
    wanted.threads = given.threads;
  }
  return openautoglm::Runtime(wanted);
}

openautoglm::ModelOptions model_options(const oag_model_options* options) {
  openautoglm::ModelOptions wanted;
  if (options == nullptr) return wanted;
  const oag_model_options given = read_struct(*options, "oag_model_options");
  wanted.context_tokens = given.context_tokens;
  wanted.cache_tokens = given.cache_tokens;
  if (given.cache != nullptr) wanted.cache = given.cache;
  if (given.max_parallel != 0) wanted.max_parallel = given.max_parallel;
  wanted.vision = given.vision != 0;
  if (given.vision_file != nullptr) wanted.vision_file = given.vision_file;
  wanted.max_image_pixels = given.max_image_pixels;
  if (given.content_format != nullptr) wanted.content_format = given.content_format;
  return wanted;
}

}  // namespace

extern "C" {

oag_status oag_device_count(size_t* count) {
  return guarded([&] {
    require(count, "count");
    *count = openautoglm::devices().size();
    return OAG_OK;
  });
}

oag_status oag_device_at(size_t index, oag_device_info* info) {
  return guarded([&] {
    require(info, "info");
    const auto devices = openautoglm::devices();
    if (index >= devices.size()) {
      oag::fail(oag::ErrorCode::kInvalidArgument, "index", "{} is outside [0, {})", index, devices.size());
    }
    const openautoglm::DeviceInfo& device = devices[index];
    oag_device_info value = {};
    copy_text(value.name, device.name);
    copy_text(value.description, device.description);
    copy_text(value.architecture, device.architecture);
    value.memory_bytes = device.memory_bytes;
    value.free_memory_bytes = device.free_memory_bytes;
    value.compute_units = device.compute_units;
    write_struct(info, value, "oag_device_info");
    return OAG_OK;
  });
}

oag_status oag_runtime_create(const oag_runtime_options* options, oag_runtime** out) {
  return guarded([&] {
    require(out, "out");
    *out = nullptr;
    *out = new oag_runtime{make_runtime(options)};
    return OAG_OK;
  });
}

void oag_runtime_free(oag_runtime* runtime) {
  delete runtime;
}

oag_status oag_model_load(oag_runtime* runtime, const char* model, const oag_model_options* options,
                          oag_model** out) {
  return guarded([&] {
    require(out, "out");
    *out = nullptr;
    require(model, "model");
    const openautoglm::ModelOptions wanted = model_options(options);
    *out = runtime != nullptr ? new oag_model{{runtime->runtime, model, wanted}}
                              : new oag_model{{make_runtime(nullptr), model, wanted}};
    return OAG_OK;
  });
}

void oag_model_free(oag_model* model) {
  delete model;
}

oag_status oag_model_get_info(const oag_model* model, oag_model_info* info) {
  return guarded([&] {
    require(model, "model");
    require(info, "info");
    const openautoglm::ModelInfo& from = model->model.info();
    oag_model_info value = {};
    value.name = from.name.c_str();
    value.path = from.path.c_str();
    value.architecture = from.architecture.c_str();
    value.precision = from.precision.c_str();
    value.parameters = from.parameters;
    value.weight_bytes = from.weight_bytes;
    value.trained_context_tokens = from.trained_context_tokens;
    value.context_tokens = from.context_tokens;
    value.vocabulary_tokens = from.vocabulary_tokens;
    value.has_chat_template = from.has_chat_template ? 1 : 0;
    write_struct(info, value, "oag_model_info");
    return OAG_OK;
  });
}

oag_status oag_encode(const oag_model* model, const char* text, size_t text_bytes, int parse_special,
                      int add_special, int32_t* ids, size_t capacity, size_t* needed) {
  return guarded([&] {
    require(model, "model");
    require(needed, "needed");
    const auto made = model->model.encode(openautoglm::text_of(text, text_bytes, "text"),
                                          {parse_special != 0, add_special != 0});
    return copy_out<int32_t>(made, ids, capacity, needed);
  });
}

oag_status oag_decode(const oag_model* model, const int32_t* ids, size_t count, int skip_special, char* text,
                      size_t capacity, size_t* needed) {
  return guarded([&] {
    require(model, "model");
    require(needed, "needed");
    if (count > 0) require(ids, "ids");
    const std::string made = model->model.decode({ids, count}, skip_special != 0);
    return copy_out<char>(made, text, capacity, needed);
  });
}

oag_status oag_apply_chat_template(const oag_model* model, const oag_message* messages, size_t count,
                                   int add_generation_prompt, char* text, size_t capacity, size_t* needed) {
  return guarded([&] {
    require(model, "model");
    require(needed, "needed");
    const auto list = openautoglm::messages_of(messages, count);
    const std::string made = model->model.apply_chat_template(list, add_generation_prompt != 0);
    return copy_out<char>(made, text, capacity, needed);
  });
}

}  // extern "C"
