#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libcore/base/fd.h"

namespace reverse {

/// What is known of a view.
struct ViewState {
  std::string repository;  ///< its id
  std::string revision;    ///< "HOST/LABEL/NAME"
  std::string tree;        ///< the reference to its root page
  bool is_cloned = false;  ///< files have metadata of their own
  bool is_whole = false;   ///< false: it was being made, changed or removed

  bool operator==(const ViewState&) const = default;
};

/// The file beside a view that makes it one, so that nothing else is ever changed or removed:
/// `.NAME.reverse-view` for NAME. While it is open no other process works at that view. One thread
/// at a time.
class ViewMarker {
 public:
  /// Opens the marker of the view at `directory` (absolute); with `create`, makes it if need be.
  /// nullopt if there is none. Throws `busy` where another process has it, `not_found` where the
  /// parent directory is missing.
  static std::optional<ViewMarker> open(const std::string& directory, bool create);
  /// The name that a marker belongs to; nullopt for names that are no marker's.
  static std::optional<std::string> view_name(std::string_view file_name);

  /// What it says; where that cannot be read, a view that is not whole.
  ViewState read() const;
  void write(const ViewState& state);
  void remove();

 private:
  ViewMarker(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;
};

}  // namespace reverse
