#include "service/hub/huggingface_pull.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "service/hub/cache_record.h"
#include "service/hub/huggingface_cache.h"
#include "service/hub/huggingface_test_hub.h"

namespace oag {
namespace {

namespace fs = std::filesystem;
using testing::TestHub;
using testing::TestPeer;

constexpr const char* kToken = "hf_hunter2hunter2";

class HuggingFacePull : public ::testing::Test {
 protected:
  HuggingFacePull() : settings_(hub_.settings(cache_.path())) {
    hub_.files = {{"config.json", {"{\"model_type\": \"llama\"}\n"}},
                  {"tokenizer.json", {"{}\n"}},
                  {"vocab.txt", {""}},
                  {"README.md", {"not for us"}},
                  {"model.safetensors", {testing::patterned_bytes(200'000), true}}};
  }

  RepositoryPull pull(const std::string& spec = "hf:acme/tiny-chat", const PullOptions& options = {}) const {
    return pull_huggingface(settings_, *parse_huggingface_name(spec), options);
  }

  // Pulls, expects an error and hands it out. No file that is not right may stand in the cache.
  Error failure(const std::string& spec = "hf:acme/tiny-chat", const PullOptions& options = {}) const {
    try {
      pull(spec, options);
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find(kToken), std::string::npos);
      check_blobs();
      return error;
    }
    ADD_FAILURE() << "the pull succeeded";
    return Error(ErrorCode::kInternal, "", "");
  }

  fs::path repository() const { return cache_ / "models--acme--tiny-chat"; }
  fs::path snapshot() const { return repository() / "snapshots" / hub_.commit; }

  // Every content is what its name says.
  void check_blobs() const {
    std::error_code error;
    for (fs::directory_iterator it(repository() / "blobs", error), end; !error && it != end;
         it.increment(error)) {
      if (it->path().extension() == ".incomplete") continue;
      const std::string name = it->path().filename().string();
      EXPECT_EQ(TestHub::etag_of({testing::read_text(it->path()), name.size() == 64}), name);
    }
  }

  void expect_complete() const {
    for (const auto& [path, file] : hub_.files) {
      if (path == "README.md") continue;
      EXPECT_EQ(testing::read_text(snapshot() / path), file.text) << path;
      EXPECT_TRUE(fs::is_symlink(snapshot() / path)) << path;
    }
    EXPECT_EQ(testing::read_text(repository() / "refs/main"), hub_.commit);
    check_blobs();
  }

  // The hub answers requests whose target ends so by `act`.
  void on(const std::string& ending, std::function<void(TestPeer&, const std::string& head)> act) {
    hub_.on_request = [ending, act = std::move(act)](TestPeer& peer, const std::string& target,
                                                     const std::string& head) {
      if (!target.ends_with(ending)) return false;
      act(peer, head);
      return true;
    };
  }

  void refuse(const std::string& ending, int status, const std::string& headers = "") {
    on(ending,
       [=](TestPeer& peer, const std::string&) { peer.send(TestHub::respond(status, "{}", headers)); });
  }

  const testing::TemporaryFolder cache_;
  TestHub hub_;
  HuggingFaceSettings settings_;
};

TEST_F(HuggingFacePull, BringsTheFilesThatMakeUpTheModel) {
  uint64_t last = 0;
  PullOptions options;
  options.on_progress = [&](const PullProgress& progress) {
    EXPECT_EQ(progress.total_bytes, 200'027u);
    EXPECT_LE(last, progress.done_bytes);
    EXPECT_LE(progress.done_bytes, progress.total_bytes);
    last = progress.done_bytes;
  };
  const RepositoryPull done = pull("hf:acme/tiny-chat", options);
  EXPECT_EQ(done.path, snapshot());
  EXPECT_EQ(done.commit, hub_.commit);
  EXPECT_EQ(done.files, 4u);
  EXPECT_EQ(done.fetched_files, 4u);
  EXPECT_EQ(done.bytes, 200'027u);
  EXPECT_FALSE(done.from_cache);
  EXPECT_EQ(last, 200'027u);
  expect_complete();
  EXPECT_FALSE(fs::exists(snapshot() / "README.md"));
  // What is there is not fetched again, unless that is wanted.
  EXPECT_EQ(pull().fetched_files, 0u);
  EXPECT_EQ(hub_.count("/resolve/"), 4u);
  PullOptions force;
  force.force = true;
  EXPECT_EQ(pull("hf:acme/tiny-chat", force).fetched_files, 4u);
  EXPECT_EQ(hub_.count("/resolve/"), 8u);
  expect_complete();
}

// The stored layout is huggingface_hub's own, tools/goldens/huggingface_cache.py.
TEST_F(HuggingFacePull, LeavesTheLayoutOfHuggingfaceHub) {
  const fs::path data = fs::path(OAG_SOURCE_DIR) / "tests/data/huggingface";
  const Json content = parse_json(read_file(data / "repository.json"), "repository.json");
  const Json golden = parse_json(read_file(data / "layout.json"), "layout.json");
  hub_.files.clear();
  for (const Json& file : content["files"]) hub_.files[file["path"]] = {file["text"], file["lfs"]};
  pull();
  pull("hf:acme/tiny-chat@refs/pr/1");
  std::map<std::string, std::string> files, links;
  for (const auto& entry : fs::recursive_directory_iterator(cache_.path())) {
    const std::string name = entry.path().lexically_relative(cache_.path()).generic_string();
    if (entry.is_symlink()) {
      links[name] = fs::read_symlink(entry.path());
    } else if (entry.is_regular_file() && !name.starts_with(".locks") &&
               name.find("/.oag/") == std::string::npos) {
      files[name] = testing::read_text(entry.path());
    }
  }
  std::map<std::string, std::string> expected_files, expected_links;
  for (const auto& [name, text] : golden["files"].items()) expected_files[name] = text;
  // A list of files, whose keys may stand in any order.
  for (auto* both : {&files, &expected_files}) {
    for (auto& [name, text] : *both) {
      if (name.find("/trees/") != std::string::npos) text = parse_json(text, name).dump();
    }
  }
  for (const auto& [name, target] : golden["links"].items()) expected_links[name] = target;
  EXPECT_EQ(files, expected_files);
  EXPECT_EQ(links, expected_links);
}

TEST_F(HuggingFacePull, ReadsTheLayoutOfHuggingfaceHub) {
  const fs::path data = fs::path(OAG_SOURCE_DIR) / "tests/data/huggingface";
  const Json golden = parse_json(read_file(data / "layout.json"), "layout.json");
  for (const auto& [name, text] : golden["files"].items()) {
    fs::create_directories((cache_.path() / name).parent_path());
    testing::write_text(cache_.path() / name, text);
  }
  for (const auto& [name, target] : golden["links"].items()) {
    fs::create_directories((cache_.path() / name).parent_path());
    fs::create_symlink(std::string(target), cache_.path() / name);
  }
  const Hub hub(ModelIndex::parse(R"({"schema": "oag.models/1", "models": []})", "test"), cache_ / "none",
                cache_.path());
  for (const char* name : {"hf:acme/tiny-chat", "acme/tiny-chat", "acme/tiny-chat@refs/pr/1",
                           "hf:acme/tiny-chat@0123456789abcdef0123456789abcdef01234567"}) {
    EXPECT_EQ(hub.resolve(name), snapshot()) << name;
  }
  ASSERT_EQ(hub.list().size(), 2u);
  EXPECT_EQ(hub.list()[0].name, "hf:acme/tiny-chat");
  EXPECT_EQ(hub.list()[0].path, snapshot() / "");
  EXPECT_EQ(hub.list()[1].name, "hf:acme/tiny-chat@refs/pr/1");
  settings_.offline = true;
  const RepositoryPull done = pull();
  EXPECT_TRUE(done.from_cache);
  EXPECT_EQ(done.files, 8u);
  EXPECT_TRUE(hub_.requests().empty());
  // A snapshot that lost a part, or whose content is gone, is not whole.
  fs::remove(repository() / "blobs/f5f876aebeeb3fb2450d406deebf6575939e544373abbc69a126c46e6f1f0e7a");
  try {
    hub.resolve("acme/tiny-chat");
    FAIL() << "a model in part was found";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(error.message().find("model-00002-of-00002.safetensors"), std::string::npos) << error.what();
  }
}

TEST_F(HuggingFacePull, FindsAGgufByItsQuantisation) {
  hub_.files = {{"tiny-Q4_K_M.gguf", {"GGUF small", true}},
                {"tiny-Q8_0.gguf", {"GGUF large", true}},
                {"mmproj-tiny-f16.gguf", {"GGUF eyes", true}}};
  EXPECT_EQ(failure().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(pull("hf:acme/tiny-chat:Q8_0").path, snapshot() / "tiny-Q8_0.gguf");
  EXPECT_EQ(testing::read_text(snapshot() / "mmproj-tiny-f16.gguf"), "GGUF eyes");
  EXPECT_FALSE(fs::exists(snapshot() / "tiny-Q4_K_M.gguf"));
  const HuggingFaceCache cache(cache_.path());
  EXPECT_EQ(cache.resolve(*parse_huggingface_name("acme/tiny-chat")), snapshot() / "tiny-Q8_0.gguf");
  EXPECT_THROW(cache.resolve(*parse_huggingface_name("acme/tiny-chat:Q4_K_M")), Error);
}

TEST_F(HuggingFacePull, ReadsAListOfSeveralPages) {
  for (int i = 0; i < 25; ++i) hub_.files["tokenizer_" + std::to_string(i)] = {std::to_string(i)};
  hub_.page_size = 7;
  EXPECT_EQ(pull().files, 29u);
  EXPECT_EQ(hub_.count("/tree/"), 5u);
  expect_complete();
}

TEST_F(HuggingFacePull, AListWithoutEndIsRefused) {
  on("", [&](TestPeer& peer, const std::string& head) {
    if (head.find("/revision/") != std::string::npos) {
      return peer.send(TestHub::respond(200, R"({"sha": ")" + hub_.commit + R"("})"));
    }
    peer.send(
        TestHub::respond(200, "[]", "Link: </api/models/acme/tiny-chat/tree/x?cursor=1>; rel=\"next\"\r\n"));
  });
  EXPECT_EQ(failure().code(), ErrorCode::kCorruptData);
  EXPECT_LE(hub_.requests().size(), 4u);
}

TEST_F(HuggingFacePull, GoesOnWhereADroppedConnectionEnded) {
  std::atomic<int> tries{0};
  hub_.on_request = [&](TestPeer& peer, const std::string& target, const std::string& head) {
    if (!target.ends_with("model.safetensors") || tries++ > 1) return false;
    TestHub::send_file(peer, *hub_.find(target), head, 50'000);
    return true;
  };
  pull();
  expect_complete();
  EXPECT_EQ(hub_.count("model.safetensors"), 3u);
  const auto requests = hub_.requests();
  EXPECT_TRUE(std::any_of(requests.begin(), requests.end(), [&](const std::string& head) {
    return head.find("Range: bytes=100000-\r\nIf-Range: \"") != std::string::npos;
  }));
}

TEST_F(HuggingFacePull, GoesOnWhereAnEarlierPullEnded) {
  hub_.on_request = [&](TestPeer& peer, const std::string& target, const std::string& head) {
    if (!target.ends_with("model.safetensors")) return false;
    if (head.find("Range: bytes=") != std::string::npos) return peer.cut(), true;
    TestHub::send_file(peer, *hub_.find(target), head, 150'000);
    return true;
  };
  EXPECT_EQ(failure().code(), ErrorCode::kNetwork);
  const fs::path partial =
      repository() / "blobs" / (TestHub::etag_of(hub_.files["model.safetensors"]) + ".incomplete");
  EXPECT_EQ(fs::file_size(partial), 150'000u);
  EXPECT_FALSE(fs::exists(repository() / "refs/main"));
  const size_t before = hub_.count("model.safetensors");
  hub_.on_request = nullptr;
  pull();
  expect_complete();
  EXPECT_FALSE(fs::exists(partial));
  EXPECT_EQ(hub_.count("model.safetensors"), before + 1);
  EXPECT_NE(hub_.requests().back().find("Range: bytes=150000-\r\n"), std::string::npos)
      << hub_.requests().back();
}

TEST_F(HuggingFacePull, WhatWasLeftButIsWrongIsFetchedAnew) {
  const TestHub::File& file = hub_.files["model.safetensors"];
  for (const size_t size : {size_t{1000}, file.text.size(), file.text.size() + 10}) {
    fs::remove_all(repository());
    fs::create_directories(repository() / "blobs");
    testing::write_text(repository() / "blobs" / (TestHub::etag_of(file) + ".incomplete"),
                        std::string(size, 'x'));
    pull();
    expect_complete();
  }
}

TEST_F(HuggingFacePull, AWholeFileThatWasLeftNeedsNoRequest) {
  const TestHub::File& file = hub_.files["model.safetensors"];
  fs::create_directories(repository() / "blobs");
  testing::write_text(repository() / "blobs" / (TestHub::etag_of(file) + ".incomplete"), file.text);
  pull();
  expect_complete();
  EXPECT_EQ(hub_.count("model.safetensors"), 0u);
}

TEST_F(HuggingFacePull, EndsAStalledConnection) {
  on("model.safetensors", [](TestPeer& peer, const std::string&) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\nabc");
    peer.stall();
  });
  const TimePoint begin = Clock::now();
  EXPECT_EQ(failure().code(), ErrorCode::kNetwork);
  EXPECT_LT(elapsed_ms(begin), 5000);
}

TEST_F(HuggingFacePull, RefusesFilesOfAnotherSizeOrContent) {
  const std::string right = hub_.files["model.safetensors"].text;
  std::string wrong = right;
  wrong[777] ^= 1;
  for (const std::string& sent : {right.substr(0, 100), right + "more", wrong}) {
    on("model.safetensors",
       [=](TestPeer& peer, const std::string&) { peer.send(TestHub::respond(200, sent)); });
    EXPECT_EQ(failure().code(), ErrorCode::kCorruptData);
    // Without a length only the bytes tell.
    on("model.safetensors",
       [=](TestPeer& peer, const std::string&) { peer.send("HTTP/1.1 200 OK\r\n\r\n" + sent); });
    EXPECT_EQ(failure().code(), ErrorCode::kCorruptData);
    EXPECT_FALSE(fs::exists(snapshot() / "model.safetensors"));
  }
  // Small files are named by git's id.
  fs::remove_all(repository());
  on("tokenizer.json", [](TestPeer& peer, const std::string&) { peer.send(TestHub::respond(200, "{]\n")); });
  const Error error = failure();
  EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
  EXPECT_NE(error.message().find("git blob id"), std::string::npos) << error.what();
  hub_.on_request = nullptr;
  pull();
  expect_complete();
}

TEST_F(HuggingFacePull, FollowsRedirectsButSendsTheTokenToTheHubAlone) {
  settings_.token = kToken;
  testing::HttpTestServer store([&](TestPeer& peer, const std::string& head) {
    // Back to the hub: whoever leads elsewhere and back shall not get the token sent to a place of its
    // choice.
    if (head.starts_with("GET /back")) {
      return peer.send("HTTP/1.1 302 X\r\nLocation: " + settings_.endpoint + "/stolen\r\n\r\n");
    }
    TestHub::send_file(peer, hub_.files["model.safetensors"], head);
  });
  hub_.on_request = [&](TestPeer& peer, const std::string& target, const std::string& head) {
    if (target.ends_with("model.safetensors")) {
      peer.send("HTTP/1.1 302 X\r\nLocation: " + store.url("/blob?signature=s") + "\r\n\r\n");
    } else if (target.ends_with("tokenizer.json")) {
      peer.send("HTTP/1.1 307 X\r\nLocation: " + store.url("/back") + "\r\n\r\n");
    } else if (target.ends_with("config.json")) {
      peer.send("HTTP/1.1 307 X\r\nLocation: /moved\r\n\r\n");
    } else if (target == "/moved") {
      TestHub::send_file(peer, hub_.files["config.json"], head);
    } else if (target == "/stolen") {
      TestHub::send_file(peer, hub_.files["tokenizer.json"], head);
    } else {
      return false;
    }
    return true;
  };
  pull();
  expect_complete();
  const std::string header = std::string("Authorization: Bearer ") + kToken + "\r\n";
  ASSERT_EQ(store.requests().size(), 2u);
  for (const std::string& head : store.requests()) {
    EXPECT_EQ(head.find("Authorization"), std::string::npos) << head;
    EXPECT_EQ(head.find(kToken), std::string::npos);
  }
  for (const std::string& head : hub_.requests()) {
    EXPECT_EQ(head.find(header) != std::string::npos, !head.starts_with("GET /stolen")) << head;
  }
}

TEST_F(HuggingFacePull, ARedirectInACircleEnds) {
  on("config.json", [](TestPeer& peer, const std::string& head) {
    peer.send("HTTP/1.1 302 X\r\nLocation: " + head.substr(4, head.find(" HTTP") - 4) + "\r\n\r\n");
  });
  const Error error = failure();
  EXPECT_EQ(error.code(), ErrorCode::kNetwork);
  EXPECT_NE(error.message().find("circle"), std::string::npos) << error.what();
}

TEST_F(HuggingFacePull, SaysWhatToDoWhenTheHubRefuses) {
  const std::tuple<int, const char*, bool, ErrorCode, const char*> cases[] = {
      {401, "", false, ErrorCode::kNetwork, "set HF_TOKEN"},
      {401, "RepoNotFound", false, ErrorCode::kNetwork, "there is no such model, or it is private"},
      {401, "", true, ErrorCode::kNetwork, "check HF_TOKEN"},
      {403, "GatedRepo", true, ErrorCode::kNetwork, "accept its terms"},
      {404, "RepoNotFound", false, ErrorCode::kNotFound, "no such model"},
      {404, "RevisionNotFound", false, ErrorCode::kNotFound, "no revision 'main'"},
      {429, "", false, ErrorCode::kNetwork, "too much was asked"},
      {500, "", false, ErrorCode::kNetwork, "HTTP status 500"}};
  for (const auto& [status, code, with_token, expected, advice] : cases) {
    settings_.token = with_token ? kToken : "";
    const size_t before = hub_.requests().size();
    refuse("/revision/main", status, "X-Error-Code: " + std::string(code) + "\r\n");
    const Error error = failure();
    EXPECT_EQ(error.code(), expected) << error.what();
    EXPECT_EQ(error.where() == "hf:acme/tiny-chat", status != 500) << error.what();
    EXPECT_NE(error.message().find(advice), std::string::npos) << error.what();
    EXPECT_EQ(hub_.requests().size() - before, status == 429 || status == 500 ? 4u : 1u);
  }
}

TEST_F(HuggingFacePull, WaitsAsLongAsTheHubAsks) {
  std::atomic<int> tries{0};
  hub_.on_request = [&](TestPeer& peer, const std::string& target, const std::string&) {
    if (target.find("/revision/") == std::string::npos || tries++ > 0) return false;
    peer.send(TestHub::respond(429, "", "Retry-After: 1\r\n"));
    return true;
  };
  const TimePoint begin = Clock::now();
  pull();
  EXPECT_GE(elapsed_ms(begin), 1000);
  expect_complete();
}

TEST_F(HuggingFacePull, RefusesListsThatLeadOutOfTheCache) {
  const std::string id(40, 'a');
  const auto entry = [&](const std::string& path, const std::string& rest) {
    return R"([{"type": "file", "path": ")" + path + "\", " + rest + "}]";
  };
  const std::string good = "\"oid\": \"" + id + "\", \"size\": 3";
  for (const std::string& page :
       {entry("../config.json", good), entry("/etc/passwd", good), entry("a\\\\b", good),
        entry("a\\u0000b", good), entry("a/../../b", good), entry(std::string(300, 'a'), good),
        entry("x", "\"oid\": \"../../x\", \"size\": 3"), entry("x", "\"oid\": \"" + id + "\", \"size\": -3"),
        entry("x", "\"oid\": \"" + id + "\", \"size\": 1e30"), entry("x", "\"oid\": \"" + id + "\""),
        entry("x", "\"oid\": \"" + id + "\", \"size\": 9999999999999999999"),
        entry("x", good + ", \"lfs\": {\"oid\": \"x\", \"size\": 1}"), std::string("{}"),
        std::string("<html>"),
        "[" + TestHub::entry("config.json", {"{}"}) + "," + TestHub::entry("config.json", {"[]"}) + "]",
        "[" + TestHub::entry("config.json", {"{}"}) + "," + TestHub::entry("config.json/x", {"[]"}) + "]"}) {
    hub_.on_request = [&](TestPeer& peer, const std::string& target, const std::string&) {
      if (target.find("/tree/") == std::string::npos) return false;
      peer.send(TestHub::respond(200, page));
      return true;
    };
    EXPECT_EQ(failure().code(), ErrorCode::kCorruptData) << page;
    EXPECT_EQ(hub_.count("/resolve/"), 0u) << page;
  }
  hub_.on_request = nullptr;
  hub_.commit = "../../../x";
  EXPECT_EQ(failure().code(), ErrorCode::kCorruptData);
}

TEST_F(HuggingFacePull, SaysThatTheDiskIsTooSmallBeforeItBegins) {
  hub_.on_request = [&](TestPeer& peer, const std::string& target, const std::string&) {
    if (target.find("/tree/") == std::string::npos) return false;
    const std::string huge = R"(, {"type": "file", "path": "model.safetensors", "oid": ")" +
                             std::string(40, 'a') + R"(", "size": 1, "lfs": {"oid": ")" +
                             std::string(64, 'b') + R"(", "size": 900000000000000}})";
    peer.send(TestHub::respond(200, "[" + TestHub::entry("config.json", {"{}"}) + huge + "]"));
    return true;
  };
  const Error error = failure();
  EXPECT_EQ(error.code(), ErrorCode::kIo);
  EXPECT_EQ(hub_.count("/resolve/"), 0u);
}

TEST_F(HuggingFacePull, TwoAtOnceFetchEachFileOnce) {
  hub_.on_request = [](TestPeer&, const std::string& target, const std::string&) {
    if (target.find("/resolve/") != std::string::npos)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return false;
  };
  std::thread other([&] { pull(); });
  pull();
  other.join();
  expect_complete();
  EXPECT_EQ(hub_.count("/resolve/"), 4u);
}

TEST_F(HuggingFacePull, WaitsForAnotherPullButNotAfterCancel) {
  const HuggingFaceCache cache(cache_.path());
  cache.make_folders("acme/tiny-chat");
  hub_.files = {{"config.json", {"{}"}}, {"model.safetensors", {"weights", true}}};
  PullOptions options;
  std::atomic<bool> cancel{false};
  options.cancel = &cancel;
  CacheLock first = CacheLock::at(
      cache.lock_file("acme/tiny-chat", {"", 0, TestHub::etag_of(hub_.files["config.json"]), false}));
  CacheLock second = CacheLock::at(
      cache.lock_file("acme/tiny-chat", {"", 0, TestHub::etag_of(hub_.files["model.safetensors"]), true}));
  ASSERT_TRUE(first.try_lock() && second.try_lock());
  bool waited = false;
  options.on_progress = [&](const PullProgress& progress) {
    waited = waited || progress.stage == PullStage::kWaiting;
    cancel = waited;
  };
  EXPECT_EQ(failure("hf:acme/tiny-chat", options).code(), ErrorCode::kCancelled);
  EXPECT_TRUE(waited);
  EXPECT_EQ(hub_.count("/resolve/"), 0u);
}

TEST_F(HuggingFacePull, CancelKeepsWhatCame) {
  on("model.safetensors", [&](TestPeer& peer, const std::string& head) {
    TestHub::send_file(peer, hub_.files["model.safetensors"], head, 120'000);
    peer.stall();
  });
  settings_.stall_timeout = std::chrono::seconds(30);
  std::atomic<bool> cancel{false};
  PullOptions options;
  options.cancel = &cancel;
  options.on_progress = [&](const PullProgress& progress) { cancel = progress.done_bytes >= 120'000; };
  const TimePoint begin = Clock::now();
  EXPECT_EQ(failure("hf:acme/tiny-chat", options).code(), ErrorCode::kCancelled);
  EXPECT_LT(elapsed_ms(begin), 5000);
  EXPECT_FALSE(fs::exists(repository() / "refs/main"));
  hub_.on_request = nullptr;
  pull();
  expect_complete();
  EXPECT_NE(hub_.requests().back().find("Range: bytes=120000-"), std::string::npos) << hub_.requests().back();
}

TEST_F(HuggingFacePull, AnExceptionFromProgressEndsIt) {
  on("model.safetensors", [](TestPeer& peer, const std::string&) { peer.stall(); });
  settings_.stall_timeout = std::chrono::seconds(30);
  PullOptions options;
  options.on_progress = [](const PullProgress&) { throw std::runtime_error("stop"); };
  EXPECT_THROW(pull("hf:acme/tiny-chat", options), std::runtime_error);
}

TEST_F(HuggingFacePull, UsesTheCacheWhereTheHubCannotBeReached) {
  settings_.offline = true;
  EXPECT_EQ(failure().code(), ErrorCode::kNotFound);
  settings_.offline = false;
  pull();
  refuse("/revision/main", 503);
  const RepositoryPull done = pull();
  EXPECT_TRUE(done.from_cache);
  EXPECT_EQ(done.path, snapshot());
  EXPECT_EQ(done.files, 4u);
  // A refusal is an answer: the copy may be one that is no longer for us.
  refuse("/revision/main", 403);
  EXPECT_EQ(failure().code(), ErrorCode::kNetwork);
  // Nobody listens on port 1.
  settings_.endpoint = "http://127.0.0.1:1";
  EXPECT_TRUE(pull().from_cache);
  EXPECT_EQ(failure("hf:acme/other").code(), ErrorCode::kNetwork);
}

TEST_F(HuggingFacePull, OfflineSaysWhatASnapshotLacks) {
  pull();
  // Of the files that the commit has, whether or not a model runs without.
  hub_.files["chat_template.jinja"] = {"x"};
  hub_.commit = std::string(40, 'c');
  on("chat_template.jinja", [](TestPeer& peer, const std::string&) { peer.cut(); });
  EXPECT_EQ(failure("hf:acme/tiny-chat@" + hub_.commit).code(), ErrorCode::kNetwork);
  settings_.offline = true;
  EXPECT_TRUE(pull().from_cache);
  const Error lacking = failure("hf:acme/tiny-chat@" + hub_.commit);
  EXPECT_EQ(lacking.code(), ErrorCode::kNotFound);
  EXPECT_NE(lacking.message().find("chat_template.jinja is missing"), std::string::npos) << lacking.what();
  // Where no tool noted them, what no model runs without is asked for.
  hub_.commit = "0123456789abcdef0123456789abcdef01234567";
  fs::remove_all(repository() / "trees");
  fs::remove(snapshot() / "tokenizer.json");
  const Error without = failure();
  EXPECT_EQ(without.code(), ErrorCode::kNotFound);
  EXPECT_NE(without.message().find("tokenizer.json is missing"), std::string::npos) << without.what();
  EXPECT_THROW(HuggingFaceCache(cache_.path()).resolve(*parse_huggingface_name("acme/tiny-chat")), Error);
}

TEST_F(HuggingFacePull, WhatGlobsBroughtIsThereOfflineForTheSameGlobs) {
  PullOptions readme;
  readme.include = {"README*"};
  EXPECT_EQ(pull("hf:acme/tiny-chat", readme).fetched_files, 1u);
  for (const bool offline : {true, false}) {
    settings_.offline = offline;
    settings_.endpoint = "http://127.0.0.1:1";  // nobody listens there
    const RepositoryPull done = pull("hf:acme/tiny-chat", readme);
    EXPECT_TRUE(done.from_cache);
    EXPECT_EQ(done.path, snapshot());
    EXPECT_EQ(done.files, 1u);
    EXPECT_EQ(failure().code(), ErrorCode::kNotFound);
  }
}

TEST_F(HuggingFacePull, AnotherCommitThanTheOneAskedForIsRefused) {
  const std::string asked(40, 'd');
  const Error error = failure("hf:acme/tiny-chat@" + asked);
  EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
  EXPECT_NE(error.message().find(hub_.commit), std::string::npos) << error.what();
  EXPECT_EQ(hub_.count("/resolve/"), 0u);
  EXPECT_EQ(pull("hf:acme/tiny-chat@" + hub_.commit).commit, hub_.commit);
}

TEST_F(HuggingFacePull, ADamagedFileOfTheRightSizeIsFetchedAgain) {
  pull();
  for (const char* name : {"model.safetensors", "tokenizer.json"}) {
    std::string wrong = hub_.files[name].text;
    wrong[1] ^= 1;
    testing::write_text(repository() / "blobs" / TestHub::etag_of(hub_.files[name]), wrong);
    settings_.offline = true;
    try {
      pull();
      ADD_FAILURE() << name << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
      EXPECT_NE(error.message().find(std::string(name) + " is damaged"), std::string::npos) << error.what();
    }
    settings_.offline = false;
    EXPECT_EQ(pull().fetched_files, 1u) << name;
    expect_complete();
    EXPECT_EQ(pull().fetched_files, 0u) << name;
  }
}

TEST_F(HuggingFacePull, ALargeFileIsReadOnceAndThenKnownByItsTime) {
  pull();
  const fs::path blob = repository() / "blobs" / TestHub::etag_of(hub_.files["model.safetensors"]);
  fs::remove_all(repository() / ".oag");  // as another tool leaves it
  EXPECT_EQ(pull().fetched_files, 0u);
  const auto time = fs::last_write_time(blob);
  testing::write_text(blob, std::string(200'000, 'x'));
  fs::last_write_time(blob, time);
  EXPECT_EQ(pull().fetched_files, 0u);
  fs::last_write_time(blob, time + std::chrono::seconds(1));
  EXPECT_EQ(pull().fetched_files, 1u);
  expect_complete();
}

TEST_F(HuggingFacePull, MoreBytesThanANumberHoldsDoNotFitOnADisk) {
  std::string page = TestHub::entry("config.json", {"{}"}) + ", " + TestHub::entry("tokenizer.json", {"{}"});
  // 2^50 bytes 2^14 times: 2^64.
  for (int i = 0; i < 1 << 14; ++i) {
    page += R"(, {"type": "file", "path": "model-)" + std::to_string(i) + R"(.safetensors", "oid": ")" +
            std::string(40, 'a') + R"(", "size": 1125899906842624})";
  }
  hub_.on_request = [&](TestPeer& peer, const std::string& target, const std::string&) {
    if (target.find("/tree/") == std::string::npos) return false;
    peer.send(TestHub::respond(200, "[" + page + "]"));
    return true;
  };
  EXPECT_EQ(failure().code(), ErrorCode::kIo);
  EXPECT_EQ(hub_.count("/resolve/"), 0u);
}

TEST_F(HuggingFacePull, TakesUpANewCommitAndKeepsWhatIsUnchanged) {
  pull();
  hub_.commit = std::string(40, 'b');
  hub_.files["tokenizer.json"].text = "{\"new\": 1}\n";
  const RepositoryPull done = pull();
  EXPECT_EQ(done.commit, hub_.commit);
  EXPECT_EQ(hub_.count("/resolve/" + hub_.commit), 1u);
  expect_complete();
}

TEST_F(HuggingFacePull, KeepsTheFilesThemselvesWhereLinksCannotBeMade) {
  pull();
  // As a tool leaves them that cannot make links.
  for (const auto& [path, file] : hub_.files) fs::remove(snapshot() / path);
  fs::remove_all(repository() / "blobs");
  for (const auto& [path, file] : hub_.files) testing::write_text(snapshot() / path, file.text);
  EXPECT_EQ(pull().fetched_files, 0u);
  EXPECT_EQ(HuggingFaceCache(cache_.path()).resolve(*parse_huggingface_name("acme/tiny-chat")), snapshot());
}

}  // namespace
}  // namespace oag
