#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/image.h"
#include "engine/session/session.h"
#include "llm/bundle/vision_bundle.h"

namespace oag {

// What a picture becomes: one row of embeddings for each token that stands for it.
struct EncodedImage {
  ImageGrid grid;  // of merged patches, one frame
  Tensor rows;     // [grid.patches(), hidden size of the language model] f32
};

// A vision tower on a Runtime. Several threads may use it at once.
class VisionEncoder {
 public:
  // Errors: those of compile; kInvalidArgument for options out of range.
  VisionEncoder(const std::shared_ptr<Runtime>& runtime, std::shared_ptr<const VisionBundle> bundle,
                const GlmImageOptions& options = {});

  // Prepares a picture and runs the tower on the calling thread; `out` is filled on kDone. `where` names the
  // picture in errors. Errors: those of smart_resize; kOutOfMemory.
  RunState encode(const RgbImage& image, std::string_view where, const RunControl& control,
                  EncodedImage& out) const;

  // What a picture of this size becomes, as EncodedImage's. Errors: those of smart_resize.
  ImageGrid merged_grid_of(int width, int height, std::string_view where) const;

  // Pictures from now on are shown to `observer`, which outlives them; null: to nobody.
  void observe(StepObserver* observer) { observer_ = observer; }

  const VisionBundle& bundle() const { return *bundle_; }
  const Session& session() const { return session_; }

 private:
  void check_memory(int64_t patches, std::string_view where) const;

  std::shared_ptr<const VisionBundle> bundle_;
  GlmImageProcessor processor_;
  Session session_;
  std::vector<float> position_table_;
  StepObserver* observer_ = nullptr;
  size_t patches_, positions_, cos_, sin_;  // which of the session's inputs they are
};

// Bytes that a tower takes while it works on a picture, as MemoryNeed.
struct VisionNeed {
  uint64_t weights = 0;
  uint64_t step = 0;  // of the picture

  uint64_t total() const { return weights + step; }
};

// What a VisionEncoder would take for a picture of these patches, without taking it. Errors: those of
// VisionEncoder.
VisionNeed vision_memory_need(const std::shared_ptr<Runtime>& runtime, const VisionBundle& bundle,
                              const ImageGrid& grid);

}  // namespace oag
