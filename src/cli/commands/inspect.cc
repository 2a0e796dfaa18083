// oag inspect: what stands in a model file.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "api/model_path.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "engine/ops/verify.h"

namespace oag::cli {
namespace {

constexpr size_t kTemplateLines = 6;
constexpr size_t kTemplateColumns = 100;
constexpr DType kCacheTypes[] = {DType::kF32, DType::kF16, DType::kQ8_0};

struct InspectFlags {
  std::string model;
  bool json = false;
  bool graph = false;
};

struct StorageTotal {
  std::string name;
  uint64_t tensors = 0, values = 0, bytes = 0;
};

// Totals of each storage type, most bytes first.
std::vector<StorageTotal> storage_totals(const std::vector<StoredTensor>& tensors) {
  std::map<std::string, StorageTotal> by_name;
  for (const StoredTensor& tensor : tensors) {
    StorageTotal& total = by_name[tensor.type_name];
    ++total.tensors;
    total.values += static_cast<uint64_t>(element_count(tensor.dims));
    total.bytes += tensor.bytes.size();
  }
  std::vector<StorageTotal> totals;
  for (auto& [name, total] : by_name) {
    total.name = name;
    totals.push_back(total);
  }
  std::sort(totals.begin(), totals.end(), [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  return totals;
}

// The tokens with a part to play, by that part.
std::vector<std::pair<const char*, std::optional<TokenId>>> special_ids(const Vocabulary& vocabulary) {
  return {{"bos", vocabulary.bos}, {"eos", vocabulary.eos},         {"eot", vocabulary.eot},
          {"eom", vocabulary.eom}, {"unknown", vocabulary.unknown}, {"padding", vocabulary.padding}};
}

// A cache type needs heads of whole blocks; nothing when they are not.
std::optional<uint64_t> cache_bytes(const TextConfig& config, DType dtype) {
  if (config.head_size % dtype_info(dtype).block_values != 0) return std::nullopt;
  return cache_bytes_per_token(config, dtype);
}

Json tokenizer_json(const Tokenizer& tokenizer) {
  Json special = Json::object();
  for (const auto& [part, id] : special_ids(tokenizer.vocabulary())) {
    if (id) special[part] = *id;
  }
  return {{"model", tokenizer.vocabulary().model},
          {"pre", tokenizer.vocabulary().pre},
          {"tokens", tokenizer.size_tokens()},
          {"adds_bos", tokenizer.adds_bos()},
          {"adds_eos", tokenizer.adds_eos()},
          {"special_ids", std::move(special)},
          {"end_ids", std::vector<TokenId>(tokenizer.end_ids().begin(), tokenizer.end_ids().end())}};
}

Json storage_json(const std::vector<StoredTensor>& tensors) {
  Json storage = Json::array();
  for (const StorageTotal& total : storage_totals(tensors)) {
    storage.push_back({{"dtype", total.name},
                       {"tensors", total.tensors},
                       {"parameters", total.values},
                       {"bytes", total.bytes}});
  }
  return storage;
}

Json tensors_json(const std::vector<StoredTensor>& tensors) {
  Json rows = Json::array();
  for (const StoredTensor& tensor : tensors) {
    rows.push_back({{"name", tensor.name},
                    {"dtype", tensor.type_name},
                    {"dims", tensor.dims},
                    {"bytes", tensor.bytes.size()}});
  }
  return rows;
}

Json inspect_json(const ModelBundle& bundle) {
  const TextConfig& config = bundle.config;
  Json cache = Json::object();
  for (const DType dtype : kCacheTypes) {
    if (const auto bytes = cache_bytes(config, dtype)) cache[std::string(dtype_name(dtype))] = *bytes;
  }
  return {{"schema", "oag.inspect/1"},
          {"name", bundle.name()},
          {"path", bundle.path.string()},
          {"supported", true},
          {"file_bytes", bundle.file_bytes()},
          {"architecture", config.architecture},
          {"parameters", bundle.parameters()},
          {"precision", bundle.precision()},
          {"weight_bytes", bundle.weight_bytes()},
          {"storage", storage_json(bundle.weights->tensors())},
          {"context_tokens", config.context_tokens},
          {"layers", config.layers},
          {"hidden_size", config.hidden_size},
          {"ffn_size", config.ffn_size},
          {"heads", config.heads},
          {"kv_heads", config.kv_heads},
          {"head_size", config.head_size},
          {"vocab_size", config.vocab_size},
          {"rope", {{"dims", config.rope_dims}, {"theta", config.rope_theta}}},
          {"kv_bytes_per_token", std::move(cache)},
          {"tokenizer", tokenizer_json(*bundle.tokenizer)},
          {"chat_template",
           {{"source", bundle.template_is_fallback() ? "fallback" : "file"}, {"text", bundle.chat_template}}},
          {"tensors", tensors_json(bundle.weights->tensors())}};
}

std::string tokenizer_text(const Tokenizer& tokenizer) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  std::string ids;
  for (const auto& [part, id] : special_ids(vocabulary)) {
    if (!id) continue;
    ids += fmt::format("{}{} {} {}", ids.empty() ? "" : ", ", part, *id,
                       printable(tokenizer.token_bytes(*id, true)));
  }
  std::string ends;
  for (const TokenId id : tokenizer.end_ids()) {
    ends += fmt::format("{}{} {}", ends.empty() ? "" : ", ", id, printable(tokenizer.token_bytes(id, true)));
  }
  return fmt::format(
      "tokenizer      {} ({}), pre-tokenizer {}, {} tokens{}{}\n"
      "special ids    {}\n"
      "answers end    {}\n",
      vocabulary.model == "llama" ? "SentencePiece" : "byte-level BPE", printable(vocabulary.model),
      printable(vocabulary.pre), format_count(tokenizer.size_tokens()),
      tokenizer.adds_bos() ? ", begins texts with bos" : "",
      tokenizer.adds_eos() ? ", ends them with eos" : "", ids.empty() ? "none" : ids,
      ends.empty() ? "at no token" : "at " + ends);
}

std::string template_text(const ModelBundle& bundle) {
  if (bundle.template_is_fallback())
    return fmt::format("chat template  none, fallback of family {}\n", bundle.fallback_template);

  std::string text = "chat template\n";
  std::string_view rest = bundle.chat_template;
  for (size_t line = 0; line < kTemplateLines && !rest.empty(); ++line) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string shown = printable(rest.substr(0, std::min(end, kTemplateColumns)));
    text += fmt::format("  {}{}\n", shown, end > kTemplateColumns ? " …" : "");
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (!rest.empty())
    text += fmt::format("  … ({} bytes in all)\n", format_count(bundle.chat_template.size()));
  return text;
}

void print_summary(const ModelBundle& bundle) {
  const TextConfig& config = bundle.config;
  fmt::print("{}\n{}\n\n", printable(bundle.name()), printable(bundle.path.string()));
  fmt::print("architecture   {} ({})\n", printable(config.architecture), bundle.architecture->title);
  fmt::print("parameters     {}\n", format_count(static_cast<uint64_t>(bundle.parameters())));
  fmt::print("file           {}, weights {}, most of them {}\n", format_bytes(bundle.file_bytes()),
             format_bytes(bundle.weight_bytes()), bundle.precision());
  fmt::print("context        {} tokens\n", format_count(static_cast<uint64_t>(config.context_tokens)));
  fmt::print("layers         {}, hidden size {}, feed-forward size {}\n", config.layers, config.hidden_size,
             config.ffn_size);
  fmt::print("heads          {} of size {}, {} for keys and values\n", config.heads, config.head_size,
             config.kv_heads);
  fmt::print("rotary         {} of {} elements a head, theta {:g}\n", config.rope_dims, config.head_size,
             config.rope_theta);
  std::string cache;
  for (const DType dtype : kCacheTypes) {
    if (const auto bytes = cache_bytes(config, dtype))
      cache += fmt::format("{}{} as {}", cache.empty() ? "" : ", ", format_bytes(*bytes), dtype_name(dtype));
  }
  fmt::print("KV cache       a token takes {}\n", cache);
  fmt::print("{}{}\n", tokenizer_text(*bundle.tokenizer), template_text(bundle));
}

void print_tensors(const std::vector<StoredTensor>& tensors) {
  std::vector<std::vector<std::string>> rows = {{"storage", "tensors", "parameters", "size"}};
  for (const StorageTotal& total : storage_totals(tensors)) {
    rows.push_back(
        {total.name, format_count(total.tensors), format_count(total.values), format_bytes(total.bytes)});
  }
  fmt::print("{}\n", format_table(rows));
  rows = {{"tensor", "dims", "storage", "size"}};
  for (const StoredTensor& tensor : tensors) {
    rows.push_back({printable(tensor.name), to_string(Dims(tensor.dims)), tensor.type_name,
                    format_bytes(tensor.bytes.size())});
  }
  fmt::print("{}", format_table(rows));
}

uint64_t value_count(const ModelDescription& model) {
  uint64_t total = 0;
  for (const StoredTensor& tensor : model.tensors) total += static_cast<uint64_t>(element_count(tensor.dims));
  return total;
}

uint64_t weight_bytes(const ModelDescription& model) {
  uint64_t total = 0;
  for (const StoredTensor& tensor : model.tensors) total += tensor.bytes.size();
  return total;
}

// What is known of any model, for one that this engine cannot run: `reason` says why.
void print_unsupported(const ModelDescription& model, const std::filesystem::path& path,
                       std::string_view reason) {
  fmt::print("{}\n{}\n\n", printable(model.title), printable(path.string()));
  fmt::print("`oag run` cannot run it: {}\n", printable(reason));
  fmt::print("parameters     {}\n", format_count(value_count(model)));
  fmt::print("file           {}, weights {}\n\n", format_bytes(model.file_bytes),
             format_bytes(weight_bytes(model)));
  std::vector<std::vector<std::string>> rows = {{"metadata", "value"}};
  for (const auto& [key, value] : model.metadata) rows.push_back({printable(key), printable(value)});
  fmt::print("{}\n", format_table(rows));
}

Json unsupported_json(const ModelDescription& model, const std::filesystem::path& path,
                      std::string_view reason) {
  Json metadata = Json::object();
  for (const auto& [key, value] : model.metadata) metadata[key] = value;
  const std::vector<StorageTotal> totals = storage_totals(model.tensors);
  return {{"schema", "oag.inspect/1"},
          {"name", model.title},
          {"path", path.string()},
          {"supported", false},
          {"reason", reason},
          {"file_bytes", model.file_bytes},
          {"architecture", model.architecture},
          {"parameters", value_count(model)},
          {"precision", totals.empty() ? "" : totals.front().name},
          {"weight_bytes", weight_bytes(model)},
          {"storage", storage_json(model.tensors)},
          {"metadata", std::move(metadata)},
          {"tensors", tensors_json(model.tensors)}};
}

int inspect_unsupported(const InspectFlags& flags, const std::filesystem::path& path, const Error& error) {
  const ModelDescription model = describe_model(path);
  if (flags.json) {
    print_json(unsupported_json(model, path, error.message()));
  } else {
    print_unsupported(model, path, error.message());
    print_tensors(model.tensors);
  }
  return kExitOk;
}

// Nothing where the file is well formed and holds what this engine cannot run.
std::optional<ModelBundle> load_supported(const InspectFlags& flags, const std::filesystem::path& path,
                                          std::optional<Error>& reason) {
  try {
    return load_bundle(path);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported || flags.graph) throw;
    reason = error;
    return std::nullopt;
  }
}

int inspect(const InspectFlags& flags) {
  const std::filesystem::path path = find_model_file(flags.model);
  std::optional<Error> reason;
  const std::optional<ModelBundle> supported = load_supported(flags, path, reason);
  if (!supported) return inspect_unsupported(flags, path, *reason);
  const ModelBundle& bundle = *supported;
  if (flags.json) {
    print_json(inspect_json(bundle));
  } else if (flags.graph) {
    Graph graph = bundle.build_graph();
    infer_types(graph);
    fmt::print("{}", print_graph(graph));
  } else {
    print_summary(bundle);
    print_tensors(bundle.weights->tensors());
  }
  return kExitOk;
}

void declare(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* command = app.add_subcommand("inspect", "Show what stands in a model file");
  declare_model(*command, flags->model);
  auto* json =
      command->add_flag("--json", flags->json, "Print one JSON object (docs/schemas/inspect.json) instead");
  command
      ->add_flag("--graph", flags->graph,
                 "Print the model's graph instead, as it is before it is compiled for a device")
      ->excludes(json);
  command->callback([flags, &exit_code] { exit_code = inspect(*flags); });
}

}  // namespace

extern constinit const Command kInspectCommand = {declare};

}  // namespace oag::cli
