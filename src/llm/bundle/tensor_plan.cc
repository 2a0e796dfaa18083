#include "llm/bundle/tensor_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace oag {
namespace {

bool is_number_type(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || is_block_format(dtype);
}

PlannedTensor planned(const StoredTensor& tensor, std::string name, DType dtype, std::string_view where) {
  const bool is_kept = dtype == tensor.dtype && (is_integer(dtype) || dtype == DType::kBool);
  if (!is_number_type(tensor.dtype) && !is_kept) {
    fail(ErrorCode::kUnsupported, where,
         "tensor {} is stored as {}, which cannot be converted; use the model in f32, bf16, f16 or a GGUF "
         "type that `oag inspect` can name",
         tensor.name, tensor.type_name);
  }
  PlannedTensor plan;
  plan.name = std::move(name);
  plan.dtype = dtype;
  plan.dims = tensor.dims;
  plan.rows.from = {&tensor};
  return plan;
}

}  // namespace

const StoredTensor& RowSource::part_of(int64_t row) const {
  return *from[static_cast<size_t>(row / run) % from.size()];
}

int64_t RowSource::together(int64_t row, int64_t count) const {
  if (stride != 1 || order != HeadOrder::kSame) return 1;
  return from.size() == 1 ? count : std::min(count, run - row % run);
}

int64_t RowSource::row_of(int64_t row) const {
  const int64_t turn = run * static_cast<int64_t>(from.size());
  const int64_t at = row / turn * run + row % run;
  const int64_t inside = at % head_size;
  if (order == HeadOrder::kSame || inside >= rotated) return first + stride * at;
  const int64_t half = rotated / 2;
  const int64_t moved = order == HeadOrder::kToInterleaved ? inside / 2 + inside % 2 * half
                        : inside < half                    ? 2 * inside
                                                           : 2 * (inside - half) + 1;
  return first + stride * (at - inside + moved);
}

uint64_t PlannedTensor::size_bytes() const {
  return row_bytes(dtype, row_values) * static_cast<uint64_t>(row_count());
}

uint64_t PlannedTensor::source_bytes() const {
  if (rows.from.empty()) return 0;
  return row_bytes(rows.from.front()->dtype, row_values) * static_cast<uint64_t>(row_count());
}

PlannedTensor plan_tensor(const StoredTensor& tensor, std::string name, DType dtype, std::string_view where) {
  PlannedTensor plan = planned(tensor, std::move(name), dtype, where);
  plan.row_values = tensor.dims.empty() ? 1 : tensor.dims.back();
  return plan;
}

PlannedTensor plan_rows(const StoredTensor& tensor, std::string name, DType dtype, int64_t first,
                        int64_t count, std::string_view where) {
  PlannedTensor plan = planned(tensor, std::move(name), dtype, where);
  plan.row_values = tensor.dims.size() > 1 ? tensor.dims.back() : 1;
  if (tensor.dims.empty() || tensor.dims.size() > 2 || first + count > tensor.dims[0]) {
    fail(ErrorCode::kCorruptData, where, "tensor {} is {}, expected at least {} rows", tensor.name,
         to_string(tensor.dims), first + count);
  }
  plan.dims[0] = count;
  plan.rows.first = first;
  return plan;
}

PlannedTensor plan_stack(const std::vector<const StoredTensor*>& parts, std::string name, DType dtype,
                         std::string_view where) {
  const StoredTensor& first = *parts.front();
  for (const StoredTensor* part : parts) {
    if (part->dims.size() == 2 && part->dims == first.dims && part->dtype == first.dtype) continue;
    fail(ErrorCode::kCorruptData, where, "tensor {} is {} {}, expected a matrix like {}, which is {} {}",
         part->name, part->type_name, to_string(part->dims), first.name, first.type_name,
         to_string(first.dims));
  }
  PlannedTensor plan = planned(first, std::move(name), dtype, where);
  plan.dims.insert(plan.dims.begin(), static_cast<int64_t>(parts.size()));
  plan.row_values = first.dims.back();
  plan.rows.from = parts;
  plan.rows.run = first.dims[0];
  return plan;
}

PlannedTensor plan_part(const StoredTensor& stack, std::string name, DType dtype, int64_t index,
                        std::string_view where) {
  if (stack.dims.size() != 3 || index >= stack.dims[0]) {
    fail(ErrorCode::kCorruptData, where, "tensor {} is {}, expected more than {} matrices", stack.name,
         to_string(stack.dims), index);
  }
  PlannedTensor plan = planned(stack, std::move(name), dtype, where);
  plan.dims.erase(plan.dims.begin());
  plan.row_values = plan.dims.back();
  plan.rows.first = index * plan.dims[0];
  return plan;
}

void plan_head_order(PlannedTensor& tensor, std::string_view gguf_name, const TextConfig& config,
                     RopePairing from, RopePairing to) {
  const bool is_rotated = gguf_name.find(".attn_q.") != std::string_view::npos ||
                          gguf_name.find(".attn_k.") != std::string_view::npos;
  if (!is_rotated || from == to) return;
  if (tensor.dims.size() == 1) tensor.row_values = 1;
  tensor.rows.order = to == RopePairing::kHalf ? HeadOrder::kToHalves : HeadOrder::kToInterleaved;
  tensor.rows.head_size = config.head_size;
  tensor.rows.rotated = config.rope_dims;
}

std::vector<PlannedTensor> plan_frames(const StoredTensor& tensor, const std::string& name, DType dtype,
                                       std::string_view where) {
  const Dims& dims = tensor.dims;
  if (dims.size() != 5) {
    fail(ErrorCode::kCorruptData, where, "tensor {} is {}, expected [hidden, colours, frames, y, x]",
         tensor.name, to_string(dims));
  }
  std::vector<PlannedTensor> plans;
  for (int64_t frame = 0; frame < dims[2]; ++frame) {
    PlannedTensor plan = planned(tensor, frame == 0 ? name : fmt::format("{}.{}", name, frame), dtype, where);
    plan.dims = {dims[0], dims[1], dims[3], dims[4]};
    plan.row_values = dims[3] * dims[4];
    plan.rows.first = frame;
    plan.rows.stride = dims[2];
    plans.push_back(std::move(plan));
  }
  return plans;
}

PlannedTensor plan_joined_frames(const std::vector<const StoredTensor*>& frames, std::string name,
                                 DType dtype, std::string_view where) {
  const Dims& dims = frames.front()->dims;
  PlannedTensor plan = planned(*frames.front(), std::move(name), dtype, where);
  for (const StoredTensor* frame : frames) {
    if (dims.size() != 4 || frame->dims != dims || frame->dtype != frames.front()->dtype) {
      fail(ErrorCode::kCorruptData, where, "tensor {} is {} {}, expected four dims and the type of {}",
           frame->name, frame->type_name, to_string(frame->dims), frames.front()->name);
    }
  }
  plan.dims = {dims[0], dims[1], static_cast<int64_t>(frames.size()), dims[2], dims[3]};
  plan.row_values = dims[2] * dims[3];
  plan.rows.from = frames;
  return plan;
}

}  // namespace oag
