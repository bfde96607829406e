#include "libcore/engine/verify_remote.h"

#include <algorithm>
#include <numeric>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/engine/observer.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr unsigned kCommands = 2;  // at a time: what a disk, or two cores, are good for
constexpr unsigned kTinyCommands = 4;
constexpr std::uint64_t kBatchBytes = 256 << 20;  // a second's work or so: then it is remembered
constexpr std::uint64_t kLargeTogether = 4;
constexpr std::uint64_t kWorthACommand = 1 << 20;  // smaller files are read sooner than asked for
constexpr std::size_t kKnownSize = 1 << 20;
constexpr int kTries = 3;  // of a command on connections that are lost

/// Files of the repository whose content is known by having been read.
std::vector<RemoteHasher::Known> known_files(const Repository& repository) {
  std::vector<RemoteHasher::Known> known;
  for (const RepoPath& path : {RepoPath(layout::kRepositoryFile), RepoPath(layout::kRecoverText)})
    try {
      const std::string text = read_small_file(repository.backend(), path, kKnownSize);
      known.push_back({path, hash_bytes(repository.info().digest, text)});
    } catch (const Error& error) {
      if (known.empty() || error.kind() != ErrorKind::not_found) throw;
    }
  return known;
}

}  // namespace

RemoteProver::RemoteProver(Backend& backend, DigestKind kind, std::unique_ptr<RemoteHasher> hasher,
                           std::unique_ptr<ObjectProver> otherwise,
                           std::function<void(const std::string&)> warn)
    : backend_(backend),
      kind_(kind),
      hasher_(std::move(hasher)),
      otherwise_(std::move(otherwise)),
      warn_(std::move(warn)) {}

unsigned RemoteProver::threads() const {
  return hasher_->command().most == 1 ? kTinyCommands : kCommands;
}

ProofBatch RemoteProver::batch() const {
  return {.objects = std::max<std::size_t>(hasher_->command().most, 64),
          .bytes = kBatchBytes,
          .heaviest = kBatchBytes / kLargeTogether};
}

std::string RemoteProver::describe() const {
  const bool is_md5 = kind_ == DigestKind::md5;
  std::string text =
      fmt::format("hashed on the server by its {}, which proves ", hasher_->command().program);
  if (!is_md5)
    text += "the SHA-256 of each object";
  else if (hasher_->tells_all())
    text += "the MD5 and the second checksum of each object";
  else
    text += "the MD5 of each object, not the second checksum (reverse-verify on the server would)";
  text += ", if the server is honest";
  if (read_here_ > 0) text += fmt::format("; read over the link were {} of them", read_here_.load());
  return text;
}

void RemoteProver::prove(std::span<const ProofTask> tasks, std::span<Proof> proofs,
                         Progress& progress, const std::stop_token& stop) {
  const std::size_t most = hasher_->command().most;
  std::vector<std::size_t> rest;  // tasks of which nothing is told
  for (std::size_t begin = 0; begin < tasks.size(); begin += most) {
    const auto some = tasks.subspan(begin, std::min(most, tasks.size() - begin));
    const bool is_worth_it = most > 1 || !otherwise_ || some[0].size >= kWorthACommand;
    std::vector<std::optional<Proof>> told(some.size());
    if (is_worth_it) told = ask(some, progress, stop);
    for (std::size_t i = 0; i < some.size(); ++i)
      told[i] ? void(proofs[begin + i] = std::move(*told[i])) : rest.push_back(begin + i);
  }
  if (otherwise_ && !rest.empty()) return read_rest(tasks, rest, proofs, progress, stop);
  for (const std::size_t i : rest) proofs[i] = look_for(tasks[i]);
}

/// What a command tells; nothing where it fails.
std::vector<std::optional<Proof>> RemoteProver::ask(std::span<const ProofTask> tasks,
                                                    Progress& progress,
                                                    const std::stop_token& stop) {
  for (int tries = 1;; ++tries) {
    try {
      return hasher_->ask(tasks, progress, stop);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::network) {
        std::call_once(warned_, warn_, error.what());
        return std::vector<std::optional<Proof>>(tasks.size());
      }
      if (tries == kTries) throw;
      backend_.recover(error);
    }
  }
}

Proof RemoteProver::look_for(const ProofTask& task) const {
  Proof proof;
  proof.reason = fmt::format("the server's {} told nothing of it", hasher_->command().program);
  if (!backend_.stat(task.path)) proof.outcome = Proof::Outcome::absent;
  return proof;
}

void RemoteProver::read_rest(std::span<const ProofTask> tasks, const std::vector<std::size_t>& rest,
                             std::span<Proof> proofs, Progress& progress,
                             const std::stop_token& stop) {
  const ProofBatch batch = otherwise_->batch();
  for (std::size_t begin = 0; begin < rest.size(); begin += batch.objects) {
    const std::size_t end = std::min(rest.size(), begin + batch.objects);
    std::vector<ProofTask> some;
    for (std::size_t i = begin; i < end; ++i) some.push_back(tasks[rest[i]]);
    std::vector<Proof> read(some.size());
    otherwise_->prove(some, read, progress, stop);
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (read[i].outcome == Proof::Outcome::read) ++read_here_;
      proofs[rest[begin + i]] = std::move(read[i]);
    }
  }
}

std::unique_ptr<ObjectProver> make_prover(const Repository& repository, ProveWhere where,
                                          const std::function<void(const std::string&)>& warn,
                                          const std::stop_token& stop) {
  Backend& backend = repository.backend();
  const DigestKind kind = repository.info().digest;
  auto reader = std::make_unique<ReadingProver>(backend, kind);
  const bool is_near = backend.traits().cheap_stat;
  if (where == ProveWhere::client || is_near) return reader;
  RemoteShell* shell = backend.shell();
  if (shell == nullptr && where == ProveWhere::server)
    fail(ErrorKind::usage,
         "--where server needs commands on the server, which --no-remote-exec forbids");
  std::unique_ptr<RemoteHasher> hasher;
  if (shell != nullptr) hasher = RemoteHasher::find(*shell, known_files(repository), stop);
  if (!hasher && where == ProveWhere::server)
    fail(ErrorKind::unsupported,
         "nothing on the server of {} can be had to hash: neither reverse-verify nor {}; --where "
         "client reads everything over the link",
         backend.display(""),
         kind == DigestKind::md5 ? "md5sum, md5 or openssl"
                                 : "sha256sum, sha256, shasum or openssl");
  if (!hasher) return reader;
  std::unique_ptr<ObjectProver> otherwise;
  if (where == ProveWhere::automatic) otherwise = std::move(reader);
  return std::make_unique<RemoteProver>(backend, kind, std::move(hasher), std::move(otherwise),
                                        warn);
}

}  // namespace reverse
