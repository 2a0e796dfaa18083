#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/image.h"

namespace oag::cli {

// Pictures that wait to be shown, as files or data URIs. Each is decoded when it comes, so that a broken one
// is refused at once, but many together do not fill memory: the pixels of all that are kept are at most as
// many as one picture may have, and the others are decoded again when it is their turn.
class ShownPictures {
 public:
  static constexpr int64_t kMostKeptPixels = ImageLimits().max_pixels;

  explicit ShownPictures(const std::vector<std::string>& sources, int64_t most_kept_pixels = kMostKeptPixels);

  // Width and height. Errors: those of read_image.
  std::pair<int, int> add(const std::string& source);
  // Errors: those of read_image, where its file has changed since.
  RgbImage pixels(size_t index) const;

  size_t size() const { return pictures_.size(); }
  bool empty() const { return pictures_.empty(); }
  int64_t kept_pixels() const { return kept_pixels_; }
  void clear();

 private:
  struct Picture {
    std::string source;
    RgbImage image;  // without pixels where they are not kept
  };

  std::vector<Picture> pictures_;
  int64_t most_kept_pixels_, kept_pixels_ = 0;
};

}  // namespace oag::cli
