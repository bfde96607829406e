#include "libcore/store/tree_order.h"

namespace reverse {

namespace {

std::size_t parent_length(std::string_view path) {
  std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? 0 : slash;
}

}  // namespace

const char* TreeOrder::take(FileType type, std::string_view path) {
  std::string_view parent = path.substr(0, parent_length(path));
  if (path.empty() && type != FileType::directory) return "the root is not a directory";
  if (state_ == State::at_root && !path.empty()) return "the root is missing";
  if (state_ == State::within) {
    if (compare_paths(last_, path) >= 0) return "not in order";
    // Every directory above `directory_` has come too, so going up finds the one the entry must be
    // in.
    while (!is_below(path, directory_)) directory_.resize(parent_length(directory_));
    if (parent != directory_) return "not in a directory";
  } else {
    directory_ = parent;
  }
  if (type == FileType::directory) directory_ = path;
  last_ = path;
  state_ = State::within;
  return nullptr;
}

}  // namespace reverse
