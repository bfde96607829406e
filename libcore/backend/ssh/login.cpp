#include "libcore/backend/ssh/login.h"

#include <libssh/libssh.h>
#include <poll.h>
#include <unistd.h>

#include <functional>

#include "libcore/backend/ssh/handles.h"
#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse::ssh {

namespace {

constexpr int kTries = 3;  // of passwords and passphrases, as ssh

/// A private key, as far as it could be read.
struct KeyFile {
  KeyHandle key;           ///< null: it cannot be used
  bool is_locked = false;  ///< by a passphrase that is not known
};

KeyFile read_key(const std::string& path, const char* passphrase) {
  KeyFile file;
  ssh_key raw = nullptr;
  const auto is_asked = [](const char*, char*, std::size_t, int, int, void* locked) {
    *static_cast<bool*>(locked) = true;
    return -1;
  };
  if (ssh_pki_import_privkey_file(path.c_str(), passphrase, is_asked, &file.is_locked, &raw) ==
      SSH_OK)
    file.key.reset(raw);
  return file;
}

/// A login under way. One thread.
class Login {
 public:
  Login(ssh_session session, const Settings& settings, const ConnectOptions& options)
      : session_(session), settings_(settings), options_(options) {}

  void run();

 private:
  /// What came of one way to log in.
  enum class Outcome { success, partial, denied };

  struct Way {
    int method;
    Outcome (Login::*attempt)();
    bool allowed;
  };

  int complete(const std::function<int()>& call);
  Outcome outcome(int code);
  Outcome by_keys();
  Outcome by_key_file(const std::string& path);
  Outcome by_public_key(const std::string& path);
  void unlock(const std::string& path, KeyFile& file);
  Outcome by_answers();
  Outcome by_password();
  std::optional<std::string> ask(const std::string& question, bool echo);
  bool may_ask(const char* what);
  [[noreturn]] void refuse();

  ssh_session session_;
  const Settings& settings_;
  const ConnectOptions& options_;
  std::vector<std::string> tried_;  ///< for the message
};

void Login::run() {
  const Way ways[] = {
      {SSH_AUTH_METHOD_PUBLICKEY, &Login::by_keys, settings_.public_key},
      {SSH_AUTH_METHOD_INTERACTIVE, &Login::by_answers, settings_.keyboard_interactive},
      {SSH_AUTH_METHOD_PASSWORD, &Login::by_password, settings_.password},
  };
  ssh_set_blocking(session_, 0);
  const auto none = [this] { return ssh_userauth_none(session_, nullptr); };
  if (outcome(complete(none)) == Outcome::success) return;
  int used = 0;
  for (bool goes_on = true; goes_on;) {
    goes_on = false;
    const int offered = ssh_userauth_list(session_, nullptr);
    for (const Way& way : ways) {
      if (!way.allowed || (offered & way.method) == 0 || (used & way.method) != 0) continue;
      used |= way.method;
      const Outcome came = (this->*way.attempt)();
      if (came == Outcome::success) return;
      goes_on = came == Outcome::partial;  // the server wants another besides: which, it has told
      if (goes_on) break;
    }
  }
  refuse();
}

/// Calls what sends something until the server has answered. A blocking call would go on waiting
/// where the server has hung up.
int Login::complete(const std::function<int()>& call) {
  while (true) {
    const int code = call();
    if (code != SSH_AUTH_AGAIN || ssh_is_connected(session_) == 0) return code;
    const bool writes = (ssh_get_poll_flags(session_) & SSH_WRITE_PENDING) != 0;
    pollfd polled{.fd = ssh_get_fd(session_),
                  .events = static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN),
                  .revents = 0};
    if (::poll(&polled, 1, static_cast<int>(settings_.connect_timeout.count())) == 0) return code;
  }
}

/// What libssh's answer means. Throws where the connection is lost.
Login::Outcome Login::outcome(int code) {
  if (code == SSH_AUTH_SUCCESS) return Outcome::success;
  if (code == SSH_AUTH_PARTIAL) return Outcome::partial;
  const bool is_connected = ssh_is_connected(session_) != 0;
  if (is_connected && code == SSH_AUTH_AGAIN)
    fail(ErrorKind::network, "log in as '{}': no answer", printable(settings_.who()));
  if (is_connected) return Outcome::denied;  // be it an agent that does not sign
  const std::string words = ssh_get_error(session_);
  if (words.find("Too many authentication failures") != words.npos) {
    tried_.emplace_back(
        "then it allowed no more tries (name the right key by IdentityFile, and set "
        "IdentitiesOnly)");
    refuse();
  }
  fail(ErrorKind::network, "log in as '{}': {}", printable(settings_.who()), printable(words));
}

