#include "engine/backends/cpu/isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <fmt/core.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "base/error.h"
#include "engine/backends/cpu/known_answers.h"
#include "engine/backends/cpu/micro_kernels.h"

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
  return choose_isa(variant, [](Isa isa) { return wrong_kernel(micro_kernels(isa)); });
}

Isa choose_isa(std::string_view variant, SelfTest test) {
  const std::vector<Isa> available = available_isas();
  std::string_view where = "device variant";
  if (variant.empty()) {
    const char* forced = std::getenv("OAG_CPU_ISA");
    if (forced == nullptr || *forced == '\0') return best_right(available, test);
    variant = forced;
    where = "OAG_CPU_ISA";
  }
  std::string names;
  for (const Isa isa : available) {
    if (isa_name(isa) == variant) {
      const std::string_view wrong = test(isa);
      if (wrong.empty()) return isa;
      fail(ErrorCode::kUnsupported, where,
           "\"{}\" kernels compute wrongly on this processor ({}); choose another or none", variant, wrong);
    }
    names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
  }
  fail(ErrorCode::kUnsupported, where, "\"{}\" is not available on this processor; choose one of: {}",
       variant, names);
}

std::string processor_identity() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(0, &a, &b, &c, &d) == 0) return "x86-64";
  char vendor[12];
  std::memcpy(vendor, &b, 4);
  std::memcpy(vendor + 4, &d, 4);
  std::memcpy(vendor + 8, &c, 4);
  __get_cpuid(1, &a, &b, &c, &d);
  // Intel's and AMD's manuals, CPUID leaf 1: the extended parts count where the base family is 15, the
  // model's where it is 6 too.
  unsigned family = a >> 8 & 15, model = a >> 4 & 15;
  if (family == 6 || family == 15) model += (a >> 16 & 15) << 4;
  if (family == 15) family += a >> 20 & 255;
  return fmt::format("{} family {} model {} stepping {}", std::string_view(vendor, sizeof vendor), family,
                     model, a & 15);
#else
  std::string midr;
  std::getline(std::ifstream("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1"), midr);
  return midr.empty() ? "unknown" : "midr " + midr;
#endif
}

}  // namespace oag::cpu
