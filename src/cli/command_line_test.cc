#include "cli/command_line.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/command.h"

namespace oag::cli {
namespace {

constexpr const char* kModel = OAG_SOURCE_DIR "/tests/data/models/llama/llama.bf16.gguf";

struct Outcome {
  int exit_code = 0;
  std::string out, err;
  Json json() const { return parse_json(out, "standard output"); }
};

Outcome oag(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "oag");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.exit_code = run_command_line(static_cast<int>(arguments.size()), argv.data());
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

// A refusal is one line on standard error and nothing on standard output.
void expect_one_line(const Outcome& outcome, int exit_code) {
  EXPECT_EQ(outcome.exit_code, exit_code);
  EXPECT_EQ(outcome.out, "");
  EXPECT_TRUE(outcome.err.starts_with("oag: ")) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

class CommandLine : public testing::Test {
 protected:
  CommandLine()
      : folder_(std::filesystem::temp_directory_path() / ("oag_cli_test." + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
    ::setenv("OAG_MODELS", (folder_ / "models").c_str(), 1);
  }
  ~CommandLine() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return (folder_ / name).string();
  }

  std::filesystem::path folder_;
};

TEST_F(CommandLine, ShowsHelpWithoutArgumentsAndOnRequest) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{}, {"--help"}}) {
    const Outcome outcome = oag(arguments);
    EXPECT_EQ(outcome.exit_code, kExitOk);
    for (const char* command :
         {"run", "pull", "models", "inspect", "tokenize", "perplexity", "bench", "devices", "version"})
      EXPECT_NE(outcome.out.find(std::string("\n  ") + command + " "), std::string::npos) << command;
  }
}

TEST_F(CommandLine, RefusesWhatItDoesNotKnowAsUsage) {
  expect_one_line(oag({"no-such-command"}), kExitUsage);
  expect_one_line(oag({"inspect"}), kExitUsage);
  expect_one_line(oag({"inspect", kModel, "--no-such-option"}), kExitUsage);
  expect_one_line(oag({"inspect", kModel, "--json", "--graph"}), kExitUsage);
  expect_one_line(oag({"run", kModel, "-p", "x", "--top-k", "many"}), kExitUsage);
  expect_one_line(oag({"run", kModel, "-p", "x", "--temperature", "-1"}), kExitUsage);
  expect_one_line(oag({"run", kModel, "-p", "x", "--device", "a b"}), kExitUsage);
  expect_one_line(oag({"run", kModel, "-p", "x", "--kv", "q3"}), kExitUsage);
  for (const char* list : {"1,0", "1,,2", ",1", "1,", "", ",", "1, 2", "1;2", "x"}) {
    SCOPED_TRACE(list);
    expect_one_line(oag({"bench", kModel, "--batch", list}), kExitUsage);
    if (std::string_view(list) != "1,0")
      expect_one_line(oag({"bench", kModel, "--context", list}), kExitUsage);
  }
  expect_one_line(oag({"bench", kModel, "--prefill", "0", "--decode", "0"}), kExitUsage);
  expect_one_line(oag({"run", kModel, "-p", "x", "--stop\nx"}), kExitUsage);
}

TEST_F(CommandLine, FailsInOneLineOnWhatIsNotThereOrBroken) {
  expect_one_line(oag({"inspect", "no-such-model"}), kExitFailure);
  expect_one_line(oag({"inspect", write("empty.gguf", "")}), kExitFailure);
  expect_one_line(oag({"tokenize", write("text.gguf", std::string("GGUF\x03\0\0\0", 8)), "x"}), kExitFailure);
  expect_one_line(oag({"pull", write("cut.gguf", "GGUF")}), kExitFailure);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "models/cut.gguf"));
  expect_one_line(oag({"perplexity", kModel, write("short.txt", "few")}), kExitFailure);
  expect_one_line(oag({"bench", kModel, "--context", "1000", "--decode", "100"}), kExitFailure);
  expect_one_line(oag({"run", kModel, "--raw", "-p", "x", "--device", "cpu:no-such-isa"}), kExitFailure);
  expect_one_line(oag({"run", kModel, "--raw", "-p", "x", "--device", "onnxruntime/cpu"}), kExitFailure);
}

TEST_F(CommandLine, TokenizesSpecialTokensUnlessAskedNotTo) {
  const Outcome with = oag({"tokenize", kModel, "--ids", "<|im_end|>"});
  EXPECT_EQ(with.out, "2\n");
  const Json without = oag({"tokenize", kModel, "--json", "--no-special", "<|im_end|>"}).json();
  std::string joined;
  for (const auto& piece : without.at("pieces")) joined += piece.get<std::string>();
  EXPECT_EQ(joined, "<|im_end|>");
  EXPECT_EQ(without.at("count"), without.at("ids").size());
  EXPECT_GT(without.at("count"), 1);
}

