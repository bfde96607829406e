#pragma once

#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "libcore/base/temp_dir.h"
#include "libcore/cli/tool.h"

namespace reverse {

/// A stream that keeps what is written.
class StringOut : public TextOut {
 public:
  /// All so far; flushes first.
  const std::string& text() {
    flush();
    return text_;
  }

 private:
  bool deliver(ByteView bytes) override {
    text_ += bytes;
    return true;
  }
  std::string text_;
};

/// A stream whose reader has gone.
class ClosedOut : public TextOut {
 private:
  bool deliver(ByteView) override { return false; }
};

/// What a run of a tool left behind.
struct ToolRun {
  int code = -1;
  std::string out;
  std::string err;
};

/// Runs tools in this process, in an environment of their own: HOME and the cache lie in a scratch
/// directory, and no variable of the test's process is seen. One thread at a time.
class ToolHarness {
 public:
  ToolHarness();

  std::map<std::string, std::string> environment;
  std::stop_source stop;
  int in_fd = -1;
  bool terminal = false;  ///< what the tool takes both streams for

  ToolRun run(const ToolEntry& tool, const std::vector<std::string>& args);
  ToolRun run(const ToolSpec& tool, const std::vector<std::string>& args);
  ToolRun run(const ToolGroup& tool, const std::vector<std::string>& args);

  /// Looks variables up in `environment`.
  EnvironmentLookup lookup() const;
  /// A path in the scratch directory.
  std::string operator/(const std::string& name) const { return scratch_ / name; }

 private:
  TempDir scratch_;
};

}  // namespace reverse
