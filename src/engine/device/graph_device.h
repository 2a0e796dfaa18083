#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/device/device.h"
#include "engine/device/stop_watcher.h"

namespace oag {

// Versions of domains that only their makers know, as a model states them.
using OpsetImports = std::map<std::string, int64_t, std::less<>>;

// Another engine: it has no kernels for single nodes, but computes whole graphs on the processor. Thread
// safe.
class GraphDevice : public Device {
 public:
  // The kernel of an oag.Delegate node with this body. The engine's run ends early, as far as the engine can,
  // when the run's control says so. Errors: kUnsupported with what the engine says.
  virtual std::unique_ptr<Kernel> load(const Graph& body, const OpsetImports& imports) = 0;
  // The types of the body's outputs, which need none yet: dims that the engine cannot tell are symbols.
  // Errors: kUnsupported with what the engine says.
  virtual std::vector<ValueType> infer(const Graph& body, const OpsetImports& imports) = 0;

  const DeviceProperties& properties() const override { return properties_; }
  std::optional<uint64_t> free_memory_bytes() const override;
  std::shared_ptr<Buffer> allocate(size_t size_bytes) override;
  bool host_memory() const override { return true; }
  std::unique_ptr<Stream> make_stream(const RunControl& control) override;
  const KernelTable& kernels() const override { return kernels_; }
  // Nothing is measured: it computes where the device cpu does.
  MachineLimits measure_limits() override { return {}; }
  bool has_kernel(std::string_view, std::string_view, std::span<const DType>) const override { return false; }

 protected:
  explicit GraphDevice(DeviceProperties properties) : properties_(std::move(properties)) {}

  StopWatcher& watcher() { return watcher_; }

 private:
  DeviceProperties properties_;
  KernelTable kernels_{{}, nullptr};
  StopWatcher watcher_;
};

// What `oag devices` says of another engine. `name` has its version; `unusable` says why it is not available.
DeviceProperties engine_properties(std::string name, std::string description, std::string unusable);

}  // namespace oag
