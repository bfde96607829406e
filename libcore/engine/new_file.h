#pragma once

#include <string>

#include "libcore/base/fd.h"

namespace reverse {

/// A name in a directory of the target, for messages: `display` is its whole path.
struct NewName {
  int directory;
  const std::string& name;
  const std::string& display;
};

/// A temporary name beside the final one; removed unless it was given away. One thread at a time.
class TemporaryName {
 public:
  explicit TemporaryName(int directory);
  ~TemporaryName();
  TemporaryName(const TemporaryName&) = delete;
  TemporaryName& operator=(const TemporaryName&) = delete;

  const char* c_str() const { return name_.c_str(); }
  /// Something has the name now.
  void arm() { armed_ = true; }
  bool is_armed() const { return armed_; }

  /// Renames it to `name`, in the same directory; over an existing file only if `replace`.
  void give(const NewName& name, bool replace);

 private:
  int directory_;
  std::string name_;
  bool armed_ = false;
};

/// True if files without a name can be made in `directory`, and get one: found out by trying.
bool can_name_files(int directory);

/// A file that has no name until it is whole: who is killed leaves nothing behind. Only where such
/// files cannot be had it has a temporary name. One thread at a time.
class NewFile {
 public:
  /// `unnamed`: what `can_name_files` says; elsewhere on the target it is tried. Throws the errno's
  /// kind.
  NewFile(const NewName& name, bool unnamed);

  int fd() const { return fd_.get(); }
  /// A descriptor that reads it.
  UniqueFd open_again() const;
  /// Gives it its name; over an existing file only if `replace`. Throws `exists`, or what writing
  /// failed of and was not told before.
  void give(bool replace);

 private:
  const NewName name_;
  TemporaryName temporary_;
  UniqueFd fd_;
};

}  // namespace reverse
