#include "cli/shown_pictures.h"

#include "cli/output.h"

namespace oag::cli {
namespace {

RgbImage decoded(const std::string& source) {
  return read_image(source, source.starts_with("data:") ? "data URI" : printable(source));
}

}  // namespace

ShownPictures::ShownPictures(const std::vector<std::string>& sources, int64_t most_kept_pixels)
    : most_kept_pixels_(most_kept_pixels) {
  for (const std::string& source : sources) add(source);
}

std::pair<int, int> ShownPictures::add(const std::string& source) {
  RgbImage image = decoded(source);
  const std::pair<int, int> size(image.width, image.height);
  const int64_t count = int64_t{image.width} * image.height;
  if (kept_pixels_ + count <= most_kept_pixels_) {
    kept_pixels_ += count;
    pictures_.push_back({source, std::move(image)});
  } else {
    pictures_.push_back({source, {}});
  }
  return size;
}

RgbImage ShownPictures::pixels(size_t index) const {
  const Picture& picture = pictures_[index];
  return picture.image.pixels.empty() ? decoded(picture.source) : picture.image;
}

void ShownPictures::clear() {
  pictures_.clear();
  kept_pixels_ = 0;
}

}  // namespace oag::cli
