/* OpenAutoGLM: language models on this machine, as a C11 library.
 *
 * Status: functions that can fail return an oag_status; nothing else crosses this edge, no exception among
 * it. After a failure oag_last_error() holds one line about it, of the calling thread alone. Results are
 * stored through pointers, only on OAG_OK unless a function says otherwise; an `out` handle is NULL after a
 * failure.
 *
 * NULL: a pointer that a function needs gives OAG_ERROR_INVALID_ARGUMENT. Options may be NULL for the
 * defaults. Every *_free accepts NULL.
 *
 * Ownership: what a function stores in an `out` handle is the caller's, to be given to its *_free once, when
 * no other thread uses it. Strings and arrays that the caller passes are copied before a function returns.
 * What is read from a handle lives as long as the handle.
 *
 * Threads: every function may be called from any thread, on the same handle too; only *_free is the caller's
 * to order. A runtime may be freed before its models, and a model before its generations, which it cancels.
 *
 * Structs start with struct_size, the sizeof in the caller's header; the *_INIT macros fill it and the
 * defaults. A library that is newer than the header then knows which fields there are; an older one refuses a
 * struct with fields it does not know unless they are 0. Text is UTF-8.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define OAG_API __attribute__((visibility("default")))
#else
#define OAG_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t oag_status; /* one of */
enum {
  OAG_OK = 0,
  OAG_ERROR_INVALID_ARGUMENT = 1,  /* the caller's request or option is wrong */
  OAG_ERROR_NOT_FOUND = 2,         /* a file, model or device that should exist does not */
  OAG_ERROR_CORRUPT_DATA = 3,      /* a file contradicts itself or its format */
  OAG_ERROR_UNSUPPORTED = 4,       /* well formed, but this build cannot do it */
  OAG_ERROR_OUT_OF_MEMORY = 5,     /* does not fit; the message says how much would */
  OAG_ERROR_IO = 6,                /* the operating system refused a read or a write */
  OAG_ERROR_NETWORK = 7,           /* a peer could not be reached or answered wrongly */
  OAG_ERROR_CANCELLED = 8,         /* stopped on request */
  OAG_ERROR_DEADLINE_EXCEEDED = 9, /* ran past its deadline */
  OAG_ERROR_INTERNAL = 10,         /* a bug of the library */
  OAG_ERROR_BUSY = 11,             /* a queue is full; the same may be taken later */
  OAG_ERROR_BUFFER_TOO_SMALL = 12  /* nothing was written; the needed size was stored */
};

/* "invalid argument", … ; static. */
OAG_API const char* oag_status_name(oag_status status);

/* What the last failed call of this thread said, "" when none failed; until the thread's next failure. */
OAG_API const char* oag_last_error(void);

/* "0.1.0"; static. */
OAG_API const char* oag_version(void);

/* For text lengths: the text ends at its NUL. */
#define OAG_NUL_TERMINATED SIZE_MAX

/* --- devices and runtimes --- */

typedef struct oag_device_info {
  size_t struct_size;
  char name[64];         /* "oag/cpu:avx2": what oag_runtime_options.device takes */
  char description[128]; /* for people */
  char architecture[32]; /* "x86-64" */
  uint64_t memory_bytes;
  uint64_t free_memory_bytes;
  int32_t compute_units;
} oag_device_info;

OAG_API oag_status oag_device_count(size_t* count);

/* Fills *info, whose struct_size the caller has set. The preferred device has index 0. */
OAG_API oag_status oag_device_at(size_t index, oag_device_info* info);

/* The compute threads and devices that models share. Two runtimes do not see each other. */
typedef struct oag_runtime oag_runtime;

typedef struct oag_runtime_options {
  size_t struct_size;
  const char*
      device;      /* ENGINE[@VERSION][/DEVICE[:VARIANT]], such as "cpu" or "oag/cpu:avx2"; NULL: the best */
  int32_t threads; /* that compute; 0: every processor of this process, at most 4096 */
} oag_runtime_options;

#define OAG_RUNTIME_OPTIONS_INIT {sizeof(oag_runtime_options), NULL, 0}

OAG_API oag_status oag_runtime_create(const oag_runtime_options* options, oag_runtime** out);
OAG_API void oag_runtime_free(oag_runtime* runtime);

/* --- models --- */

/* A loaded language model that answers many requests at once. */
typedef struct oag_model oag_model;

typedef struct oag_model_options {
  size_t struct_size;
  int64_t context_tokens; /* longest prompt and answer together; 0: the model's, at most 4096 */
  int64_t cache_tokens;   /* attention cache of all answers together; 0: one full context */
  const char* cache;      /* its storage, "f32", "f16" or "q8_0"; NULL: "f16" */
  int32_t max_parallel;   /* answers at work at once; more wait; 0: 8 */
  const char*
      vision_file; /* of the vision tower (mmproj); NULL: the one beside the model, or in its folder */
  int64_t max_image_pixels;   /* pixel budget of a picture, counted twice as the model's own is; 0: that */
  const char* content_format; /* how pictures and text of a message join: "list", as in transformers;
                                 "string", with a newline between, as vLLM's --chat-template-content-format
                                 string; "auto" or NULL: string for AutoGLM, else list */
  int32_t vision;             /* not 0: load the vision tower too, so that prompts may have pictures */
} oag_model_options;

