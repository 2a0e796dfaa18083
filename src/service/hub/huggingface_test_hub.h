#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "service/hub/huggingface_settings.h"
#include "service/net/git_blob_hash.h"
#include "service/net/http_test_server.h"
#include "service/net/sha256.h"
#include "service/net/testing.h"

namespace oag::testing {

// A model hub on this machine with one repository; `on_request` lets it misbehave.
class TestHub {
 public:
  struct File {
    std::string text;
    bool is_lfs = false;
  };

  // True when it has answered.
  using Handler = std::function<bool(TestPeer&, const std::string& target, const std::string& head)>;

  // May be replaced while an earlier one still talks to a client that has not hung up.
  class Hook {
   public:
    Hook& operator=(Handler handler) {
      const std::lock_guard lock(mutex_);
      handler_ = std::move(handler);
      return *this;
    }
    Handler get() const {
      const std::lock_guard lock(mutex_);
      return handler_;
    }

   private:
    mutable std::mutex mutex_;
    Handler handler_;
  };

  TestHub() {
    server_ = std::make_unique<HttpTestServer>(
        [this](TestPeer& peer, const std::string& head) { answer(peer, head); }, nullptr, true);
  }

  std::string name = "acme/tiny-chat";
  std::string commit = "0123456789abcdef0123456789abcdef01234567";
  std::map<std::string, File> files;
  size_t page_size = 1000;
  // Sees each target and head first. Called from several threads at once.
  Hook on_request;

  HuggingFaceSettings settings(const std::filesystem::path& cache) const {
    HuggingFaceSettings out;
    out.endpoint = server_->url("");
    out.cache_folder = cache;
    out.connect_timeout = std::chrono::milliseconds(2000);
    out.stall_timeout = std::chrono::milliseconds(300);
    out.retry_delay = std::chrono::milliseconds(1);
    return out;
  }

  std::vector<std::string> requests() const { return server_->requests(); }

  // How many requests went to a target that holds `part`.
  size_t count(const std::string& part) const {
    const auto all = requests();
    return static_cast<size_t>(std::count_if(all.begin(), all.end(), [&](const std::string& head) {
      return head.substr(0, head.find("\r\n")).find(part) != std::string::npos;
    }));
  }

  static std::string respond(int status, const std::string& body, const std::string& headers = "") {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n" + headers + "\r\n" + body;
  }

  static std::string etag_of(const File& file) {
    if (file.is_lfs) return sha256_hex(file.text);
    GitBlobHash hash(file.text.size());
    hash.update(std::as_bytes(std::span(file.text)));
    return hash.finish();
  }

  static std::string entry(const std::string& path, const File& file) {
    const std::string size = std::to_string(file.text.size());
    const std::string lfs =
        file.is_lfs ? R"(, "lfs": {"oid": ")" + etag_of(file) + R"(", "size": )" + size + "}" : "";
    return R"({"type": "file", "path": ")" + path + R"(", "oid": ")" + etag_of({file.text, false}) +
           R"(", "size": )" + size + lfs + "}";
  }

  // The file behind a target of the form /ORG/NAME/resolve/COMMIT/PATH.
  const File* find(const std::string& target) const {
    const std::string prefix = "/" + name + "/resolve/" + commit + "/";
    if (!target.starts_with(prefix)) return nullptr;
    const auto found = files.find(target.substr(prefix.size()));
    return found != files.end() ? &found->second : nullptr;
  }

  // Sends a file, from where the request asks for it.
  static void send_file(TestPeer& peer, const File& file, const std::string& head,
                        size_t cut_after = SIZE_MAX) {
    const size_t at = head.find("Range: bytes=");
    const size_t begin = at == std::string::npos ? 0 : std::stoul(head.substr(at + 13));
    const std::string size = std::to_string(file.text.size());
    const std::string etag = "ETag: \"" + etag_of(file) + "\"\r\n";
    const std::string range = "Content-Range: bytes " + std::to_string(begin) + "-" +
                              std::to_string(file.text.size() - 1) + "/" + size + "\r\n";
    const std::string answer =
        respond(begin > 0 ? 206 : 200, file.text.substr(begin), begin > 0 ? etag + range : etag);
    const size_t body = answer.size() - (file.text.size() - begin);
    peer.send(std::string_view(answer).substr(0, cut_after == SIZE_MAX ? answer.size() : body + cut_after));
  }

 private:
  void answer(TestPeer& peer, const std::string& head) {
    const size_t begin = head.find(' ') + 1;
    const std::string target = head.substr(begin, head.find(' ', begin) - begin);
    if (const Handler handler = on_request.get(); handler && handler(peer, target, head)) return;
    const std::string api = "/api/models/" + name;
    if (target.starts_with(api + "/revision/")) {
      return peer.send(respond(200, R"({"id": ")" + name + R"(", "sha": ")" + commit + R"("})"));
    }
    if (target.starts_with(api + "/tree/" + commit + "?")) return send_page(peer, target);
    if (const File* file = find(target)) return send_file(peer, *file, head);
    peer.send(respond(404, "{}", "X-Error-Code: EntryNotFound\r\n"));
  }

  void send_page(TestPeer& peer, const std::string& target) {
    const size_t cursor = target.find("cursor=");
    const size_t first = cursor == std::string::npos ? 0 : std::stoul(target.substr(cursor + 7));
    std::string page;
    size_t i = 0;
    for (const auto& [path, file] : files) {
      if (i >= first && i < first + page_size) page += (page.empty() ? "" : ", ") + entry(path, file);
      ++i;
    }
    const std::string next = "/api/models/" + name + "/tree/" + commit +
                             "?recursive=true&cursor=" + std::to_string(first + page_size);
    const bool more = first + page_size < files.size();
    peer.send(respond(200, "[" + page + "]",
                      more ? "Link: <https://elsewhere.example" + next + ">; rel=\"next\"\r\n" : ""));
  }

  std::unique_ptr<HttpTestServer> server_;
};

}  // namespace oag::testing