Login::Outcome Login::by_keys() {
  if (!settings_.agent.empty()) {
    tried_.emplace_back("the keys of the agent");
    const Outcome came =
        outcome(complete([this] { return ssh_userauth_agent(session_, nullptr); }));
    if (came != Outcome::denied) return came;
  }
  for (const std::string& path : settings_.identities) {
    if (::access(path.c_str(), F_OK) != 0) continue;
    const Outcome came = by_key_file(path);
    if (came != Outcome::denied) return came;
  }
  return Outcome::denied;
}

Login::Outcome Login::by_key_file(const std::string& path) {
  KeyFile file = read_key(path, nullptr);
  tried_.push_back(fmt::format("'{}'", printable(path)));
  // Whether the server would take it is asked before the person is asked for the passphrase.
  if (file.is_locked) {
    if (const Outcome came = by_public_key(path); came == Outcome::denied) return came;
    unlock(path, file);
  }
  const auto sign = [&] { return ssh_userauth_publickey(session_, nullptr, file.key.get()); };
  if (file.key) return outcome(complete(sign));
  tried_.back() +=
      fmt::format(", which {}", ::access(path.c_str(), R_OK) != 0 ? "may not be read"
                                : !file.is_locked                 ? "is no key that can be used"
                                : settings_.batch ? "has a passphrase, and nobody can be asked"
                                                  : "was not opened by the passphrase");
  return Outcome::denied;
}

/// Whether the server would take a key, by its public half; not denied where that is not there.
Login::Outcome Login::by_public_key(const std::string& path) {
  ssh_key raw = nullptr;
  if (ssh_pki_import_pubkey_file((path + ".pub").c_str(), &raw) != SSH_OK) return Outcome::success;
  const KeyHandle key(raw);
  const auto offer = [&] { return ssh_userauth_try_publickey(session_, nullptr, key.get()); };
  return outcome(complete(offer));
}

void Login::unlock(const std::string& path, KeyFile& file) {
  for (int i = 0; i < kTries && !file.key; ++i) {
    const auto answer = ask(fmt::format("Passphrase of '{}': ", printable(path)), false);
    if (!answer) return;
    file.key = read_key(path, answer->c_str()).key;
  }
}

/// Keyboard-interactive: the server's questions, put to the person, until it has had enough.
Login::Outcome Login::by_answers() {
  if (!may_ask("questions")) return Outcome::denied;
  const auto go_on = [this] { return ssh_userauth_kbdint(session_, nullptr, nullptr); };
  int code = complete(go_on);
  while (code == SSH_AUTH_INFO) {
    const int count = ssh_userauth_kbdint_getnprompts(session_);
    for (int i = 0; i < count; ++i) {
      char echo = 0;
      const auto index = static_cast<unsigned>(i);
      const char* prompt = ssh_userauth_kbdint_getprompt(session_, index, &echo);
      const std::optional<std::string> answer =
          ask(fmt::format("({}) {} ", printable(settings_.who()), printable(prompt)), echo != 0);
      if (!answer) return Outcome::denied;
      ssh_userauth_kbdint_setanswer(session_, index, answer->c_str());
    }
    code = complete(go_on);
  }
  return outcome(code);
}

Login::Outcome Login::by_password() {
  if (!may_ask("a password")) return Outcome::denied;
  for (int i = 0; i < kTries; ++i) {
    const auto answer = ask(fmt::format("Password of '{}': ", printable(settings_.who())), false);
    if (!answer) return Outcome::denied;
    const auto tell = [&] { return ssh_userauth_password(session_, nullptr, answer->c_str()); };
    const Outcome came = outcome(complete(tell));
    if (came != Outcome::denied) return came;
  }
  return Outcome::denied;
}

std::optional<std::string> Login::ask(const std::string& question, bool echo) {
  if (settings_.batch) return std::nullopt;
  return options_.ask(question, echo);
}

bool Login::may_ask(const char* what) {
  tried_.push_back(settings_.batch ? fmt::format("no {}, as nobody can be asked", what)
                                   : std::string(what));
  return !settings_.batch;
}

void Login::refuse() {
  std::string tried;
  for (const std::string& each : tried_) tried += (tried.empty() ? "" : ", ") + each;
  const std::string port = settings_.port == 22 ? "" : fmt::format("-p {} ", settings_.port);
  fail(ErrorKind::permission,
       "'{}' refuses the login of '{}'; tried: {}; install a key of yours there: ssh-copy-id {}{}",
       printable(settings_.alias), printable(settings_.user),
       tried.empty() ? "nothing, as no key was found" : tried, port, printable(settings_.who()));
}

}  // namespace

void log_in(ssh_session session, const Settings& settings, const ConnectOptions& options) {
  Login(session, settings, options).run();
}

}  // namespace reverse::ssh
