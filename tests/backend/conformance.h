#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "libcore/backend/backend.h"
#include "libcore/backend/sftp/child_link.h"
#include "libcore/backend/sftp/sftp_backend.h"
#include "libcore/base/temp_dir.h"
#include "tests/backend/ssh_fixture.h"
#include "tests/support/backends/fault_backend.h"
#include "tests/support/backends/memory_backend.h"

namespace reverse {

/// A backend with an empty root, for one test.
struct Subject {
  std::unique_ptr<TempDir> root;  ///< null where it is not local
  std::unique_ptr<Backend> backend;
  /// What a path that leads through a file is told to be: ProFTPD makes no more of it than an
  /// error.
  ErrorKind below_file = ErrorKind::not_found;
};

inline Subject memory_subject() {
  Subject subject{nullptr, std::make_unique<MemoryBackend>()};
  subject.backend->make_directory("");
  return subject;
}

inline Subject local_subject(Durability durability = Durability::barrier) {
  auto root = std::make_unique<TempDir>();
  auto backend = open_local_backend(root->path(), durability);
  return {std::move(root), std::move(backend)};
}

/// Decorators keep the promises of what they wrap. Not durable, as it syncs file by file.
inline Subject fault_subject() {
  Subject subject = local_subject(Durability::none);
  subject.backend = std::make_unique<FaultBackend>(std::move(subject.backend));
  return subject;
}

/// OpenSSH's server over pipes.
inline Subject sftp_subject(unsigned connections = 1, std::uint64_t stripe_from = 4 << 20) {
  auto root = std::make_unique<TempDir>();
  auto pool = std::make_unique<sftp::Pool>(
      "server",
      [] {
        return std::make_unique<sftp::ChildLink>(
            std::vector<std::string>{"/usr/lib/openssh/sftp-server"},
            std::vector<std::string>{"sh", "-c"});
      },
      sftp::PoolOptions{.connections = connections});
  auto backend =
      sftp::open_sftp_backend(std::move(pool), root->path(), {.stripe_from = stripe_from});
  return {std::move(root), std::move(backend)};
}

/// A server to which libssh connects; the same for all tests, as it takes longest to start.
template <typename Server>
Subject server_subject() {
  static const Server server;
  auto root = std::make_unique<TempDir>();
  auto backend = ssh::backend_in(server, root->path());
  const bool is_proftpd = std::is_same_v<Server, ProftpdServer>;
  return {std::move(root), std::move(backend), is_proftpd ? ErrorKind::io : ErrorKind::not_found};
}

/// Whose promises conformance_test.cpp checks: the test runs once for each. To add a backend: a
/// function as above, and a row here.
inline Subject any_subject() {
  struct Row {
    const char* name;
    Subject (*make)();
  };
  std::vector<Row> rows = {{"memory", memory_subject},
                           {"local", [] { return local_subject(); }},
                           {"faults", fault_subject},
                           {"sftp-server", [] { return sftp_subject(); }},
                           {"striped", [] { return sftp_subject(3, 1); }}};
  if (const std::string reason = SshServer::missing(); reason.empty())
    rows.push_back({"sshd", server_subject<SshServer>});
  else
    skip_loudly(reason);
  if (const std::string reason = DropbearServer::missing(); reason.empty())
    rows.push_back({"Dropbear", server_subject<DropbearServer>});
  else
    skip_loudly(reason);
  if (const std::string reason = ProftpdServer::missing(); reason.empty())
    rows.push_back({"ProFTPD", server_subject<ProftpdServer>});
  else
    skip_loudly(reason);
  const Row row = GENERATE_COPY(from_range(rows));
  UNSCOPED_INFO("backend: " << row.name);
  return row.make();
}

/// Keeps what it is given.
struct StringSink final : ByteSink {
  std::string bytes;
  void write(ByteView chunk) override { bytes.append(chunk); }
};

/// A closed upload with these bytes.
inline std::unique_ptr<Upload> upload(Backend& backend, const RepoPath& path, ByteView bytes) {
  auto upload = backend.create(path, 0444);
  upload->write(bytes);
  upload->close();
  return upload;
}

/// Publishes one closed upload.
inline MoveResult publish(Backend& backend, Upload& upload, const RepoPath& target) {
  Publication one{&upload, target};
  return backend.publish({&one, 1}).front();
}

/// Makes a file with these bytes.
inline void put(Backend& backend, const RepoPath& path, ByteView bytes) {
  auto temporary = upload(backend, path + ".part", bytes);
  if (publish(backend, *temporary, path) != MoveResult::done)
    fail(ErrorKind::internal, "put {}", path);
}

inline std::string content(Backend& backend, const RepoPath& path) {
  StringSink sink;
  backend.read(path, sink);
  return sink.bytes;
}

/// The names in a directory, sorted.
inline std::vector<std::string> names(Backend& backend, const RepoPath& directory) {
  std::vector<std::string> found;
  backend.list(directory, [&](const ListedFile& file) { found.push_back(file.name); });
  std::sort(found.begin(), found.end());
  return found;
}

/// The kind of the `Error` that `body` throws; `internal` if it throws none.
template <typename Body>
ErrorKind error_kind(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::internal;
}

}  // namespace reverse
