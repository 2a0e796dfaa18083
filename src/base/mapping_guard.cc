#include "base/mapping_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

namespace oag {
namespace {

struct Slot {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> damaged{false};
};

// A signal handler may touch only lock-free state, hence a fixed table.
constexpr size_t kSlots = 1024;
std::array<Slot, kSlots> slots;
std::mutex slots_mutex;
std::atomic<uintptr_t> page_bytes{0};  // asked for at set-up: sysconf is not for signal handlers
struct sigaction previous_action;

void on_sigbus(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Slot& slot : slots) {
    if (address < slot.begin.load() || address >= slot.end.load()) continue;
    const uintptr_t size_bytes = page_bytes.load();
    void* page = reinterpret_cast<void*>(address / size_bytes * size_bytes);
    if (::mmap(page, size_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
      break;
    slot.damaged.store(true);
    return;
  }
  if (previous_action.sa_flags & SA_SIGINFO) {
    previous_action.sa_sigaction(signal, info, context);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal);
  } else {
    ::signal(SIGBUS, SIG_DFL);  // the faulting instruction runs again and ends the process as it would have
  }
}

void install_handler_once() {
  static const bool installed = [] {
    page_bytes.store(static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE)));
    struct sigaction action{};
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    return ::sigaction(SIGBUS, &action, &previous_action) == 0;
  }();
  (void)installed;
}

}  // namespace

int guard_mapping(std::byte* begin, size_t size_bytes) {
  install_handler_once();
  std::lock_guard lock(slots_mutex);
  for (size_t i = 0; i < kSlots; ++i) {
    if (slots[i].begin.load() != 0) continue;
    slots[i].damaged.store(false);
    const uintptr_t page = page_bytes.load();
    slots[i].end.store(reinterpret_cast<uintptr_t>(begin) + (size_bytes + page - 1) / page * page);
    slots[i].begin.store(reinterpret_cast<uintptr_t>(begin));
    return static_cast<int>(i);
  }
  return -1;
}

void unguard_mapping(int slot) {
  std::lock_guard lock(slots_mutex);
  slots[static_cast<size_t>(slot)].end.store(0);
  slots[static_cast<size_t>(slot)].begin.store(0);
}

bool mapping_damaged(int slot) {
  return slots[static_cast<size_t>(slot)].damaged.load();
}

}  // namespace oag
