#include "libcore/backend/ssh/session.h"

#include <fcntl.h>
#include <libssh/libssh.h>
#include <sys/socket.h>

#include <cerrno>

#include "libcore/backend/ssh/host_key.h"
#include "libcore/backend/ssh/login.h"
#include "libcore/backend/ssh/tcp.h"
#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/text.h"

namespace reverse::ssh {

namespace {

void set(ssh_session session, ssh_options_e option, const void* value, const char* name) {
  if (ssh_options_set(session, option, value) != SSH_OK)
    fail(ErrorKind::usage, "set {} of the connection: {}", name, printable(ssh_get_error(session)));
}

void set_algorithms(ssh_session session, ssh_options_e option, const std::string& names,
                    const char* name) {
  if (!names.empty()) set(session, option, names.c_str(), name);
}

void set_options(ssh_session session, const Settings& settings, const KnownHosts& known) {
  const bool no = false;
  set(session, SSH_OPTIONS_PROCESS_CONFIG, &no, "the configuration");
  set(session, SSH_OPTIONS_HOST, settings.host.c_str(), "the host");
  set(session, SSH_OPTIONS_USER, settings.user.c_str(), "the user");
  const unsigned port = settings.port;
  set(session, SSH_OPTIONS_PORT, &port, "the port");
  const auto timeout =
      static_cast<long>(std::chrono::ceil<std::chrono::seconds>(settings.connect_timeout).count());
  set(session, SSH_OPTIONS_TIMEOUT, &timeout, "the timeout");
  // Not plain "zlib", which would have strangers' bytes unpacked before anybody has logged in.
  const char* compression = settings.compress ? "zlib@openssh.com,none" : "none";
  set(session, SSH_OPTIONS_COMPRESSION, compression, "the compression");
  if (settings.min_rsa_bits > 0)
    set(session, SSH_OPTIONS_RSA_MIN_SIZE, &settings.min_rsa_bits, "RequiredRSASize");
  if (!settings.agent.empty())
    set(session, SSH_OPTIONS_IDENTITY_AGENT, settings.agent.c_str(), "IdentityAgent");
  set_algorithms(session, SSH_OPTIONS_CIPHERS_C_S, settings.ciphers, "Ciphers");
  set_algorithms(session, SSH_OPTIONS_CIPHERS_S_C, settings.ciphers, "Ciphers");
  set_algorithms(session, SSH_OPTIONS_HMAC_C_S, settings.macs, "MACs");
  set_algorithms(session, SSH_OPTIONS_HMAC_S_C, settings.macs, "MACs");
  set_algorithms(session, SSH_OPTIONS_KEY_EXCHANGE, settings.key_exchange, "KexAlgorithms");
  set_algorithms(session, SSH_OPTIONS_HOSTKEYS, known.prefer_known(settings.host_keys),
                 "HostKeyAlgorithms");
  set_algorithms(session, SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, settings.public_keys,
                 "PubkeyAcceptedAlgorithms");
  // libssh would order the types of host keys by its own reading of these.
  set(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null", "known_hosts");
  set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null", "known_hosts");
}

}  // namespace

SessionHandle open_session(const Settings& settings, const ConnectOptions& options) {
  const KnownHosts known(settings);
  SessionHandle session(ssh_new());
  if (!session) fail(ErrorKind::internal, "make an SSH session: no memory");
  set_options(session.get(), settings, known);
  const UniqueFd socket = connect_tcp(settings.host, settings.port, settings.family,
                                      settings.connect_timeout, options.stop);
  // Libssh's own, which it may close at any time: a stop must not shut down what gets the number next.
  const int fd = ::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) throw_errno(errno, "duplicate a socket");
  const std::stop_callback cut(options.stop, [&] { ::shutdown(socket.get(), SHUT_RDWR); });
  set(session.get(), SSH_OPTIONS_FD, &fd, "the socket");
  if (ssh_connect(session.get()) != SSH_OK)
    fail(ErrorKind::network, "connect to '{}' port {}: {}", printable(settings.host), settings.port,
         printable(ssh_get_error(session.get())));
  check_host_key(session.get(), settings, known, options);
  log_in(session.get(), settings, options);
  return session;
}

}  // namespace reverse::ssh
