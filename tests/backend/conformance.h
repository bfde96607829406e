#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "libcore/backend/backend.h"
#include "libcore/base/temp_dir.h"
#include "tests/support/backends/fault_backend.h"
#include "tests/support/backends/memory_backend.h"

namespace reverse {

/// What conformance_test.cpp holds to the promises of `Backend`. Each subject owns a backend with
/// an empty root, in `backend`. To add a backend: a struct, and its name in `Subjects`.
struct MemorySubject {
  std::unique_ptr<Backend> backend = std::make_unique<MemoryBackend>();
  MemorySubject() { backend->make_directory(""); }
};

struct LocalSubject {
  TempDir root;
  std::unique_ptr<Backend> backend = open_local_backend(root.path());
};

/// Decorators keep the promises of what they wrap. Not durable, as it syncs file by file.
struct FaultSubject {
  TempDir root;
  std::unique_ptr<Backend> backend =
      std::make_unique<FaultBackend>(open_local_backend(root.path(), Durability::none));
};

using Subjects = std::tuple<MemorySubject, LocalSubject, FaultSubject>;

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