TEST_F(CommandLine, TokenizesAFileAsItDoesTheArgument) {
  EXPECT_EQ(oag({"tokenize", kModel, "--ids", "--file", write("a.txt", "Some text.\n")}).out,
            oag({"tokenize", kModel, "--ids", "Some text.\n"}).out);
}

TEST_F(CommandLine, InspectsAModelWithItsOwnNumbers) {
  const Json json = oag({"inspect", kModel, "--json"}).json();
  EXPECT_EQ(json.at("schema"), "oag.inspect/1");
  EXPECT_EQ(json.at("architecture"), "llama");
  EXPECT_EQ(json.at("parameters"), 435072);
  EXPECT_EQ(json.at("precision"), "bf16");
  EXPECT_EQ(json.at("kv_bytes_per_token").at("f32"), 3 * 2 * 2 * 32 * 4);
  EXPECT_EQ(json.at("chat_template").at("source"), "fallback");
  uint64_t bytes = 0;
  for (const auto& tensor : json.at("tensors")) bytes += tensor.at("bytes").get<uint64_t>();
  EXPECT_EQ(bytes, json.at("weight_bytes"));
}

TEST_F(CommandLine, PrintsTheGraphBeforeItIsLowered) {
  const Outcome outcome = oag({"inspect", kModel, "--graph"});
  EXPECT_TRUE(outcome.out.starts_with("graph llama\n"));
  EXPECT_NE(outcome.out.find("oag.CachedAttention("), std::string::npos);
}

TEST_F(CommandLine, BenchFitsAPageAndNamesPlatformDevicePrecisionAndModel) {
  const Outcome outcome =
      oag({"bench", kModel, "--prefill", "8", "--decode", "4", "--batch", "16", "--repeats", "2"});
  ASSERT_EQ(outcome.exit_code, kExitOk) << outcome.err;
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 110u) << line;
  for (const char* wanted : {"platform ", "device ", "precision  bf16", "model ", "latency ms", "spread",
                             "tokens/s", "memory MB", "bandwidth", "compute", "prefill 8", "decode 4"}) {
    EXPECT_NE(outcome.out.find(wanted), std::string::npos) << wanted << " in\n" << outcome.out;
  }
}

TEST_F(CommandLine, BenchesEveryPhaseAtEveryBatchAndContext) {
  const Json json = oag({"bench", kModel, "--prefill", "8", "--decode", "4", "--batch", "2,1", "--context",
                         "0,16", "--repeats", "1", "--json"})
                        .json();
  EXPECT_EQ(json.at("schema"), "oag.bench/1");
  ASSERT_EQ(json.at("results").size(), 8);
  for (const auto& result : json.at("results")) {
    EXPECT_GT(result.at("tokens_per_s"), 0);
    EXPECT_GT(result.at("compute_share"), 0);
    EXPECT_LE(result.at("latency_ms").at("p10"), result.at("latency_ms").at("p90"));
  }
  EXPECT_EQ(json.at("results")[6].at("name"), "prefill");
  EXPECT_EQ(json.at("results")[6].at("batch"), 2);
  EXPECT_EQ(json.at("results")[6].at("context"), 16);
}

TEST_F(CommandLine, ScoresTheSecondHalfOfEachWindow) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "one two three four ";
  const std::string file = write("text.txt", text);
  const Json ids = oag({"tokenize", kModel, "--file", file, "--json"}).json();
  const Json json = oag({"perplexity", kModel, file, "--ctx", "32", "--json"}).json();
  const int64_t windows = ids.at("count").get<int64_t>() / 32;
  EXPECT_EQ(json.at("windows"), windows);
  EXPECT_EQ(json.at("scored_tokens"), windows * 15);
  EXPECT_NEAR(json.at("perplexity"), std::exp(json.at("mean_nll").get<double>()), 1e-6);
}

TEST_F(CommandLine, ListsDevicesModelsAndVersion) {
  EXPECT_EQ(oag({"devices", "--json"}).json().at("schema"), "oag.devices/1");
  EXPECT_EQ(oag({"version", "--json"}).json().at("version"), OAG_VERSION);
  const Json models = oag({"models", "--json"}).json();
  EXPECT_EQ(models.at("models")[0].at("name"), "smollm2");
  EXPECT_EQ(models.at("models")[0].at("state"), "absent");
}

TEST_F(CommandLine, PullsAFileAndFindsItByName) {
  const Outcome pulled = oag({"pull", kModel});
  EXPECT_EQ(pulled.out, (folder_ / "models/llama.bf16.gguf\n").string());
  EXPECT_EQ(oag({"tokenize", "llama.bf16", "--ids", "<|im_end|>"}).out, "2\n");
}

}  // namespace
}  // namespace oag::cli
