#include "service/hub/huggingface_selection.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"

namespace oag {
namespace {

constexpr size_t kMaxShownChoices = 24;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return out;
}

std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

std::string_view folder_of(std::string_view path) {
  return path.substr(0, path.size() - base_name(path).size());
}

bool matches_any(const std::vector<std::string>& globs, const std::string& path) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return ::fnmatch(glob.c_str(), path.c_str(), 0) == 0; });
}

bool is_gguf(const HubFile& file) {
  return lower(file.path).ends_with(".gguf");
}
bool is_projector(const HubFile& file) {
  return is_gguf(file) && lower(base_name(file.path)).find("mmproj") != std::string::npos;
}
bool is_safetensors(const HubFile& file) {
  return file.path.ends_with(".safetensors");
}

// A stem "model-00001-of-00003" as "model" of 3 parts.
struct Split {
  std::string_view base;
  unsigned index = 1;
  unsigned count = 1;
};

std::optional<unsigned> five_digits(std::string_view text) {
  unsigned value = 0;
  if (text.size() != 5) return std::nullopt;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value;
}

Split split_of(std::string_view stem) {
  constexpr size_t kTail = std::string_view("-00001-of-00003").size();
  if (stem.size() <= kTail) return {stem};
  const std::string_view tail = stem.substr(stem.size() - kTail);
  const auto index = five_digits(tail.substr(1, 5));
  const auto count = five_digits(tail.substr(10));
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || !index || !count || *index == 0 || *index > *count) {
    return {stem};
  }
  return {stem.substr(0, stem.size() - kTail), *index, *count};
}

std::string_view stem_of(std::string_view path) {
  return path.substr(0, path.rfind('.'));
}

// The small files that stand beside the weights at the top of a repository.
bool is_companion(const HubFile& file, bool has_modules) {
  // modules.json may name any folder beside it.
  if (has_modules && ::fnmatch("*/config.json", file.path.c_str(), FNM_PATHNAME) == 0) return true;
  static constexpr const char* kPatterns[] = {"config.json",
                                              "generation_config.json",
                                              "tokenizer*",
                                              "vocab*",
                                              "merges*",
                                              "*.model",
                                              "*.tiktoken",
                                              "special_tokens_map.json",
                                              "added_tokens.json",
                                              "chat_template*",
                                              "preprocessor_config.json",
                                              "processor_config.json",
                                              "video_preprocessor_config.json",
                                              "modules.json",
                                              "sentence_bert_config.json",
                                              "*_Pooling/config.json"};
  return std::any_of(std::begin(kPatterns), std::end(kPatterns), [&](const char* pattern) {
    return ::fnmatch(pattern, file.path.c_str(), FNM_PATHNAME) == 0;
  });
}

// The safetensors of one copy of the weights. Repositories also hold adapters, other precisions, and the same
// weights under other names ("consolidated"); loaders take model.safetensors first, then the parts of
// "model".
std::vector<HubFile> pick_weights(const std::vector<HubFile>& files) {
  std::vector<HubFile> all, parts;
  for (const HubFile& file : files) {
    if (!is_safetensors(file) || file.path.find('/') != std::string::npos) continue;
    if (file.path == "model.safetensors") return {file};
    if (file.path.starts_with("consolidated")) continue;
    all.push_back(file);
    if (split_of(stem_of(file.path)).count > 1) parts.push_back(file);
  }
  if (parts.empty()) return all;
  const auto is_model = [](const HubFile& file) { return split_of(stem_of(file.path)).base == "model"; };
  if (std::any_of(parts.begin(), parts.end(), is_model)) {
    std::erase_if(parts, [&](const HubFile& file) { return !is_model(file); });
  }
  for (const HubFile& file : files) {
    if (file.path.ends_with(".safetensors.index.json") && file.path.find('/') == std::string::npos) {
      parts.push_back(file);
    }
  }
  return parts;
}

uint64_t rank_of_projector(std::string_view path, std::string_view folder) {
  const std::string name = lower(base_name(path));
  constexpr std::string_view kOrder[] = {"bf16", "f16", "q8_0", "f32"};
  constexpr uint64_t kRanks[] = {1, 0, 2, 3};
  uint64_t rank = 4;
  for (size_t i = 0; i < std::size(kOrder) && rank == 4; ++i) {
    if (name.find(kOrder[i]) != std::string::npos) rank = kRanks[i];
  }
  return rank + (folder_of(path) == folder ? 0 : 10);
}

// The model's projector: of its own folder before others, f16 before other precisions.
void add_projector(const std::vector<HubFile>& files, Selection& selection) {
  const HubFile* best = nullptr;
  const std::string_view folder = folder_of(selection.model);
  for (const HubFile& file : files) {
    const bool near = folder_of(file.path) == folder || folder_of(file.path).empty();
    if (!is_projector(file) || !near) continue;
    if (best == nullptr || rank_of_projector(file.path, folder) < rank_of_projector(best->path, folder)) {
      best = &file;
    }
  }
  if (best != nullptr) selection.files.push_back(*best);
}

