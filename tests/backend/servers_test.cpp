#include "tests/support/servers.h"

#include <catch2/catch.hpp>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/temp_dir.h"

namespace reverse {
namespace {

/// What OpenSSH's own client makes of these lines, as a batch for `sftp`: does it succeed?
bool sftp_does(const TestServer& server, const std::string& batch) {
  const TempDir scratch;
  write_file(scratch / "batch", batch);
  try {
    run_program({"/usr/bin/sftp", "-q", "-F", server.ssh_config(), "-b", scratch / "batch",
                 TestServer::kName});
    return true;
  } catch (const Error&) {
    return false;
  }
}

template <typename Server>
void serves_files() {
  const Server server;
  const TempDir scratch;
  CHECK(sftp_does(server, fmt::format("put {} copy\nrename copy name\nget name {}\n", server.key(),
                                      scratch / "back")));
  CHECK(read_file(scratch / "back") == read_file(server.key()));
}

TEST_CASE("sshd serves files to tests", "[servers]") {
  NEEDS_SERVER(SshServer);
  serves_files<SshServer>();
}

TEST_CASE("Dropbear serves files to tests", "[servers]") {
  NEEDS_SERVER(DropbearServer);
  serves_files<DropbearServer>();
}

TEST_CASE("ProFTPD serves files to tests", "[servers]") {
  NEEDS_SERVER(ProftpdServer);
  serves_files<ProftpdServer>();
}

TEST_CASE("rclone serves files to tests", "[servers]") {
  NEEDS_SERVER(RcloneServer);
  serves_files<RcloneServer>();
}

TEST_CASE("a test gives sshd lines of configuration, and ends it", "[servers]") {
  NEEDS_SERVER(SshServer);
  SshServer server({.config = "Subsystem sftp internal-sftp -R"});
  CHECK(sftp_does(server, "ls\n"));
  CHECK_FALSE(sftp_does(server, "mkdir folder\n"));
  server.process().kill();
  CHECK_FALSE(sftp_does(server, "ls\n"));
}

TEST_CASE("a login in a chroot sees nothing else", "[servers][root]") {
  NEEDS_SERVER(SshServer);
  SshServer server({.config = "ForceCommand internal-sftp", .chroot = true});
  CHECK(sftp_does(server, fmt::format("put {} /home/name\n", server.key())));
  CHECK_FALSE(sftp_does(server, fmt::format("put {} /name\n", server.key())));
  CHECK(read_file(server.chroot() + "/home/name") == read_file(server.key()));
}

}  // namespace
}  // namespace reverse
