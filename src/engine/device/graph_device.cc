#include "engine/device/graph_device.h"

#include "base/free_memory.h"

namespace oag {
namespace {

// Of engines that bring their own threads: kernels run on the caller.
class EngineEnv final : public KernelEnv {
 public:
  explicit EngineEnv(const RunControl& control) : control_(control) {}

  bool parallel_for(int64_t tiles, int64_t, FunctionRef<void(int64_t, int)> tile) override {
    for (int64_t i = 0; i < tiles; ++i) {
      if (should_stop()) return false;
      tile(i, 0);
    }
    return true;
  }
  int workers() const override { return 1; }
  std::byte* workspace(size_t size_bytes) override {
    return scratch_.emplace_back(allocate_host(size_bytes))->data();
  }
  bool should_stop() const override { return control_.should_stop(); }
  void reset() { scratch_.clear(); }

 private:
  const RunControl& control_;
  std::vector<std::shared_ptr<Buffer>> scratch_;
};

class EngineEvent final : public Event {
 public:
  bool done() const override { return true; }
  bool wait(std::optional<TimePoint>) const override { return true; }
  TimePoint time() const override { return time_; }

 private:
  TimePoint time_ = Clock::now();
};

class EngineStream final : public Stream {
 public:
  explicit EngineStream(const RunControl& control) : env_(control) {}

  void submit(const Kernel& kernel, KernelContext& context) override {
    kernel.run(context);
    env_.reset();
  }
  std::unique_ptr<Event> record() override { return std::make_unique<EngineEvent>(); }
  KernelEnv& env() override { return env_; }

 private:
  EngineEnv env_;
};

}  // namespace

std::optional<uint64_t> GraphDevice::free_memory_bytes() const {
  return oag::free_memory_bytes();
}

std::shared_ptr<Buffer> GraphDevice::allocate(size_t size_bytes) {
  return allocate_host(size_bytes);
}

std::unique_ptr<Stream> GraphDevice::make_stream(const RunControl& control) {
  return std::make_unique<EngineStream>(control);
}

DeviceProperties engine_properties(std::string name, std::string description, std::string unusable) {
  DeviceProperties properties;
  properties.name = std::move(name);
  properties.description = std::move(description);
  properties.unusable = std::move(unusable);
#if defined(__x86_64__)
  properties.architecture = "x86-64";
#elif defined(__aarch64__)
  properties.architecture = "aarch64";
#endif
  return properties;
}

}  // namespace oag
