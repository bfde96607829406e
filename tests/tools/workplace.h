#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/temp_tree.h"
#include "tests/support/tools/tool_harness.h"

namespace reverse {

using Words = std::vector<std::string>;

/// A machine called "desk" with a tree to back up, a place for a repository, and the tools.
class Workplace {
 public:
  Workplace();

  ToolHarness harness;
  TempTree source;

  /// Where the repository is, or will be.
  std::string repo() const { return harness / "repo"; }
  /// A path for what is restored; nothing is there.
  std::string target() const { return harness / "target"; }

  /// reverse-backup WORDS. Nothing waits for the disk: no test pulls the plug.
  ToolRun run_backup(Words words);
  /// reverse-backup OPTIONS SOURCE REPO
  ToolRun backup(const Words& options = {});
  /// reverse-restore REPO WORDS
  ToolRun restore(const Words& words);
  /// reverse WORDS
  ToolRun reverse(const Words& words);

  /// Names in the newest revision, as `ls -R` prints them.
  Words names(const std::string& revision = "latest");
  /// Revisions in the repository, checkpoints too.
  std::size_t revisions();

  /// Adds the tree of the only revision as a checkpoint, as an interrupted run leaves it behind;
  /// returns its name.
  std::string add_checkpoint();
  /// The only file below `directory`.
  static std::filesystem::path only_file(const std::filesystem::path& directory);

  /// docs/a.txt, docs/b.txt and c.txt.
  void write_small_tree();
};

/// Every line of `text` as an object; fails the test if one is none.
std::vector<nlohmann::json> json_lines(const std::string& text);
/// The lines of `text` without their ends.
Words lines_of(const std::string& text);

}  // namespace reverse
