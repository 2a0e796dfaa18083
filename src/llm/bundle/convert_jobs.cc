#include "llm/bundle/convert_jobs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/disk_space.h"
#include "base/error.h"
#include "base/file.h"
#include "base/folder_lock.h"
#include "base/json.h"
#include "engine/formats/gguf/gguf_writer.h"
#include "engine/formats/safetensors/safetensors_writer.h"
#include "llm/bundle/convert_state.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStateName = "oag-convert.state";
constexpr const char* kIndexName = "model.safetensors.index.json";

uint64_t bytes_of(const std::vector<PlannedTensor>& tensors) {
  uint64_t total = 0;
  for (const PlannedTensor& tensor : tensors) total += tensor.size_bytes();
  return total;
}

// In order, as many to a shard as fit; within one, wider types first, as all readers want them.
std::vector<std::vector<const PlannedTensor*>> shards_of(const FolderJob& job) {
  std::vector<std::vector<const PlannedTensor*>> shards(1);
  uint64_t size = 0;
  for (const PlannedTensor& tensor : job.tensors) {
    const uint64_t bytes = tensor.size_bytes();
    if (!shards.back().empty() && size + bytes > job.shard_bytes) {
      shards.emplace_back();
      size = 0;
    }
    shards.back().push_back(&tensor);
    size += bytes;
  }
  for (auto& shard : shards) {
    std::ranges::sort(shard, [](const PlannedTensor* a, const PlannedTensor* b) {
      const uint32_t wide_a = dtype_info(a->dtype).block_bytes, wide_b = dtype_info(b->dtype).block_bytes;
      return wide_a != wide_b ? wide_a > wide_b : a < b;  // both stand in job.tensors
    });
  }
  return shards;
}

std::string shard_name(size_t index, size_t count) {
  return count == 1 ? "model.safetensors" : fmt::format("model-{:05}-of-{:05}.safetensors", index + 1, count);
}

// The stream writes to what it was given until it was waited for, also when a scope is left by an error.
struct Settle {
  TensorStream& stream;
  ~Settle() { stream.settle(); }
};

// `checksum` gets the bytes too.
template <typename Writer>
void stream_tensor(Writer& writer, const PlannedTensor& tensor, std::string_view file, TensorStream& stream,
                   ConvertMeter& meter, Checksum& checksum) {
  meter.begin(file, tensor);
  stream.convert(tensor, [&writer, &tensor, &checksum](std::span<const std::byte> bytes) {
    writer.write(tensor.name, bytes);
    checksum.add(bytes);
  });
  meter.finished(tensor);
}

// Waits until all is written, and on the disk.
template <typename Writer>
void finish(Writer& writer, TensorStream& stream, ConvertReport& report) {
  stream.flush();
  const TimePoint start = Clock::now();
  writer.finish();
  report.write_seconds += std::chrono::duration<double>(Clock::now() - start).count();
}

// Gives the checksum of its tensors.
uint64_t write_shard(const FolderJob& job, const std::vector<const PlannedTensor*>& shard,
                     const std::string& name, TensorStream& stream, ConvertMeter& meter,
                     ConvertReport& report) {
  SafetensorsWriter writer(job.path / name);
  writer.set("format", "pt");
  for (const PlannedTensor* tensor : shard) writer.declare_tensor(tensor->name, tensor->dtype, tensor->dims);
  Checksum checksum;
  const Settle settle{stream};
  for (const PlannedTensor* tensor : shard) stream_tensor(writer, *tensor, name, stream, meter, checksum);
  finish(writer, stream, report);
  return checksum.value();
}

// Whether a file of this name would be read as part of a model in its folder.
bool is_of_model(std::string_view name) {
  constexpr std::string_view kNames[] = {"config.json",
                                         "generation_config.json",
                                         "tokenizer.json",
                                         "tokenizer_config.json",
                                         "tokenizer.model",
                                         "special_tokens_map.json",
                                         "added_tokens.json",
                                         "vocab.json",
                                         "vocab.txt",
                                         "merges.txt",
                                         "chat_template.jinja",
                                         "chat_template.json",
                                         "preprocessor_config.json",
                                         "processor_config.json",
                                         "video_preprocessor_config.json",
                                         kIndexName,
                                         kStateName};
  return name.ends_with(".safetensors") || std::ranges::find(kNames, name) != std::end(kNames);
}

// Whether it is a temporary of such a file, which a call that was killed left: no other call is at work here.
bool is_leftover(std::string_view name) {
  const size_t at = name.rfind(".part.");
  return at != std::string_view::npos && is_of_model(name.substr(0, at));
}

template <typename Name>
void remove_files(const fs::path& folder, const Name& is_wanted) {
  std::vector<fs::path> wanted;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (is_wanted(entry.path().filename().string())) wanted.push_back(entry.path());
  }
  std::error_code ignored;
  for (const fs::path& path : wanted) fs::remove(path, ignored);
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail(ErrorCode::kIo, path.string(), "cannot be made: {}", error.message());
}

