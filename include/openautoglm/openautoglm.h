// OpenAutoGLM: language models on this machine, as a C++20 library without other dependencies. ONNX models:
// openautoglm/session.h, which this header includes.
//
//   openautoglm::Runtime runtime;
//   openautoglm::Model model(runtime, "smollm2");
//   auto answer = model.submit({.prompt = "The capital of France is", .max_tokens = 16});
//   std::cout << answer.result().text;
//
// Everything public lives in namespace openautoglm. The library's own classes live in namespace oag under
// other names for the linker, so a program may use both; types here wrap those and share none of their
// layout.
//
// Threads: every member function may be called from any thread at any time, unless it says otherwise;
// construction and destruction of one object are the caller's to order. The library starts threads of its
// own.
//
// Errors: bad input throws Error. Outcomes of a generation (cancelled, failed, out of time) are values.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "openautoglm/export.h"
#include "openautoglm/session.h"

namespace openautoglm {

// "0.1.0"
OPENAUTOGLM_API std::string_view version();

enum class ErrorCode {
  kInvalidArgument,   // the caller's request or option is wrong
  kNotFound,          // a file, model or device that should exist does not
  kCorruptData,       // a file contradicts itself or its format
  kUnsupported,       // well formed, but this build cannot do it
  kOutOfMemory,       // does not fit; the message says how much would
  kIo,                // the operating system refused a read or a write
  kNetwork,           // a peer could not be reached or answered wrongly
  kCancelled,         // stopped on request
  kDeadlineExceeded,  // ran past its deadline
  kInternal,          // a bug of the library
  kBusy,              // a queue is full; the same may be taken later
};

// What every function here throws for bad input. what() is "where: message", one line.
class OPENAUTOGLM_API Error : public std::exception {
 public:
  Error(ErrorCode code, std::string where, std::string message);

  const char* what() const noexcept override;
  ErrorCode code() const noexcept;
  const std::string& where() const noexcept;    // the file, option or tensor it is about
  const std::string& message() const noexcept;  // what was seen, what was expected, what to do

 private:
  struct Parts;
  std::shared_ptr<const Parts> parts_;  // shared, so that copying an exception cannot throw
};

struct DeviceInfo {
  std::string name;          // "oag/cpu:avx2": what RuntimeOptions::device takes
  std::string description;   // for people
  std::string architecture;  // "x86-64"
  uint64_t memory_bytes = 0;
  uint64_t free_memory_bytes = 0;
  int compute_units = 0;
};

// The devices of this machine that this build can compute on, the preferred one first.
OPENAUTOGLM_API std::vector<DeviceInfo> devices();

struct RuntimeOptions {
  std::string
      device;       // ENGINE[@VERSION][/DEVICE[:VARIANT]], such as "cpu" or "oag/cpu:avx2"; empty: the best
  int threads = 0;  // that compute; 0: every processor of this process, at most 4096
};

// `options` with the device and the number of threads that run `model` (as in Model) fastest on this
// processor. What the options name is kept. The first call on a machine loads the model a few times and takes
// seconds; its result is kept in $XDG_CACHE_HOME/openautoglm/autotune.json (~/.cache). What is timed is a
// short context with the attention cache in f16. Errors: as Runtime's and Model's; kUnsupported for a device
// other than the processor.
OPENAUTOGLM_API RuntimeOptions autotune(const std::string& model, const RuntimeOptions& options = {});

// The compute threads and devices that models share. A process that serves several models makes one; two
// Runtimes do not see each other. It lives as long as a Model or Session made from it, even when destroyed
// before.
class OPENAUTOGLM_API Runtime {
 public:
  // Errors: kNotFound or kUnsupported when the device is not there, naming those that are; kInvalidArgument.
  explicit Runtime(const RuntimeOptions& options = {});
  ~Runtime();
  Runtime(Runtime&&) noexcept;
  Runtime& operator=(Runtime&&) noexcept;

