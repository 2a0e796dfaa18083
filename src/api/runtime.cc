#include "api/backends.h"
#include "api/runtime_impl.h"
#include "api/translate.h"

namespace openautoglm {
namespace {

constexpr int kMaxThreads = 4096;

}  // namespace

std::vector<DeviceInfo> devices() {
  return translated([] {
    std::vector<DeviceInfo> all;
    for (const oag::Backend* backend : oag::default_backends()) {
      for (const oag::DeviceProperties& device : backend->discover()) {
        if (backend->open_engine != nullptr && !device.unusable.empty()) continue;  // not installed
        all.push_back({device.name, device.description, device.architecture, device.memory_bytes,
                       device.free_memory_bytes, device.compute_units});
      }
    }
    return all;
  });
}

void check_options(const RuntimeOptions& options) {
  if (options.threads >= 0 && options.threads <= kMaxThreads) return;
  oag::fail(oag::ErrorCode::kInvalidArgument, "threads", "must be 0 to {}, not {}", kMaxThreads,
            options.threads);
}

Runtime::Runtime(const RuntimeOptions& options) {
  translated([&] {
    check_options(options);
    oag::RuntimeOptions wanted{oag::default_backends(), options.device, options.threads};
    impl_ = std::make_unique<Impl>(Impl{std::make_shared<oag::Runtime>(wanted)});
  });
}

Runtime::~Runtime() = default;
Runtime::Runtime(Runtime&&) noexcept = default;
Runtime& Runtime::operator=(Runtime&&) noexcept = default;

}  // namespace openautoglm
