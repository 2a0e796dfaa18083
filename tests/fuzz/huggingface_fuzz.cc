// What a model hub answers, and the names of its models. The first byte says which: a page of a list of
// files, a revision, a Link header, a name, a noted list of files.
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "service/hub/huggingface_name.h"
#include "service/hub/huggingface_source.h"
#include "service/hub/revision_tree.h"

namespace {

void try_page(std::string_view text) {
  std::vector<oag::HubFile> files;
  oag::parse_tree_page(text, "input", files);
  for (const oag::HubFile& file : files) {
    if (!oag::is_safe_path(file.path) || file.etag.size() != (file.is_lfs ? 64u : 40u)) __builtin_trap();
  }
  const oag::Selection selection = oag::select_model(files, {}, "input");
  if (selection.files.empty()) __builtin_trap();
}

void try_tree(std::string_view text) {
  const std::vector<oag::HubFile> files = oag::parse_revision_tree(text, "input");
  for (const oag::HubFile& file : files) {
    if (!oag::is_safe_path(file.path) || file.etag.size() != (file.is_lfs ? 64u : 40u)) __builtin_trap();
  }
  if (oag::parse_revision_tree(oag::revision_tree_text(files), "again").size() != files.size())
    __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0]) {
      case 'p': try_page(text); break;
      case 'r': oag::parse_revision_answer(text, "input"); break;
      case 'l':
        if (const auto next = oag::next_page(text); next && !next->starts_with("/api/")) __builtin_trap();
        break;
      case 'n':
        if (const auto name = oag::parse_huggingface_name(text)) {
          if (!oag::is_safe_path(name->repository) || !oag::is_safe_path(name->revision)) __builtin_trap();
        }
        break;
      case 't': try_tree(text); break;
      default: break;
    }
  } catch (const oag::Error&) {
  }
  return 0;
}
