#include "libcore/backend/ssh/settings.h"

#include <libssh/libssh.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>

#include "libcore/backend/sftp/child_link.h"
#include "libcore/backend/sftp/running_command.h"
#include "libcore/backend/ssh/handles.h"
#include "libcore/backend/ssh/ssh_command.h"
#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/text.h"

namespace reverse::ssh {

namespace {

using Strings = std::vector<std::string>;

/// What `ssh -G` prints: keywords in lower case, each with the values of its lines.
using Resolved = std::map<std::string, Strings>;

/// Runs `ssh -G`. nullopt where there is no `ssh`.
std::optional<sftp::CommandResult> run_ssh(const Target& target, const ConnectOptions& options) {
  sftp::ChildLink link({}, ssh_argv(target, options, {"-G"}));
  std::unique_ptr<sftp::Stream> child;
  try {
    child = link.run(target.host);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return std::nullopt;
    throw;
  }
  const auto answer = std::make_shared<sftp::CommandAnswer>();
  sftp::RunningCommand command(std::move(child), {{.line = "ssh -G", .input = ""}, answer});
  while (!command.finished())
    if (!command.step()) link.wait(false, sftp::Link::Clock::now() + std::chrono::seconds(1));
  sftp::CommandResult result;
  while (std::optional<std::string> bytes = answer->next({})) result.output += *bytes;
  result.exit_code = answer->end().exit_code;
  result.errors = answer->end().errors;
  return result;
}

Resolved parse(const std::string& output) {
  Resolved resolved;
  for (const std::string_view line : split(output, '\n')) {
    const std::size_t blank = line.find(' ');
    if (blank != line.npos)
      resolved[std::string(line.substr(0, blank))].emplace_back(line.substr(blank + 1));
  }
  return resolved;
}

std::string value(const Resolved& resolved, const std::string& key) {
  const auto found = resolved.find(key);
  return found == resolved.end() ? "" : found->second.front();
}

bool is_on(const Resolved& resolved, const std::string& key) {
  const std::string word = value(resolved, key);
  return word == "yes" || word == "true";
}

/// True if it is set at all; `ssh -G` prints "none" for what can be unset.
bool is_set(const Resolved& resolved, const std::string& key) {
  const std::string word = value(resolved, key);
  return !word.empty() && word != "none";
}

std::string home_directory() {
  const passwd* account = ::getpwuid(::getuid());  // as ssh does, whatever $HOME says
  return account != nullptr ? account->pw_dir : "";
}

std::string expand_home(const std::string& path) {
  return path.starts_with("~/") ? home_directory() + path.substr(1) : path;
}

/// True if only `ssh` knows which file is meant.
bool has_tokens(const std::string& path) {
  return path.find_first_of("%$") != path.npos;
}

/// The paths of a line, of which those that ssh leaves unset are none.
Strings paths_in(const std::string& line) {
  Strings paths;
  for (const std::string_view part : split(line, ' '))
    if (!part.empty() && part != "none") paths.push_back(expand_home(std::string(part)));
  return paths;
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

bool is_socket(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode);
}

std::string environment(const char* name) {
  const char* text = std::getenv(name);
  return text != nullptr ? text : "";
}

std::string agent_of(const Resolved& resolved) {
  const std::string configured = value(resolved, "identityagent");
  std::string socket = environment("SSH_AUTH_SOCK");
  if (configured == "none") socket.clear();
  if (!configured.empty() && configured != "none" && configured != "SSH_AUTH_SOCK")
    socket = expand_home(configured);
  return !socket.empty() && exists(socket) ? socket : "";
}

bool has_kerberos_ticket() {
  return !environment("KRB5CCNAME").empty() || exists(fmt::format("/tmp/krb5cc_{}", ::getuid()));
}

/// The first of `preferred` that `allowed` holds, in order, then the rest of `allowed`.
std::string reorder(const std::string& allowed, std::initializer_list<std::string_view> preferred) {
  std::vector<std::string_view> names = split(allowed, ',');
  std::string result;
  const auto append = [&](std::string_view name) {
    if (!result.empty()) result += ',';
    result += name;
  };
  for (const std::string_view name : preferred)
    if (std::erase(names, name) > 0) append(name);
  for (const std::string_view name : names)
    if (!name.empty()) append(name);
  return result;
}

/// What an identity needs that libssh lacks: a certificate, or a security key.
std::string special_identity(const std::string& path) {
  if (!exists(path)) return "";
  if (exists(path + "-cert.pub")) return path + "-cert.pub";
  if (!exists(path + ".pub")) return "";
  try {
    return read_file(path + ".pub").starts_with("sk-") ? path : "";
  } catch (const Error&) {
    return "";  // then libssh reads nothing of it either
  }
}

/// Lines of known_hosts that libssh skips or misreads: certificates, revoked keys, exceptions.
bool has_special_lines(const std::string& path) {
  if (!exists(path)) return false;
  const std::string text = read_file(path);
  for (std::string_view line : split(text, '\n')) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.starts_with('@') || line.substr(0, line.find(' ')).find('!') != line.npos) return true;
  }
  return false;
}

