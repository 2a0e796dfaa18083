#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "engine/formats/onnx/onnx_messages.h"
#include "engine/tensor/tensor.h"

namespace oag {

// The files beside a model that hold values of its tensors, mapped when first asked for. Nothing outside of
// the model's folder is opened: a model that somebody sends must not read its user's other files.
class ExternalData {
 public:
  // An empty path: there is no folder, all external data is refused. Links may lead to `linked` too, where
  // the model itself was found to lie: caches of model hubs keep names in one folder, contents in another.
  explicit ExternalData(std::filesystem::path folder, std::filesystem::path linked = {})
      : folder_(std::move(folder)), linked_(std::move(linked)) {}

  struct Range {
    std::shared_ptr<Buffer> buffer;
    size_t offset = 0;
  };
  // Where the `size_bytes` of the tensor lie. Errors, naming `where` and the tensor: kCorruptData for a path
  // out of the folder or a range out of the file; kNotFound, kIo.
  Range find(const TensorMessage& tensor, size_t size_bytes, const std::string& where);

  // All files mapped so far.
  const std::vector<std::shared_ptr<const MappedFile>>& files() const { return files_; }

 private:
  std::shared_ptr<Buffer> open(const std::string& location, const std::string& where,
                               const std::string& tensor);

  std::filesystem::path folder_, linked_;
  std::map<std::string, std::shared_ptr<Buffer>, std::less<>> buffers_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
};

}  // namespace oag
