// oag serve: the model server.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "api/backends.h"
#include "api/model_path.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/config_file.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "service/serve/browser_guard.h"
#include "service/serve/service.h"

namespace oag::cli {
namespace {

constexpr int64_t kMostTokens = int64_t{1} << 31;

struct ServeFlags {
  ServeOptions serve;
  ModelOptions machine;  // device, threads and cache
  std::vector<std::string> sources, names;
  std::string vision_file, api_key_file, admin_key_file, config, log_level;
  bool text_only = false, no_repetition = false;
  int64_t port = 8000, drain_s = 60, comment_s = 5, progress_s = 60, memory_mb = 0, body_mb = 64,
          thinking = -1;
};

void declare_models(CLI::App& command, ServeFlags& flags) {
  ModelSettings& settings = flags.serve.settings;
  command.add_option("MODEL", flags.sources, "What to serve; several are told apart by their names")
      ->check(not_empty());
  command
      .add_option("--name", flags.names,
                  "The name that requests call a model by; one for each MODEL, in order")
      ->check(not_empty())
      ->expected(1)
      ->take_all();
  declare_vision_file(command, flags.vision_file);
  command.add_flag("--text-only", flags.text_only, "Serve a model that sees without its vision tower");
  flags.machine.declare_compute(command);
  command
      .add_option("--ctx", settings.context_tokens,
                  "Longest prompt and answer together, in tokens (default: the model's,\nat most 32768, as "
                  "far as memory goes)")
      ->check(whole_number(1, kMostTokens));
  command
      .add_option("--cache-tokens", settings.cache_tokens,
                  "Size of the KV cache, which all answers share, in tokens (default:\n--parallel contexts, "
                  "as far as memory goes)")
      ->check(whole_number(1, kMostTokens));
  command.add_option("--parallel", settings.parallel, "Answers at work at once")
      ->check(whole_number(1, 1024))
      ->capture_default_str();
  command.add_option("--queue", settings.max_queue, "More that may wait; beyond, requests get a 429")
      ->check(whole_number(0, 1 << 20))
      ->capture_default_str();
  command
      .add_option("--memory-budget", flags.memory_mb, "MB for all models together (default: what is free)")
      ->check(whole_number(1, uint64_t{1} << 40));
  declare_content_format(command, settings.content_format);
  declare_max_pixels(command, settings.image_options);
}

void declare_answers(CLI::App& command, ServeFlags& flags) {
  command
      .add_option("--thinking-budget", flags.thinking,
                  "End thoughts of chats after N tokens (default: never)")
      ->check(whole_number(0, kMostTokens));
  command.add_flag("--agent-grammar", flags.serve.settings.agent_grammar,
                   "Behind <answer>, only actions of the phone agent: do(…) or finish(…)");
  command
      .add_option_function<std::string>(
          "--generation-config",
          [&flags](const std::string& name) { flags.serve.settings.own_sampling = name == "auto"; },
          "Where temperature, top_p, top_k, min_p and repetition_penalty come from that a request leaves\n"
          "out: auto: generation_config.json or the GGUF's general.sampling keys; none: OpenAI's defaults")
      ->check(CLI::IsMember({"auto", "none"}))
      ->default_str("auto");
  command.add_flag("--no-repetition-check", flags.no_repetition, "Let answers repeat themselves for ever");
  command.add_flag("--strict-fields", flags.serve.strict_fields,
                   "Refuse unknown fields of requests (default: a warning in X-OAG-Warning)");
}

void declare_network(CLI::App& command, ServeFlags& flags) {
  HttpServerOptions& http = flags.serve.http;
  command.add_option("--host", http.host, "Address to listen on; \"*\" for every network")
      ->capture_default_str();
  command.add_option("--port", flags.port, "Port to listen on; 0: a free one")
      ->check(whole_number(0, 65535))
      ->capture_default_str();
  command
      .add_option("--api-key", flags.serve.api_keys,
                  "A key that requests need; may be given several times. Others on this\nmachine see it: "
                  "--api-key-file hides it")
      ->expected(1)
      ->take_all();
  command.add_option("--api-key-file", flags.api_key_file, "Keys, one a line");
  command.add_option("--admin-key-file", flags.admin_key_file,
                     "Keys for loading and unloading models, one a line (default: nobody may)");
  command.add_option("--tls-cert", http.tls_certificate, "PEM file with the certificate: HTTPS");
  command.add_option("--tls-key", http.tls_key, "PEM file with its key (default: in --tls-cert)");
  command.add_option("--max-connections", http.max_connections, "Connections at once")
      ->check(whole_number(1, 1 << 20))
      ->capture_default_str();
  command.add_option("--max-body", flags.body_mb, "MiB of a request's body")
      ->check(whole_number(1, 1024))
      ->capture_default_str();
  command
      .add_option("--comment-interval", flags.comment_s, "Seconds between comments on a stream that waits")
      ->check(whole_number(1, 3600))
      ->capture_default_str();
  command.add_option("--drain", flags.drain_s, "Seconds that answers at work have to end after SIGTERM")
      ->check(whole_number(0, 86400))
      ->capture_default_str();
  command
      .add_option("--progress-timeout", flags.progress_s,
                  "Seconds without a step after which /progressz is 503")
      ->check(whole_number(1, 86400))
      ->capture_default_str();
  command
      .add_option("--log-level", flags.log_level,
                  "What is logged on standard error (default: OAG_LOG, else info: a line for each request,\n"
                  "nothing of its content)")
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}));
  command.add_option("--config", flags.config,
                     "JSON file of these options (docs/schemas/serve.json); the command line wins");
}