/// The settings that libssh does not heed, of which one is in use; "".
std::string ignored_setting(const Resolved& resolved) {
  for (const char* key : {"proxyjump", "proxycommand", "hostkeyalias", "certificatefile",
                          "pkcs11provider", "knownhostscommand", "revokedhostkeys",
                          "preferredauthentications", "bindaddress", "bindinterface"})
    if (is_set(resolved, key)) return key;
  for (const char* key : {"hostbasedauthentication", "nohostauthenticationforlocalhost"})
    if (is_on(resolved, key)) return key;
  if (is_set(resolved, "verifyhostkeydns") && value(resolved, "verifyhostkeydns") != "false" &&
      value(resolved, "verifyhostkeydns") != "no")
    return "verifyhostkeydns";
  if (is_on(resolved, "gssapiauthentication") && has_kerberos_ticket())
    return "gssapiauthentication";
  if (is_set(resolved, "controlpath") && is_socket(value(resolved, "controlpath")))
    return "controlpath";
  return "";
}

/// Why only `ssh` can connect; "" if libssh can.
std::string only_by_ssh(const Resolved& resolved, const Settings& settings) {
  if (std::string key = ignored_setting(resolved); !key.empty()) return key;
  if (is_on(resolved, "identitiesonly") && !settings.agent.empty()) return "identitiesonly";
  if (has_tokens(settings.agent)) return "identityagent";
  for (const std::string& path : settings.identities) {
    if (has_tokens(path)) return "identityfile " + path;
    if (std::string special = special_identity(path); !special.empty()) return special;
  }
  for (const Strings* files : {&settings.known_hosts, &settings.system_known_hosts})
    for (const std::string& path : *files)
      if (has_tokens(path) || has_special_lines(path)) return path;
  return "";
}

void read_algorithms(const Resolved& resolved, Settings& settings) {
  // With AES-GCM a new key is due after 64 GiB, with libssh's first choice after 1 GiB; and
  // processors help with it.
  settings.ciphers =
      reorder(value(resolved, "ciphers"), {"aes128-gcm@openssh.com", "aes256-gcm@openssh.com"});
  settings.macs = value(resolved, "macs");
  settings.key_exchange = value(resolved, "kexalgorithms");
  settings.host_keys = value(resolved, "hostkeyalgorithms");
  settings.public_keys = value(resolved, "pubkeyacceptedalgorithms");
  const auto bits = parse_uint(value(resolved, "requiredrsasize"));
  settings.min_rsa_bits = static_cast<unsigned>(bits.value_or(0));
}

NewHostKey new_host_key(const std::string& word) {
  if (word == "true" || word == "yes") return NewHostKey::refuse;
  if (word == "ask") return NewHostKey::ask;
  return NewHostKey::accept;  // "accept-new", "no", "off"
}

