#include "api/autotune.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>

#include "api/backends.h"
#include "api/model_path.h"
#include "api/runtime_impl.h"
#include "api/translate.h"
#include "base/compute_pool.h"
#include "base/error.h"
#include "engine/device/device_name.h"

namespace oag {
namespace {

DeviceProperties find_processor() {
  for (const Backend* backend : default_backends()) {
    if (backend->name == "cpu") return backend->discover().front();
  }
  fail(ErrorCode::kUnsupported, "autotune", "this build has no processor backend");
}

TuningSpace make_space(const DeviceProperties& processor, const TuningRequest& request, int processors) {
  const DeviceName wanted = parse_device_name(request.device);
  if (wanted.engine != "oag" || !wanted.version.empty() ||
      (!wanted.device.empty() && wanted.device != "cpu")) {
    fail(ErrorCode::kUnsupported, "device " + request.device,
         "autotune knows the processor of this build alone (cpu)");
  }
  TuningSpace space;
  space.threads = request.threads > 0 ? std::vector<int>{request.threads} : thread_counts(processors);
  const char* forced = std::getenv("OAG_CPU_ISA");
  if (!wanted.variant.empty()) {
    space.variants = {wanted.variant};
  } else if (forced != nullptr && *forced != '\0') {
    space.variants = {forced};
  } else {
    for (const VariantState& state : processor.variant_states) {  // weakest first
      if (state.supported && state.wrong.empty()) space.variants.insert(space.variants.begin(), state.name);
    }
    if (space.variants.empty()) fail(ErrorCode::kUnsupported, "autotune", "{}", processor.unusable);
  }
  return space;
}

// What was asked for is part of what a choice was made for.
std::string machine_key(const DeviceProperties& processor, const TuningSpace& space, int processors) {
  return fmt::format("{}, {} processors, {}, threads {}, oag {}", processor.identity, processors,
                     fmt::join(space.variants, "+"), fmt::join(space.threads, "/"), openautoglm::version());
}

std::string model_key(const ModelBundle& bundle, DType cache_dtype) {
  return fmt::format("{}, {}, {} parameters, {} bytes, cache {}", bundle.config.architecture,
                     bundle.precision(), bundle.parameters(), bundle.weight_bytes(), dtype_name(cache_dtype));
}

bool contains(const TuningSpace& space, const TuningCandidate& choice) {
  return std::count(space.variants.begin(), space.variants.end(), choice.variant) > 0 &&
         std::count(space.threads.begin(), space.threads.end(), choice.threads) > 0;
}

}  // namespace

Tuning autotune(const ModelBundle& bundle, const TuningRequest& request, const TuningCache& cache,
                const RunControl& control) {
  const DeviceProperties processor = find_processor();
  const int processors = allowed_processors();
  const TuningSpace space = make_space(processor, request, processors);
  Tuning tuning{{space.variants.front(), space.threads.front()}, {}, false};
  if (space.variants.size() == 1 && space.threads.size() == 1) return tuning;
  const std::string machine = machine_key(processor, space, processors),
                    model = model_key(bundle, request.cache_dtype);
  if (const auto known = cache.find(machine, model); known && contains(space, *known)) {
    tuning.choice = *known;
    tuning.from_cache = true;
    return tuning;
  }
  tuning.measured = explore(space, [&](const TuningCandidate& candidate) {
    return measure_candidate(bundle, default_backends(), candidate, request.cache_dtype, control);
  });
  tuning.choice = tuning.measured[fastest(tuning.measured)].candidate;
  cache.store(machine, model, tuning.choice);
  return tuning;
}

}  // namespace oag

namespace openautoglm {

RuntimeOptions autotune(const std::string& model, const RuntimeOptions& options) {
  return translated([&] {
    check_options(options);
    const oag::Tuning tuning =
        oag::autotune(oag::load_bundle(oag::find_model_file(model)), {options.device, options.threads},
                      oag::TuningCache(oag::tuning_cache_path()), oag::RunControl());
    return RuntimeOptions{tuning.device(), tuning.choice.threads};
  });
}

}  // namespace openautoglm
