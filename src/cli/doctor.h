#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "cli/model_options.h"
#include "llm/generate/work_estimate.h"

namespace oag::cli {

struct DoctorOptions {
  ModelOptions model;       // context_tokens 0: 8192 with a vision tower, else 4096, at most the model's
  std::string vision_file;  // empty: the one beside the model
  std::string references;   // file with logits of other engines; empty: those built in
  bool quick = false;       // leave out what computes with the model
};

enum class Verdict { kOk, kNote, kWarning, kBad, kSkipped };

// One line of the report.
struct Finding {
  std::string name;  // "tokenizer"
  Verdict verdict = Verdict::kOk;
  std::string text;
  std::string advice;  // what to do about it; of warnings and bad ones
};

// What is found out about a model and this machine, step by step: each part adds findings and figures.
class Doctor {
 public:
  Doctor(const DoctorOptions& options, RunControl& control) : options_(options), control_(control) {}

  // All parts in turn. Errors: kCancelled; what is wrong with the model becomes a finding.
  void examine(const std::filesystem::path& path);

  bool bad() const;
  std::string text() const;
  Json json() const;

 private:
  void add(std::string name, Verdict verdict, std::string text, std::string advice = "");
  // Runs `part`; an Error of it becomes a bad finding called `name`. Returns whether it went through.
  template <typename Part>
  bool attempt(const std::string& name, std::string_view advice, const Part& part);

  // doctor_model.cc: what stands in the files
  bool load(const std::filesystem::path& path);
  void examine_encoder(const std::filesystem::path& path);
  void check_storage();
  void check_tokenizer();
  void check_template();
  void check_vision(const std::filesystem::path& path);
  // doctor_machine.cc: what this machine makes of it
  void check_memory();
  void compare_recipes();
  void estimate_speed();
  void check_speed(const AgentStep& step, const AgentWork& work);
  // doctor_live.cc: what it computes
  void check_screen();
  void check_answer();
  void check_picture(class ModelRunner& runner);
  void check_references(class ModelRunner& runner);

  const DoctorOptions& options_;
  RunControl& control_;
  std::vector<Finding> findings_;
  std::optional<ModelBundle> bundle_;
  std::shared_ptr<Runtime> runtime_;
  bool fits_ = true, slow_ = false;
  std::optional<MachineLimits> limits_;
  uint64_t other_bytes_ = 0;         // that the model takes beside its weights and cache
  std::vector<std::string> tables_;  // for people
  Json figures_ = Json::object();
};

}  // namespace oag::cli
