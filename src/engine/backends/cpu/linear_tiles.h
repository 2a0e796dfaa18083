#pragma once

#include <algorithm>
#include <cstdint>

namespace oag::cpu {

// How oag.Linear's output is cut into tiles of rows × tokens: small enough that a cancelled run stops within
// a millisecond, large enough that handing them out costs nothing.
struct LinearTiles {
  // `macs_per_ns`: what one thread does, roughly. `row_step`: tiles have a multiple of this many rows, but
  // for the last.
  LinearTiles(int64_t outputs, int64_t inputs, int64_t tokens, int64_t row_step, int64_t macs_per_ns,
              int workers)
      : outputs(outputs), tokens(tokens) {
    constexpr int64_t kTokensPerTile = 64, kTargetNs = 100'000, kLeastNs = 4'000;
    token_step = std::clamp<int64_t>(tokens, 1, kTokensPerTile);
    const auto ns_of = [&](int64_t rows) {
      return std::max<int64_t>(1, rows * inputs * token_step / macs_per_ns);
    };
    const int64_t row_tiles_wanted =
        std::max<int64_t>(1, 4 * workers / std::max<int64_t>(1, (tokens + token_step - 1) / token_step));
    const int64_t even = (outputs + row_tiles_wanted - 1) / row_tiles_wanted;
    const int64_t most = outputs * kTargetNs / ns_of(outputs), least = outputs * kLeastNs / ns_of(outputs);
    rows_step = std::clamp<int64_t>(even, std::max<int64_t>(1, least), std::max<int64_t>({1, least, most}));
    rows_step = (rows_step + row_step - 1) / row_step * row_step;
    row_tiles = (outputs + rows_step - 1) / rows_step;
    count = row_tiles * ((tokens + token_step - 1) / token_step);
    ns_per_tile = ns_of(rows_step);
  }

  struct Tile {
    int64_t row, rows, token, tokens;
  };
  // Tiles of the same rows follow each other, so that their weights are still in cache.
  Tile operator[](int64_t i) const {
    const int64_t token_tiles = count / row_tiles;
    const int64_t row = i / token_tiles * rows_step, token = i % token_tiles * token_step;
    return {row, std::min(rows_step, outputs - row), token, std::min(token_step, tokens - token)};
  }

  int64_t outputs, tokens;
  int64_t token_step, rows_step, row_tiles;
  int64_t count;
  int64_t ns_per_tile;
};

}  // namespace oag::cpu
