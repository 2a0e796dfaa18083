#include "service/serve/picture_store.h"

#include <algorithm>

#include "base/error.h"
#include "base/image.h"
#include "base/thread_name.h"
#include "service/net/sha256.h"
#include "service/protocol/request_error.h"

namespace oag {
namespace {

ContentHash content_hash(std::span<const std::byte> bytes) {
  const std::string digest = sha256_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return {std::stoull(digest.substr(0, 16), nullptr, 16), std::stoull(digest.substr(16, 16), nullptr, 16)};
}

size_t size_bytes(const Tensor& rows) {
  return rows.values<float>().size_bytes();
}

}  // namespace

PictureStore::PictureStore(std::unique_ptr<VisionEncoder> encoder, size_t cache_bytes)
    : encoder_(std::move(encoder)), cache_bytes_(cache_bytes), thread_([this] {
        name_thread("oag-pictures");
        work();
      }) {}

PictureStore::~PictureStore() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (Job& job : jobs_) job.control->cancel();
    if (at_work_) at_work_->cancel();
  }
  changed_.notify_all();
  thread_.join();
}

int64_t PictureStore::pixels_of(std::string_view source, const std::string& where) {
  if (!source.starts_with("data:")) {
    throw RequestError(400, "unsupported_image_url", where,
                       "is an address, and pictures are not fetched: send it as data:image/png;base64,…");
  }
  return data_uri_pixels(source, where);
}

Picture PictureStore::open(std::string_view source, const std::string& where) {
  Picture picture;
  // Of the file: what the URI calls it, and how its base64 is written, makes no other picture.
  const std::vector<std::byte> file = data_uri_bytes(source, where);
  picture.hash = content_hash(file);
  {
    std::lock_guard lock(mutex_);
    if (find(picture)) return picture;
  }
  const RgbImage pixels = decode_image(file, where);
  picture.grid = encoder_->merged_grid_of(pixels.width, pixels.height, where);
  picture.source = std::make_shared<const std::string>(source);
  return picture;
}

void PictureStore::encode(std::vector<Picture> pictures, std::shared_ptr<RunControl> control, Done done) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) control->cancel();
    jobs_.push_back({std::move(pictures), std::move(control), std::move(done)});
    stats_.waiting = static_cast<int64_t>(jobs_.size());
  }
  changed_.notify_all();
}

PictureStore::Stats PictureStore::stats() const {
  std::lock_guard lock(mutex_);
  return stats_;
}

bool PictureStore::find(Picture& picture) {
  const auto known = std::ranges::find(cache_, picture.hash, &Entry::hash);
  if (known == cache_.end()) return false;
  cache_.splice(cache_.begin(), cache_, known);
  picture.grid = known->grid;
  picture.rows = known->rows;
  picture.source.reset();
  ++stats_.hits;
  return true;
}

void PictureStore::keep(const Picture& picture) {
  ++stats_.misses;
  const size_t size = size_bytes(picture.rows);
  if (size > cache_bytes_) return;
  cache_.push_front({picture.hash, picture.grid, picture.rows});
  stats_.cached_bytes += size;
  while (stats_.cached_bytes > cache_bytes_) {
    stats_.cached_bytes -= size_bytes(cache_.back().rows);
    cache_.pop_back();
  }
}

void PictureStore::run(Job& job) {
  for (size_t i = 0; i < job.pictures.size(); ++i) {
    Picture& picture = job.pictures[i];
    if (!picture.source) continue;
    {
      // Another request may have brought it meanwhile.
      std::lock_guard lock(mutex_);
      if (find(picture)) continue;
      stats_.begun = Clock::now();
    }
    const std::string where = fmt::format("picture {}", i + 1);
    EncodedImage encoded;
    const RunState state =
        encoder_->encode(decode_data_uri(*picture.source, where), where, *job.control, encoded);
    if (state != RunState::kDone) fail(ErrorCode::kCancelled, "picture", "was cancelled");
    picture.rows = encoded.rows;
    picture.source.reset();
    std::lock_guard lock(mutex_);
    keep(picture);
  }
}

void PictureStore::work() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      stats_.waiting = static_cast<int64_t>(jobs_.size());
      at_work_ = job.control;
    }
    std::exception_ptr error;
    try {
      run(job);
    } catch (...) {
      error = std::current_exception();
    }
    {
      std::lock_guard lock(mutex_);
      at_work_.reset();
      stats_.begun.reset();
    }
    job.done(std::move(job.pictures), error);
  }
}

}  // namespace oag
