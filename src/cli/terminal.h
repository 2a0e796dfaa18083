#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace oag::cli {

bool stdin_is_terminal();
bool stdout_is_terminal();
bool stderr_is_terminal();

// Whether to colour text on standard error or output: a terminal, and neither NO_COLOR nor TERM=dumb is set.
bool use_color(bool terminal);

// `text` dimmed, when `color`.
std::string dim(std::string_view text, bool color);

// Rows as aligned columns: the first row is the head. Numbers (cells that begin with a digit, '-' or '.')
// align right.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

// "98.4 MB"; MB = 10^6 bytes.
std::string format_bytes(uint64_t bytes);

// A line on a terminal that shows how far something is; nothing elsewhere.
class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  // `total_bytes` may be 0: not known yet. `more` stands behind the numbers.
  void update(std::string_view label, uint64_t done_bytes, uint64_t total_bytes, std::string_view more = {});
  // The same for things that are counted.
  void update_count(std::string_view label, uint64_t done, uint64_t total);
  void clear();  // takes the line away

 private:
  void draw(std::string_view label, double share, const std::string& numbers);

  bool shown_;
  bool drawn_ = false;
  std::string label_;
  int64_t last_ms_ = -1000;
};

// Peak resident memory of this process so far, in bytes (VmHWM).
uint64_t peak_memory_bytes();

}  // namespace oag::cli