 private:
  friend class Model;
  friend class Session;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

using TokenId = int32_t;

// A picture (PNG, JPEG, WebP, told apart by its content): source or bytes is set.
struct Image {
  std::string source = {};  // a file, or a data URI
  std::string bytes = {};   // what such a file holds
};

// Control tokens written in a content, such as "<|im_end|>", stay text, but for the assistant's.
struct Message {
  std::string role;  // "system", "user", "assistant", or what else the model's template knows
  std::string content;
  std::vector<Image> images = {};  // shown before the content, in this order
};

struct EncodeOptions {
  // Control tokens written in the text, such as "<|im_end|>", become those tokens. Off for text of strangers.
  bool parse_special = true;
  bool add_special = true;  // the begin and end tokens that the model asks for are added
};

// How the next token is picked, in this order: penalties, temperature, min-p, top-k, top-p, draw.
struct Sampling {
  float temperature = 0.7f;        // 0: greedy, always the most likely token
  int top_k = 40;                  // draw from the k most likely; 0: all
  float top_p = 0.95f;             // draw from the most likely that together have this probability; 1: all
  float min_p = 0.05f;             // drop those below this fraction of the most likely one's probability
  float repeat_penalty = 1.0f;     // divides logits of tokens in prompt or answer; 1: off
  float frequency_penalty = 0.0f;  // subtracted for each time that the answer has the token
  float presence_penalty = 0.0f;   // subtracted once when the answer has the token
  uint64_t seed = 0;               // the same seed, prompt and batch give the same answer
};

// One token of an answer, as it is made. Valid during the callback.
struct Token {
  TokenId id;
  std::string_view text;  // what it completes: whole UTF-8 characters, often empty
};

// Called for each token of an answer, in order, on a thread of the model; false ends the answer as cancelled.
// It holds up every answer of that model, so it must be quick. An exception ends this answer alone, as
// kError. It must not wait for answers of the same model, nor destroy the Model.
using TokenCallback = std::function<bool(const Token&)>;

struct Request {
  // A text that is continued, token ids that are continued as they stand, or a conversation, which the
  // model's chat template turns into a prompt for the next answer.
  std::variant<std::string, std::vector<TokenId>, std::vector<Message>> prompt = {};
  EncodeOptions encode = {};  // for a text
  int64_t max_tokens = -1;    // longest answer; 0: only read the prompt; -1: until the context is full
  Sampling sampling = {};
  bool ignore_end = false;             // go on past end tokens
  std::vector<std::string> stop = {};  // texts that end the answer; not part of it
  int64_t lookup_tokens = 0;           // guessed at a time by prompt lookup, 0 to 16; the answer is the same
  int priority = 0;                    // higher ones are admitted, and their prompts read, first
  std::optional<std::chrono::steady_clock::time_point> deadline = {};  // past it, the answer ends as kError
  TokenCallback on_token = {};
  // For a text or token ids: each picture takes the next image token of the prompt ("<|image|>" with
  // encode.parse_special), which becomes as many as the picture takes. Those of a conversation stand in its
  // messages. Needs ModelOptions::vision.
  std::vector<Image> images = {};
};

enum class FinishReason { kStop, kLength, kCancelled, kError };

struct Result {
  FinishReason finish_reason = FinishReason::kError;
  std::string error;               // with kError: one line
  std::string text;                // well-formed UTF-8
  std::vector<TokenId> token_ids;  // without the end token
  int64_t prompt_tokens = 0;
  int64_t drafted_tokens = 0;   // guessed by prompt lookup
  int64_t accepted_tokens = 0;  // of these, right
  double queue_ms = 0;          // submitted to first scheduled
  double prefill_ms = 0;        // first scheduled to first token
  double ttft_ms = 0;           // submitted to first token
  double decode_ms = 0;         // first token to last
};

// An answer in progress. It may outlive its Model, whose end cancels it.
class OPENAUTOGLM_API Generation {
 public:
  // Cancels what still runs and waits for it: afterwards the callback is not called any more. Inside that
  // callback it only cancels.
  ~Generation();
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;

