#include "libcore/backend/ssh/login.h"

#include <libssh/libssh.h>
#include <unistd.h>

#include <cstring>

#include "libcore/backend/ssh/handles.h"
#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse::ssh {

namespace {

constexpr int kPasswordTries = 3;  // as ssh

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

  Outcome outcome(int code);
  Outcome by_keys();
  Outcome by_key_file(const std::string& path);
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

/// For libssh's reader of private keys: asks for the passphrase.
struct PassphraseQuestion {
  std::function<std::optional<std::string>()> ask;
  bool was_asked = false;
};

int answer_passphrase(const char*, char* room, std::size_t size, int, int, void* data) {
  auto& question = *static_cast<PassphraseQuestion*>(data);
  question.was_asked = true;
  const std::optional<std::string> answer = question.ask();
  if (!answer || answer->size() >= size) return -1;
  std::memcpy(room, answer->c_str(), answer->size() + 1);
  return 0;
}

void Login::run() {
  const Way ways[] = {
      {SSH_AUTH_METHOD_PUBLICKEY, &Login::by_keys, settings_.public_key},
      {SSH_AUTH_METHOD_INTERACTIVE, &Login::by_answers, settings_.keyboard_interactive},
      {SSH_AUTH_METHOD_PASSWORD, &Login::by_password, settings_.password},
  };
  if (outcome(ssh_userauth_none(session_, nullptr)) == Outcome::success) return;
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

/// What libssh's answer means. Throws where the connection is lost.
Login::Outcome Login::outcome(int code) {
  if (code == SSH_AUTH_SUCCESS) return Outcome::success;
  if (code == SSH_AUTH_PARTIAL) return Outcome::partial;
  if (code == SSH_AUTH_AGAIN)
    fail(ErrorKind::network, "log in as '{}': no answer", printable(settings_.who()));
  if (ssh_is_connected(session_) != 0) return Outcome::denied;  // be it an agent that does not sign
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
    const Outcome came = outcome(ssh_userauth_agent(session_, nullptr));
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
  ssh_key raw = nullptr;
  // Whether the server would take it is asked before the person is asked for the passphrase.
  if (ssh_pki_import_pubkey_file((path + ".pub").c_str(), &raw) == SSH_OK) {
    const KeyHandle public_key(raw);
    tried_.push_back(fmt::format("'{}'", printable(path)));
    const Outcome came = outcome(ssh_userauth_try_publickey(session_, nullptr, public_key.get()));
    if (came == Outcome::denied) return came;
    tried_.pop_back();
  }
  PassphraseQuestion question;
  question.ask = [&] { return ask(fmt::format("Passphrase of '{}': ", printable(path)), false); };
  if (ssh_pki_import_privkey_file(path.c_str(), nullptr, answer_passphrase, &question, &raw) !=
      SSH_OK) {
    const char* why = ::access(path.c_str(), R_OK) != 0 ? "may not be read"
                      : !question.was_asked             ? "is no key that can be used"
                      : settings_.batch ? "has a passphrase, and nobody can be asked"
                                        : "was not opened by the passphrase";
    tried_.push_back(fmt::format("'{}', which {}", printable(path), why));
    return Outcome::denied;
  }
  const KeyHandle key(raw);
  tried_.push_back(fmt::format("'{}'", printable(path)));
  return outcome(ssh_userauth_publickey(session_, nullptr, key.get()));
}

/// Keyboard-interactive: the server's questions, put to the person, until it has had enough.
Login::Outcome Login::by_answers() {
  if (!may_ask("questions")) return Outcome::denied;
  int code = ssh_userauth_kbdint(session_, nullptr, nullptr);
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
    code = ssh_userauth_kbdint(session_, nullptr, nullptr);
  }
  return outcome(code);
}

Login::Outcome Login::by_password() {
  if (!may_ask("a password")) return Outcome::denied;
  for (int i = 0; i < kPasswordTries; ++i) {
    const auto answer = ask(fmt::format("Password of '{}': ", printable(settings_.who())), false);
    if (!answer) return Outcome::denied;
    const Outcome came = outcome(ssh_userauth_password(session_, nullptr, answer->c_str()));
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
