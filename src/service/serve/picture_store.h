#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/run_control.h"
#include "llm/generate/generation.h"
#include "llm/generate/vision_encoder.h"

namespace oag {

// Of a tower's runs: answers' steps come first wherever the two meet.
inline constexpr int kTowerPriority = -1'000'000;

// A picture of a request: how many tokens it takes is known, its rows come later.
struct Picture {
  ContentHash hash;  // of the file's bytes
  ImageGrid grid;    // of merged patches
  // The data URI; null where the rows are known. Pixels take a hundred times as much and are made again when
  // the tower comes to the picture.
  std::shared_ptr<const std::string> source;
  Tensor rows;  // [grid.patches(), hidden size] f32; without a buffer until known
};

// The vision tower of a model, with what it made of pictures before, found by content. The tower works on one
// picture at a time, on a thread of its own and at a lower priority than answers, which therefore go on.
class PictureStore {
 public:
  PictureStore(std::unique_ptr<VisionEncoder> encoder, size_t cache_bytes);
  ~PictureStore();  // jobs that wait end as cancelled
  PictureStore(const PictureStore&) = delete;
  PictureStore& operator=(const PictureStore&) = delete;

  // Pixels of a data URI by the picture's header. Errors: those of data_uri_pixels; RequestError for an
  // address, which is never fetched.
  static int64_t pixels_of(std::string_view source, const std::string& where);

  // Decodes a data URI to see that it is whole and how large. `where` names it in errors. Errors: those of
  // decode_data_uri and smart_resize.
  Picture open(std::string_view source, const std::string& where);

  // Fills the rows of `pictures` and calls `done` on the store's thread, with an error's text or "". A
  // `control` that is cancelled ends it soon, `done` is called all the same.
  using Done = std::function<void(std::vector<Picture> pictures, std::exception_ptr error)>;
  void encode(std::vector<Picture> pictures, std::shared_ptr<RunControl> control, Done done);

  struct Stats {
    int64_t waiting = 0;
    std::optional<TimePoint> begun;  // the picture at work
    uint64_t hits = 0, misses = 0, cached_bytes = 0;
  };
  Stats stats() const;

 private:
  struct Job {
    std::vector<Picture> pictures;
    std::shared_ptr<RunControl> control;
    Done done;
  };
  struct Entry {
    ContentHash hash;
    ImageGrid grid;
    Tensor rows;
  };

  void work();
  void run(Job& job);
  bool find(Picture& picture);
  void keep(const Picture& picture);

  std::unique_ptr<VisionEncoder> encoder_;
  const size_t cache_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::shared_ptr<RunControl> at_work_;
  bool stopping_ = false;
  std::list<Entry> cache_;  // last used first
  Stats stats_;
  std::thread thread_;
};

}  // namespace oag
