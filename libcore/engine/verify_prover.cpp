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

void ReadingProver::prove(std::span<const ProofTask> tasks, std::span<Proof> proofs,
                          Progress& progress, const std::stop_token& stop) {
  if (!is_near_) {
    std::vector<Expected> expected;
    for (const ProofTask& task : tasks) expected.push_back({task.path, false, task.size});
    backend_.expect(expected);
  }
  std::vector<std::string> contents;
  std::vector<std::size_t> loaded;  // the task of each
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    throw_if_stopped(stop);
    try {
      if (tasks[i].size > kSmallObject) {
        CountingHash sink(kind_, progress, stop);
        backend_.read(tasks[i].path, sink);
        proofs[i] = proof_of(sink.finish());
        continue;
      }
      contents.push_back(read_small_file(backend_, tasks[i].path, 2 * kSmallObject));
      loaded.push_back(i);
      progress.bytes += contents.back().size();
    } catch (const Error& error) {
      proofs[i] = proof_of(error);
    }
  }
  std::vector<MemorySource> sources(contents.begin(), contents.end());
  std::vector<HashJob> jobs(contents.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].source = &sources[i];
  hash_many(kind_, jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) proofs[loaded[i]] = proof_of(jobs[i].sums);
}

}  // namespace reverse
