// A plugin of an ABI version that does not exist yet.
#include "openautoglm/plugin_abi.h"

extern "C" const oag_plugin* oag_plugin_entry(const oag_plugin_host*) {
  static const oag_plugin plugin = {sizeof(oag_plugin), 99, 0, nullptr};
  return &plugin;
}
