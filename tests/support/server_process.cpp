#include "tests/support/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/text.h"

namespace reverse {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kTries = 5;  // for a port that another process may take before the server does
constexpr std::chrono::seconds kStartTime{20};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

UniqueFd make_socket() {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw_errno(errno, "socket");
  return fd;
}

std::uint16_t free_port() {
  const UniqueFd fd = make_socket();
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0)
    throw_errno(errno, "bind");
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw_errno(errno, "getsockname");
  return ntohs(address.sin_port);
}

bool accepts(std::uint16_t port) {
  const UniqueFd fd = make_socket();
  const sockaddr_in address = loopback(port);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> result;
  for (const std::string& word : words) result.push_back(const_cast<char*>(word.c_str()));
  result.push_back(nullptr);
  return result;
}

/// Starts a child without input, in a session of its own, that does not outlive this process.
pid_t spawn(const ServerProcess::Program& program, const std::string& log) {
  std::vector<std::string> environment = program.environment;
  for (char** variable = environ; *variable != nullptr; ++variable)
    environment.emplace_back(*variable);
  const std::vector<char*> argv = pointers(program.argv), envp = pointers(environment);
  const UniqueFd output = open_file(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  const UniqueFd input = open_file("/dev/null", O_RDONLY);
  const pid_t pid = ::fork();
  if (pid < 0) throw_errno(errno, "fork");
  if (pid > 0) return pid;
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::dup2(input.get(), STDIN_FILENO);
  ::dup2(output.get(), STDOUT_FILENO);
  ::dup2(output.get(), STDERR_FILENO);
  ::execve(argv[0], argv.data(), envp.data());
  ::_exit(127);
}

/// The parent of each process.
std::multimap<pid_t, pid_t> children_by_parent() {
  std::multimap<pid_t, pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto pid = parse_uint(entry.path().filename().string());
    if (!pid) continue;
    std::ifstream file(entry.path() / "status");
    for (std::string line; std::getline(file, line);)
      if (line.starts_with("PPid:\t"))
        if (const auto parent = parse_uint(line.substr(6)))
          children.emplace(static_cast<pid_t>(*parent), static_cast<pid_t>(*pid));
  }
  return children;
}

}  // namespace

void run_program(const std::vector<std::string>& argv) {
  const pid_t pid = spawn({.argv = argv, .environment = {}}, "/dev/null");
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) throw_errno(errno, "waitpid");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    fail(ErrorKind::internal, "'{}' ended with status {}", argv[0], status);
}

ServerProcess::ServerProcess(const std::function<Program(std::uint16_t port)>& program,
                             std::string log)
    : log_(std::move(log)) {
  for (int i = 0; i < kTries; ++i) {
    port_ = free_port();
    if (start(program(port_))) return;
    kill();
  }
  fail(ErrorKind::internal, "a server for tests does not start:\n{}", this->log());
}

ServerProcess::~ServerProcess() {
  kill();
}

/// True once it accepts connections; false if it ended.
bool ServerProcess::start(const Program& program) {
  pid_ = spawn(program, log_);
  const auto deadline = steady_clock::now() + kStartTime;
  while (steady_clock::now() < deadline) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return false;
    }
    if (accepts(port_)) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return false;
}

std::string ServerProcess::log() const {
  return read_file(log_);
}

std::vector<pid_t> ServerProcess::descendants() const {
  const auto children = children_by_parent();
  std::vector<pid_t> family = {pid_};
  for (std::size_t i = 0; i < family.size(); ++i) {
    const auto [first, last] = children.equal_range(family[i]);
    for (auto child = first; child != last; ++child) family.push_back(child->second);
  }
  family.erase(family.begin());
  return family;
}

void ServerProcess::signal_all(int signal) {
  if (pid_ < 0) return;
  const std::vector<pid_t> started = descendants();
  ::kill(pid_, signal);
  for (const pid_t pid : started) ::kill(pid, signal);
}

void ServerProcess::kill() {
  if (pid_ < 0) return;
  freeze();  // so that none starts another meanwhile
  signal_all(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void ServerProcess::kill_connections() {
  for (const pid_t pid : descendants()) ::kill(pid, SIGKILL);
}

void ServerProcess::freeze() {
  signal_all(SIGSTOP);
}
void ServerProcess::thaw() {
  signal_all(SIGCONT);
}

}  // namespace reverse
