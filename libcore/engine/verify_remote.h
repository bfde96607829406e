#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

#include "libcore/engine/remote_hasher.h"
#include "libcore/engine/verify_prover.h"
#include "libcore/store/repository.h"

namespace reverse {

/// Who reads the objects.
enum class ProveWhere {
  automatic,  ///< the server where it can, else this machine
  server,
  client,
};

/// Has the server hash its objects: only names, sizes and sums cross the link. An object of which
/// it tells nothing, or not exactly once, is read by another prover, or is not verified.
class RemoteProver : public ObjectProver {
 public:
  /// `otherwise`: nullptr: nothing is read over the link. `warn` may be called by any thread.
  /// `backend` must outlive it.
  RemoteProver(Backend& backend, DigestKind kind, std::unique_ptr<RemoteHasher> hasher,
               std::unique_ptr<ObjectProver> otherwise,
               std::function<void(const std::string&)> warn);

  void prove(std::span<const ProofTask> tasks, std::span<Proof> proofs, Progress& progress,
             const std::stop_token& stop) override;
  unsigned threads() const override;
  ProofBatch batch() const override;
  std::string_view where() const override { return "server"; }
  std::string describe() const override;

 private:
  std::vector<std::optional<Proof>> ask(std::span<const ProofTask> tasks, Progress& progress,
                                        const std::stop_token& stop);
  Proof look_for(const ProofTask& task) const;
  void read_rest(std::span<const ProofTask> tasks, const std::vector<std::size_t>& rest,
                 std::span<Proof> proofs, Progress& progress, const std::stop_token& stop);

  Backend& backend_;
  const DigestKind kind_;
  const std::unique_ptr<RemoteHasher> hasher_;
  const std::unique_ptr<ObjectProver> otherwise_;
  const std::function<void(const std::string&)> warn_;
  std::atomic<std::uint64_t> read_here_{0};
  std::once_flag warned_;
};

/// The prover for a repository. Throws `usage` where `where` asks for a server that runs nothing,
/// `unsupported` where nothing on it can hash. `repository` must outlive it.
std::unique_ptr<ObjectProver> make_prover(const Repository& repository, ProveWhere where,
                                          const std::function<void(const std::string&)>& warn,
                                          const std::stop_token& stop);

}  // namespace reverse
