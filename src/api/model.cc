#include <algorithm>
#include <iterator>
#include <mutex>
#include <optional>

#include "api/generation_impl.h"
#include "api/model_path.h"
#include "api/pictures.h"
#include "api/runtime_impl.h"
#include "api/translate.h"
#include "llm/bundle/chat_prompt.h"
#include "llm/generate/language_model.h"
#include "llm/text/chat_template.h"

namespace openautoglm {
namespace {

using oag::fail;
using InternalCode = oag::ErrorCode;

constexpr int64_t kDefaultContextTokens = 4096;
constexpr int kMaxParallel = 4096;

oag::DType cache_dtype(const std::string& name) {
  if (name == "f32") return oag::DType::kF32;
  if (name == "f16") return oag::DType::kF16;
  if (name == "q8_0") return oag::DType::kQ8_0;
  fail(InternalCode::kInvalidArgument, "cache", "must be f32, f16 or q8_0, not \"{}\"", name);
}

oag::LanguageModelOptions internal_options(const ModelOptions& options, const oag::ModelBundle& bundle) {
  if (options.context_tokens < 0 || options.cache_tokens < 0) {
    fail(InternalCode::kInvalidArgument, options.context_tokens < 0 ? "context_tokens" : "cache_tokens",
         "must not be negative");
  }
  if (options.max_parallel < 1 || options.max_parallel > kMaxParallel) {
    fail(InternalCode::kInvalidArgument, "max_parallel", "must be 1 to {}, not {}", kMaxParallel,
         options.max_parallel);
  }
  oag::LanguageModelOptions internal;
  internal.runner.context_tokens = options.context_tokens > 0
                                       ? options.context_tokens
                                       : std::min(bundle.config.context_tokens, kDefaultContextTokens);
  internal.runner.cache_tokens = options.cache_tokens;
  internal.runner.cache_dtype = cache_dtype(options.cache);
  internal.max_sequences = options.max_parallel;
  return internal;
}

oag::ContentFormat wanted_content_format(const ModelOptions& options, const oag::ModelBundle& bundle) {
  if (options.content_format == "auto") return oag::own_content_format(bundle);
  if (options.content_format == "list") return oag::ContentFormat::kList;
  if (options.content_format == "string") return oag::ContentFormat::kString;
  fail(InternalCode::kInvalidArgument, "content_format", "must be auto, list or string, not \"{}\"",
       options.content_format);
}

// All pictures of a request, in the order of their places.
std::vector<Image> pictures_of(Request& request) {
  auto* messages = std::get_if<std::vector<Message>>(&request.prompt);
  if (messages == nullptr) return std::move(request.images);
  if (!request.images.empty()) {
    fail(InternalCode::kInvalidArgument, "images",
         "are given beside a conversation, whose pictures stand in its messages");
  }
  std::vector<Image> images;
  for (Message& message : *messages) std::ranges::move(message.images, std::back_inserter(images));
  return images;
}

}  // namespace

struct Model::Impl {
  Impl(const std::shared_ptr<oag::Runtime>& runtime, const std::string& name, const ModelOptions& options)
      : bundle(oag::load_bundle(oag::find_model_file(name), {options.vision, options.vision_file})),
        content_format(wanted_content_format(options, bundle)),
        pictures(runtime, bundle, options),
        model(runtime, bundle, internal_options(options, bundle)) {
    const oag::RunnerOptions& runner = model.runner().options();
    info = {bundle.name(),
            bundle.path.string(),
            bundle.config.architecture,
            bundle.precision(),
            bundle.parameters(),
            bundle.weight_bytes(),
            bundle.config.context_tokens,
            runner.context_tokens,
            static_cast<int64_t>(bundle.tokenizer->size_tokens()),
            !bundle.template_is_fallback()};
  }

  oag::ChatTemplate compiled_template();
  // With the marks of shield_control_tokens.
  std::string render(std::span<const Message> messages, bool add_generation_prompt);
  std::vector<oag::TokenId> prompt_ids(const Request& request);

  oag::ModelBundle bundle;
  oag::ContentFormat content_format;
  Pictures pictures;
  ModelInfo info;
  std::shared_ptr<CallbackThread> callback_thread = std::make_shared<CallbackThread>();
  std::mutex mutex;
  std::optional<oag::ChatTemplate> chat_template;  // under mutex; compiled on first use
  oag::LanguageModel model;                        // last: its end waits for callbacks
};

oag::ChatTemplate Model::Impl::compiled_template() {
  std::lock_guard lock(mutex);
  if (!chat_template) chat_template = oag::compile_chat_template(bundle);
  return *chat_template;
}

std::string Model::Impl::render(std::span<const Message> messages, bool add_generation_prompt) {
  oag::Json list = oag::Json::array();
  for (const Message& message : messages) {
    oag::Json made = oag::user_message(message.content, message.images.size());
    made["role"] = message.role;
    list.push_back(std::move(made));
  }
  const oag::ChatMessages chat = oag::read_chat_messages(*bundle.tokenizer, list, content_format);
  return oag::render_chat(compiled_template(), *bundle.tokenizer, chat.list, add_generation_prompt);
}

std::vector<oag::TokenId> Model::Impl::prompt_ids(const Request& request) {
  if (const auto* ids = std::get_if<std::vector<TokenId>>(&request.prompt)) return *ids;
  if (const auto* text = std::get_if<std::string>(&request.prompt)) {
    return bundle.tokenizer->encode(*text, {request.encode.parse_special, request.encode.add_special});
  }
  const auto& messages = std::get<std::vector<Message>>(request.prompt);
  if (messages.empty()) fail(InternalCode::kInvalidArgument, "prompt", "the conversation has no messages");
  return oag::encode_rendered_chat(*bundle.tokenizer, render(messages, true));
}

Model::Model(const Runtime& runtime, const std::string& model, const ModelOptions& options) {
  translated([&] { impl_ = std::make_unique<Impl>(runtime.impl_->runtime, model, options); });
}

Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

const ModelInfo& Model::info() const {
  return impl_->info;
}

std::vector<TokenId> Model::encode(std::string_view text, const EncodeOptions& options) const {
  return translated(
      [&] { return impl_->bundle.tokenizer->encode(text, {options.parse_special, options.add_special}); });
}

std::string Model::decode(std::span<const TokenId> ids, bool skip_special) const {
  return translated([&] { return impl_->bundle.tokenizer->decode(ids, skip_special); });
}

std::string Model::apply_chat_template(std::span<const Message> messages, bool add_generation_prompt) const {
  return translated([&] { return oag::shown_chat(impl_->render(messages, add_generation_prompt)); });
}

Generation Model::submit(Request request) {
  return translated([&] {
    oag::GenerationRequest internal;
    internal.prompt = impl_->prompt_ids(request);
    internal.max_tokens = request.max_tokens;
    internal.sampling = internal_sampling(request.sampling);
    internal.ignore_end = request.ignore_end;
    internal.stop = std::move(request.stop);
    internal.lookup_tokens = request.lookup_tokens;
    internal.priority = request.priority;
    internal.deadline = request.deadline;
    impl_->pictures.place(pictures_of(request), internal);
    std::shared_ptr<MutableCallback> callback;
    if (request.on_token) {
      callback = std::make_shared<MutableCallback>(std::move(request.on_token), impl_->callback_thread);
      internal.on_token = [callback](const oag::TokenEvent& event) { return callback->call(event); };
    }
    return Generation(std::make_unique<Generation::Impl>(impl_->model.submit(std::move(internal)),
                                                         std::move(callback), impl_->callback_thread));
  });
}

}  // namespace openautoglm
