#include "llm/bundle/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "base/compute_pool.h"
#include "base/error.h"
#include "base/file.h"
#include "llm/bundle/bundle.h"
#include "llm/bundle/convert_jobs.h"
#include "llm/bundle/convert_plan.h"
#include "llm/bundle/convert_state.h"
#include "llm/bundle/folder_plan.h"
#include "llm/bundle/gguf_keys.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

std::string inputs_of(const std::vector<std::shared_ptr<const MappedFile>>& files,
                      const ConvertOptions& options) {
  std::string text =
      fmt::format("{} {} {}", options.recipe ? quant_recipe_info(*options.recipe).name : "as stored",
                  options.vision_recipe ? quant_recipe_info(*options.vision_recipe).name : "as usual",
                  options.shard_bytes);
  for (const auto& file : files) {
    std::error_code error;
    const auto time = fs::last_write_time(file->path(), error).time_since_epoch();
    text += fmt::format("\n{} {} {}", fs::absolute(file->path(), error).string(), file->bytes().size(),
                        std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
  }
  return text;
}

// What one call works with.
struct Conversion {
  const fs::path& source;
  const fs::path& target;
  const ConvertOptions& options;
  ConvertReport report;
  RunControl own_control;

  void run(const std::vector<GgufJob>& jobs, const std::string& inputs) {
    ComputePool pool(options.threads);
    TensorStream stream(pool, control(), source.string());
    ConvertMeter meter(options, report);
    for (const GgufJob& job : jobs) meter.expect(job.tensors);
    // Of several files, those that an earlier call finished.
    ConvertState state(target.string() + ".part.state", inputs);
    const bool goes_on = jobs.size() > 1 && state.read() == ConvertState::Found::kOwn;
    std::vector<bool> is_kept;
    for (const GgufJob& job : jobs) {
      is_kept.push_back(goes_on && state.holds(job.path.filename().string()));
      if (!is_kept.back()) refuse_existing(job.path);
    }
    for (size_t i = 0; i < jobs.size(); ++i) {
      if (is_kept[i]) {
        keep_gguf_job(jobs[i], meter, report);
        continue;
      }
      const uint64_t sum = run_gguf_job(jobs[i], inputs, options.overwrite, stream, meter, report);
      if (i + 1 < jobs.size()) state.add(jobs[i].path.filename().string(), sum);
    }
    if (jobs.size() > 1) state.remove();
    report.write_seconds += stream.waited_seconds();
  }
  void run(const FolderJob& job, const std::string& inputs) {
    ComputePool pool(options.threads);
    TensorStream stream(pool, control(), source.string());
    ConvertMeter meter(options, report);
    meter.expect(job.tensors);
    run_folder_job(job, inputs, options.overwrite, stream, meter, report);
    report.write_seconds += stream.waited_seconds();
  }
  void warn_of_second_rounding(const std::vector<StoredTensor>& tensors) {
    std::map<std::string, uint64_t> bytes;
    for (const StoredTensor& tensor : tensors) {
      if (is_block_format(tensor.dtype)) bytes[tensor.type_name] += tensor.bytes.size();
    }
    if (bytes.empty()) return;
    const auto most = std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; });
    report.warnings.push_back(
        fmt::format("the source is quantised already (mostly {}); its rounding errors stay and new ones are "
                    "added, so convert from the original weights where you have them",
                    most->first));
  }
  void warn_of_further_layers(const ModelBundle& bundle) {
    const std::string gguf = fmt::format("blk.{}.", bundle.config.layers),
                      folder = fmt::format("layers.{}.", bundle.config.layers);
    const bool some = std::ranges::any_of(bundle.weights->tensors(), [&](const StoredTensor& tensor) {
      return tensor.name.starts_with(gguf) || tensor.name.find(folder) != std::string::npos;
    });
    if (!some) return;
    report.warnings.push_back(
        fmt::format("the layers from number {} on, which predict further tokens, are left out; answers are "
                    "the same without them",
                    bundle.config.layers));
  }
  void warn_of_end_ids(const Tokenizer& tokenizer) {
    std::string list;
    for (const TokenId id : further_end_ids(tokenizer)) {
      list += fmt::format("{}{} ({})", list.empty() ? "" : ", ", id,
                          tokenizer.vocabulary().tokens[static_cast<size_t>(id)]);
    }
    if (list.empty()) return;
    report.warnings.push_back(fmt::format(
        "answers also end at {}, for which GGUF has no key: oag finds them under {}, other engines may not",
        list, kEndIdsKey));
  }

 private:
  const RunControl& control() const { return options.control != nullptr ? *options.control : own_control; }
  void refuse_existing(const fs::path& path) const {
    std::error_code ignored;
    if (options.overwrite || !fs::exists(path, ignored)) return;
    fail(ErrorCode::kInvalidArgument, path.string(),
         "exists already; remove it, or allow it to be overwritten (--force)");
  }
};

