#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libcore/base/fd.h"
#include "libcore/engine/restore.h"
#include "libcore/engine/target_tree.h"
#include "libcore/store/content_key.h"
#include "libcore/store/repository.h"

namespace reverse {

/// Gives objects of a local repository names in a view, without copying them: as clones with the
/// file's own metadata where the file system can do that, else as hard links, which share the
/// object's inode and so its mode, owner and time. Thread-safe.
class ObjectLinker {
 public:
  /// `root`: the repository's directory. `view`: the view's, open. All must outlive it.
  ObjectLinker(const Repository& repository, const std::string& root, int view);

  /// About so many files will be made. Before any is.
  void expect(std::uint64_t files);
  /// Makes the file `entry` as `name` in `directory`, which is open. Throws `corrupt` or
  /// `not_found` where the object is damaged or missing, `unsupported` where the view is on another
  /// file system or files cannot be linked, else the errno's kind.
  void make(int directory, const std::string& name, const Entry& entry);

  bool clones() const { return clones_; }
  MetadataWriter& metadata() { return metadata_; }
  std::uint64_t copied() const { return copied_; }

 private:
  bool may_be_there(const std::string& object) const;
  bool try_link(const std::string& object, int directory, const std::string& name,
                const Entry& entry);
  bool try_places(int directory, const std::string& name, const Entry& entry);
  bool make_from(const std::string& object, int directory, const std::string& name,
                 const Entry& entry);
  void make_copy(int directory, const std::string& name, const Entry& entry);
  void check_size(int directory, const std::string& name, const Entry& entry) const;

  std::optional<std::string> copy_of(const Entry& entry) const;
  bool has_no_room(const Entry& entry) const { return copy_of(entry).has_value(); }
  void note_copy(const Entry& entry, const std::string& path);

  const Repository& repository_;
  UniqueFd root_;
  const int view_;
  RestoreOptions options_;
  MetadataWriter metadata_;
  const bool clones_;
  /// Names of objects beside those named by their digest alone; nullopt: not listed.
  std::optional<std::set<std::string>> variants_;
  mutable std::mutex mutex_;
  /// Of contents without room for links: where in the view, "" before it is there; by `mutex_`.
  std::map<ContentKey, std::string> copies_;
  std::atomic<std::uint64_t> copied_{0};
};

}  // namespace reverse