Settings from_ssh(const Resolved& resolved) {
  Settings settings;
  settings.host = value(resolved, "hostname");
  settings.user = value(resolved, "user");
  settings.port = static_cast<std::uint16_t>(parse_uint(value(resolved, "port")).value_or(22));
  const std::string family = value(resolved, "addressfamily");
  settings.family = family == "inet" ? AF_INET : family == "inet6" ? AF_INET6 : AF_UNSPEC;
  if (const auto seconds = parse_uint(value(resolved, "connecttimeout")); seconds.value_or(0) > 0)
    settings.connect_timeout = std::chrono::seconds(*seconds);
  settings.known_hosts = paths_in(value(resolved, "userknownhostsfile"));
  settings.system_known_hosts = paths_in(value(resolved, "globalknownhostsfile"));
  settings.new_host_key = new_host_key(value(resolved, "stricthostkeychecking"));
  if (const auto found = resolved.find("identityfile"); found != resolved.end())
    for (const std::string& path : found->second)
      if (path != "none") settings.identities.push_back(expand_home(path));
  settings.agent = agent_of(resolved);
  settings.public_key = value(resolved, "pubkeyauthentication") != "false" &&
                        value(resolved, "pubkeyauthentication") != "no";
  settings.keyboard_interactive = is_on(resolved, "kbdinteractiveauthentication");
  settings.password = is_on(resolved, "passwordauthentication");
  settings.batch = is_on(resolved, "batchmode");
  settings.compress = is_on(resolved, "compression");
  read_algorithms(resolved, settings);
  settings.only_by_ssh = only_by_ssh(resolved, settings);
  return settings;
}

std::string option(ssh_session session, ssh_options_e which) {
  char* text = nullptr;
  if (ssh_options_get(session, which, &text) != SSH_OK) return "";
  std::string result = text;
  ssh_string_free_char(text);
  return result;
}

/// Where OpenSSH is not installed: what libssh makes of the configuration.
Settings from_libssh(const Target& target, const ConnectOptions& options) {
  const SessionHandle session(ssh_new());
  ssh_options_set(session.get(), SSH_OPTIONS_HOST, target.host.c_str());
  const char* file = options.config_file.empty() ? nullptr : options.config_file.c_str();
  if (ssh_options_parse_config(session.get(), file) != SSH_OK)
    fail(ErrorKind::usage, "the configuration of ssh cannot be used: {}",
         printable(ssh_get_error(session.get())));
  Settings settings;
  settings.host = option(session.get(), SSH_OPTIONS_HOST);
  const std::string user = option(session.get(), SSH_OPTIONS_USER);
  const passwd* account = ::getpwuid(::getuid());
  settings.user = !target.user.empty() ? target.user
                  : !user.empty()      ? user
                  : account != nullptr ? account->pw_name
                                       : "";
  unsigned port = 22;
  ssh_options_get_port(session.get(), &port);
  settings.port = target.port != 0 ? target.port : static_cast<std::uint16_t>(port);
  if (!option(session.get(), SSH_OPTIONS_PROXYCOMMAND).empty())
    fail(ErrorKind::unsupported,
         "'{}' is reached through another host, for which OpenSSH's client must be installed",
         printable(target.host));
  const std::string folder = home_directory() + "/.ssh/";
  if (const std::string path = option(session.get(), SSH_OPTIONS_IDENTITY); !path.empty())
    settings.identities.push_back(expand_home(path));
  for (const char* name : {"id_ed25519", "id_ecdsa", "id_rsa"})
    settings.identities.push_back(folder + name);
  settings.known_hosts = {folder + "known_hosts"};
  settings.system_known_hosts = {"/etc/ssh/ssh_known_hosts"};
  for (const Strings* files : {&settings.known_hosts, &settings.system_known_hosts})
    for (const std::string& path : *files)
      if (has_special_lines(path))
        fail(
            ErrorKind::unsupported,
            "'{}' holds certificates or revoked keys, for which OpenSSH's client must be installed",
            printable(path));
  settings.agent = agent_of({});
  settings.ciphers = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes256-ctr,aes128-ctr";
  return settings;
}

}  // namespace

Settings settings_for(const Target& target, const ConnectOptions& options) {
  Settings settings;
  if (const std::optional<sftp::CommandResult> told = run_ssh(target, options)) {
    if (told->exit_code != 0)
      fail(ErrorKind::usage, "the configuration of ssh for '{}' cannot be used: {}",
           printable(target.host), printable(split(told->errors, '\n').front()));
    settings = from_ssh(parse(told->output));
  } else {
    settings = from_libssh(target, options);
  }
  settings.alias = target.host;
  settings.batch = settings.batch || !options.ask;
  settings.compress = settings.compress || options.compress;
  return settings;
}

}  // namespace reverse::ssh
