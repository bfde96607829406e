#include "libcore/engine/verify_prover.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "libcore/base/stop.h"
#include "libcore/engine/observer.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr unsigned kMaxDistantReaders = 4;
constexpr std::uint64_t kSmallObject = 1 << 20;  // read into memory, hashed together with others
constexpr std::uint64_t kBatchBytes = 4 << 20;
constexpr std::uint64_t kLargeTogether = 16;  // that a core hashes side by side

/// Counts what is pulled.
class CountingSource : public ByteSource {
 public:
  CountingSource(std::unique_ptr<ByteSource> inner, Progress& progress, const std::stop_token& stop)
      : inner_(std::move(inner)), progress_(progress), stop_(stop) {}
  ByteView next() override {
    throw_if_stopped(stop_);
    const ByteView bytes = inner_->next();
    progress_.bytes += bytes.size();
    return bytes;
  }

 private:
  std::unique_ptr<ByteSource> inner_;
  Progress& progress_;
  const std::stop_token& stop_;
};

/// Hashes what comes, and counts it.
class CountingHash : public ByteSink {
 public:
  CountingHash(DigestKind kind, Progress& progress, const std::stop_token& stop)
      : hasher_(kind), progress_(progress), stop_(stop) {}
  void write(ByteView bytes) override {
    throw_if_stopped(stop_);
    hasher_.update(bytes);
    progress_.bytes += bytes.size();
  }
  Sums finish() { return hasher_.finish(); }

 private:
  Hasher hasher_;
  Progress& progress_;
  const std::stop_token& stop_;
};

Proof proof_of(const Sums& sums) {
  return {Proof::Outcome::read, sums.digest, sums.check, sums.size, ""};
}

/// What an error of reading one object means; throws those that say nothing about the object.
Proof proof_of(const Error& error) {
  Proof proof;
  proof.reason = error.what();
  switch (error.kind()) {
    case ErrorKind::not_found:
      proof.outcome = Proof::Outcome::absent;
      return proof;
    case ErrorKind::io:
    case ErrorKind::corrupt:  // grown beyond its listed size
      proof.outcome = Proof::Outcome::unreadable;
      return proof;
    case ErrorKind::permission:
      return proof;
    default:
      throw Error(error);
  }
}

Proof proof_of(const HashJob& job) {
  if (!job.error) return proof_of(job.sums);
  try {
    std::rethrow_exception(job.error);
  } catch (const Error& error) {
    return proof_of(error);
  }
}

}  // namespace

ReadingProver::ReadingProver(Backend& backend, DigestKind kind)
    : backend_(backend),
      kind_(kind),
      is_near_(backend.traits().cheap_stat),
      threads_(is_near_ ? std::max(1u, std::thread::hardware_concurrency())
                        : std::clamp(backend.traits().connections, 1u, kMaxDistantReaders)) {}

std::string ReadingProver::describe() const {
  return fmt::format("read and hashed on this machine, which proves {}",
                     kind_ == DigestKind::md5 ? "the MD5 and the second checksum of each object"
                                              : "the SHA-256 of each object");
}

/// Near ones are hashed many at a time whatever their size; distant ones come through a memory that
/// only holds so much.
ProofBatch ReadingProver::batch() const {
  if (!is_near_) return {.objects = 256, .bytes = kBatchBytes, .heaviest = ~std::uint64_t{0}};
  return {.objects = 64, .bytes = kBatchBytes, .heaviest = kBatchBytes / kLargeTogether};
}

/// An object whose bytes are there, or can be pulled; or one that is proven already.
struct ReadingProver::Read {
  std::string bytes;
  std::unique_ptr<ByteSource> source;
  std::optional<Proof> proof;
};

ReadingProver::Read ReadingProver::begin(const ProofTask& task, Progress& progress,
                                         const std::stop_token& stop) {
  try {
    Read read;
    if (task.size <= kSmallObject) {
      read.bytes = read_small_file(backend_, task.path, 2 * kSmallObject);
      progress.bytes += read.bytes.size();
    } else if (std::unique_ptr<ByteSource> source = backend_.open(task.path)) {
      read.source = std::make_unique<CountingSource>(std::move(source), progress, stop);
    } else {
      CountingHash sink(kind_, progress, stop);
      backend_.read(task.path, sink);
      read.proof = proof_of(sink.finish());
    }
    return read;
  } catch (const Error& error) {
    return {.proof = proof_of(error)};
  }
}

void ReadingProver::prove(std::span<const ProofTask> tasks, std::span<Proof> proofs,
                          Progress& progress, const std::stop_token& stop) {
  if (!is_near_) {
    std::vector<Expected> expected;
    for (const ProofTask& task : tasks) expected.push_back({task.path, false, task.size});
    backend_.expect(expected);
  }
  std::vector<Read> reads;
  reads.reserve(tasks.size());  // sources refer to bytes in it
  std::vector<HashJob> jobs;
  std::vector<std::size_t> task_of;  // of each job
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    throw_if_stopped(stop);
    Read& read = reads.emplace_back(begin(tasks[i], progress, stop));
    if (read.proof) {
      proofs[i] = std::move(*read.proof);
      continue;
    }
    if (!read.source) read.source = std::make_unique<MemorySource>(read.bytes);
    jobs.push_back({.source = read.source.get()});
    task_of.push_back(i);
  }
  hash_many(kind_, jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) proofs[task_of[i]] = proof_of(jobs[i]);
}

}  // namespace reverse
