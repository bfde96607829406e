#pragma once

#include <string>

#include "libcore/cli/output.h"
#include "libcore/cli/progress.h"
#include "libcore/engine/large_uploads.h"
#include "libcore/engine/observer.h"

namespace reverse {

/// Hands what an operation tells to an `Output`. Thread-safe.
class CliObserver : public Observer {
 public:
  /// `show_items`: items are told (-v or a dry run's plan).
  CliObserver(Output& output, bool show_items) : output_(output), show_items_(show_items) {}

  void warning(const std::string& message) override;
  void item(ItemAction action, const std::string& path, std::uint64_t size) override;
  void kept(const std::string& path) override;
  void problem(const Problem& problem) override;

  /// Where the operation is, for a `ProgressPrinter`.
  ProgressSnapshot snapshot(std::string phase, std::string verb) const;

 private:
  Output& output_;
  const bool show_items_;
};

/// The word for it in `verbose_status` objects: "new", "modified", …
std::string_view action_word(ItemAction action);
/// "2 large files went on at 3.1 GiB of 4.0 GiB"
std::string amount(const LargeUploads::WentOn& went_on);

}  // namespace reverse
