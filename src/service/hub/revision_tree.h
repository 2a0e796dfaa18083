#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "service/hub/huggingface_selection.h"

namespace oag {

// The files of one commit as huggingface_hub notes them in its cache (trees/<commit>.json, version 1).
// Errors: kCorruptData, also for a path that is no safe path and a checksum that is none.
std::vector<HubFile> parse_revision_tree(std::string_view text, std::string_view where);

// The same as text.
std::string revision_tree_text(const std::vector<HubFile>& files);

}  // namespace oag
