#pragma once

#include <map>
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
/// object's inode and so its mode, owner and time. One thread at a time.
class ObjectLinker {
 public:
  /// `root`: the repository's directory. `view`: the view's, open. All must outlive it.
  ObjectLinker(const Repository& repository, const std::string& root, int view);

  /// Makes the file `entry` as `name` in `directory`, which is open. Throws `corrupt` or
  /// `not_found` where the object is damaged or missing, `unsupported` where the view is on another
  /// file system or files cannot be linked, else the errno's kind.
  void make(int directory, const std::string& name, const Entry& entry);

  bool clones() const { return clones_ == Clones::yes; }
  MetadataWriter& metadata() { return metadata_; }
  std::uint64_t copied() const { return copied_; }

 private:
  enum class Clones { unknown, yes, no };

  bool try_link(const std::string& object, int directory, const std::string& name,
                const Entry& entry);
  bool try_places(int directory, const std::string& name, const Entry& entry);
  bool make_from(const std::string& object, int directory, const std::string& name,
                 const Entry& entry);
  void make_copy(int directory, const std::string& name, const Entry& entry);
  void check_size(int directory, const std::string& name, const Entry& entry) const;

  const Repository& repository_;
  UniqueFd root_;
  const int view_;
  RestoreOptions options_;
  MetadataWriter metadata_;
  Clones clones_ = Clones::unknown;
  std::map<ContentKey, std::string> copies_;  // of contents without room for links: where in the view
  std::uint64_t copied_ = 0;
};

}  // namespace reverse