// What could not be run is not worth a conversion: shapes and types are compared with the model's numbers.
// Errors: those of Weights.
void require_runnable(const ModelBundle& bundle) {
  (void)bundle.build_graph();
  if (!bundle.vision) return;
  (void)bundle.vision->build_graph();
  (void)bundle.vision->position_table();
}

fs::path vision_target(const Conversion& work) {
  return work.target.parent_path() / ("mmproj-" + work.target.filename().string());
}

[[noreturn]] void refuse_vision_recipe(const Conversion& work) {
  fail(ErrorCode::kInvalidArgument, work.source.string(),
       "has no vision tower to be stored as {}; leave --mmproj-quant out, or name the tower with --mmproj",
       quant_recipe_info(*work.options.vision_recipe).name);
}

void folder_to_gguf(Conversion& work) {
  ModelBundle bundle = load_bundle(work.source);
  if (bundle.has_tower) add_vision(bundle, {});
  if (!bundle.vision && work.options.vision_recipe) refuse_vision_recipe(work);
  work.warn_of_further_layers(bundle);
  work.warn_of_end_ids(*bundle.tokenizer);
  std::vector<GgufJob> jobs;
  GgufJob& text = jobs.emplace_back(GgufJob{work.target, gguf_text_keys(bundle), {}});
  text.tensors = plan_gguf_text(bundle, work.options.recipe);
  text.keys.insert(text.keys.begin() + 3,
                   file_type_key(work.options.recipe ? quant_recipe_info(*work.options.recipe).file_type
                                                     : stored_file_type(text.tensors)));
  if (bundle.vision) {
    const QuantRecipe recipe = work.options.vision_recipe.value_or(QuantRecipe::kF16);
    GgufJob& tower = jobs.emplace_back(GgufJob{vision_target(work), gguf_vision_keys(bundle), {}});
    tower.tensors = plan_gguf_vision(*bundle.vision, recipe);
    tower.keys.insert(tower.keys.begin() + 3, file_type_key(quant_recipe_info(recipe).file_type));
  }
  require_runnable(bundle);
  work.run(jobs, inputs_of(bundle.weights->files(), work.options));
}

// The file of the vision tower that goes with a GGUF model; empty: there is none.
fs::path vision_source(const Conversion& work, const GgufFile& model) {
  if (!work.options.vision_path.empty()) return work.options.vision_path;
  const std::string architecture(model.find_string("general.architecture").value_or(""));
  if (model.find(architecture + ".rope.dimension_sections") == nullptr) return {};
  try {
    return vision_file_beside(work.source);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    return {};
  }
}

// A GGUF file of any architecture can be stored otherwise; one that can be run here must be whole.
void require_whole_if_known(const Conversion& work, const GgufFile& model, const fs::path& tower) {
  const auto name = model.find_string("general.architecture");
  const bool is_known = std::ranges::any_of(
      all_architectures(), [&](const Architecture* architecture) { return architecture->name == name; });
  if (!is_known) return;
  try {
    ModelBundle bundle = load_bundle(work.source);
    if (!tower.empty()) add_vision(bundle, tower);
    require_runnable(bundle);
  } catch (const Error& error) {
    // A variant, or a tower of another kind, is copied as it is.
    if (error.code() != ErrorCode::kUnsupported || !work.options.vision_path.empty()) throw;
  }
}

// A GGUF file and how it is to be stored.
struct GgufCopy {
  std::shared_ptr<const GgufFile> file;
  std::vector<StoredTensor> tensors;
  std::optional<QuantRecipe> recipe;

  GgufCopy(const fs::path& path, std::optional<QuantRecipe> wanted)
      : file(GgufFile::open(path)), tensors(list_tensors(*file)), recipe(wanted) {}
  GgufJob job(const fs::path& target) const {
    return {target, copied_gguf_keys(*file, recipe), plan_gguf_copy(*file, tensors, recipe)};
  }
};

void gguf_to_gguf(Conversion& work) {
  const GgufCopy text(work.source, work.options.recipe);
  if (text.recipe) work.warn_of_second_rounding(text.tensors);
  std::vector<GgufJob> jobs = {text.job(work.target)};
  auto files = text.file->files();
  const fs::path tower_path = vision_source(work, *text.file);
  if (tower_path.empty() && work.options.vision_recipe) refuse_vision_recipe(work);
  std::optional<GgufCopy> tower;
  if (!tower_path.empty()) {
    tower.emplace(tower_path, work.options.vision_recipe);
    if (const auto kind = tower->file->find_string("general.architecture"); kind != "clip") {
      fail(ErrorCode::kUnsupported, tower_path.string(),
           "holds a model \"{}\", expected a vision tower (general.architecture clip)", kind.value_or(""));
    }
    jobs.push_back(tower->job(vision_target(work)));
    files.insert(files.end(), tower->file->files().begin(), tower->file->files().end());
  }
  require_whole_if_known(work, *text.file, tower_path);
  work.run(jobs, inputs_of(files, work.options));
}

