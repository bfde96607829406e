#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "libcore/base/fd.h"
#include "libcore/base/temp_dir.h"
#include "libcore/scan/walk.h"

namespace reverse {

/// Writes a walk down, one line a call: "PATH", "PATH -> TARGET", "PATH !LIST_ERROR", "skip PATH
/// REASON DETAIL", "gone PATH", "fail PATH ERROR". Entries are let go at once.
class Recorder : public WalkVisitor {
 public:
  /// Called at each entry, before it is noted.
  std::function<void(const SourceEntry&)> at_entry = [](const SourceEntry&) {};
  std::vector<std::string> lines;

  void entry(SourceEntry entry, const std::optional<std::string>& list_error) override {
    at_entry(entry);
    std::string line = entry.path;
    if (entry.status.type == FileType::symlink) line += " -> " + entry.target;
    if (list_error) line += " !" + *list_error;
    lines.push_back(std::move(line));
  }
  void skipped(const std::string& path, SkipReason reason, const std::string& detail) override {
    constexpr const char* kReasons[] = {"excluded", "mount",      "other_file_system",
                                        "tag",      "repository", "omitted"};
    lines.push_back("skip " + path + " " + kReasons[static_cast<int>(reason)] + " " + detail);
  }
  void failed(const std::string& path, bool vanished, const std::string& error) override {
    lines.push_back(vanished ? "gone " + path : "fail " + path + " " + error);
  }
};

inline std::vector<std::string> walk_lines(const std::string& source,
                                           const WalkOptions& options = {},
                                           const std::vector<std::string>& patterns = {}) {
  Filter filter(source);
  for (const std::string& pattern : patterns) filter.add(pattern);
  Recorder recorder;
  walk(source, options, filter, recorder, {});
  return recorder.lines;
}

/// Makes the directory `path` and those above it that are missing.
inline void make_directories(const std::string& path) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    ::mkdir(path.substr(0, slash).c_str(), 0755);
    if (slash == std::string::npos) return;
  }
}

/// Writes a file and makes its directory.
inline void put(const std::string& path, std::string_view content = "x") {
  make_directories(path.substr(0, path.rfind('/')));
  write_file(path, content, 0644);
}

/// Lets time pass until stamps given from now on differ from those given so far.
inline void settle() {
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
}

}  // namespace reverse
