#include "engine/backends/cpu/isa.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <cstdlib>
#include <string>

#include "base/error.h"

namespace oag::cpu {

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kBaseline: return "baseline";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512: return "avx512";
    case Isa::kNeon: return "neon";
    case Isa::kI8mm: return "i8mm";
  }
  return "?";
}

std::span<const Isa> compiled_isas() {
#if defined(__x86_64__)
  static constexpr Isa kIsas[] = {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512};
#elif defined(__aarch64__)
  static constexpr Isa kIsas[] = {Isa::kBaseline, Isa::kNeon, Isa::kI8mm};
#else
  static constexpr Isa kIsas[] = {Isa::kBaseline};
#endif
  return kIsas;
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas = {Isa::kBaseline};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) {
    isas.push_back(Isa::kAvx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vnni")) {
      isas.push_back(Isa::kAvx512);
    }
  }
#elif defined(__aarch64__)
  if ((::getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) {
    isas.push_back(Isa::kNeon);
    if ((::getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0) isas.push_back(Isa::kI8mm);
  }
#endif
  return isas;
}

Isa choose_isa(std::string_view variant) {
  const std::vector<Isa> available = available_isas();
  std::string_view where = "device variant";
  if (variant.empty()) {
    const char* forced = std::getenv("OAG_CPU_ISA");
    if (forced == nullptr || *forced == '\0') return available.back();
    variant = forced;
    where = "OAG_CPU_ISA";
  }
  std::string names;
  for (const Isa isa : available) {
    if (isa_name(isa) == variant) return isa;
    names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
  }
  fail(ErrorCode::kUnsupported, where, "\"{}\" is not available on this processor; choose one of: {}",
       variant, names);
}

}  // namespace oag::cpu