#define OAG_MODEL_OPTIONS_INIT {sizeof(oag_model_options), 0, 0, NULL, 0, NULL, 0, NULL, 0}

/* Loads `model`, which is a GGUF file, a folder that holds one, a Hugging Face folder, or a name that `oag
 * models` lists and that was pulled (in builds with the network part). Blocks. A NULL runtime gives the model
 * one of its own. */
OAG_API oag_status oag_model_load(oag_runtime* runtime, const char* model, const oag_model_options* options,
                                  oag_model** out);

/* Cancels the model's generations and waits for them. Inside a token callback of the model it only cancels.
 */
OAG_API void oag_model_free(oag_model* model);

typedef struct oag_model_info {
  size_t struct_size;
  const char* name; /* strings live as long as the model */
  const char* path;
  const char* architecture; /* "llama" */
  const char* precision;    /* the storage that holds most of the weights: "q4_1" */
  int64_t parameters;
  uint64_t weight_bytes; /* as stored */
  int64_t trained_context_tokens;
  int64_t context_tokens; /* what it was loaded with */
  int64_t vocabulary_tokens;
  int32_t has_chat_template; /* 0: conversations use that of the model's family */
} oag_model_info;

/* Fills *info, whose struct_size the caller has set. */
OAG_API oag_status oag_model_get_info(const oag_model* model, oag_model_info* info);

/* --- text and tokens ---
 * These write at most `capacity` elements and store the full number in *needed. When that is more than
 * `capacity` nothing is written and the status is OAG_ERROR_BUFFER_TOO_SMALL, or OAG_OK when the buffer is
 * NULL and capacity 0, which asks for the size. Texts get no NUL. */

/* A picture (PNG, JPEG, WebP, told apart by its content): source or bytes is set. */
typedef struct oag_image {
  size_t struct_size;
  const char* source; /* a file, or a data URI */
  const void* bytes;  /* what such a file holds */
  size_t byte_count;
} oag_image;

#define OAG_IMAGE_SOURCE(source) {sizeof(oag_image), source, NULL, 0}
#define OAG_IMAGE_BYTES(bytes, byte_count) {sizeof(oag_image), NULL, bytes, byte_count}

/* Control tokens written in a content, such as "<|im_end|>", stay text, but for the assistant's. */
typedef struct oag_message {
  size_t struct_size;
  const char* role; /* "system", "user", "assistant", or what else the model's template knows */
  const char* content;
  const oag_image* images; /* shown before the content, in this order */
  size_t image_count;
} oag_message;

#define OAG_MESSAGE(role, content) {sizeof(oag_message), role, content, NULL, 0}
#define OAG_MESSAGE_WITH_IMAGES(role, content, images, image_count) \
  {sizeof(oag_message), role, content, images, image_count}

/* parse_special: control tokens written in the text become those tokens (off for text of strangers).
 * add_special: the begin and end tokens that the model asks for are added. */
OAG_API oag_status oag_encode(const oag_model* model, const char* text, size_t text_bytes, int parse_special,
                              int add_special, int32_t* ids, size_t capacity, size_t* needed);

/* skip_special: control tokens print nothing. The text is always well-formed. */
OAG_API oag_status oag_decode(const oag_model* model, const int32_t* ids, size_t count, int skip_special,
                              char* text, size_t capacity, size_t* needed);

/* The messages as the prompt text that the model was trained on. One image token stands for each picture,
 * which is not looked at. */
OAG_API oag_status oag_apply_chat_template(const oag_model* model, const oag_message* messages, size_t count,
                                           int add_generation_prompt, char* text, size_t capacity,
                                           size_t* needed);

/* --- generation --- */

/* An answer in progress. */
typedef struct oag_generation oag_generation;

typedef struct oag_token_event {
  size_t struct_size; /* of the library's header */
  int32_t id;
  const char*
      text; /* what the token completes: whole characters, often empty; no NUL; valid during the call */
  size_t text_bytes;
} oag_token_event;

/* Called for each token of an answer, in order, on a thread of the model; returns 0 to go on, anything else
 * to end the answer as cancelled. It must be quick, must not throw, and must not wait for answers of the same
 * model. After the generation ended or was freed it is not called any more. */
typedef int (*oag_token_callback)(const oag_token_event* event, void* user_data);

