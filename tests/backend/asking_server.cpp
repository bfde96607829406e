#include "tests/backend/asking_server.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"

namespace reverse::ssh {

namespace {

using Bind = std::unique_ptr<ssh_bind_struct, decltype(&ssh_bind_free)>;
using Session = std::unique_ptr<ssh_session_struct, decltype(&ssh_free)>;
using Message = std::unique_ptr<ssh_message_struct, decltype(&ssh_message_free)>;

/// A socket on a free port of 127.0.0.1.
UniqueFd listen_anywhere() {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), 8) != 0)
    throw_errno(errno, "listen on 127.0.0.1");
  return fd;
}

std::uint16_t port_of(const UniqueFd& fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw_errno(errno, "getsockname");
  return ntohs(address.sin_port);
}

void refuse(const Message& message) {
  ssh_message_auth_set_methods(message.get(), SSH_AUTH_METHOD_INTERACTIVE);
  ssh_message_reply_default(message.get());
}

void ask(const Message& message, const AskingServer::Round& round) {
  std::vector<const char*> words;
  std::vector<char> echo;
  for (const AskingServer::Question& question : round) {
    words.push_back(question.words.c_str());
    echo.push_back(question.echo ? 1 : 0);
  }
  ssh_message_auth_interactive_request(message.get(), "", "", static_cast<unsigned>(round.size()),
                                       words.data(), echo.data());
}

bool is_answered(ssh_session session, const AskingServer::Round& round) {
  if (ssh_userauth_kbdint_getnanswers(session) != static_cast<int>(round.size())) return false;
  for (unsigned i = 0; i < round.size(); ++i)
    if (round[i].answer != ssh_userauth_kbdint_getanswer(session, i)) return false;
  return true;
}

}  // namespace

AskingServer::AskingServer(std::vector<Round> rounds)
    : rounds_(std::move(rounds)), listening_(listen_anywhere()) {
  const std::uint16_t port = port_of(listening_);
  write_file(known_hosts(), fmt::format("[127.0.0.1]:{} {}\n", port, host_key()));
  write_file(ssh_config(), fmt::format("Host {}\n  HostName 127.0.0.1\n  Port {}\n  User {}\n"
                                       "  IdentityAgent none\n  UserKnownHostsFile {}\n"
                                       "  GlobalKnownHostsFile /dev/null\n",
                                       kName, port, kUser, known_hosts()));
  thread_ = std::jthread([this] { serve(); });
}

AskingServer::~AskingServer() {
  ::shutdown(listening_.get(), SHUT_RDWR);
}

void AskingServer::serve() {
  while (true) {
    const int client = ::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    let_in(client);
  }
}

/// Until the client has gone.
void AskingServer::let_in(int client) {
  const Bind bind(ssh_bind_new(), ssh_bind_free);
  const Session session(ssh_new(), ssh_free);
  const bool no = false;
  ssh_bind_options_set(bind.get(), SSH_BIND_OPTIONS_PROCESS_CONFIG, &no);
  ssh_bind_options_set(bind.get(), SSH_BIND_OPTIONS_HOSTKEY, file("host_key").c_str());
  if (ssh_bind_accept_fd(bind.get(), session.get(), client) != SSH_OK ||
      ssh_handle_key_exchange(session.get()) != SSH_OK)
    return;
  std::size_t round = 0;  // the next to be asked
  while (const Message message{ssh_message_get(session.get()), ssh_message_free}) {
    const int type = ssh_message_type(message.get());
    const bool is_about_answers =
        type == SSH_REQUEST_AUTH &&
        ssh_message_subtype(message.get()) == SSH_AUTH_METHOD_INTERACTIVE;
    if (type == SSH_REQUEST_SERVICE) {
      ssh_message_service_reply_success(message.get());
    } else if (!is_about_answers) {
      refuse(message);
    } else {
      const bool is_answer = ssh_message_auth_kbdint_is_response(message.get()) != 0;
      if (!is_answer) round = 0;
      if (is_answer && !is_answered(session.get(), rounds_.at(round - 1)))
        refuse(message);
      else if (round < rounds_.size())
        ask(message, rounds_[round++]);
      else
        ssh_message_auth_reply_success(message.get(), 0);
    }
  }
}

}  // namespace reverse::ssh
