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

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kChunk = 256 << 10;
constexpr std::size_t kOnTheWay = 16 << 20;  // more than any sender's window

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
    std::uint64_t received = 0;
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return received - sent_ < kOnTheWay; });
      const std::size_t room = std::min({kOnTheWay - (received - sent_), kOnTheWay - received % kOnTheWay, kChunk});
      lock.unlock();
      const ssize_t size = ::read(from_, at(received), room);
      lock.lock();
      queue_.push_back({Clock::now() + delay_, size > 0 ? static_cast<std::size_t>(size) : 0});
      received += queue_.back().size;
      changed_.notify_all();
      if (size <= 0) return;
    }
  }

  void send() {
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !queue_.empty(); });
      const Chunk chunk = queue_.front();
      queue_.pop_front();
      lock.unlock();
      std::this_thread::sleep_until(chunk.due);
      if (chunk.size == 0) break;
      for (std::size_t written = 0; written < chunk.size;) {
        const ssize_t size = ::write(to_, at(sent_ + written), chunk.size - written);
        if (size <= 0) break;
        written += static_cast<std::size_t>(size);
      }
      lock.lock();
      sent_ += chunk.size;
      changed_.notify_all();
    }
    ::shutdown(to_, SHUT_WR);
    ::shutdown(from_, SHUT_RD);
  }

 private:
  char* at(std::uint64_t offset) { return ring_.get() + offset % kOnTheWay; }

  struct Chunk {
    Clock::time_point due;
    std::size_t size;  // 0: the end
  };
  const std::shared_ptr<Ends> ends_;
  const int from_, to_;
  const Clock::duration delay_;
  const std::unique_ptr<char[]> ring_{new char[kOnTheWay]};  // used again and again: new memory costs more than copying
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Chunk> queue_;
  std::uint64_t sent_ = 0;  // changed by `send` alone
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
