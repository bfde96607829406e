#include "tests/support/servers.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;
// "secret", as crypt(3) has it
constexpr const char* kPasswordHash =
    "$6$01W7iIvh8TZg93Vk$7WRjOg7hesmcvyY6hPfz6wmrkBwVmoJ/xTvcs3gSZuQftLlycEUllO9fcq2ObRNSF5191BBBoQ"
    "3FTuET6k./S0";

std::string unpacked(const std::string& path) {
  return REVERSE_SERVERS + path;
}

/// Libraries of the unpacked packages, by the name of this machine's kind: "x86_64-linux-gnu".
std::string library_folder() {
  std::error_code error;
  for (const fs::directory_entry& folder : fs::directory_iterator(unpacked("/usr/lib"), error))
    if (folder.path().filename().string().ends_with("-linux-gnu")) return folder.path();
  return "";
}

/// Has a server know the account, which this system does not.
std::string account_library() {
  return library_folder() + "/libnss_wrapper.so";
}

bool is_program(const std::string& path) {
  return ::access(path.c_str(), X_OK) == 0;
}

/// The unpacked sshd, or the installed one.
std::string sshd() {
  const std::string own = unpacked("/usr/sbin/sshd");
  return is_program(own) ? own : "/usr/sbin/sshd";
}

std::string missing_program(const std::string& path) {
  if (is_program(path) && ::access(account_library().c_str(), R_OK) == 0) return "";
  return fmt::format("no {} that this user may run; `tools/setup test` unpacks one", path);
}

uid_t account_uid() {
  return ::geteuid() == 0 ? kNobody : ::geteuid();
}
gid_t account_gid() {
  return ::geteuid() == 0 ? kNobody : ::getegid();
}

void give_to_account(const std::string& path) {
  if (::geteuid() == 0 && ::chown(path.c_str(), account_uid(), account_gid()) != 0)
    throw_errno(errno, fmt::format("chown '{}'", path));
}

void make_key(const std::string& path) {
  run_program({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path});
}

}  // namespace

TestServer::TestServer() {
  if (::geteuid() == 0)  // then others than who runs the test must get there
    for (const fs::path& folder : {fs::path(files_.path()), fs::path(files_.path()).parent_path()})
      fs::permissions(folder, fs::perms{0011}, fs::perm_options::add);
  for (const char* folder : {"ssh", "home", "home/.ssh"}) {
    fs::create_directory(files_ / folder);
    fs::permissions(files_ / folder, fs::perms{0700});
  }
  make_key(key());
  make_key(file("host_key"));
  fs::copy_file(key() + ".pub", file("home/.ssh/authorized_keys"));
  for (const char* name : {"home/.ssh/authorized_keys", "home/.ssh", "home"})
    give_to_account(file(name));
  write("passwd", fmt::format("{}:{}:{}:{}::{}:/bin/sh\n"
                              "root:x:0:0::/root:/bin/sh\n"
                              "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n",
                              kUser, kPasswordHash, account_uid(), account_gid(), home()));
  write("group", fmt::format("{}:x:{}:\n", kUser, account_gid()));
}

std::string TestServer::write(const std::string& name, const std::string& text) const {
  write_file(files_ / name, text, 0644);
  return files_ / name;
}

std::string TestServer::host_key() const {
  const std::string line = read_file(file("host_key.pub"));  // "TYPE KEY COMMENT"
  return line.substr(0, line.rfind(' '));
}

void TestServer::configure(const std::string& lines) const {
  write_file(ssh_config(), lines + "\n" + read_file(ssh_config()));
}

void TestServer::run(const std::function<std::vector<std::string>(std::uint16_t port)>& argv,
                     const std::string& address) {
  const std::vector<std::string> environment = {
      "NSS_WRAPPER_PASSWD=" + file("passwd"), "NSS_WRAPPER_GROUP=" + file("group"),
      "LD_PRELOAD=" + account_library(), "LD_LIBRARY_PATH=" + library_folder()};
  process_ = std::make_unique<ServerProcess>(
      [&](std::uint16_t port) {
        return ServerProcess::Program{.argv = argv(port), .environment = environment};
      },
      file("log"));
  write_file(known_hosts(), fmt::format("[{}]:{} {}\n", address, port(), host_key()));
  write_file(ssh_config(), fmt::format("Host {}\n"
                                       "  HostName {}\n"
                                       "  Port {}\n"
                                       "  User {}\n"
                                       "Host *\n"
                                       "  IdentityFile {}\n"
                                       "  IdentityAgent none\n"
                                       "  UserKnownHostsFile {}\n"
                                       "  GlobalKnownHostsFile /dev/null\n",
                                       kName, address, port(), kUser, key(), known_hosts()));
}

// --- OpenSSH

std::string SshServer::missing() {
  return missing_program(sshd());
}

