#include "llm/bundle/tensor_stream.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"
#include "engine/tensor/block_format.h"
#include "engine/tensor/quantize.h"

namespace oag {
namespace {

constexpr int64_t kTileValues = int64_t{1} << 15;  // 128 kB of f32: stays in a core's cache
constexpr uint64_t kPieceBytes = uint64_t{4} << 20;
constexpr int64_t kNsPerValue = 2;

// The bytes of whole rows `first`, `first` + 1, … of a stored tensor, counted in rows of `row_values`.
std::span<const std::byte> stored_rows(const StoredTensor& tensor, int64_t first, int64_t count,
                                       int64_t row_values) {
  const size_t row = row_bytes(tensor.dtype, row_values);
  return tensor.bytes.subspan(static_cast<size_t>(first) * row, static_cast<size_t>(count) * row);
}

// Pages of rows that stand one behind the other in the files; of others the whole tensor's are released at
// its end.
void release_rows(const PlannedTensor& tensor, int64_t begin, int64_t end) {
  const RowSource& rows = tensor.rows;
  if (rows.together(begin, 2) < 2) return;
  for (int64_t i = begin, together = 0; i < end; i += together) {
    together = rows.together(i, end - i);
    const StoredTensor& part = rows.part_of(i);
    if (part.file != nullptr)
      part.file->release_pages(stored_rows(part, rows.row_of(i), together, tensor.row_values));
  }
}

void require_whole(const PlannedTensor& tensor) {
  for (const StoredTensor* part : tensor.rows.from) {
    if (part->file != nullptr && part->file->damaged())
      fail(ErrorCode::kIo, part->file->path().string(), "shrank while it was read; the result is discarded");
  }
}

}  // namespace

void TensorStream::check_values(const PlannedTensor& tensor, int64_t first_row,
                                std::span<const float> values) const {
  const RowSource& rows = tensor.rows;
  const DType to = is_block_format(tensor.dtype) || is_float(tensor.dtype) ? tensor.dtype : DType::kF32;
  // What is stored in this type already fits it.
  const bool same = rows.from.front()->dtype == to;
  const auto bad = find_unstorable(same ? DType::kF32 : to, values);
  if (!bad) return;
  const auto at = static_cast<int64_t>(*bad);
  const int64_t row = first_row + at / tensor.row_values;
  const float value = values[*bad];
  const std::string place = fmt::format("row {}, value {}", rows.row_of(row), at % tensor.row_values);
  const std::string& name = rows.part_of(row).name;
  if (!std::isfinite(value)) {
    fail(ErrorCode::kCorruptData, where_,
         "tensor {} holds {} ({}); such weights are damaged and are not converted", name,
         std::isnan(value) ? "a NaN" : "an infinity", place);
  }
  fail(ErrorCode::kUnsupported, where_, "tensor {} holds {:g} ({}), which {} cannot hold; use bf16 or f32",
       name, value, place, dtype_name(tensor.dtype));
}

void TensorStream::convert_tile(const PlannedTensor& tensor, int64_t begin, int64_t end,
                                std::span<float> values, std::span<std::byte> out) const {
  const RowSource& rows = tensor.rows;
  const int64_t count = end - begin, width = tensor.row_values;
  const DType from = rows.from.front()->dtype;
  const bool same = from == tensor.dtype;
  const bool is_number = is_block_format(from) || is_float(from);
  const size_t row = row_bytes(from, width);
  for (int64_t i = 0, together = 0; i < count; i += together) {
    together = rows.together(begin + i, count - i);
    const auto bytes = stored_rows(rows.part_of(begin + i), rows.row_of(begin + i), together, width);
    if (is_number) {
      decode_blocks(from, bytes,
                    values.subspan(static_cast<size_t>(i * width), static_cast<size_t>(together * width)));
    }
    if (same) std::memcpy(out.data() + static_cast<size_t>(i) * row, bytes.data(), bytes.size());
  }
  if (!is_number) return;
  check_values(tensor, begin, values);
  if (!same) quantize_rows(tensor.dtype, values, width, out);
}

void TensorStream::convert_rows(const PlannedTensor& tensor, int64_t begin, int64_t end,
                                std::span<std::byte> out) {
  const int64_t width = tensor.row_values;
  const int64_t tile_rows = std::max<int64_t>(1, kTileValues / width);
  const int64_t tiles = (end - begin + tile_rows - 1) / tile_rows;
  const size_t row = row_bytes(tensor.dtype, width);
  scratch_.resize(static_cast<size_t>(pool_.threads()));
  const auto tile = [&](int64_t i, int worker) {
    const int64_t first = begin + i * tile_rows, last = std::min(end, first + tile_rows);
    std::vector<float>& values = scratch_[static_cast<size_t>(worker)];
    values.resize(static_cast<size_t>((last - first) * width));
    convert_tile(
        tensor, first, last, values,
        out.subspan(static_cast<size_t>(first - begin) * row, static_cast<size_t>(last - first) * row));
  };
  if (!pool_.parallel_for(control_, tiles, tile_rows * width * kNsPerValue, tile))
    fail(ErrorCode::kCancelled, where_, "stopped");
}

std::span<std::byte> TensorStream::next_piece(size_t size_bytes) {
  filled_ = 1 - filled_;
  pieces_[filled_].resize(size_bytes);
  return pieces_[filled_];
}

void TensorStream::give(std::span<const std::byte> piece, const TensorSink& sink) {
  flush();
  taken_ = std::async(std::launch::async, [piece, sink] { sink(piece); });
}

void TensorStream::flush() {
  if (!taken_.valid()) return;
  const TimePoint start = Clock::now();
  taken_.wait();
  waited_seconds_ += std::chrono::duration<double>(Clock::now() - start).count();
  taken_.get();
}

void TensorStream::settle() noexcept {
  if (taken_.valid()) taken_.wait();
  taken_ = {};
}

void TensorStream::convert(const PlannedTensor& tensor, const TensorSink& sink) {
  if (!tensor.computed.empty()) {
    flush();
    return sink(std::as_bytes(std::span(tensor.computed)));
  }
  const int64_t rows = tensor.row_count();
  if (rows == 0) return;  // an empty tensor
  const size_t row = row_bytes(tensor.dtype, tensor.row_values);
  const auto piece_rows = std::max<int64_t>(1, static_cast<int64_t>(kPieceBytes / std::max<size_t>(row, 1)));
  for (int64_t begin = 0; begin < rows; begin += piece_rows) {
    const int64_t end = std::min(rows, begin + piece_rows);
    const std::span<std::byte> piece = next_piece(static_cast<size_t>(end - begin) * row);
    convert_rows(tensor, begin, end, piece);
    release_rows(tensor, begin, end);
    require_whole(tensor);
    give(piece, sink);
  }
  if (tensor.rows.together(0, 2) > 1) return;
  for (const StoredTensor* part : tensor.rows.from) {
    if (part->file != nullptr) part->file->release_pages(part->bytes);
  }
}

}  // namespace oag
