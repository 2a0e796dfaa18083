#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/tensor/dtype.h"
#include "llm/bundle/chat_messages.h"
#include "llm/vision/glm_image_processor.h"
#include "service/net/http_server.h"

namespace oag {

// A model to serve: what `oag` means by MODEL, and the names that requests call it by.
struct ModelSpec {
  std::string source;
  std::string name;                   // empty: the source's own
  std::filesystem::path vision_path;  // empty: the file beside a GGUF model, where there is one
  bool text_only = false;             // without the vision tower
};

// How every model is loaded.
struct ModelSettings {
  int64_t context_tokens = 0;  // 0: the model's, at most kMostDefaultContext, as far as memory goes
  int64_t cache_tokens = 0;    // of all requests together; 0: `parallel` contexts, as far as memory goes
  int64_t parallel = 8;        // answers at work at once
  int64_t max_queue = 256;     // more that may wait
  DType cache_dtype = DType::kF16;
  std::optional<ContentFormat> content_format;  // none: the model's own
  GlmImageOptions image_options;
  size_t picture_cache_bytes = size_t{512} << 20;
  std::optional<int64_t> thinking_budget;  // of requests that name none
  bool agent_grammar = false;              // answers of chats end in one action of the phone agent
  bool detect_repetition = true;
  bool own_sampling = true;  // what a request does not say of sampling, the model's files do
};
inline constexpr int64_t kMostDefaultContext = 32768;

// Pixels of all pictures of a request together, as their headers say: 51 screens of 1080x2400.
inline constexpr int64_t kMostRequestPixels = int64_t{128} << 20;

struct ServeOptions {
  std::vector<ModelSpec> models;
  ModelSettings settings;
  HttpServerOptions http;
  std::vector<std::string> api_keys;    // none: everyone may ask
  std::vector<std::string> admin_keys;  // none: nobody may load and unload
  uint64_t memory_budget = 0;           // bytes, of all models; 0: what is free
  bool strict_fields = false;
  std::chrono::milliseconds comment_interval{5'000};
  std::chrono::milliseconds drain_timeout{60'000};
  std::chrono::milliseconds progress_timeout{60'000};
  int request_workers = 2;
  size_t max_held_bytes = size_t{256} << 20;  // of bodies and waiting pictures of all requests together
};

}  // namespace oag
