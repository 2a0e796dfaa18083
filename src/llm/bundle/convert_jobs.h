#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/formats/gguf/gguf_metadata.h"
#include "llm/bundle/convert.h"
#include "llm/bundle/hugging_face_files.h"
#include "llm/bundle/tensor_plan.h"
#include "llm/bundle/tensor_stream.h"

namespace oag {

// Tells how far all jobs of a conversion are, and counts what its report says.
class ConvertMeter {
 public:
  ConvertMeter(const ConvertOptions& options, ConvertReport& report) : options_(options), report_(report) {}

  void expect(const std::vector<PlannedTensor>& tensors);
  void begin(std::string_view file, const PlannedTensor& tensor);
  void finished(const PlannedTensor& tensor);
  void kept(const PlannedTensor& tensor);  // was there already

 private:
  void tell() const;

  const ConvertOptions& options_;
  ConvertReport& report_;
  ConvertProgress progress_;
  std::string file_, tensor_;
};

// A GGUF file to be written.
struct GgufJob {
  std::filesystem::path path;
  std::vector<GgufMetadata::Entry> keys;
  std::vector<PlannedTensor> tensors;
};

// `inputs` tells this conversion from others. Gives the checksum of the tensors (convert_state.h). What is
// unfinished stays, unless its source or its target can never become this file. Errors: those of GgufWriter
// and TensorStream.
uint64_t run_gguf_job(const GgufJob& job, const std::string& inputs, bool overwrite, TensorStream& stream,
                      ConvertMeter& meter, ConvertReport& report);

// Reports a file that an earlier call finished.
void keep_gguf_job(const GgufJob& job, ConvertMeter& meter, ConvertReport& report);

// A Hugging Face folder to be written.
struct FolderJob {
  std::filesystem::path path;
  std::vector<SmallFile> files;  // written last, in this order
  std::vector<PlannedTensor> tensors;
  uint64_t shard_bytes = 0;
};

// Errors: kInvalidArgument where the folder is not empty and may not be overwritten, or holds another
// conversion's unfinished work; kBusy while another process converts into it; kIo; those of SafetensorsWriter
// and TensorStream.
void run_folder_job(const FolderJob& job, const std::string& inputs, bool overwrite, TensorStream& stream,
                    ConvertMeter& meter, ConvertReport& report);

}  // namespace oag
