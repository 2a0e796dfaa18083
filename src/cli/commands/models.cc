// oag models: the models that have a name, and those in the cache.
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "service/hub/hub.h"

namespace oag::cli {
namespace {

std::string_view state_name(CacheState state) {
  switch (state) {
    case CacheState::kAbsent: return "absent";
    case CacheState::kVerified: return "verified";
    case CacheState::kUnverified: return "unverified";
    case CacheState::kDamaged: return "damaged";
  }
  return "unknown";
}

std::string_view state_text(CacheState state) {
  switch (state) {
    case CacheState::kAbsent: return "not pulled";
    case CacheState::kVerified: return "ready";
    case CacheState::kUnverified: return "ready, checksum not looked at yet";
    case CacheState::kDamaged: return "damaged: pull it with --force";
  }
  return "unknown";
}

int models(bool json) {
  const Hub hub = Hub::open();
  const std::vector<ModelListing> listings = hub.list();
  if (json) {
    Json list = Json::array();
    for (const ModelListing& model : listings) {
      list.push_back({{"name", model.name},
                      {"title", model.title},
                      {"license", model.license},
                      {"known", model.known},
                      {"state", state_name(model.state)},
                      {"size_bytes", model.size_bytes},
                      {"path", model.path.string()}});
    }
    print_json({{"schema", "oag.models-list/1"},
                {"folder", hub.cache_folder().string()},
                {"models", std::move(list)}});
    return kExitOk;
  }
  std::vector<std::vector<std::string>> rows = {{"name", "title", "size", "licence", "state"}};
  for (const ModelListing& model : listings) {
    rows.push_back({printable(model.name), printable(model.title), format_bytes(model.size_bytes),
                    printable(model.license), std::string(state_text(model.state))});
  }
  fmt::print("{}\ncache folder: {}\n", format_table(rows), printable(hub.cache_folder().string()));
  return kExitOk;
}

void declare(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("models", "List the models that have a name and those in the cache");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print one JSON object (docs/schemas/models-list.json)");
  command->callback([json, &exit_code] { exit_code = models(*json); });
}

}  // namespace

extern constinit const Command kModelsCommand = {declare};

}  // namespace oag::cli
