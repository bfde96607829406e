#include "libcore/backend/ssh/tcp.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"

namespace reverse::ssh {

namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Addresses addresses_of(const std::string& host, std::uint16_t port, int family) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (code != 0)
    fail(ErrorKind::network, "look up '{}': {}", printable(host),
         code == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(code));
  return {found, &::freeaddrinfo};
}

/// 0, or the errno of what went wrong.
int wait_for_connection(int fd, std::chrono::milliseconds timeout) {
  pollfd polled{.fd = fd, .events = POLLOUT, .revents = 0};
  const int ready = ::poll(&polled, 1, static_cast<int>(timeout.count()));
  if (ready < 0) return errno;
  if (ready == 0) return ETIMEDOUT;
  int code = 0;
  socklen_t size = sizeof code;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) == 0 ? code : errno;
}

}  // namespace

UniqueFd connect_tcp(const std::string& host, std::uint16_t port, int family,
                     std::chrono::milliseconds timeout, const std::stop_token& stop) {
  const Addresses addresses = addresses_of(host, port, family);
  int code = 0;
  for (const addrinfo* each = addresses.get(); each != nullptr; each = each->ai_next) {
    UniqueFd fd(::socket(each->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    code = fd ? 0 : errno;
    throw_if_stopped(stop);
    const std::stop_callback cut(stop, [&fd] { ::shutdown(fd.get(), SHUT_RDWR); });
    if (code == 0 && ::connect(fd.get(), each->ai_addr, each->ai_addrlen) != 0)
      code = errno == EINPROGRESS ? wait_for_connection(fd.get(), timeout) : errno;
    if (code != 0) continue;
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
  }
  fail(ErrorKind::network, "connect to '{}' port {}: {}", printable(host), port,
       std::strerror(code));
}

void acknowledge_at_once(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

}  // namespace reverse::ssh
