#include "llm/generate/vision_encoder.h"

#include "base/error.h"
#include "engine/session/memory_plan.h"
#include "llm/vision/vision_positions.h"

namespace oag {

VisionEncoder::VisionEncoder(const std::shared_ptr<Runtime>& runtime,
                             std::shared_ptr<const VisionBundle> bundle, const GlmImageOptions& options)
    : bundle_(std::move(bundle)),
      processor_(bundle_->images, options),
      session_(runtime, bundle_->build_graph(), {{runtime->devices().begin(), runtime->devices().end()}}),
      position_table_(bundle_->position_table()),
      patches_(session_.input_index("patches")),
      positions_(session_.input_index("positions")),
      cos_(session_.input_index("cos")),
      sin_(session_.input_index("sin")) {}

// Refuses, before it is allocated, what a picture would need beyond what is free.
void VisionEncoder::check_memory(int64_t patches, std::string_view where) const {
  const Program& program = session_.program();
  const auto free_bytes = program.devices.front()->free_memory_bytes();
  DimBindings dims;
  dims["N"] = patches;
  const uint64_t inputs = static_cast<uint64_t>(patches) * sizeof(float) *
                          static_cast<uint64_t>(bundle_->config.patch_values() + bundle_->config.hidden_size);
  const uint64_t needed = plan_memory(program, dims).arena_bytes + inputs;
  if (!free_bytes || needed <= *free_bytes) return;
  fail(ErrorCode::kOutOfMemory, where,
       "needs {} MB for its {} patches, {} MB are free; a smaller pixel budget needs less",
       needed / 1'000'000, patches, *free_bytes / 1'000'000);
}

RunState VisionEncoder::encode(const RgbImage& image, std::string_view where, const RunControl& control,
                               EncodedImage& out) const {
  const VisionConfig& config = bundle_->config;
  const auto merge = static_cast<int>(config.merge_size), head = static_cast<int>(config.head_size());
  const auto split = [&](int64_t count, FunctionRef<void(int64_t)> work) {
    constexpr int64_t kNsOfRow = 20'000;
    session_.runtime().pool().parallel_for(control, count, kNsOfRow, [&](int64_t i, int) { work(i); });
  };
  const ImageGrid grid = processor_.grid_of(image.width, image.height, where);
  const int64_t patches = grid.patches();
  check_memory(patches, where);
  RunBindings bindings;
  bindings.inputs.resize(session_.program().graph.inputs.size());
  Tensor& pixels = bindings.inputs[patches_] = Tensor::host(DType::kF32, {patches, processor_.row_values()});
  processor_.process(image, where, pixels.values<float>(), split);
  Tensor& positions = bindings.inputs[positions_] = Tensor::host(DType::kF32, {patches, config.hidden_size});
  sample_position_table(position_table_, static_cast<int>(config.table_side),
                        static_cast<int>(config.hidden_size), grid, merge, positions.values<float>(), split);
  const VisionRope rope = vision_rope(grid, merge, head, config.rope_theta);
  const Dims angles = {1, patches, head / 2};
  bindings.inputs[cos_] = Tensor::of<float>(DType::kF32, angles, rope.cos);
  bindings.inputs[sin_] = Tensor::of<float>(DType::kF32, angles, rope.sin);
  bindings.observer = observer_;
  std::vector<Tensor> outputs;
  const RunState state = session_.run(bindings, control, outputs);
  if (state == RunState::kDone) out = {{1, grid.rows / merge, grid.columns / merge}, outputs[0]};
  return state;
}

}  // namespace oag