std::vector<std::string> keys_of(const std::string& path) {
  std::vector<std::string> keys;
  const std::string text = read_file(path, size_t{1} << 20);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string key = text.substr(at, end - at);
    if (key.ends_with('\r')) key.pop_back();
    if (!key.empty()) keys.push_back(std::move(key));
    at = end + 1;
  }
  if (keys.empty()) fail(ErrorCode::kInvalidArgument, printable(path), "holds no key; expected one a line");
  return keys;
}

void complete(ServeFlags& flags) {
  ServeOptions& serve = flags.serve;
  if (flags.sources.empty()) usage_error("MODEL", "is missing: what is to be served?");
  if (!flags.names.empty() && flags.names.size() != flags.sources.size())
    usage_error("--name", "is given {} times for {} models; one for each, in order", flags.names.size(),
                flags.sources.size());
  for (size_t i = 0; i < flags.sources.size(); ++i)
    serve.models.push_back(
        {flags.sources[i], flags.names.empty() ? "" : flags.names[i], flags.vision_file, flags.text_only});
  const auto add_keys = [](std::vector<std::string>& keys, const std::string& file) {
    if (!file.empty()) std::ranges::move(keys_of(file), std::back_inserter(keys));
  };
  add_keys(serve.api_keys, flags.api_key_file);
  add_keys(serve.admin_keys, flags.admin_key_file);
  if (std::ranges::find(serve.api_keys, "") != serve.api_keys.end())
    usage_error("--api-key", "is empty, which anybody has");
  if (serve.http.tls_certificate.empty() && !serve.http.tls_key.empty())
    usage_error("--tls-key", "stands alone; --tls-cert names its certificate");
  if (!flags.vision_file.empty() && flags.sources.size() > 1)
    usage_error("--mmproj", "is for one model; load the others with /admin/models/load");
  serve.settings.cache_dtype = *dtype_from_name(flags.machine.cache);
  serve.settings.detect_repetition = !flags.no_repetition;
  if (flags.thinking >= 0) serve.settings.thinking_budget = flags.thinking;
  serve.http.port = static_cast<uint16_t>(flags.port);
  serve.http.max_body_bytes = static_cast<size_t>(flags.body_mb) << 20;
  serve.memory_budget = static_cast<uint64_t>(flags.memory_mb) * 1'000'000;
  serve.drain_timeout = std::chrono::seconds(flags.drain_s);
  serve.comment_interval = std::chrono::seconds(flags.comment_s);
  serve.progress_timeout = std::chrono::seconds(flags.progress_s);
}

// Whoever is on the network may ask a server without keys.
void warn_of_open_door(const ServeOptions& serve, bool keyed) {
  if (!is_loopback_host(serve.http.host) && !keyed)
    log(LogLevel::kWarning, "{} is reachable from other machines, and no --api-key is asked for",
        serve.http.host);
}

void start_log(const ServeFlags& flags) {
  set_log_for_service();
  if (!flags.log_level.empty()) set_log_level(*log_level_from_name(flags.log_level));
}

void log_start(const ServeOptions& serve, const Runtime& runtime) {
  const DeviceProperties& device = runtime.devices().front()->properties();
  log(LogLevel::kInfo, "oag {} on {} ({}), {} threads; API keys: {}, admin keys: {}", OAG_VERSION,
      device.name, device.description, runtime.pool().threads(), serve.api_keys.size(),
      serve.admin_keys.size());
}

int serve(CLI::App& command, ServeFlags& flags) {
  constexpr auto kLook = std::chrono::milliseconds(100);
  if (!flags.config.empty()) apply_config_file(command, flags.config);
  complete(flags);
  const bool keyed = !flags.serve.api_keys.empty();
  start_log(flags);
  InterruptScope interrupt;
  const auto runtime = make_runtime(flags.machine);
  log_start(flags.serve, *runtime);
  Service service(flags.serve, runtime, [](const std::string& source) { return find_model_file(source); });
  service.start();
  warn_of_open_door(flags.serve, keyed);
  if (!InterruptScope::interrupted()) fmt::print("listening on {}\n", service.url());
  std::fflush(stdout);
  while (!InterruptScope::interrupted()) std::this_thread::sleep_for(kLook);
  log(LogLevel::kInfo, "ending: answers at work have {} s, a second signal ends at once", flags.drain_s);
  service.drain();
  log(LogLevel::kInfo, "ended");
  return kExitOk;
}

void declare(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* command = app.add_subcommand("serve", "Serve models to OpenAI's clients and to Open-AutoGLM");
  command->footer(
      "When everything is loaded and warm, standard output gets one line, \"listening on "
      "http://HOST:PORT\".\n"
      "The page at that address is a chat. docs/serving.md has the API, its limits and examples.");
  declare_models(*command, *flags);
  declare_answers(*command, *flags);
  declare_network(*command, *flags);
  command->callback([flags, command, &exit_code] { exit_code = serve(*command, *flags); });
}

}  // namespace

extern constinit const Command kServeCommand = {declare};

}  // namespace oag::cli