typedef struct oag_request {
  size_t struct_size;
  /* Exactly one of three: a text that is continued, token ids that are continued as they stand, or a
   * conversation, which the model's chat template turns into a prompt for the next answer. */
  const char* prompt;
  size_t prompt_bytes; /* OAG_NUL_TERMINATED: up to its NUL */
  const int32_t* prompt_ids;
  size_t prompt_id_count;
  const oag_message* messages;
  size_t message_count;
  int32_t parse_special; /* for a text: as in oag_encode() */
  int32_t add_special;
  int64_t max_tokens; /* longest answer; 0: only read the prompt; -1: until the context is full */
  /* How the next token is picked, in this order: penalties, temperature, min-p, top-k, top-p, draw. */
  float temperature; /* 0: greedy, always the most likely token */
  int32_t top_k;     /* draw from the k most likely; 0: all */
  float top_p;       /* draw from the most likely that together have this probability; 1: all */
  float min_p;       /* drop those below this fraction of the most likely one's probability */
  float repeat_penalty;
  float frequency_penalty;
  float presence_penalty;
  uint64_t seed;           /* the same seed, prompt and batch give the same answer */
  const char* const* stop; /* texts that end the answer; not part of it */
  size_t stop_count;
  int32_t ignore_end;  /* not 0: go on past end tokens */
  int32_t priority;    /* higher ones are admitted, and their prompts read, first */
  int64_t deadline_ms; /* from now; past it the answer ends as OAG_FINISH_ERROR; 0: none */
  oag_token_callback on_token;
  void* user_data;
  /* For a text or token ids: each picture takes the next image token of the prompt ("<|image|>" with
   * parse_special), which becomes as many as the picture takes. Those of a conversation stand in its
   * messages. Needs oag_model_options.vision. */
  const oag_image* images;
  size_t image_count;
} oag_request;

/* clang-format off */
#define OAG_REQUEST_INIT                                                          \
  {sizeof(oag_request), NULL, OAG_NUL_TERMINATED, NULL, 0, NULL, 0, /* prompt */ \
   1, 1, -1,                                                  /* to max_tokens */ \
   0.7f, 40, 0.95f, 0.05f, 1.0f, 0.0f, 0.0f, 0,                     /* to seed */ \
   NULL, 0, 0, 0, 0, NULL, NULL, NULL, 0}
/* clang-format on */

/* Queues a request and returns at once, but for pictures: the vision tower reads them first, on the calling
 * thread, which takes seconds for a whole screen (OAG_ERROR_DEADLINE_EXCEEDED when that is too long). The
 * callback may run before this returns. OAG_ERROR_BUSY when too many requests wait already. */
OAG_API oag_status oag_generate_submit(oag_model* model, const oag_request* request, oag_generation** out);

/* *done becomes 1 when the generation has ended, else 0. Never blocks. */
OAG_API oag_status oag_generation_poll(const oag_generation* generation, int* done);

/* Waits until it has ended and given back its memory, or timeout_ms is over (negative: no limit); then as
 * oag_generation_poll(). Inside a token callback of the same model: OAG_ERROR_INVALID_ARGUMENT. */
OAG_API oag_status oag_generation_wait(const oag_generation* generation, int64_t timeout_ms, int* done);

/* Asks it to end as cancelled and returns at once. Nothing happens when it has ended. */
OAG_API oag_status oag_generation_cancel(oag_generation* generation);

typedef int32_t oag_finish_reason; /* one of */
enum {
  OAG_FINISH_STOP = 0,      /* an end token or a stop text */
  OAG_FINISH_LENGTH = 1,    /* max_tokens, or the context is full */
  OAG_FINISH_CANCELLED = 2, /* on request, or the model was freed */
  OAG_FINISH_ERROR = 3      /* oag_generation_error() says what */
};

/* These read the outcome; before the end they give OAG_ERROR_INVALID_ARGUMENT. */
OAG_API oag_status oag_generation_finish_reason(const oag_generation* generation, oag_finish_reason* reason);
/* One line, "" unless OAG_FINISH_ERROR. */
OAG_API oag_status oag_generation_error(const oag_generation* generation, const char** message);
/* The whole answer, with a NUL behind it that *text_bytes does not count. text_bytes may be NULL. */
OAG_API oag_status oag_generation_text(const oag_generation* generation, const char** text,
                                       size_t* text_bytes);
/* Without the end token. */
OAG_API oag_status oag_generation_tokens(const oag_generation* generation, const int32_t** ids,
                                         size_t* count);

typedef struct oag_generation_stats {
  size_t struct_size;
  int64_t prompt_tokens;
  int64_t answer_tokens;
  double queue_ms;   /* submitted to first scheduled */
  double prefill_ms; /* first scheduled to first token */
  double ttft_ms;    /* submitted to first token */
  double decode_ms;  /* first token to last */
} oag_generation_stats;

/* Fills *stats, whose struct_size the caller has set. */
OAG_API oag_status oag_generation_get_stats(const oag_generation* generation, oag_generation_stats* stats);

/* Cancels it when it still runs, and waits: afterwards neither the callback nor user_data is used any more.
 * Inside its own callback it only cancels. */
OAG_API void oag_generation_free(oag_generation* generation);

#ifdef __cplusplus
}
#endif
