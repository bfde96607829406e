#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "libcore/base/error.h"
#include "libcore/store/content_key.h"
#include "libcore/store/layout.h"
#include "libcore/store/repository.h"

namespace reverse {

struct Progress;

/// An object that is to be read, and what must then be true of it.
struct DueObject {
  std::uint8_t part = 0;      ///< which part of the agenda it is in
  std::int64_t verified = 0;  ///< the minute it was last verified in, since 1970; 0: never
  ContentKey name;
  Check expected;          ///< what revisions say of the content; zeros where they do not
  std::uint64_t size = 0;  ///< bytes, as listed
  std::uint32_t run = 0;   ///< 0: in objects/; else 1 + the index of its run in the trash
  std::uint8_t cited = 0;  ///< 1: a revision refers to it
  std::uint8_t is_page = 0;

  unsigned shard() const { return part; }
  auto operator<=>(const DueObject&) const = default;
};

/// An object to be proven: where it lies, and its size.
struct ProofTask {
  RepoPath path;
  std::uint64_t size = 0;  ///< bytes, as listed
};

/// What became of it.
struct Proof {
  enum class Outcome {
    read,          ///< all of it: `digest` and, where the way tells it, `check` and `size` are set
    absent,        ///< it is not there (any more)
    unreadable,    ///< the medium failed
    not_verified,  ///< nothing can be said
  };
  Outcome outcome = Outcome::not_verified;
  Digest digest;
  std::optional<Check> check;
  std::optional<std::uint64_t> size;  ///< bytes that were read
  std::string reason;                 ///< where nothing was read, for people
};

/// How much is proven in one go: at most so many objects and bytes, of which none counts for more
/// than `heaviest`; at least one object.
struct ProofBatch {
  std::size_t objects = 1;
  std::uint64_t bytes = 0;
  std::uint64_t heaviest = 0;
};

/// A way of finding out what objects contain. Thread-safe.
class ObjectProver {
 public:
  virtual ~ObjectProver() = default;

  /// Fills `proofs`, one for each task, and counts bytes in `progress` as they are read. Throws
  /// what ends the run: a lost connection, `Cancelled`.
  virtual void prove(std::span<const ProofTask> tasks, std::span<Proof> proofs, Progress& progress,
                     const std::stop_token& stop) = 0;

  /// Threads that can usefully prove at the same time.
  virtual unsigned threads() const = 0;
  virtual ProofBatch batch() const = 0;
  /// "server" or "client": who reads.
  virtual std::string_view where() const = 0;
  /// For people: which way this is, and what it proves.
  virtual std::string describe() const = 0;
};

/// Reads the objects through the repository's backend and hashes them here. `backend` must outlive
/// it.
class ReadingProver : public ObjectProver {
 public:
  ReadingProver(Backend& backend, DigestKind kind);

  void prove(std::span<const ProofTask> tasks, std::span<Proof> proofs, Progress& progress,
             const std::stop_token& stop) override;
  unsigned threads() const override { return threads_; }
  ProofBatch batch() const override;
  std::string_view where() const override { return "client"; }
  std::string describe() const override;

 private:
  struct Read;
  Read begin(const ProofTask& task, Progress& progress, const std::stop_token& stop);

  Backend& backend_;
  const DigestKind kind_;
  const bool is_near_;
  const unsigned threads_;
};

}  // namespace reverse