  bool done() const;  // never blocks

  // Waits until it has ended and given back its memory, or the time is over; returns done(). Errors:
  // kInvalidArgument inside a callback of the same model, which would wait for itself.
  bool wait_for(std::chrono::milliseconds time) const;

  void cancel();  // returns at once

  // Waits for the end. The reference lives as long as this object. Errors: as wait_for().
  const Result& result() const;

 private:
  friend class Model;
  struct Impl;
  explicit Generation(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct ModelOptions {
  int64_t context_tokens = 0;    // longest prompt and answer together; 0: the model's, at most 4096
  int64_t cache_tokens = 0;      // attention cache of all answers together; 0: one full context
  std::string cache = "f16";     // its storage: "f32", "f16" or "q8_0"
  int max_parallel = 8;          // answers at work at once, at least 1; more wait
  bool vision = false;           // load the vision tower too, so that prompts may have pictures
  std::string vision_file = {};  // its file (mmproj); empty: the one beside the model, or in its folder
  int64_t max_image_pixels = 0;  // pixel budget of a picture, counted twice as the model's own is; 0: that
  // How pictures and text of a message join: "list", as in transformers; "string", with a newline between, as
  // vLLM's --chat-template-content-format string; "auto": string for AutoGLM, else list.
  std::string content_format = "auto";
};

struct ModelInfo {
  std::string name;          // as the file says, or the file's own
  std::string path;          // of the file
  std::string architecture;  // "llama"
  std::string precision;     // the storage that holds most of the weights: "q4_1"
  int64_t parameters = 0;
  uint64_t weight_bytes = 0;           // as stored
  int64_t trained_context_tokens = 0;  // what the model was made for
  int64_t context_tokens = 0;          // what it was loaded with
  int64_t vocabulary_tokens = 0;
  bool has_chat_template = false;  // false: conversations use that of the model's family
};

// A loaded language model that answers many requests at once.
class OPENAUTOGLM_API Model {
 public:
  // `model` is a GGUF file, a folder that holds one, a Hugging Face folder, or a name that `oag models` lists
  // (in builds with the network part; what was not pulled yet is not fetched here). Blocks while it loads.
  // Errors: kNotFound, kCorruptData, kUnsupported, kOutOfMemory before memory is taken, kInvalidArgument for
  // options; with `vision` also for a model that has no tower.
  Model(const Runtime& runtime, const std::string& model, const ModelOptions& options = {});
  // Cancels its generations and waits for them. Inside a callback of one of them it only cancels.
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  const ModelInfo& info() const;

  // Text to token ids. Any bytes are accepted. Errors: kInvalidArgument above 256 MiB.
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const;

  // Token ids to well-formed UTF-8; with skip_special control tokens print nothing. Errors: kInvalidArgument
  // for an id out of range.
  std::string decode(std::span<const TokenId> ids, bool skip_special = true) const;

  // A conversation as the prompt text that the model was trained on, with the start of the next answer when
  // add_generation_prompt. One image token stands for each picture, which is not looked at. Errors:
  // kInvalidArgument with the template's own message for what it refuses.
  std::string apply_chat_template(std::span<const Message> messages, bool add_generation_prompt = true) const;

  // Queues a request and returns at once, but for pictures: the vision tower reads them first, on the calling
  // thread, which takes seconds for a whole screen. Errors: kInvalidArgument for an empty prompt, one longer
  // than the context, options out of range, or pictures without a place in the prompt and the reverse; kBusy
  // when 1,024 requests wait already; for pictures also kNotFound, kCorruptData, kUnsupported, kOutOfMemory,
  // and kDeadlineExceeded when the deadline comes before they are read.
  [[nodiscard]] Generation submit(Request request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace openautoglm
