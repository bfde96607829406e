#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "libcore/base/task_pool.h"
#include "libcore/catalog/translations.h"
#include "libcore/engine/copy_target.h"
#include "libcore/engine/observer.h"
#include "libcore/store/repository.h"

namespace reverse {

/// A content that a copy lacks.
struct Obstacle {
  enum class Kind {
    damaged,    ///< missing in the source, or not what its name says
    elsewhere,  ///< the source is a partial copy, and neither it nor the target has it
    too_large,  ///< for the target's file system, or for what may be sent in a run
    postponed,  ///< no more may be sent in this run
  };
  Kind kind = Kind::damaged;
  Sums content;        ///< as the source refers to it
  std::string path;    ///< in the revision, raw; of a page the first that lies below it
  std::string reason;  ///< for people
};

/// A revision's tree in the target.
struct CopiedTree {
  PageRef root;
  std::uint64_t objects = 0, bytes = 0;  ///< that had to be sent, pages among them
  std::vector<Obstacle> obstacles;       ///< at most 100; none: everything is in the target
  std::uint64_t obstacle_count = 0;      ///< all of them

  bool is_whole() const { return obstacle_count == 0; }
  bool has(Obstacle::Kind kind) const;
};

/// Copies what revisions need, one revision after the other, from one repository to another: pages,
/// and contents by several threads. Each is hashed on its way and stored only if it is what the
/// revision means; where the repositories name contents by different digests, everything is hashed
/// anew and pages are rewritten; a content of which `translations` tells what it is there, and which the target
/// has, is not read. What all of a page's revisions share is looked at once. One thread
/// at a time.
class RevisionCopier {
 public:
  struct Parts {
    const Repository& source;
    const Repository* target;  ///< read from where a partial source lacks a page; may be nullptr
    DigestKind kind;           ///< of the target
    CopyTarget& copies;
    Progress& progress;
    /// What the source's contents are by another digest; nullptr: unknown, or both have one digest.
    Translations* translations;
  };
  /// What `parts` refer to must outlive it.
  explicit RevisionCopier(const Parts& parts);

  /// Starts its threads, before anything else. `pipeline` must not outlive it.
  void start(Pipeline& pipeline);
  /// Copies what `head` needs and waits for it. Throws what the repositories throw; a damaged
  /// source is an obstacle.
  CopiedTree copy(const Head& head);
  /// No more will be copied: its threads end.
  void close() { pool_.close(); }

 private:
  struct Content {
    Sums sums;
    std::string path;  // of a file that has it
  };
  void copy_pages(const PageRef& root);
  void copy_page(const PageRef& ref, std::vector<PageRef>& below);
  void copy_content(const Sums& sums, const std::string& path);
  void copy_small(Content content);
  void submit_small();
  void count(const Sums& sums);
  void translate(const Head& head);
  bool translate_batch(std::vector<Entry>& batch);
  void translate_content(Entry& entry);
  bool is_translated(Entry& entry) const;
  std::string read_page(const PageRef& ref) const;
  void expect(const std::vector<PageRef>& level, std::size_t begin) const;
  void send(const Sums& sums, const std::string& path, const CopyTarget::Fill& fill);
  void send_small(const std::vector<Content>& contents);
  void send_from_source(const Sums& from, const Sums& to, const std::string& path);
  void send_content(const Sums& from, const Sums& to, const std::string& path,
                    const CopyTarget::Fill& fill);
  void add_obstacle(Obstacle obstacle);
  void add_source_error(const Sums& sums, const std::string& path, const Error& error);

  struct HashKey {
    std::size_t operator()(const ContentKey& key) const {
      return std::hash<std::string_view>{}(key.view());
    }
  };

  const Parts parts_;
  TaskPool pool_;
  std::vector<Content> small_;  // not submitted yet, to be hashed side by side
  std::uint64_t small_bytes_ = 0;
  std::vector<ContentKey> pages_;                    // of this revision
  std::unordered_set<ContentKey, HashKey> secured_;  // pages with everything below them
  std::mutex mutex_;                                 // guards what follows
  CopiedTree copied_;
};

}  // namespace reverse
