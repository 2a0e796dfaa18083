// oag pull: brings a model into the cache.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "service/hub/hub.h"
#include "service/net/url.h"
#if OAG_ENGINE
#include "engine/formats/gguf/gguf_file.h"
#include "llm/bundle/bundle.h"
#endif

namespace oag::cli {
namespace {

struct PullFlags {
  std::string source;
  bool force = false;
  std::vector<std::string> include;
  std::vector<std::string> exclude;
};

#if OAG_ENGINE
// A part of a split model is looked at on its own: its parts are pulled one after the other.
void check_model_file(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  GgufFile::parse(file->bytes(), path.string());
}

// A file may be worth keeping though this version cannot run it.
void warn_unless_it_runs(const std::filesystem::path& path) {
  try {
    load_bundle(path);
  } catch (const Error& error) {
    print_stderr("oag: warning: it is stored, but `oag run` cannot run it: {}\n", printable(error.message()));
  }
}
#endif

// What stands where, and how much of it was fetched.
void report(const PullFlags& flags, const RepositoryPull& done) {
  const std::string fetched = done.from_cache           ? "the hub was not asked"
                              : done.fetched_files == 0 ? "all were here"
                                                        : fmt::format("fetched {}, {}", done.fetched_files,
                                                                      format_bytes(done.fetched_bytes));
  print_stderr("{} is ready: commit {}, {} {}, {} ({})\n", printable(flags.source), done.commit, done.files,
               done.files == 1 ? "file" : "files", format_bytes(done.bytes), fetched);
}

void report(const std::filesystem::path& path) {
  std::error_code error;
  print_stderr("{} is ready, {}\n", printable(path.filename().string()),
               format_bytes(std::filesystem::file_size(path, error)));
}

int pull_and_report(const PullFlags& flags) {
  InterruptScope interrupt;
  std::filesystem::path path;
  RepositoryPull repository;
  {
    ProgressBar bar;
    PullOptions options;
    options.force = flags.force;
    options.include = flags.include;
    options.exclude = flags.exclude;
    options.repository = &repository;
    options.cancel = &InterruptScope::flag();
#if OAG_ENGINE
    options.check = check_model_file;
#endif
    options.on_progress = [&](const PullProgress& progress) {
      bar.update(pull_stage_name(progress.stage), progress.done_bytes, progress.total_bytes);
    };
    path = Hub::open().pull(flags.source, options);
  }
  const bool of_hub = !repository.commit.empty();
  of_hub ? report(flags, repository) : report(path);
#if OAG_ENGINE
  if (flags.include.empty()) warn_unless_it_runs(path);
#endif
  fmt::print("{}\n", path.string());
  return kExitOk;
}

int pull(const PullFlags& flags) {
  try {
    return pull_and_report(flags);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled) throw;
    print_stderr("oag: {}: {}\n", printable(redact_urls(flags.source)), printable(error.message()));
    return kExitInterrupted;
  }
}

void declare(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<PullFlags>();
  CLI::App* command = app.add_subcommand("pull", "Bring a model into the cache");
  command->footer(
      "Prints the path of the model's file or folder. A file that is there and right is not fetched again.\n"
      "Nothing but a complete, right file ever stands under its final name.\n"
      "hf:ORG/NAME[@REVISION] is a model of the Hugging Face hub, or of the one that HF_ENDPOINT names; it "
      "goes\n"
      "into the cache that other tools share (HF_HUB_CACHE, HF_HOME). Of a repository with several GGUF "
      "files,\n"
      "hf:ORG/NAME:Q4_K_M or hf:ORG/NAME:FILE.gguf is one. HF_TOKEN opens private and gated models;\n"
      "with HF_HUB_OFFLINE=1 the network is not asked.");
  command
      ->add_option(
          "MODEL", flags->source,
          "A name that `oag models` lists, the path of a GGUF file, which is copied, an https URL, or "
          "hf:ORG/NAME[@REVISION][:FILE.gguf]")
      ->required()
      ->check(not_empty());
  command->add_flag("--force", flags->force,
                    "Fetch again what is there already; replace another file of the same name");
  command
      ->add_option(
          "--include", flags->include,
          "Of hf:ORG/NAME, take the files that this glob matches instead of the usual ones; may repeat")
      ->allow_extra_args(false);
  command
      ->add_option("--exclude", flags->exclude,
                   "Of hf:ORG/NAME, leave out what this glob matches; may repeat")
      ->allow_extra_args(false);
  command->callback([flags, &exit_code] { exit_code = pull(*flags); });
}

}  // namespace

extern constinit const Command kPullCommand = {declare};

}  // namespace oag::cli
