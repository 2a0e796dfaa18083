#include "cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "base/clock.h"
#include "cli/output.h"

namespace oag::cli {
namespace {

constexpr int64_t kRedrawMs = 80;

// Columns that a text takes, nearly: East Asian characters and emoji are wide.
size_t display_width(std::string_view text) {
  size_t width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) == 0x80) continue;
    width += (byte >= 0xe3 && byte <= 0xed) || byte >= 0xf0 ? 2 : 1;
  }
  return width;
}

bool is_number(std::string_view cell) {
  return !cell.empty() && (std::isdigit(static_cast<unsigned char>(cell[0])) ||
                           ((cell[0] == '-' || cell[0] == '.') && cell.size() > 1 &&
                            std::isdigit(static_cast<unsigned char>(cell[1]))));
}

bool dumb_terminal() {
  const char* term = std::getenv("TERM");
  return term != nullptr && std::string_view(term) == "dumb";
}

size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

bool stdin_is_terminal() {
  return ::isatty(STDIN_FILENO) == 1;
}
bool stdout_is_terminal() {
  return ::isatty(STDOUT_FILENO) == 1;
}
bool stderr_is_terminal() {
  return ::isatty(STDERR_FILENO) == 1;
}

bool use_color(bool terminal) {
  const char* no_color = std::getenv("NO_COLOR");
  return terminal && (no_color == nullptr || *no_color == '\0') && !dumb_terminal();
}

std::string dim(std::string_view text, bool color) {
  return color ? fmt::format("\033[2m{}\033[0m", text) : std::string(text);
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], display_width(row[c]));
  }
  std::vector<bool> numeric(widths.size(), rows.size() > 1);
  for (size_t r = 1; r < rows.size(); ++r) {
    for (size_t c = 0; c < rows[r].size(); ++c)
      numeric[c] = numeric[c] && (is_number(rows[r][c]) || rows[r][c].empty() || rows[r][c] == "-");
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string padding(widths[c] - display_width(row[c]), ' ');
      line += c > 0 ? "  " : "";
      line += numeric[c] ? padding + row[c] : row[c] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string format_bytes(uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes >= 1'000'000'000) return fmt::format("{:.2f} GB", value / 1e9);
  if (bytes >= 1'000'000) return fmt::format("{:.1f} MB", value / 1e6);
  if (bytes >= 1'000) return fmt::format("{:.1f} kB", value / 1e3);
  return fmt::format("{} B", bytes);
}

ProgressBar::ProgressBar() : shown_(stderr_is_terminal() && !dumb_terminal()) {}

ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::clear() {
  if (drawn_) print_stderr("\r\033[K");
  drawn_ = false;
}

void ProgressBar::update(std::string_view label, uint64_t done_bytes, uint64_t total_bytes,
                         std::string_view more) {
  if (total_bytes == 0) return draw(label, -1, format_bytes(done_bytes));
  draw(label, static_cast<double>(done_bytes) / static_cast<double>(total_bytes),
       fmt::format("{} of {}{}", format_bytes(done_bytes), format_bytes(total_bytes), more));
}

void ProgressBar::update_count(std::string_view label, uint64_t done, uint64_t total) {
  draw(label, static_cast<double>(done) / static_cast<double>(std::max<uint64_t>(total, 1)),
       fmt::format("{} of {}", done, total));
}

// A negative share is one that is not known.
void ProgressBar::draw(std::string_view label, double share, const std::string& numbers) {
  if (!shown_) return;
  const int64_t now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch()).count();
  if (drawn_ && now_ms - last_ms_ < kRedrawMs && share < 1 && label == label_) return;
  last_ms_ = now_ms;
  label_ = label;
  std::string bar;
  if (share >= 0) {
    constexpr size_t kCells = 30;
    share = std::min(1.0, share);
    const auto full = static_cast<size_t>(share * kCells);
    bar = fmt::format("[{}{}] {:3.0f} %  ", std::string(full, '#'), std::string(kCells - full, '.'),
                      share * 100);
  }
  std::string line = fmt::format("{}  {}{}", label, bar, numbers);
  size_t end = std::min(line.size(), terminal_columns() - 1);
  while (end < line.size() && end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0) == 0x80) --end;
  line.resize(end);
  print_stderr("\r\033[K{}", line);
  drawn_ = true;
}

uint64_t peak_memory_bytes() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(line.find_first_of("0123456789"))) * 1024;
  }
  return 0;
}

}  // namespace oag::cli
