// A line of a given round-trip time on one machine: passes TCP connections on to another port, and
// every byte arrives half a round trip later, however many are on the way.
//
//   latency-relay LISTEN_PORT TARGET_PORT ROUND_TRIP_MS
//
// Prints "ready" when it listens. Runs until it is killed.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kChunk = 256 << 10;
constexpr std::size_t kOnTheWay = 256 << 20;  // more than any sender's window

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

void no_delay(int fd) {
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// A connection's two ends, closed when nobody uses them any more.
struct Ends {
  int client, server;
  ~Ends() {
    ::close(client);
    ::close(server);
  }
};

/// One direction of a connection.
class Direction {
 public:
  Direction(std::shared_ptr<Ends> ends, int from, int to, Clock::duration delay)
      : ends_(std::move(ends)), from_(from), to_(to), delay_(delay) {}

  void receive() {
    std::string buffer(kChunk, '\0');
    while (true) {
      ssize_t size = ::read(from_, buffer.data(), buffer.size());
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return bytes_ < kOnTheWay; });
      queue_.push_back({Clock::now() + delay_, buffer.substr(0, size > 0 ? size : 0)});
      bytes_ += queue_.back().bytes.size();
      changed_.notify_all();
      if (size <= 0) return;
    }
  }

  void send() {
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !queue_.empty(); });
      Chunk chunk = std::move(queue_.front());
      queue_.pop_front();
      bytes_ -= chunk.bytes.size();
      changed_.notify_all();
      lock.unlock();
      std::this_thread::sleep_until(chunk.due);
      if (chunk.bytes.empty()) break;
      for (std::size_t sent = 0; sent < chunk.bytes.size();) {
        ssize_t size = ::write(to_, chunk.bytes.data() + sent, chunk.bytes.size() - sent);
        if (size <= 0) break;
        sent += static_cast<std::size_t>(size);
      }
    }
    ::shutdown(to_, SHUT_WR);
    ::shutdown(from_, SHUT_RD);
  }

 private:
  struct Chunk {
    Clock::time_point due;
    std::string bytes;
  };
  const std::shared_ptr<Ends> ends_;
  const int from_, to_;
  const Clock::duration delay_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Chunk> queue_;
  std::size_t bytes_ = 0;
};

void relay(int client, int target_port, Clock::duration delay) {
  int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::shared_ptr<Ends> ends(new Ends{client, server});
  sockaddr_in address = loopback(target_port);
  if (::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return;
  no_delay(client);
  no_delay(server);
  for (auto [from, to] : {std::pair{client, server}, std::pair{server, client}}) {
    auto direction = std::make_shared<Direction>(ends, from, to, delay);
    std::thread([direction] { direction->receive(); }).detach();
    std::thread([direction] { direction->send(); }).detach();
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: latency-relay LISTEN_PORT TARGET_PORT ROUND_TRIP_MS\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const auto delay = std::chrono::microseconds(static_cast<long>(std::atof(argv[3]) * 500));
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = loopback(std::atoi(argv[1]));
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 64) != 0) {
    std::perror("latency-relay: listen");
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  while (true) {
    int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) relay(client, std::atoi(argv[2]), delay);
  }
}
