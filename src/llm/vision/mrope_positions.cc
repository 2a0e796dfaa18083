#include "llm/vision/mrope_positions.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace oag {
namespace {

int64_t length_of(const PromptRun& run, int merge) {
  return run.is_image() ? std::max(run.grid.rows, run.grid.columns) / merge : run.tokens;
}

}  // namespace

std::vector<int32_t> expand_image_tokens(std::span<const int32_t> ids, int32_t image_token,
                                         std::span<const ImageGrid> grids, int merge,
                                         std::string_view where) {
  const auto places = static_cast<size_t>(std::ranges::count(ids, image_token));
  if (places != grids.size())
    fail(ErrorCode::kInvalidArgument, where,
         "the prompt has {} image places for {} pictures: each place takes one", places, grids.size());
  size_t total = ids.size() - places;
  for (const ImageGrid& grid : grids) total += static_cast<size_t>(grid.tokens(merge));
  std::vector<int32_t> expanded;
  expanded.reserve(total);
  auto grid = grids.begin();
  for (const int32_t id : ids) {
    const int64_t copies = id == image_token ? (grid++)->tokens(merge) : 1;
    expanded.insert(expanded.end(), static_cast<size_t>(copies), id);
  }
  return expanded;
}

std::vector<PromptRun> split_prompt(std::span<const int32_t> ids, int32_t image_token,
                                    std::span<const ImageGrid> grids, int merge, std::string_view where) {
  std::vector<ImageGrid> slices;
  for (const ImageGrid& grid : grids)
    slices.insert(slices.end(), static_cast<size_t>(grid.frames), ImageGrid{1, grid.rows, grid.columns});
  std::vector<PromptRun> runs;
  size_t used = 0;
  for (size_t at = 0; at < ids.size();) {
    const bool image = ids[at] == image_token;
    size_t end = at;
    while (end < ids.size() && (ids[end] == image_token) == image) ++end;
    if (!image) {
      runs.push_back({static_cast<int64_t>(end - at), {}});
      at = end;
      continue;
    }
    if (used == slices.size())
      fail(ErrorCode::kInvalidArgument, where, "image tokens from token {} on have no picture: {} were given",
           at, slices.size());
    const ImageGrid& slice = slices[used++];
    const int64_t tokens = slice.tokens(merge);
    if (tokens > static_cast<int64_t>(end - at))
      fail(ErrorCode::kInvalidArgument, where,
           "picture {} takes {} tokens ({}x{} patches), its place at token {} has {}", used, tokens,
           slice.rows, slice.columns, at, end - at);
    runs.push_back({tokens, slice});
    at += static_cast<size_t>(tokens);
  }
  if (used != slices.size())
    fail(ErrorCode::kInvalidArgument, where, "{} pictures were given, the prompt has places for {}",
         slices.size(), used);
  return runs;
}

MropePositions mrope_positions(std::span<const PromptRun> runs, int merge, int32_t start) {
  int64_t tokens = 0, end = start;
  for (const PromptRun& run : runs) {
    tokens += run.tokens;
    end += length_of(run, merge);
    if (end > std::numeric_limits<int32_t>::max())
      fail(ErrorCode::kInvalidArgument, "prompt", "positions from {} on leave 31 bits after {} tokens", start,
           tokens);
  }
  MropePositions positions;
  positions.ids.resize(static_cast<size_t>(3 * tokens));
  const std::span time(positions.ids.data(), static_cast<size_t>(tokens));
  const std::span height(positions.ids.data() + tokens, static_cast<size_t>(tokens));
  const std::span width(positions.ids.data() + 2 * tokens, static_cast<size_t>(tokens));
  int32_t next = start;
  size_t at = 0;
  for (const PromptRun& run : runs) {
    const int columns = run.is_image() ? run.grid.columns / merge : 1;
    for (int64_t i = 0; i < run.tokens; ++i, ++at) {
      const auto offset = static_cast<int32_t>(i);
      time[at] = run.is_image() ? next : next + offset;
      height[at] = run.is_image() ? next + offset / columns : next + offset;
      width[at] = run.is_image() ? next + offset % columns : next + offset;
    }
    next += static_cast<int32_t>(length_of(run, merge));
  }
  positions.next = next;
  return positions;
}

}  // namespace oag
