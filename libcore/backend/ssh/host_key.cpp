#include "libcore/backend/ssh/host_key.h"

#include <libssh/libssh.h>

#include "libcore/backend/ssh/handles.h"
#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse::ssh {

namespace {

/// The key that the server has shown.
struct Shown {
  HostKey key;
  std::string fingerprint;  ///< "SHA256:…"
};

Shown shown_key(ssh_session session) {
  ssh_key raw = nullptr;
  if (ssh_get_server_publickey(session, &raw) != SSH_OK)
    fail(ErrorKind::network, "the server has shown no host key");
  const KeyHandle key(raw);
  char* base64 = nullptr;
  if (ssh_pki_export_pubkey_base64(key.get(), &base64) != SSH_OK)
    fail(ErrorKind::internal, "the server's host key cannot be encoded");
  Shown shown{.key = {ssh_key_type_to_char(ssh_key_type(key.get())), base64}, .fingerprint = ""};
  ssh_string_free_char(base64);
  unsigned char* hash = nullptr;
  std::size_t size = 0;
  if (ssh_get_publickey_hash(key.get(), SSH_PUBLICKEY_HASH_SHA256, &hash, &size) != SSH_OK)
    fail(ErrorKind::internal, "the server's host key has no fingerprint");
  char* fingerprint = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size);
  shown.fingerprint = fingerprint != nullptr ? fingerprint : "";
  ssh_string_free_char(fingerprint);
  ssh_clean_pubkey_hash(&hash);
  return shown;
}

/// "-p PORT " where it is not the usual one.
std::string port_words(const Settings& settings) {
  return settings.port == 22 ? "" : fmt::format("-p {} ", settings.port);
}

[[noreturn]] void refuse_changed(const Settings& settings, const KnownHosts& known,
                                 const KnownHosts::Entry& entry, const Shown& shown) {
  fail(ErrorKind::permission,
       "the host key of '{}' has changed: '{}' line {} holds another than {} {}, which it shows "
       "now; somebody may stand between here and there, or it was set up anew; if you are sure of "
       "that, forget the old key: ssh-keygen -f '{}' -R '{}'",
       printable(settings.alias), printable(entry.file), entry.line, shown.key.type,
       shown.fingerprint, printable(entry.file), printable(known.name()));
}

/// As `ssh-keyscan -t` calls it.
std::string family_of(const std::string& type) {
  return type.starts_with("ecdsa-") ? "ecdsa" : type.substr(type.find('-') + 1);
}

[[noreturn]] void refuse_unknown(const Settings& settings, const Shown& shown,
                                 std::string_view why) {
  const std::string file = settings.known_hosts.empty() ? "known_hosts" : settings.known_hosts[0];
  fail(ErrorKind::permission,
       "the host key of '{}' is not known here, and {}; it shows {} {}: if that is the server's, "
       "have it kept: ssh-keyscan {}-t {} '{}' >>'{}'",
       printable(settings.alias), why, shown.key.type, shown.fingerprint, port_words(settings),
       family_of(shown.key.type), printable(settings.host), printable(file));
}

/// Asks whether it is the right key, as `ssh` does: until the answer is one.
bool is_accepted(const Settings& settings, const Shown& shown, const ConnectOptions& options) {
  std::string question = fmt::format(
      "'{}' ({} port {}) has not been met before. It shows the key {}\n"
      "  {}\n"
      "Is that the server's? (yes/no) ",
      printable(settings.alias), printable(settings.host), settings.port, shown.key.type,
      shown.fingerprint);
  while (true) {
    const std::optional<std::string> answer = options.ask(question, true);
    if (!answer || *answer == "no") return false;
    if (*answer == "yes" || *answer == shown.fingerprint) return true;
    question = "Please answer yes, no, or by the fingerprint: ";
  }
}

void keep(const Settings& settings, const KnownHosts& known, const Shown& shown,
          const ConnectOptions& options) {
  if (settings.known_hosts.empty()) return;
  std::string notice =
      fmt::format("the host key of '{}' ({} {}) is now kept in '{}'", printable(settings.alias),
                  shown.key.type, shown.fingerprint, printable(settings.known_hosts[0]));
  try {
    add_known_host(settings.known_hosts[0], known.name(), shown.key);
  } catch (const Error& error) {
    notice = fmt::format("the host key of '{}' cannot be kept, and will be asked for again: {}",
                         printable(settings.alias), error.what());
  }
  if (options.notice) options.notice(notice);
}

}  // namespace

void check_host_key(ssh_session session, const Settings& settings, const KnownHosts& known,
                    const ConnectOptions& options) {
  const Shown shown = shown_key(session);
  if (known.knows(shown.key)) return;
  if (const KnownHosts::Entry* entry = known.contradiction())
    refuse_changed(settings, known, *entry, shown);
  if (settings.new_host_key == NewHostKey::refuse)
    refuse_unknown(settings, shown, "StrictHostKeyChecking forbids to ask");
  if (settings.new_host_key == NewHostKey::ask) {
    if (settings.batch) refuse_unknown(settings, shown, "nobody can be asked");
    if (!is_accepted(settings, shown, options)) refuse_unknown(settings, shown, "was not accepted");
  }
  keep(settings, known, shown, options);
}

}  // namespace reverse::ssh
