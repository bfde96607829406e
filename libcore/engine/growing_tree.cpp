#include "libcore/engine/growing_tree.h"

#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {

namespace {

PageRef ref_of(const KnownPage& page) {
  return {page.sums.digest, page.sums.check, page.sums.size, 0, page.entries, page.first};
}

}  // namespace

GrowingTree::GrowingTree(DigestKind kind, Pages pages)
    : kind_(kind),
      pages_(std::move(pages)),
      sink_([this](const PageRef& ref, std::string text) { store(ref, std::move(text)); }),
      tree_(kind) {}

/// Takes a page that came to its end; of level 0 it is the one that `seen_` is about.
void GrowingTree::store(const PageRef& ref, std::string text) {
  if (ref.level == 0) {
    if (pages_.learn && is_told_)
      pages_.learn({ref.first, seen_.sum(), ref.sums(), ref.entries, seen_.marks()});
    seen_.clear();
    is_told_ = true;
  }
  pages_.store(ref, std::move(text));
}

void GrowingTree::add(const Entry& entry, const FileStatus* seen) {
  if (!pages_.store) return;
  settle(entry.path);
  tree_.add(entry, sink_);
  if (seen == nullptr) is_told_ = false;
  if (is_told_ && pages_.learn) seen_.add(entry.path, *seen, entry.target, entry.owner);
}

void GrowingTree::add(std::shared_ptr<const KnownStretch> stretch) {
  if (stretch->is_copied()) {
    settle(stretch->entries.front().path);
    return copy_lines(*stretch);
  }
  if (stretch->follows && last_) {
    put(*std::exchange(last_, nullptr));
  } else {
    settle(stretch->page.first);
  }
  if (tree_.surely_begins_page(stretch->page.first)) {
    last_ = std::move(stretch);
  } else {
    take_apart(*stretch);
  }
}

/// The last stretch stays the page that it was, unless `next` may have to go into it.
void GrowingTree::settle(std::string_view next) {
  if (!last_) return;
  const auto last = std::exchange(last_, nullptr);
  if (TreeWriter::surely_begins_page(last->page.entries, next)) {
    put(*last);
  } else {
    take_apart(*last);
  }
}

void GrowingTree::put(const KnownStretch& stretch) {
  for (const SourceEntry& entry : stretch.entries) tree_.pass(entry.status.type, entry.path);
  tree_.add_page(ref_of(stretch.page), sink_);
}

/// Adds what the page holds entry by entry.
void GrowingTree::take_apart(const KnownStretch& stretch) {
  const PageRef ref = ref_of(stretch.page);
  const Page page = parse_page(ref, pages_.fetch(ref), kind_);
  for (std::size_t i = 0; i < page.entries.size(); ++i) {
    if (page.entries[i].path != stretch.entries[i].path)
      fail(ErrorKind::corrupt, "the page known to begin with '{}' is another", printable(ref.first));
    add(page.entries[i], &stretch.entries[i].status);
  }
}

/// Adds lines of the page, under new paths where they moved: pages begin elsewhere then, since that depends on paths.
void GrowingTree::copy_lines(const KnownStretch& stretch) {
  const PageRef ref = ref_of(stretch.page);
  if (!fetched_ || fetched_->first != ref.sums()) fetched_.emplace(ref.sums(), pages_.fetch(ref));
  const std::vector<std::string_view> lines = page_lines(ref, fetched_->second);
  for (std::size_t i = 0; i < stretch.entries.size(); ++i) {
    const SourceEntry& entry = stretch.entries[i];
    const std::string old = stretch.move ? stretch.move->old_path(entry.path) : entry.path;
    line_.clear();
    append_moved(line_, lines[stretch.line.value_or(0) + i], old, entry.path);
    tree_.add_line(entry.status.type, entry.path, line_, sink_);
    if (is_told_ && pages_.learn) seen_.add(entry.path, entry.status, entry.target, stretch.owners[i]);
  }
}

PageRef GrowingTree::so_far() const {
  TreeWriter copy = tree_;
  if (last_) {
    if (copy.empty()) return ref_of(last_->page);
    copy.add_page(ref_of(last_->page), pages_.store);
  }
  return copy.finish(pages_.store);
}

PageRef GrowingTree::finish() {
  if (last_) {
    const auto last = std::exchange(last_, nullptr);
    if (tree_.empty()) return ref_of(last->page);
    put(*last);
  }
  return tree_.finish(sink_);
}

}  // namespace reverse
