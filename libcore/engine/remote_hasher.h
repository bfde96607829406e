#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/backend/remote_shell.h"
#include "libcore/engine/verify_prover.h"

namespace reverse {

/// A command that hashes files on a server.
struct HashCommand {
  /// How it learns which.
  enum class Names {
    question,   ///< it is `reverse-verify --sums`, which is asked on its standard input
    input,      ///< through xargs, on its standard input
    arguments,  ///< in the command line, for shells that know hardly anything
  };
  std::string program;  ///< "md5sum", "openssl md5 -r"
  Names names = Names::input;
  std::size_t most = 0;  ///< files of one command
};

/// Has a server hash files of a repository by a command that was seen to do so. Nothing but the
/// repository's directory and names of objects is sent, on standard input; where they must be in
/// the command line, only if no shell could take them for anything else. Thread-safe.
class RemoteHasher {
 public:
  /// A file of known content.
  struct Known {
    RepoPath path;
    Sums sums;
  };

  /// How long a command may take for two small files, on a server that has much else to do.
  static constexpr std::chrono::seconds kProbeTime{30};

  /// The first command that tells the right sums of `known` files (one or two) within `limit`;
  /// nullptr if none does. Throws `network`, `Cancelled`. `shell` must outlive it.
  static std::unique_ptr<RemoteHasher> find(RemoteShell& shell, std::span<const Known> known,
                                            const std::stop_token& stop,
                                            std::chrono::milliseconds limit = kProbeTime);

  RemoteHasher(RemoteShell& shell, HashCommand command, DigestKind kind)
      : shell_(shell), command_(std::move(command)), kind_(kind) {}

  const HashCommand& command() const { return command_; }
  /// Whether it tells sizes and checks as well.
  bool tells_all() const { return command_.names == HashCommand::Names::question; }

  /// Asks for some files. A proof for each of which the server told something, exactly once; what
  /// else it prints counts for nothing. Counts bytes in `progress` as files are told. Throws as
  /// `RemoteShell::run`.
  std::vector<std::optional<Proof>> ask(
      std::span<const ProofTask> tasks, Progress& progress, const std::stop_token& stop,
      std::optional<std::chrono::milliseconds> timeout = {}) const;

 private:
  bool tells_right(std::span<const Known> known, const std::stop_token& stop,
                   std::chrono::milliseconds limit) const;
  RemoteCommand command_for(std::span<const ProofTask> tasks) const;

  RemoteShell& shell_;
  const HashCommand command_;
  const DigestKind kind_;
};

}  // namespace reverse
