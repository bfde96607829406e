#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "libcore/base/byte_budget.h"
#include "libcore/scan/directory_stack.h"
#include "libcore/scan/filter.h"
#include "libcore/scan/listing.h"
#include "libcore/scan/source_entry.h"

namespace reverse {

/// Reads directories before a walk comes there, in a thread of its own: those that come next in the
/// walk's order, so that a disk is read in one direction. At most 64 (a sixteenth of the process's
/// descriptors, if that is less) are held, of at most 512 names each; larger ones are left to the
/// walk. Neither other file systems nor automounts nor what the filter leaves out are touched, and
/// no error is told: what could not be read is for the walk to meet. Its functions are for one
/// thread.
class ReadAhead {
  struct Task;

 public:
  /// Directories in one that come next, by the index of their names.
  struct Upcoming {
    std::deque<std::shared_ptr<Task>> tasks;
    std::size_t next = 0;  ///< index of the name to look at next
  };

  /// A directory that was read.
  struct Directory {
    std::shared_ptr<OpenDirectory> opened;
    FileStatus status;
    Listing names;
    /// By index in `names`; empty where the walk must look itself: at directories, and at what
    /// could not be examined.
    std::vector<std::optional<FileStatus>> seen;
    Upcoming upcoming;
    ByteBudget::Share place;  ///< until it is taken
  };

  /// `source`: absolute path, for messages.
  ReadAhead(std::string source, const Filter& filter);

  ~ReadAhead();

  /// The walk enters a directory, of which `upcoming` is known.
  void enter(Upcoming upcoming);
  /// The walk leaves it.
  void leave();
  /// The walk is in `directory`: what comes next in it may be read.
  void look_ahead(const std::shared_ptr<const SourceDirectory>& directory, const std::string& path,
                  std::uint64_t device, const Listing& names);
  /// The walk is at the name `index`: what was read there; null if that was not begun or could not
  /// be done. While the thread is at it, the caller reads others.
  std::unique_ptr<Directory> take(std::size_t index);

 private:
  enum class State { waiting, reading, done };
  struct Task {
    std::size_t index = 0;
    std::weak_ptr<const SourceDirectory> parent;
    std::uint64_t device = 0;  // of the parent
    std::string path;          // relative to the source
    State state = State::waiting;
    std::unique_ptr<Directory> found;  // whose turn it is, until it is done
  };

  void work();
  bool read_next(std::unique_lock<std::mutex>& lock, char* buffer);
  std::unique_ptr<Directory> read(const Task& task, char* buffer) const;
  void fill(Upcoming& upcoming, const std::shared_ptr<const SourceDirectory>& directory,
            const std::string& path, std::uint64_t device, const Listing& names);
  std::shared_ptr<Task> next_task() const;
  static std::shared_ptr<Task> first_waiting(const Upcoming& upcoming);
  void wake(std::unique_lock<std::mutex>& lock);

  const std::string source_;
  const std::unique_ptr<char[]> buffer_;  // for the walk's thread
  const std::size_t most_held_;

  std::mutex mutex_;  // guards what follows; only the walk changes the levels
  std::condition_variable news_;
  std::condition_variable done_;
  Filter filter_;
  ByteBudget places_;             // for directories that are read and not taken
  std::vector<Upcoming> levels_;  // by depth, from the source down
  bool idle_ = false;             // the thread waits
  std::size_t taken_ = 0;         // directories, meanwhile
  bool ends_ = false;

  std::thread reader_;  // from the first directory below the source on
};

}  // namespace reverse
