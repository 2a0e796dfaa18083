// A plugin that takes no engine.
#include "openautoglm/plugin_abi.h"

extern "C" const oag_plugin* oag_plugin_entry(const oag_plugin_host*) {
  return nullptr;
}
