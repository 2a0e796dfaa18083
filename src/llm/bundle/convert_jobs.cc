#include "llm/bundle/convert_jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "base/clock.h"
#include "base/disk_space.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/formats/gguf/gguf_writer.h"
#include "engine/formats/safetensors/safetensors_writer.h"

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

uint64_t file_bytes(const fs::path& path) {
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  return error ? 0 : size;
}

void write_file(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

// The shards of an unfinished folder that are complete: a line that names the conversion, then their names.
class FolderState {
 public:
  FolderState(fs::path path, const std::string& inputs)
      : path_(std::move(path)), first_line_(fmt::format("oag-convert 1 {:016x}", checksum_of(inputs))) {}

  // False where there is none, or one of another conversion.
  bool read() {
    std::error_code ignored;
    if (!fs::exists(path_, ignored)) return false;
    std::istringstream lines(read_file(path_));
    std::string line;
    if (!std::getline(lines, line) || line != first_line_) return false;
    while (std::getline(lines, line)) complete_.push_back(line);
    return true;
  }
  bool has(const std::string& shard) const { return std::ranges::find(complete_, shard) != complete_.end(); }
  void add(const std::string& shard) {
    complete_.push_back(shard);
    save();
  }
  void save() const {
    std::string text = first_line_ + "\n";
    for (const std::string& name : complete_) text += name + "\n";
    write_file(path_, text);
  }
  void remove() const {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }

 private:
  fs::path path_;
  std::string first_line_;
  std::vector<std::string> complete_;
};

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

template <typename Writer>
void stream_tensor(Writer& writer, const PlannedTensor& tensor, std::string_view file, TensorStream& stream,
                   ConvertMeter& meter) {
  meter.begin(file, tensor);
  stream.convert(tensor,
                 [&writer, &tensor](std::span<const std::byte> bytes) { writer.write(tensor.name, bytes); });
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

void write_shard(const FolderJob& job, const std::vector<const PlannedTensor*>& shard,
                 const std::string& name, TensorStream& stream, ConvertMeter& meter, ConvertReport& report) {
  SafetensorsWriter writer(job.path / name);
  writer.set("format", "pt");
  for (const PlannedTensor* tensor : shard) writer.declare_tensor(tensor->name, tensor->dtype, tensor->dims);
  const Settle settle{stream};
  for (const PlannedTensor* tensor : shard) stream_tensor(writer, *tensor, name, stream, meter);
  finish(writer, stream, report);
}

void open_folder(const FolderJob& job, FolderState& state, bool overwrite) {
  std::error_code error;
  fs::create_directories(job.path, error);
  if (error) fail(ErrorCode::kIo, job.path.string(), "cannot be made: {}", error.message());
  if (state.read()) return;
  const bool unfinished = fs::exists(job.path / kStateName, error);
  if (!overwrite && !unfinished && !fs::is_empty(job.path, error)) {
    fail(ErrorCode::kInvalidArgument, job.path.string(),
         "holds files already; name an empty folder, or allow it to be overwritten (--force)");
  }
  // Weights of another model beside these would be read as part of it.
  std::vector<fs::path> old;
  for (const auto& entry : fs::directory_iterator(job.path)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".safetensors") || name == kIndexName) old.push_back(entry.path());
  }
  for (const fs::path& path : old) fs::remove(path, error);
  state.save();
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

void run_gguf_job(const GgufJob& job, const std::string& inputs, bool overwrite, TensorStream& stream,
                  ConvertMeter& meter, ConvertReport& report) {
  GgufWriter writer(job.path, {.overwrite = overwrite, .inputs = inputs});
  for (const GgufMetadata::Entry& entry : job.keys) writer.set(entry.key, entry.value);
  for (const PlannedTensor& tensor : job.tensors)
    writer.declare_tensor(tensor.name, tensor.dtype, tensor.dims);
  const size_t complete = writer.begin();
  const std::string name = job.path.filename().string();
  const Settle settle{stream};
  for (size_t i = 0; i < job.tensors.size(); ++i) {
    if (i < complete) {
      meter.kept(job.tensors[i]);
    } else {
      stream_tensor(writer, job.tensors[i], name, stream, meter);
    }
  }
  finish(writer, stream, report);
  report.files.push_back({job.path, file_bytes(job.path)});
}

void run_folder_job(const FolderJob& job, const std::string& inputs, bool overwrite, TensorStream& stream,
                    ConvertMeter& meter, ConvertReport& report) {
  FolderState state(job.path / kStateName, inputs);
  open_folder(job, state, overwrite);
  const auto shards = shards_of(job);
  uint64_t missing = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    if (state.has(shard_name(i, shards.size()))) continue;
    for (const PlannedTensor* tensor : shards[i]) missing += tensor->size_bytes();
  }
  require_disk_space(job.path, missing);
  Json map = Json::object();
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shard_name(i, shards.size());
    if (state.has(name)) {
      for (const PlannedTensor* tensor : shards[i]) meter.kept(*tensor);
    } else {
      write_shard(job, shards[i], name, stream, meter, report);
      state.add(name);
    }
    for (const PlannedTensor* tensor : shards[i]) map[tensor->name] = name;
    report.files.push_back({job.path / name, file_bytes(job.path / name)});
  }
  if (shards.size() > 1) {
    const Json index = {{"metadata", {{"total_size", bytes_of(job.tensors)}}}, {"weight_map", map}};
    write_file(job.path / kIndexName, index.dump(2) + "\n");
  }
  for (const SmallFile& file : job.files) write_file(job.path / file.name, file.text);
  state.remove();
}

}  // namespace oag