std::optional<DType> float_type(const Conversion& work) {
  if (!work.options.recipe) return std::nullopt;
  const QuantRecipeInfo& info = quant_recipe_info(*work.options.recipe);
  if (!is_block_format(info.base)) return info.base;
  fail(ErrorCode::kInvalidArgument, work.target.string(),
       "is a Hugging Face folder, which holds f32, f16 or bf16, not {}; name a file that ends in .gguf",
       info.name);
}

// The vision file of a GGUF model, where it has one.
void add_vision_if_there(Conversion& work, ModelBundle& bundle) {
  try {
    return add_vision(bundle, work.options.vision_path);
  } catch (const Error& error) {
    const bool has_none = error.code() == ErrorCode::kNotFound || error.code() == ErrorCode::kUnsupported;
    if (!has_none || !work.options.vision_path.empty()) throw;
  }
  if (!bundle.config.rope_sections.empty())
    work.report.warnings.push_back(
        "the model takes pictures, but its vision file (mmproj-….gguf) is not "
        "beside it: the folder has the text part alone");
}

void gguf_to_folder(Conversion& work) {
  const std::optional<DType> wanted = float_type(work);
  ModelBundle bundle = load_bundle(work.source);
  add_vision_if_there(work, bundle);
  work.warn_of_further_layers(bundle);
  if (std::ranges::any_of(bundle.weights->tensors(),
                          [](const StoredTensor& tensor) { return is_block_format(tensor.dtype); })) {
    work.report.warnings.push_back(
        "the source is quantised: the folder's weights are what it decodes to, not the original ones");
  }
  FolderJob job;
  job.path = work.target;
  job.shard_bytes = work.options.shard_bytes;
  job.tensors = plan_folder(bundle, wanted);
  job.files = hugging_face_files(bundle, most_stored(job.tensors));
  require_runnable(bundle);
  auto files = bundle.weights->files();
  if (bundle.vision)
    files.insert(files.end(), bundle.vision->weights->files().begin(), bundle.vision->weights->files().end());
  work.run(job, inputs_of(files, work.options));
}

// To be looked at too; a folder that lacks what pictures need besides is copied as it is.
void add_own_vision_if_whole(ModelBundle& bundle) {
  if (!bundle.has_tower) return;
  try {
    add_vision(bundle);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound && error.code() != ErrorCode::kUnsupported) throw;
  }
}

void folder_to_folder(Conversion& work) {
  const std::optional<DType> wanted = float_type(work);
  ModelBundle bundle = load_bundle(work.source);
  add_own_vision_if_whole(bundle);
  FolderJob job;
  job.path = work.target;
  job.shard_bytes = work.options.shard_bytes;
  job.tensors = plan_folder_copy(bundle.weights->tensors(), wanted, bundle.weights->where());
  job.files = copied_hugging_face_files(work.source, most_stored(job.tensors));
  require_runnable(bundle);
  work.run(job, inputs_of(bundle.weights->files(), work.options));
}

bool to_gguf(const fs::path& target, ConvertTarget form) {
  if (form != ConvertTarget::kByName) return form == ConvertTarget::kGguf;
  return target.extension() == ".gguf" && !is_folder(target);
}

}  // namespace

ConvertReport convert_model(const fs::path& source, const fs::path& target, const ConvertOptions& options) {
  std::error_code ignored;
  if (!fs::exists(source, ignored)) fail(ErrorCode::kNotFound, source.string(), "does not exist");
  if (fs::equivalent(source, target, ignored))
    fail(ErrorCode::kInvalidArgument, target.string(), "is the source; name another target");
  const bool gguf = to_gguf(target, options.target);
  if (!gguf && fs::exists(target, ignored) && !is_folder(target))
    fail(ErrorCode::kInvalidArgument, target.string(), "is a file, expected a folder or a name for one");
  if (is_folder(source) && !options.vision_path.empty()) {
    fail(ErrorCode::kInvalidArgument, options.vision_path.string(),
         "is given as the vision tower, but {} is a folder, which holds its own; leave --mmproj out",
         source.string());
  }
  if (!gguf && options.vision_recipe) {
    fail(ErrorCode::kInvalidArgument, target.string(),
         "is a Hugging Face folder, which has no file of its own for the vision tower; leave --mmproj-quant "
         "out");
  }
  Conversion work = {source, target, options, {}, RunControl()};
  if (is_folder(source)) {
    gguf ? folder_to_gguf(work) : folder_to_folder(work);
  } else {
    gguf ? gguf_to_gguf(work) : gguf_to_folder(work);
  }
  return std::move(work.report);
}

}  // namespace oag