// Whether the selector means this GGUF: by path, by name, or by the quantisation at the name's end.
bool is_selected(const std::string& path, const std::string& selector, bool exact) {
  if (exact) return path == selector || base_name(path) == selector;
  const std::string stem = lower(split_of(stem_of(path)).base);
  const std::string wanted = lower(split_of(selector.ends_with(".gguf") ? stem_of(selector) : selector).base);
  if (stem == wanted || base_name(stem) == wanted) return true;
  if (!stem.ends_with(wanted) || stem.size() == wanted.size()) return false;
  return std::string_view("-._").find(stem[stem.size() - wanted.size() - 1]) != std::string_view::npos;
}

std::string choices(const std::vector<Selection>& models) {
  std::string text;
  for (size_t i = 0; i < std::min(models.size(), kMaxShownChoices); ++i) {
    text += (i == 0 ? "" : ", ") + models[i].model;
  }
  return models.size() > kMaxShownChoices ? text + ", …" : text;
}

void check_parts(const Selection& model, std::string_view where) {
  const unsigned count = split_of(stem_of(model.model)).count;
  if (model.files.size() == count) return;
  fail(ErrorCode::kNotFound, where, "has {} of the {} parts of {}", model.files.size(), count, model.model);
}

Selection select_gguf(const std::vector<HubFile>& files, const SelectionOptions& options,
                      std::string_view where) {
  const std::vector<Selection> models = gguf_models(files);
  std::vector<Selection> wanted = options.selector.empty() ? models : std::vector<Selection>{};
  for (const bool exact : {true, false}) {
    if (!wanted.empty()) break;
    std::copy_if(models.begin(), models.end(), std::back_inserter(wanted),
                 [&](const Selection& model) { return is_selected(model.model, options.selector, exact); });
  }
  if (wanted.empty()) {
    fail(ErrorCode::kNotFound, where, "holds no GGUF that '{}' means{}{}", options.selector,
         models.empty() ? "" : "; it holds ", choices(models));
  }
  if (wanted.size() > 1) {
    fail(ErrorCode::kInvalidArgument, where, "holds {} GGUF models; add :FILE or :QUANTISATION for one of {}",
         wanted.size(), choices(wanted));
  }
  check_parts(wanted.front(), where);
  add_projector(files, wanted.front());
  return std::move(wanted.front());
}

Selection select_folder(const std::vector<HubFile>& files, std::string_view where) {
  Selection selection{pick_weights(files), ""};
  const auto has = [&](std::string_view path) {
    return std::any_of(files.begin(), files.end(), [&](const HubFile& file) { return file.path == path; });
  };
  if (selection.files.empty()) {
    fail(ErrorCode::kUnsupported, where,
         "holds neither safetensors nor GGUF files, the formats that can be read; look for a repository that "
         "has "
         "the model converted");
  }
  if (!has("config.json")) {
    fail(ErrorCode::kUnsupported, where,
         "holds safetensors without a config.json; it may be an adapter, not a model; --include takes it all "
         "the "
         "same");
  }
  std::copy_if(
      files.begin(), files.end(), std::back_inserter(selection.files),
      [has_modules = has("modules.json")](const HubFile& file) { return is_companion(file, has_modules); });
  return selection;
}

}  // namespace

std::vector<Selection> gguf_models(const std::vector<HubFile>& files) {
  std::map<std::string, Selection> models;  // by what is before the number of the part
  for (const HubFile& file : files) {
    if (!is_gguf(file) || is_projector(file)) continue;
    const Split split = split_of(stem_of(file.path));
    Selection& model = models[fmt::format("{}/{}", split.base, split.count)];
    model.files.push_back(file);
  }
  std::vector<Selection> out;
  for (auto& [key, model] : models) {
    std::sort(model.files.begin(), model.files.end(),
              [](const HubFile& a, const HubFile& b) { return a.path < b.path; });
    model.model = model.files.front().path;
    out.push_back(std::move(model));
  }
  return out;
}

Selection select_model(const std::vector<HubFile>& files, const SelectionOptions& options,
                       std::string_view where) {
  Selection selection;
  if (!options.include.empty()) {
    std::copy_if(files.begin(), files.end(), std::back_inserter(selection.files),
                 [&](const HubFile& file) { return matches_any(options.include, file.path); });
  } else {
    const bool any_safetensors = !pick_weights(files).empty();
    const bool any_gguf = std::any_of(files.begin(), files.end(), is_gguf);
    const bool gguf = !options.selector.empty() || (any_gguf && !any_safetensors);
    selection = gguf ? select_gguf(files, options, where) : select_folder(files, where);
  }
  std::erase_if(selection.files,
                [&](const HubFile& file) { return matches_any(options.exclude, file.path); });
  const auto is_model = [&](const HubFile& file) { return file.path == selection.model; };
  if (std::none_of(selection.files.begin(), selection.files.end(), is_model)) selection.model.clear();
  if (selection.files.empty()) fail(ErrorCode::kNotFound, where, "no file is left of what was asked for");
  return selection;
}

}  // namespace oag
