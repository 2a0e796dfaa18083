#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"

namespace oag::cpu {

// Instruction sets that kernels are compiled for, weakest first.
enum class Isa : int { kBaseline, kAvx2, kAvx512, kNeon, kI8mm };

std::string_view isa_name(Isa isa);

// Those that this build has kernels for.
std::span<const Isa> compiled_isas();

// Those compiled in and present on this processor, best last. Never empty.
std::vector<Isa> available_isas();

// Tests the kernels of an available instruction set: the name of the first that is wrong, empty when all are
// right.
using SelfTest = FunctionRef<std::string_view(Isa)>;

// The instruction set for a device variant: "" takes the one OAG_CPU_ISA names, else the best available whose
// kernels pass their self-test (known_answers.h). Errors: kUnsupported when the one that is named is not
// available, naming those that are, or fails its self-test; kInternal when none is named and all fail.
Isa choose_isa(std::string_view variant);
Isa choose_isa(std::string_view variant, SelfTest test);

// "AuthenticAMD family 26 model 2 stepping 1": what tells apart processors that need not be alike in speed.
std::string processor_identity();

}  // namespace oag::cpu
