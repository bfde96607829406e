#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libcore/base/temp_dir.h"
#include "libcore/base/timestamp.h"

namespace reverse {

/// A tree of files for one test, removed with it. Paths are relative to its root; folders above a
/// new name are made as needed. Every verb throws if it fails.
class TempTree {
 public:
  const std::string& path() const { return root_.path(); }
  /// `path()/name`.
  std::string operator/(const std::string& name) const { return root_ / name; }

  /// Creates a file or replaces its content.
  void write(const std::string& name, std::string_view bytes, unsigned mode = 0644);
  /// Makes a file of `size` bytes that is one hole.
  void make_sparse(const std::string& name, std::uint64_t size);
  void make_dir(const std::string& name, unsigned mode = 0755);
  void make_fifo(const std::string& name);
  void make_socket(const std::string& name);
  /// Makes `name` point to `target`, which is stored as it is.
  void symlink(const std::string& target, const std::string& name);
  /// Makes `name` a further name of `existing`.
  void hardlink(const std::string& existing, const std::string& name);

  /// Sets the time of the name itself, even of a symbolic link.
  void set_mtime(const std::string& name, Timestamp time);
  void set_mode(const std::string& name, unsigned mode);
  void set_xattr(const std::string& name, const std::string& attribute, std::string_view value);
  /// Moves a name; what was at `to` is replaced.
  void rename(const std::string& from, const std::string& to);
  /// Removes a name and all below it.
  void remove(const std::string& name);

  std::string read(const std::string& name) const;
  /// True if the name is there, be it a broken link.
  bool exists(const std::string& name) const;

 private:
  /// The full path of a name about to be made.
  std::string place(const std::string& name);

  TempDir root_;
};

}  // namespace reverse
