#include "libcore/cli/cli_observer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/store/head.h"

namespace reverse {

std::string_view action_word(ItemAction action) {
  switch (action) {
    case ItemAction::created:
      return "new";
    case ItemAction::modified:
      return "modified";
    case ItemAction::unchanged:
      return "unchanged";
    case ItemAction::moved:
      return "moved";
    case ItemAction::vanished:
      return "vanished";
    case ItemAction::changed_while_read:
      return "changed_while_read";
    case ItemAction::excluded:
      return "excluded";
    case ItemAction::resumed:
      return "resumed";
    case ItemAction::deleted:
      return "deleted";
  }
  return "";
}

void CliObserver::warning(const std::string& message) {
  output_.warning(message);
}

void CliObserver::item(ItemAction action, const std::string& path, std::uint64_t size) {
  if (!show_items_) return;
  // A plan says what will be done.
  if (action == ItemAction::unchanged && output_.verbosity() == 0) return;
  if (output_.json()) {
    output_.result(JsonLine("verbose_status")
                       .add("action", action_word(action))
                       .add_path("item", path)
                       .add("data_size", size));
  } else {
    std::string word(action_word(action));
    std::replace(word.begin(), word.end(), '_', ' ');
    output_.result(fmt::format("{:<9} {:>9}  {}", word, format_bytes(size), printable(path)));
  }
}

void CliObserver::kept(const std::string& path) {
  if (output_.json())
    output_.result(JsonLine("verbose_status").add("action", "kept").add_path("item", path));
  else
    output_.result("kept  " + printable(path));
}

void CliObserver::problem(const Problem& problem) {
  output_.problem(problem.path, problem.stage, problem.error);
}

ProgressSnapshot CliObserver::snapshot(std::string phase, std::string verb) const {
  ProgressSnapshot now;
  now.phase = std::move(phase);
  now.verb = std::move(verb);
  now.total_bytes = progress.total_bytes;
  now.bytes_done = progress.bytes;
  now.bytes_sent = progress.bytes_sent;
  now.total_files = progress.total_files;
  now.files_done = progress.files;
  now.errors = progress.errors;
  return now;
}

std::string amount(const LargeUploads::WentOn& went_on) {
  return fmt::format("{} went on at {} of {}", counted(went_on.files, "large file"),
                     format_bytes(went_on.bytes), format_bytes(went_on.of_bytes));
}

}  // namespace reverse
