// A whole vision tower on one picture: how long it takes and the most memory that the process ever held.
//
//   oag_tower_bench MMPROJ PICTURE [--rounds R]
//
// MMPROJ is a GGUF file of a GLM-4.1V tower, PICTURE a PNG, JPEG or WebP file. From the picture's bytes to
// rows; the time is the median of R rounds (1). Memory is VmHWM: weights, of which those in f16 and bf16 are
// pages of the file, intermediate values, code. OAG_CPU_ISA and OAG_THREADS choose what is measured.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "api/backends.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/image.h"
#include "llm/generate/vision_encoder.h"

namespace oag {
namespace {

// "VmHWM:	  123456 kB" of /proc/self/status, in MB.
double peak_mb(std::string_view key) {
  const std::string status = read_file("/proc/self/status");
  const size_t at = status.find(key);
  return at == std::string::npos ? 0 : std::strtod(status.c_str() + at + key.size(), nullptr) / 1024;
}

int run(int argc, char** argv) {
  int rounds = 1;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--rounds" && i + 1 < argc) {
      rounds = std::max(1, std::atoi(argv[++i]));
    } else {
      files.emplace_back(argv[i]);
    }
  }
  if (files.size() != 2) {
    fmt::print(stderr, "usage: oag_tower_bench MMPROJ PICTURE [--rounds R]\n");
    return 2;
  }
  const char* threads = std::getenv("OAG_THREADS");
  const auto runtime =
      std::make_shared<Runtime>(RuntimeOptions{default_backends(), "", threads ? std::atoi(threads) : 0});
  const VisionEncoder encoder(runtime, load_vision_bundle(files[0], files[0]));
  const double loaded_mb = peak_mb("VmHWM:");
  std::vector<double> seconds;
  EncodedImage image;
  for (int round = 0; round < rounds; ++round) {
    const TimePoint begin = Clock::now();
    const RgbImage picture = read_image(files[1], files[1]);
    if (encoder.encode(picture, files[1], RunControl(), image) != RunState::kDone) return 1;
    seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  std::ranges::sort(seconds);
  fmt::print(
      "{} rows of {} from {} patches: {:.2f} s; peak memory {:.0f} MB, {:.0f} MB before the first picture; "
      "now {:.0f} "
      "MB of files, {:.0f} MB of its own\n",
      image.rows.dim(0), image.rows.dim(1), 4 * image.rows.dim(0), seconds[seconds.size() / 2],
      peak_mb("VmHWM:"), loaded_mb, peak_mb("RssFile:"), peak_mb("RssAnon:"));
  return 0;
}

}  // namespace
}  // namespace oag

int main(int argc, char** argv) {
  try {
    return oag::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "oag_tower_bench: {}\n", error.what());
    return 1;
  }
}