SshServer::SshServer(const Options& options) {
  std::string config = options.config + "\n";
  if (options.chroot) {
    chroot_ =
        "/run/reverse-XXXXXX";  // sshd wants each folder above it closed to others, unlike /tmp
    if (::mkdtemp(chroot_.data()) == nullptr) throw_errno(errno, "mkdtemp");
    fs::permissions(chroot_, fs::perms{0755});
    fs::create_directory(chroot_ + "/home");
    give_to_account(chroot_ + "/home");
    config += "ChrootDirectory " + chroot_ + "\n";
  }
  if (config.find("Subsystem sftp") == config.npos) config += "Subsystem sftp internal-sftp\n";
  config += fmt::format(
      "HostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n"
      "KbdInteractiveAuthentication no\nLogLevel VERBOSE\n",
      file("host_key"), file("home/.ssh/authorized_keys"));
  const std::string path = write("sshd_config", config);
  if (::geteuid() == 0) fs::create_directories("/run/sshd");
  const auto argv = [&](std::uint16_t port) {
    std::vector<std::string> words = {
        sshd(), "-D", "-e", "-f", path, "-o", fmt::format("ListenAddress=127.0.0.1:{}", port)};
    if (options.ipv6) {
      words.emplace_back("-o");
      words.push_back(fmt::format("ListenAddress=[::1]:{}", port));
    }
    return words;
  };
  run(argv, options.ipv6 ? "::1" : "127.0.0.1");
}

SshServer::~SshServer() {
  process().kill();
  std::error_code ignored;
  if (!chroot_.empty()) fs::remove_all(chroot_, ignored);
}

// --- Dropbear

std::string DropbearServer::missing() {
  if (!is_program("/usr/lib/sftp-server")) return "no sftp-server that Dropbear could start";
  return missing_program(unpacked("/usr/sbin/dropbear"));
}

DropbearServer::DropbearServer() {
  run_program({"/usr/bin/env", "LD_LIBRARY_PATH=" + library_folder(),
               unpacked("/usr/bin/dropbearconvert"), "openssh", "dropbear", file("host_key"),
               file("dropbear_key")});
  run([&](std::uint16_t port) {
    return std::vector<std::string>{unpacked("/usr/sbin/dropbear"),
                                    "-F",
                                    "-E",
                                    "-p",
                                    fmt::format("127.0.0.1:{}", port),
                                    "-r",
                                    file("dropbear_key"),
                                    "-P",
                                    file("pid")};
  });
}

// --- ProFTPD

std::string ProftpdServer::missing() {
  return missing_program(unpacked("/usr/sbin/proftpd"));
}

ProftpdServer::ProftpdServer() {
  run_program({"/bin/sh", "-c", "ssh-keygen -e -f \"$1\" >\"$2\"", "sh", key() + ".pub",
               file("authorized_keys.rfc4716")});
  const std::string users = write("users", read_file(file("passwd")));
  fs::permissions(users, fs::perms{0600});
  run([&](std::uint16_t port) {
    const std::string config =
        fmt::format(
            "ServerType standalone\nDefaultAddress 127.0.0.1\nSocketBindTight on\nPort {}\n"
            "ModulePath {}\nLoadModule mod_sftp.c\nUser {}\nGroup {}\n",
            port, unpacked("/usr/lib/proftpd"), kUser, kUser) +
        fmt::format(
            "AuthOrder mod_auth_file.c\nAuthUserFile {}\nRequireValidShell off\n"
            "SFTPEngine on\nSFTPHostKey {}\nSFTPAuthorizedUserKeys file:{}\n",
            users, file("host_key"), file("authorized_keys.rfc4716")) +
        fmt::format(
            "PidFile {}\nControlsSocket {}\nScoreboardFile none\nTransferLog none\n"
            "WtmpLog off\nDelayEngine off\nUseReverseDNS off\nAllowOverwrite on\n"
            "AllowStoreRestart on\n",
            file("pid"), file("control"));
    return std::vector<std::string>{unpacked("/usr/sbin/proftpd"), "-n", "-q", "-c",
                                    write("proftpd.conf", config)};
  });
}

// --- rclone

std::string RcloneServer::missing() {
  return missing_program(unpacked("/usr/bin/rclone"));
}

RcloneServer::RcloneServer() {
  run([&](std::uint16_t port) {
    return std::vector<std::string>{unpacked("/usr/bin/rclone"),
                                    "serve",
                                    "sftp",
                                    "--addr",
                                    fmt::format("127.0.0.1:{}", port),
                                    "--key",
                                    file("host_key"),
                                    "--authorized-keys",
                                    file("home/.ssh/authorized_keys"),
                                    "--vfs-cache-mode",
                                    "writes",
                                    "--cache-dir",
                                    file("cache"),
                                    "--config",
                                    file("rclone.conf"),
                                    home()};
  });
}

}  // namespace reverse
