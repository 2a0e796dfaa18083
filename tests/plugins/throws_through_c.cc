// A plugin of the C ABI alone that lets exceptions cross it.
#include <stdexcept>
#include <string>

#include "openautoglm/plugin_abi.h"

namespace {

int32_t create(const void*, const oag_plugin_host*, const oag_node*, void**, char*) {
  return 0;
}
int32_t compute(void*, const oag_plugin_host*, const oag_node*, oag_run*, char*) {
  throw std::runtime_error("over the edge");
}
int32_t compute_in_tile(void*, const oag_plugin_host* host, const oag_node*, oag_run* run, char*) {
  host->parallel_for(
      run, 100, 100000, [](void*, int64_t, int32_t) { throw std::runtime_error("from a tile"); }, nullptr);
  return 0;
}
void destroy(void*) {
  throw std::runtime_error("at the end");
}

constexpr oag_parameter kParameter = {"X", "", "T", 1U << 1, 0, 0};
constexpr oag_kernel kKernel = {sizeof(oag_kernel), "cpu", nullptr, create, compute, destroy};
constexpr oag_kernel kTileKernel = {sizeof(oag_kernel), "cpu", nullptr, create, compute_in_tile, destroy};
constexpr const oag_kernel* kKernels[] = {&kKernel, &kTileKernel};

constexpr oag_operator operator_of(const char* name, const oag_kernel* const* kernel) {
  return {sizeof(oag_operator),
          "test",
          name,
          "",
          1,
          &kParameter,
          1,
          &kParameter,
          0,
          nullptr,
          1,
          nullptr,
          nullptr,
          1,
          kernel};
}

constexpr oag_operator kOperators[] = {operator_of("ThrowsThroughC", &kKernels[0]),
                                       operator_of("ThrowsThroughCInTile", &kKernels[1])};
constexpr const oag_operator* kAll[] = {&kOperators[0], &kOperators[1]};
constexpr oag_plugin kPlugin = {sizeof(oag_plugin), OAG_PLUGIN_ABI_VERSION, 2, kAll};

}  // namespace

extern "C" const oag_plugin* oag_plugin_entry(const oag_plugin_host*) {
  return &kPlugin;
}
