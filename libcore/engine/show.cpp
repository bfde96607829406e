#include "libcore/engine/show.h"

#include "libcore/base/text.h"
#include "libcore/store/object_copies.h"

namespace reverse {

namespace {

/// The entry at `path`, the reader standing behind it. Throws `not_found`.
Entry entry_at(TreeReader& tree, const Head& head, const std::string& path) {
  tree.seek(path);
  std::optional<Entry> entry = tree.next();
  if (!entry || entry->path != path)
    fail(ErrorKind::not_found, "'{}' is not in revision {}", printable(path), head.revision());
  return *entry;
}

/// The first path after everything below `directory`: '/' counts as 0, so that is the path with byte 1 behind it.
std::string after(const std::string& directory) { return directory + '\1'; }

}  // namespace

void visit_entries(const Repository& repository, const Head& head, const std::string& path,
                   bool recursive, const std::function<void(const Entry&)>& visit) {
  TreeReader tree = repository.tree(head);
  Entry top = entry_at(tree, head, path);
  if (recursive || top.type != FileType::directory) visit(top);
  if (top.type != FileType::directory) return;
  std::optional<Entry> entry = tree.next();
  while (entry && is_below(entry->path, path)) {
    visit(*entry);
    if (!recursive && entry->type == FileType::directory) tree.seek(after(entry->path));  // its pages are not read
    entry = tree.next();
  }
}

void write_file_content(const Repository& repository, const Head& head, const std::string& path,
                        ByteSink& sink) {
  TreeReader tree = repository.tree(head);
  Entry entry = entry_at(tree, head, path);
  if (entry.type != FileType::file)
    fail(ErrorKind::usage, "'{}' is not a file in revision {}", printable(path), head.revision());
  if (!entry.digest)
    fail(ErrorKind::corrupt, "'{}' could not be read when it was backed up: {}", printable(path),
         printable(entry.error));
  const Sums wanted{*entry.digest, entry.check, entry.size};
  if (has_spare_copy(repository, wanted))
    read_checked_object(repository, wanted, sink);  // one of them may be damaged
  else
    repository.read_object(wanted, sink);
}

void write_flat_yaml(const Repository& repository, const Head& head,
                     const std::function<void(std::string_view)>& write) {
  std::string text = format_head(head);
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = text.find('\n', begin) + 1;
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (!line.starts_with("tree: ") && !line.starts_with("end: ")) write(line);
    begin = end;
  }
  write("entries:\n");
  TreeReader tree = repository.tree(head);
  std::string line;
  while (std::optional<Entry> entry = tree.next()) {
    line.clear();
    append_entry(line, *entry);
    write(line);
  }
}

std::optional<std::string> newest_with_path(const Repository& repository, const std::string& set,
                                            const std::string& path) {
  std::vector<std::string> names = repository.revisions(set);
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    Head head = repository.read_head(set + "/" + *name);
    TreeReader tree = repository.tree(head);
    tree.seek(path);
    std::optional<Entry> entry = tree.next();
    if (entry && entry->path == path) return head.revision();
  }
  return std::nullopt;
}

}  // namespace reverse
