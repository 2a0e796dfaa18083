// What streaming costs the server: N clients' answers are written by one thread, a token each per step, as a
// scheduler does. Prints the CPU time of the server's loop and of the writing calls per token, and of silent
// streams that only get heartbeats. The clients are another process: their time does not count.
//
//   oag_http_server_bench [clients 8] [tokens a second and client 100] [seconds 5] [part bytes 220]
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "service/net/http_server.h"

namespace {

using Exchange = std::shared_ptr<oag::HttpExchange>;

double cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

// Reads all streams until they end.
void read_streams(uint16_t port, int clients) {
  std::vector<pollfd> open;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  for (int i = 0; i < clients; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::exit(1);
    const std::string request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    if (::write(fd, request.data(), request.size()) < 0) std::exit(1);
    open.push_back({fd, POLLIN, 0});
  }
  static char chunk[1 << 16];
  while (!open.empty()) {
    ::poll(open.data(), open.size(), -1);
    for (size_t i = open.size(); i-- > 0;) {
      if (open[i].revents != 0 && ::read(open[i].fd, chunk, sizeof chunk) <= 0) {
        ::close(open[i].fd);
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
  }
}

struct Streams {
  std::mutex mutex;
  std::vector<Exchange> all;
};

// CPU time in microseconds that `work` takes while `clients` streams are open.
template <typename Work>
double measure(int clients, std::chrono::milliseconds heartbeat, Work work) {
  Streams streams;
  oag::HttpServerOptions options;
  options.port = 0;
  oag::HttpServer server(options, [&](oag::HttpRequest, Exchange exchange) {
    exchange->begin(200, {{"Content-Type", "text/event-stream"}});
    exchange->heartbeat(heartbeat, ": wait\n\n");
    const std::lock_guard lock(streams.mutex);
    streams.all.push_back(std::move(exchange));
  });
  int ports[2];
  if (::pipe(ports) != 0) std::exit(1);
  const pid_t child = ::fork();  // before there are threads
  if (child == 0) {
    uint16_t port = 0;
    if (::read(ports[0], &port, sizeof port) != sizeof port) ::_exit(1);
    read_streams(port, clients);
    ::_exit(0);
  }
  server.start();
  const uint16_t port = server.port();
  if (::write(ports[1], &port, sizeof port) != sizeof port) std::exit(1);
  for (bool all = false; !all;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const std::lock_guard lock(streams.mutex);
    all = streams.all.size() == static_cast<size_t>(clients);
  }
  const double before = cpu_us();
  work(streams.all);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double used = cpu_us() - before;
  for (const Exchange& stream : streams.all) stream->finish();
  ::waitpid(child, nullptr, 0);
  return used;
}

}  // namespace

int main(int argc, char** argv) {
  const auto option = [&](int i, int fallback) { return argc > i ? std::atoi(argv[i]) : fallback; };
  const int clients = option(1, 8), rate = option(2, 100), seconds = option(3, 5),
            part_bytes = option(4, 220);
  const std::string part(static_cast<size_t>(part_bytes), 'x');
  const int steps = rate * seconds;
  const double used = measure(clients, std::chrono::milliseconds(0), [&](std::vector<Exchange>& streams) {
    auto next = oag::Clock::now();
    for (int step = 0; step < steps; ++step) {
      next += std::chrono::microseconds(1'000'000 / rate);
      std::this_thread::sleep_until(next);
      for (const Exchange& stream : streams) stream->write(part);
    }
  });
  fmt::print("{} clients, {} tokens/s each, {} bytes a token: {:.1f} us of CPU a token\n", clients, rate,
             part_bytes, used / steps / clients);
  const double idle = measure(100, std::chrono::seconds(5), [](std::vector<Exchange>&) {
    std::this_thread::sleep_for(std::chrono::seconds(10));
  });
  fmt::print("100 silent streams, a heartbeat every 5 s: {:.2f} % of a core\n", idle / 10e6 * 100);
}
