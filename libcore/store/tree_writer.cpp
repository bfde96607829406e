#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/flow_text.h"
#include "libcore/store/page_rules.h"
#include "libcore/store/tree.h"

namespace reverse {

namespace {

constexpr std::size_t kLikelyBytes = 12 << 10;  // of a page: some 32 lines

std::string_view written_path(std::string_view path) {
  return path.empty() ? "." : path;
}

/// The part of the rule below that needs no line.
bool is_cut(std::size_t items, unsigned level, std::string_view first) {
  if (items >= kMaxItems) return true;
  return items >= kMinItems && xxh3_64(written_path(first), level) < kCutBelow;
}

/// schema/FORMAT.md, "Where pages begin". Frozen: all writers must cut alike.
bool begins_page(std::size_t items, std::size_t bytes_with_item, unsigned level,
                 std::string_view first) {
  if (is_cut(items, level, first)) return true;
  return items >= 2 && bytes_with_item > kMaxPageBytes;
}

}  // namespace

void append_page_ref(std::string& out, const PageRef& ref) {
  out.append("{\"page\": \"");
  append_hex(out, ref.page.bytes());
  if (ref.check) {
    out.append("\", \"check\": \"");
    append_hex(out, ref.check->bytes());
  }
  out.append("\", \"size\": ");
  append_number(out, ref.size);
  out.append(", \"level\": ");
  append_number(out, ref.level);
  out.append(", \"entries\": ");
  append_number(out, ref.entries);
  append_name(out.append(", "), "first", written_path(ref.first));
  out += '}';
}

TreeWriter::TreeWriter(DigestKind kind) : kind_(kind) {}

void TreeWriter::add(const Entry& entry, const PageSink& sink) {
  check_order(order_.take(entry), entry.path);
  line_.clear();
  append_entry(line_, entry);
  add_item(0, line_, entry.path, 1, sink);
}

void TreeWriter::add_line(FileType type, std::string_view path, std::string_view line,
                          const PageSink& sink) {
  pass(type, path);
  add_item(0, line, path, 1, sink);
}

void TreeWriter::check_order(const char* flaw, std::string_view path) const {
  if (flaw != nullptr)
    fail(ErrorKind::internal, "entry '{}' behind '{}': {}", printable(path),
         printable(order_.last_path()), flaw);
}

void TreeWriter::pass(FileType type, std::string_view path) {
  check_order(order_.take(type, path), path);
}

bool TreeWriter::surely_begins_page(std::size_t items, std::string_view first) {
  return is_cut(items, 0, first);
}

bool TreeWriter::surely_begins_page(std::string_view first) const {
  if (levels_.empty() || levels_[0].text.empty()) return true;
  return surely_begins_page(levels_[0].items, first);
}

void TreeWriter::add_page(const PageRef& ref, const PageSink& sink) {
  if (levels_.empty()) levels_.emplace_back();
  if (!levels_[0].text.empty()) {
    PageRef closed = close_page(0, sink);
    add_reference(1, closed, sink);
  }
  levels_[0].has_closed = true;
  add_reference(1, ref, sink);
}

void TreeWriter::add_item(unsigned level, std::string_view line, std::string_view first,
                          std::uint64_t entries, const PageSink& sink) {
  if (level == levels_.size()) levels_.emplace_back();
  Level* page = &levels_[level];
  if (!page->text.empty() &&
      begins_page(page->items, page->text.size() + line.size(), level, first)) {
    PageRef closed = close_page(level, sink);
    add_reference(level + 1, closed, sink);
    page = &levels_[level];  // a new level may have moved them
  }
  if (page->text.empty()) {
    page->text.reserve(kLikelyBytes);
    page->text = kPageHeader;
    page->first = first;
  }
  page->text.append(line);
  page->entries += entries;
  ++page->items;
}

PageRef TreeWriter::close_page(unsigned level, const PageSink& sink) {
  Level& page = levels_[level];
  Sums sums = hash_bytes(kind_, page.text);
  PageRef ref{sums.digest, sums.check, sums.size, level, page.entries, std::move(page.first)};
  std::string text = std::move(page.text);
  page = Level{};
  page.has_closed = true;
  sink(ref, std::move(text));
  return ref;
}

void TreeWriter::add_reference(unsigned level, const PageRef& ref, const PageSink& sink) {
  std::string line = "- ";
  append_page_ref(line, ref);
  line += '\n';
  add_item(level, line, ref.first, ref.entries, sink);
}

PageRef TreeWriter::finish(const PageSink& sink) {
  if (levels_.empty()) fail(ErrorKind::internal, "a tree without entries");
  for (unsigned level = levels_[0].text.empty() ? 1 : 0;; ++level) {  // level 0: behind `add_page`
    bool is_root = !levels_[level].has_closed;
    PageRef ref = close_page(level, sink);
    if (is_root) return ref;
    add_reference(level + 1, ref, sink);
  }
}

}  // namespace reverse
