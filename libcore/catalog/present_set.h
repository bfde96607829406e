#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "libcore/hash/digest.h"

namespace reverse {

/// What this machine knows of an object's presence in one repository.
struct PresentObject {
  std::uint64_t size = 0;      ///< bytes
  std::optional<Check> check;  ///< of its content, where known
  bool trusted = false;        ///< false: a hint from a run that published nothing; confirm by `stat`
};

inline constexpr std::size_t kMarkBytes = 8;

/// A page of entries (schema/FORMAT.md, "Pages") of what was last backed up of a source.
struct KnownPage {
  std::string first;          ///< path of its first entry, relative to the source
  Check seen;                 ///< over what was seen of its entries
  Sums sums;                  ///< of the page
  std::uint64_t entries = 0;  ///< in the page
  std::string marks;          ///< what was seen of each entry by itself, `kMarkBytes` each; empty if not known

  bool operator==(const KnownPage&) const = default;
};

/// Streams pages in the format's order. Reads in short transactions, as `FileCursor` does. One thread at a time.
class PageCursor {
 public:
  virtual ~PageCursor() = default;
  /// The next page, owned by the cursor until the next call; nullptr at the end.
  virtual const KnownPage* next() = 0;
  /// Goes on with the first page that begins at `first` or behind it, wherever that lies.
  virtual void seek(const std::string& first) = 0;
  /// Whether a revision that holds it was published under the run's token: then the page is present, and so is every content it names.
  virtual bool is_trusted() const = 0;
};

/// The objects known to be present in one repository, in a file of their own
/// (DIRECTORY/present-REPOSITORY-1.sqlite; schema/present.sql). Knowledge is valid under one token of the gate and only as
/// far as a head of this machine was published after it was learnt (schema/FORMAT.md, "Writers", W1 and W5).
/// Several processes may use the file at once, each with a run of its own: publishing one leaves the others' objects hints.
/// (Of an object that two unpublished runs add, the later one counts; the other may find it a hint.) Thread-safe.
/// Errors and damaged files: as the catalog's.
class PresentSet {
 public:
  static std::unique_ptr<PresentSet> open(const std::string& directory, const std::string& repository_id,
                                          const std::function<void(const std::string&)>& warn);
  virtual ~PresentSet() = default;

  /// The token under which objects are known, if any; and the newest revision ("HOST/LABEL/NAME") published under it
  /// from here: the knowledge holds only while that revision is still in the repository.
  struct Basis {
    std::string token;
    std::string revision;  ///< empty: nothing published yet, only hints
  };
  virtual std::optional<Basis> basis() = 0;

  /// Begins a run under `token`. If `trust`, what published runs learnt under that token is trusted; otherwise, and under another
  /// token, everything known becomes a hint: presence must be looked at again, but an object's size and check do not change.
  virtual void begin(const std::string& token, bool trust) = 0;

  /// Objects that something is known of.
  virtual std::uint64_t count() = 0;
  /// What is known of the object stored as `name` (raw bytes: digest, and check behind it for variants).
  virtual std::optional<PresentObject> find(std::string_view name) = 0;
  /// Notes an object as present in this run; visible to `find` at once as trusted in this run.
  virtual void add(std::string_view name, std::uint64_t size, const std::optional<Check>& check) = 0;

  /// The known pages of `source` (absolute path); trusted are those of runs that were published when this was called. Must not outlive the set.
  virtual std::unique_ptr<PageCursor> pages_of(const std::string& source) = 0;
  /// Notes a page of this run, in place of another that begins there.
  virtual void add_page(const std::string& source, const KnownPage& page) = 0;
  /// No page begins at `first` any more.
  virtual void drop_page(const std::string& source, const std::string& first) = 0;
  /// No page begins any more from `from` on and before `to`, or up to the end. Of a page that is added there meanwhile it is open whether it stays.
  virtual void drop_pages(const std::string& source, const std::string& from,
                          const std::optional<std::string>& to) = 0;

  /// Writes what was added so far to disk (a hint until `publish`).
  virtual void save() = 0;
  /// `revision` was published under this run's token after all that was added; the run goes on. Has no effect if another process
  /// has begun under another token meanwhile.
  virtual void publish(const std::string& revision) = 0;
};

}  // namespace reverse
