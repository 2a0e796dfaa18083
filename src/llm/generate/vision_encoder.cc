#include "llm/generate/vision_encoder.h"

#include "base/error.h"
#include "engine/session/memory_plan.h"
#include "llm/vision/vision_positions.h"

namespace oag {
namespace {

// What a picture takes while it is computed: intermediate values, the rows it becomes, and the inputs: rows
// of patches, positions, and the angles with the copies that tensors are made of.
uint64_t step_bytes(const Program& program, const VisionConfig& config, int64_t patches) {
  const MemoryPlan plan = plan_memory(program, {{"N", patches}});
  const auto out = static_cast<size_t>(program.graph.outputs.front());
  const auto input_values =
      static_cast<uint64_t>(config.patch_values() + config.hidden_size + 2 * config.head_size());
  return plan.arena_bytes + tensor_bytes(DType::kF32, plan.dims[out].value()) +
         static_cast<uint64_t>(patches) * input_values * sizeof(float);
}

}  // namespace

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
  const uint64_t needed = step_bytes(program, bundle_->config, patches);
  if (!free_bytes || needed <= *free_bytes) return;
  fail(ErrorCode::kOutOfMemory, where,
       "needs {} MB for its {} patches, {} MB are free; a smaller pixel budget needs less",
       needed / 1'000'000, patches, *free_bytes / 1'000'000);
}

ImageGrid VisionEncoder::merged_grid_of(int width, int height, std::string_view where) const {
  const auto merge = static_cast<int>(bundle_->config.merge_size);
  const ImageGrid grid = processor_.grid_of(width, height, where);
  return {1, grid.rows / merge, grid.columns / merge};
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
  if (state == RunState::kDone) out = {merged_grid_of(image.width, image.height, where), outputs[0]};
  return state;
}

VisionNeed vision_memory_need(const std::shared_ptr<Runtime>& runtime, const VisionBundle& bundle,
                              const ImageGrid& grid) {
  VisionNeed need;
  struct Counted {};  // ends the compile before anything is packed
  CompileOptions compile = {.devices = {runtime->devices().begin(), runtime->devices().end()}};
  compile.admit = [&](const Program& program) {
    need.weights = constant_bytes(program);
    need.step = step_bytes(program, bundle.config, grid.patches());
    throw Counted();
  };
  try {
    const Session session(runtime, bundle.build_graph(), compile);
  } catch (const Counted&) {
  }
  return need;
}

}  // namespace oag
