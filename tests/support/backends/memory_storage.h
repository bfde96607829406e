#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libcore/backend/backend.h"

namespace reverse {

/// A medium in memory on which several `MemoryBackend`s work as several processes would. It knows
/// which names and bytes have been made durable, and can lose the others. Thread-safe.
class MemoryStorage {
 public:
  MemoryStorage();
  /// Loses power. Of the changes to names that nothing has made durable, in their order, those
  /// stay for which `survives` holds (none if it is empty); files that were never published
  /// lose their bytes. Uploads under way are dead: they do nothing any more.
  void power_cut(const std::function<bool()>& survives = {});
  /// Another medium with the same files, all of them durable.
  std::shared_ptr<MemoryStorage> copy();
  /// Which medium this is, as messages call it; a copy is called the same.
  const std::string& name() const { return name_; }
  /// How many changes to names a power cut could lose now.
  std::size_t volatile_changes();
  /// The time that new files get; the system's unless set.
  void set_clock(std::function<Timestamp()> clock);

 private:
  friend class MemoryBackend;
  friend class MemoryUpload;

  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  using Entries = std::map<std::string, NodePtr>;

  struct Node {
    FileStat stat;
    std::string bytes;
    bool durable_bytes = false;
    Entries entries;          ///< of a directory, as every process sees them
    Entries durable_entries;  ///< as they are after a power cut
  };
  /// One name given to `node`, or taken away (null).
  struct Edit {
    NodePtr directory;
    std::string name;
    NodePtr node;
  };
  /// Edits that become durable together.
  struct Change {
    const void* owner;  ///< the backend whose next barrier covers it; null for temporaries
    std::vector<Edit> edits;
  };
  /// Where a path leads: the directory (null if there is none), the last name, and what it names.
  struct Place {
    NodePtr directory;
    std::string name;
    NodePtr node;
  };

  Place find(const RepoPath& path);
  NodePtr make_node(FileType type, std::uint32_t mode);
  NodePtr add(const NodePtr& node);
  NodePtr add_copy(const Node& original);
  void apply(const void* owner, std::vector<Edit> edits);
  void make_durable(const std::function<bool(const Change&)>& wanted);

  std::mutex mutex_;
  NodePtr top_ = std::make_shared<Node>();  ///< holds the root under the name ""
  std::vector<Change> changes_;
  std::set<NodePtr> directories_{top_};
  std::set<std::weak_ptr<Node>, std::owner_less<>> files_;
  std::uint64_t power_cuts_ = 0;
  std::function<Timestamp()> clock_ = now;
  std::string name_;
};

}  // namespace reverse
