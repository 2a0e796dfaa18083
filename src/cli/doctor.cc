#include "cli/doctor.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/doctor_attempt.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "llm/bundle/encoder_bundle.h"
#include "llm/bundle/model_reference.h"

namespace oag::cli {
namespace {

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk: return "ok";
    case Verdict::kNote: return "note";
    case Verdict::kWarning: return "warning";
    case Verdict::kBad: return "bad";
    case Verdict::kSkipped: return "skipped";
  }
  return "";
}

}  // namespace

void Doctor::add(std::string name, Verdict verdict, std::string text, std::string advice) {
  findings_.push_back({std::move(name), verdict, printable(text), printable(advice)});
}

void Doctor::examine(const std::filesystem::path& path) {
  figures_["path"] = path.string();
  if (is_encoder_folder(path)) return examine_encoder(path);
  if (!load(path)) return;
  check_storage();
  check_tokenizer();
  check_vision(path);
  check_template();
  attempt("device", "choose another --device: `oag devices` lists them", [&] {
    runtime_ = make_runtime(options_.model);
    const DeviceProperties& device = runtime_->devices().front()->properties();
    figures_["device"] = {{"name", device.name}, {"description", device.description}};
    add("device", Verdict::kOk, fmt::format("{}, {}", device.name, device.description));
  });
  if (!runtime_) return;
  attempt("memory", "choose other options, or another file of this model", [&] { check_memory(); });
  attempt("speed", "free some memory", [&] { estimate_speed(); });
  attempt("quantisations", "fetch the model again", [&] { compare_recipes(); });
  if (options_.quick) {
    add("computing", Verdict::kSkipped, "left out, as asked for (--quick)");
    return;
  }
  attempt("test screen", "", [&] { check_screen(); });
  if (!fits_) {
    add("computing", Verdict::kSkipped, "the model does not fit into memory");
    return;
  }
  attempt("computing", "", [&] { check_answer(); });
}

bool Doctor::bad() const {
  return std::ranges::any_of(findings_, [](const Finding& each) { return each.verdict == Verdict::kBad; });
}

std::string Doctor::text() const {
  std::string text;
  if (bundle_) text += fmt::format("{}\n", printable(bundle_->name()));
  text += fmt::format("{}\n\n", printable(figures_["path"].get<std::string>()));
  size_t names = 0;
  for (const Finding& finding : findings_) names = std::max(names, finding.name.size());
  for (const Finding& finding : findings_) {
    const bool bad = finding.verdict == Verdict::kBad;
    text += fmt::format("{:<8} {:<{}}  {}\n", bad ? "BAD" : verdict_name(finding.verdict), finding.name,
                        names, finding.text);
    if (!finding.advice.empty()) text += fmt::format("{:<8} {:<{}}  {}\n", "", "", names, finding.advice);
  }
  for (const std::string& table : tables_) text += "\n" + table;
  return text + (bad() ? "\nBAD\n" : "\nOK\n");
}

Json Doctor::json() const {
  Json list = Json::array();
  for (const Finding& finding : findings_) {
    list.push_back({{"name", finding.name},
                    {"verdict", verdict_name(finding.verdict)},
                    {"text", finding.text},
                    {"advice", finding.advice.empty() ? Json(nullptr) : Json(finding.advice)}});
  }
  Json json = {{"schema", "oag.doctor/1"}, {"verdict", bad() ? "bad" : "ok"}, {"findings", std::move(list)}};
  json.update(figures_);
  return json;
}

}  // namespace oag::cli