// Only a call that may overwrite removes a finished file.
void prepare_folder(const FolderJob& job, ConvertState& state, bool overwrite) {
  const ConvertState::Found found = state.read();
  if (found == ConvertState::Found::kOwn) return remove_files(job.path, is_leftover);
  if (!overwrite && found == ConvertState::Found::kOther) {
    fail(ErrorCode::kInvalidArgument, job.path.string(),
         "holds an unfinished conversion of another source or with other options; repeat that one, name "
         "another folder, or allow it to be overwritten (--force)");
  }
  std::error_code error;
  if (!overwrite && !fs::is_empty(job.path, error)) {
    fail(ErrorCode::kInvalidArgument, job.path.string(),
         "holds files already; name an empty folder, or allow it to be overwritten (--force)");
  }
  // Files of another model beside these would be read as part of it.
  remove_files(job.path, is_of_model);
  remove_files(job.path, is_leftover);
  state.save();
}

// What an unfinished file is good for is to go on with it, which a source that is refused never does.
void remove_unfinished(const fs::path& target) {
  std::error_code ignored;
  for (const char* ending : {".part", ".part.journal"}) fs::remove(target.string() + ending, ignored);
}

bool is_refused_for_good(ErrorCode code, bool has_begun) {
  return code == ErrorCode::kCorruptData || code == ErrorCode::kUnsupported ||
         (code == ErrorCode::kInvalidArgument && !has_begun);
}

}  // namespace

void ConvertMeter::expect(const std::vector<PlannedTensor>& tensors) {
  progress_.tensors += tensors.size();
  progress_.total_bytes += bytes_of(tensors);
}

void ConvertMeter::begin(std::string_view file, const PlannedTensor& tensor) {
  file_ = file;
  tensor_ = tensor.name;
  ++progress_.tensor_number;
  tell();
}

void ConvertMeter::finished(const PlannedTensor& tensor) {
  progress_.done_bytes += tensor.size_bytes();
  report_.written_bytes += tensor.size_bytes();
  report_.read_bytes += tensor.source_bytes();
  ++report_.tensors;
  tell();
}

void ConvertMeter::kept(const PlannedTensor& tensor) {
  ++progress_.tensor_number;
  progress_.done_bytes += tensor.size_bytes();
  ++report_.tensors;
  ++report_.kept_tensors;
}

void ConvertMeter::tell() const {
  if (!options_.on_progress) return;
  ConvertProgress progress = progress_;
  progress.file = file_;
  progress.tensor = tensor_;
  options_.on_progress(progress);
}

uint64_t run_gguf_job(const GgufJob& job, const std::string& inputs, bool overwrite, TensorStream& stream,
                      ConvertMeter& meter, ConvertReport& report) {
  GgufWriter writer(job.path, {.overwrite = overwrite, .inputs = inputs});
  const std::string name = job.path.filename().string();
  Checksum checksum;
  size_t complete = 0;
  bool has_begun = false;
  const Settle settle{stream};
  try {
    for (const GgufMetadata::Entry& entry : job.keys) writer.set(entry.key, entry.value);
    for (const PlannedTensor& tensor : job.tensors)
      writer.declare_tensor(tensor.name, tensor.dtype, tensor.dims);
    complete = writer.begin();
    has_begun = true;
    for (size_t i = 0; i < job.tensors.size(); ++i) {
      if (i < complete) {
        meter.kept(job.tensors[i]);
      } else {
        stream_tensor(writer, job.tensors[i], name, stream, meter, checksum);
      }
    }
    finish(writer, stream, report);
  } catch (const Error& error) {
    const bool is_empty = !has_begun && file_size_bytes(job.path.string() + ".part") == 0;
    if (is_empty || is_refused_for_good(error.code(), has_begun)) remove_unfinished(job.path);
    throw;
  }
  report.files.push_back({job.path, file_size_bytes(job.path)});
  return complete == 0 ? checksum.value() : checksum_of_tensors(list_tensors(*GgufFile::open(job.path)));
}

void keep_gguf_job(const GgufJob& job, ConvertMeter& meter, ConvertReport& report) {
  for (const PlannedTensor& tensor : job.tensors) meter.kept(tensor);
  report.files.push_back({job.path, file_size_bytes(job.path)});
}

void run_folder_job(const FolderJob& job, const std::string& inputs, bool overwrite, TensorStream& stream,
                    ConvertMeter& meter, ConvertReport& report) {
  make_folder(job.path);
  const FolderLock lock(job.path);
  ConvertState state(job.path / kStateName, inputs);
  prepare_folder(job, state, overwrite);
  const auto shards = shards_of(job);
  std::vector<bool> is_kept;
  uint64_t missing = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    is_kept.push_back(state.holds(shard_name(i, shards.size())));
    if (is_kept[i]) continue;
    for (const PlannedTensor* tensor : shards[i]) missing += tensor->size_bytes();
  }
  require_disk_space(job.path, missing);
  Json map = Json::object();
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shard_name(i, shards.size());
    if (is_kept[i]) {
      for (const PlannedTensor* tensor : shards[i]) meter.kept(*tensor);
    } else {
      state.add(name, write_shard(job, shards[i], name, stream, meter, report));
    }
    for (const PlannedTensor* tensor : shards[i]) map[tensor->name] = name;
    report.files.push_back({job.path / name, file_size_bytes(job.path / name)});
  }
  if (shards.size() > 1) {
    const Json index = {{"metadata", {{"total_size", bytes_of(job.tensors)}}}, {"weight_map", map}};
    write_small_file(job.path / kIndexName, index.dump(2) + "\n");
  }
  for (const SmallFile& file : job.files) write_small_file(job.path / file.name, file.text);
  state.remove();
}

}  // namespace oag
