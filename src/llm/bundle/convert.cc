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
#include "llm/bundle/folder_plan.h"
#include "llm/bundle/gguf_keys.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

std::string inputs_of(const std::vector<std::shared_ptr<const MappedFile>>& files,
                      const ConvertOptions& options) {
  std::string text =
      fmt::format("{} {} {}", options.recipe ? quant_recipe_info(*options.recipe).name : "as stored",
                  quant_recipe_info(options.vision_recipe).name, options.shard_bytes);
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
    for (const GgufJob& job : jobs) refuse_existing(job.path);
    for (const GgufJob& job : jobs) run_gguf_job(job, inputs, options.overwrite, stream, meter, report);
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

 private:
  const RunControl& control() const { return options.control != nullptr ? *options.control : own_control; }
  void refuse_existing(const fs::path& path) const {
    std::error_code ignored;
    if (options.overwrite || !fs::exists(path, ignored)) return;
    fail(ErrorCode::kInvalidArgument, path.string(),
         "exists already; remove it, or allow it to be overwritten (--force)");
  }
};

void folder_to_gguf(Conversion& work) {
  ModelBundle bundle = load_bundle(work.source);
  if (bundle.has_tower) add_vision(bundle, {});
  work.warn_of_further_layers(bundle);
  std::vector<GgufJob> jobs;
  GgufJob& text = jobs.emplace_back(GgufJob{work.target, gguf_text_keys(bundle), {}});
  text.tensors = plan_gguf_text(bundle, work.options.recipe);
  text.keys.insert(text.keys.begin() + 3,
                   file_type_key(work.options.recipe ? quant_recipe_info(*work.options.recipe).file_type
                                                     : stored_file_type(text.tensors)));
  if (bundle.vision) {
    const fs::path path = work.target.parent_path() / ("mmproj-" + work.target.filename().string());
    GgufJob& tower = jobs.emplace_back(GgufJob{path, gguf_vision_keys(bundle), {}});
    tower.tensors = plan_gguf_vision(*bundle.vision, work.options.vision_recipe);
    tower.keys.insert(tower.keys.begin() + 3,
                      file_type_key(quant_recipe_info(work.options.vision_recipe).file_type));
  }
  work.run(jobs, inputs_of(bundle.weights->files(), work.options));
}

void gguf_to_gguf(Conversion& work) {
  const auto file = GgufFile::open(work.source);
  const std::vector<StoredTensor> tensors = list_tensors(*file);
  if (work.options.recipe) work.warn_of_second_rounding(tensors);
  GgufJob job;
  job.path = work.target;
  job.keys = copied_gguf_keys(*file, work.options.recipe);
  job.tensors = plan_gguf_copy(*file, tensors, work.options.recipe);
  work.run({std::move(job)}, inputs_of(file->files(), work.options));
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
  auto files = bundle.weights->files();
  if (bundle.vision)
    files.insert(files.end(), bundle.vision->weights->files().begin(), bundle.vision->weights->files().end());
  work.run(job, inputs_of(files, work.options));
}

void folder_to_folder(Conversion& work) {
  const std::optional<DType> wanted = float_type(work);
  const ModelBundle bundle = load_bundle(work.source);
  FolderJob job;
  job.path = work.target;
  job.shard_bytes = work.options.shard_bytes;
  job.tensors = plan_folder_copy(bundle.weights->tensors(), wanted, bundle.weights->where());
  job.files = copied_hugging_face_files(work.source, most_stored(job.tensors));
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
  Conversion work = {source, target, options, {}, RunControl()};
  if (is_folder(source)) {
    gguf ? folder_to_gguf(work) : folder_to_folder(work);
  } else {
    gguf ? gguf_to_gguf(work) : gguf_to_folder(work);
  }
  return std::move(work.report);
}

}  // namespace oag
