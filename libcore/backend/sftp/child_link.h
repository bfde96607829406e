#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libcore/backend/sftp/link.h"
#include "libcore/base/fd.h"

namespace reverse::sftp {

/// Whether the children may ask a person at the terminal, as `ssh` does for passwords.
enum class Asking {
  never,        ///< they form process groups of their own: signals to ours do not reach them
  on_terminal,  ///< they stay in ours, or could not read the terminal; they ignore ctrl-C and
                ///< ctrl-\, so that what they carry can end well
};

/// A link whose streams are child processes, as `ssh -s -- HOST sftp` or a local `sftp-server`:
/// pipes to their standard input and output; standard error is read along. Destroying a stream
/// closes the pipes, gives the child a second to end, then ends it.
class ChildLink : public Link {
 public:
  /// `sftp_argv`: the program that speaks SFTP, found in PATH, and its arguments. `run_prefix`: the
  /// same for commands, which become the last argument, as in {"sh", "-c"}; empty: this link runs
  /// none. `patience`: see `Link`; for children that do not notice themselves that their line is broken.
  ChildLink(std::vector<std::string> sftp_argv, std::vector<std::string> run_prefix,
            Asking asking = Asking::never,
            std::optional<std::chrono::milliseconds> patience = std::nullopt);
  ~ChildLink() override;

  std::unique_ptr<Stream> open_sftp() override;
  std::unique_ptr<Stream> run(const std::string& command) override;
  void wait(bool to_write, Clock::time_point deadline) override;
  void wake() override;
  std::optional<std::chrono::milliseconds> patience() const override { return patience_; }

 private:
  class Child;
  std::unique_ptr<Stream> start(const std::vector<std::string>& argv);

  const std::vector<std::string> sftp_argv_, run_prefix_;
  const Asking asking_;
  const std::optional<std::chrono::milliseconds> patience_;
  UniqueFd wake_;
  std::vector<Child*> children_;  ///< those that live; they sign off
};

}  // namespace reverse::sftp
