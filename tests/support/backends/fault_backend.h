#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/backend/backend.h"
#include "libcore/base/error.h"

namespace reverse {

/// What every call throws once a `FaultBackend` has crashed. Not an `Error`: nobody can handle it.
class Crash : public std::exception {
 public:
  const char* what() const noexcept override { return "crash on demand"; }
};

/// Forwards to another backend, and counts, fails or dies on demand before a call has any effect.
///
/// `open` counts as "read". A call is every virtual function of `Backend` but `traits`, `display`, `expect`,
/// `forget_cached`, `recover` and `shell`, by its name, and "write" and "close" of an upload with the upload's path. Each file given to
/// `publish` is a call of its own, and made durable on its own. Thread-safe; the order of threads
/// decides who is the n-th.
class FaultBackend final : public Backend {
 public:
  /// `call`: the function's name; `n`: 1 for the first call of all.
  using Hook = std::function<void(std::string_view call, const RepoPath& path, std::uint64_t n)>;

  explicit FaultBackend(std::unique_ptr<Backend> inner)
      : inner_(std::move(inner)), traits_(inner_->traits()) {}
  /// Fails the test if a queued fault was never met, unless an exception is under way.
  ~FaultBackend() override;

  Backend& inner() { return *inner_; }

  /// Runs before every call, one thread at a time; may throw, or kill the process. It must not
  /// call this backend.
  void set_hook(Hook hook);
  /// Says of itself that each call takes a round trip.
  void pretend_to_be_far() { traits_.cheap_stat = false; }
  /// The `nth` call from now on (1: the next) named `call` throws an error of `kind`.
  void queue_fault(const std::string& call, ErrorKind kind, std::uint64_t nth = 1);
  /// The `nth` call from now on, whatever it is, and all later ones throw `Crash`: the process is
  /// dead, and its temporaries stay where they are while this backend lives.
  void crash_at(std::uint64_t nth);

  /// Calls so far.
  std::uint64_t calls() const;
  std::uint64_t calls(const std::string& name) const;

  const BackendTraits& traits() const override { return traits_; }
  std::string display(const RepoPath& path) const override { return inner_->display(path); }

  std::optional<FileStat> stat(const RepoPath& path) override;
  void list(const RepoPath& directory,
            const std::function<void(const ListedFile&)>& visit) override;
  std::uint64_t read(const RepoPath& path, ByteSink& sink) override;
  std::unique_ptr<ByteSource> open(const RepoPath& path) override;

  void expect(std::span<const Expected> what) override { inner_->expect(what); }
  void expect_uploads() override { inner_->expect_uploads(); }
  void forget_cached(const RepoPath& path) override { inner_->forget_cached(path); }
  void recover(const Error& loss) override { inner_->recover(loss); }
  RemoteShell* shell() override { return inner_->shell(); }

  std::unique_ptr<Upload> create(const RepoPath& path, std::uint32_t mode) override;
  std::vector<MoveResult> publish(std::span<const Publication> publications) override;
  void replace(Upload& upload, const RepoPath& target) override;
  MoveResult move(const RepoPath& from, const RepoPath& to) override;
  bool remove(const RepoPath& path) override;
  bool make_directory(const RepoPath& path) override;
  bool remove_directory(const RepoPath& path) override;
  void barrier(std::span<const RepoPath> directories) override;
  std::optional<std::uint64_t> free_bytes() override;

 private:
  friend class FaultUpload;

  struct Fault {
    std::string call;
    ErrorKind kind;
    std::uint64_t at;  ///< its number among the calls of that name
  };

  void before(std::string_view call, const RepoPath& path);
  void throw_queued_fault(const std::string& call, const RepoPath& path);
  void bury(std::unique_ptr<Upload> upload);

  std::unique_ptr<Backend> inner_;
  BackendTraits traits_;
  mutable std::mutex mutex_;
  Hook hook_;
  std::uint64_t calls_ = 0;
  std::map<std::string, std::uint64_t> calls_by_name_;
  std::vector<Fault> faults_;
  std::uint64_t crash_at_ = UINT64_MAX;
  std::vector<std::unique_ptr<Upload>> buried_;  ///< uploads of the crashed process
};

/// A hook that kills the process, as `kill -9` would, at call `n`.
FaultBackend::Hook kill_at(std::uint64_t n);

}  // namespace reverse
