#include "libcore/engine/page_match.h"

#include <algorithm>
#include <utility>

#include "libcore/store/entry.h"
#include "libcore/store/page_rules.h"

namespace reverse {

namespace {
constexpr std::size_t kDirectories = 24;  // the walk counts on as many (scan/walk.h)
constexpr std::size_t kMostUnmet = 4096;  // stretches of pages
// A line that moves from a page of this size, to a path longer by so much, fits its new page.
constexpr std::uint64_t kMostMoved = kMaxPageBytes;
constexpr std::size_t kMostLonger = 4096;
}  // namespace

PageMatch::PageMatch(ScanVisitor& next, PresentSet& present, const std::string& source,
                     OwnerNames& owners, bool reads_pages)
    : next_(next),
      present_(present),
      source_(source),
      owners_(owners),
      reads_pages_(reads_pages) {
  enter({});
}

// --- pages

void PageMatch::enter(DirectoryMove move) {
  if (move.to.size() > move.from.size() + kMostLonger) return;
  if (depth_ == levels_.size()) levels_.push_back({.cursor = present_.pages_of(source_)});
  Level& level = levels_[depth_++];
  level.cursor->seek(move.from);
  level.move = std::move(move);
  advance(depth_ - 1);
}

/// Leaves the directories that `path` does not lie in.
void PageMatch::leave_to(const std::string& path) {
  while (!is_below(path, levels_[depth_ - 1].move.to)) {
    --depth_;
    follows_ = false;
  }
}

/// To the next page that can be relied on. Others are dropped: what they say was never published, or may not hold any more.
void PageMatch::advance(std::size_t number) {
  Level& level = levels_[number];
  while ((level.page = level.cursor->next()) != nullptr && !level.cursor->is_trusted())
    if (number == 0) present_.drop_page(source_, level.page->first);
}

/// Passes pages of the source that begin before `path`, which no entry has begun.
void PageMatch::pass_unmet(const std::string& path) {
  Level& source = levels_.front();
  if (source.page == nullptr || compare_paths(source.page->first, path) >= 0) return;
  unmet_.emplace_back(source.page->first, path);
  follows_ = false;
  while (source.page != nullptr && compare_paths(source.page->first, path) < 0) advance(0);
  if (unmet_.size() <= kMostUnmet) return;
  present_.drop_pages(source_, unmet_.front().first, unmet_.front().second);
  unmet_.pop_front();
}

/// The level with a page that may begin with `entry`.
std::optional<std::size_t> PageMatch::level_that_begins(const SourceEntry& entry) {
  leave_to(entry.path);
  pass_unmet(entry.path);
  const std::size_t last = depth_ - 1;
  if (last > 0) {
    const std::string old = levels_[last].move.old_path(entry.path);
    const KnownPage*& page = levels_[last].page;
    while (page != nullptr && compare_paths(page->first, old) < 0) advance(last);
    if (page != nullptr && page->first == old && page->sums.size <= kMostMoved) return last;
  }
  const KnownPage* page = levels_.front().page;
  if (page != nullptr && page->first == entry.path) return 0;
  return std::nullopt;
}

// --- entries

void PageMatch::entry(SourceEntry entry, const std::optional<std::string>& list_error) {
  while (!held_.empty() && (list_error || !has_room(entry))) release();
  if (held_.empty()) {
    const std::optional<std::size_t> level = level_that_begins(entry);
    if (list_error || !level) return pass_on(std::move(entry), list_error);
    wanted_level_ = *level;
    wanted_ = *levels_[*level].page;
    advance(*level);
  }
  hold(std::move(entry));
  if (held_.size() == wanted_.entries) seen_.sum() == wanted_.seen ? hand_on() : release();
}

void PageMatch::pass_on(SourceEntry entry, const std::optional<std::string>& list_error) {
  follows_ = false;
  if (entry.status.type != FileType::directory) return next_.entry(std::move(entry), list_error);
  std::string path = entry.path;
  next_.entry(std::move(entry), list_error);
  if (std::optional<std::string> from = next_.moved_from())
    enter({std::move(*from), std::move(path)});
}

/// Whether it may be held with the others.
bool PageMatch::has_room(const SourceEntry& entry) {
  if (!is_below(entry.path, levels_[wanted_level_].move.to)) return false;
  return directories_.size() < kDirectories ||
         std::ranges::find(directories_, entry.directory.get()) != directories_.end();
}

void PageMatch::hold(SourceEntry entry) {
  const std::string& owner = owners_.owner(entry.status.uid, entry.status.gid);
  if (is_of_source())
    seen_.add(entry.path, entry.status, entry.target, owner);
  else
    seen_.add(levels_[wanted_level_].move.old_path(entry.path), entry.status, entry.target, owner);
  const SourceDirectory* directory = entry.directory.get();
  if (std::ranges::find(directories_, directory) == directories_.end())
    directories_.push_back(directory);
  held_.push_back(std::move(entry));
}

void PageMatch::hand_on() {
  auto stretch = std::make_shared<KnownStretch>();
  stretch->page = std::move(wanted_);
  if (!is_of_source()) {
    stretch->move = levels_[wanted_level_].move;
    for (const SourceEntry& entry : held_)
      stretch->owners.push_back(owners_.owner(entry.status.uid, entry.status.gid));
  }
  stretch->follows = follows_ && last_level_ == wanted_level_;
  stretch->entries = std::exchange(held_, {});
  for (SourceEntry& entry : stretch->entries) entry.directory.reset();
  directories_.clear();
  seen_.clear();
  for (const LeftOut& name : std::exchange(left_out_, {}))
    next_.left_out(name.path, name.reason, name.detail);
  next_.unchanged(std::move(stretch));
  follows_ = true;
  last_level_ = wanted_level_;
}

/// Hands on what is held: neighbours that are as the page has them with their lines, the others one by one. What begins a page that is known
/// as well is held again, but not the first.
void PageMatch::release() {
  if (is_of_source()) present_.drop_page(source_, wanted_.first);
  const KnownPage page = std::move(wanted_);
  const std::vector<std::optional<std::size_t>> lines = lines_of_held(page);
  std::vector<SourceEntry> entries = std::exchange(held_, {});
  const std::vector<LeftOut> left_out = std::exchange(left_out_, {});
  directories_.clear();
  seen_.clear();
  follows_ = false;
  auto told = left_out.begin();
  for (std::size_t i = 0; i < entries.size();) {
    const std::size_t limit = told == left_out.end() ? entries.size() : told->behind;
    std::size_t end = i;
    while (held_.empty() && end < limit && lines[end] && *lines[end] == *lines[i] + (end - i)) ++end;
    if (end > i)
      hand_on_lines(page, *lines[i], std::span(entries).subspan(i, end - i));
    else if (end = i + 1; i == 0)
      pass_on(std::move(entries[i]), std::nullopt);
    else
      entry(std::move(entries[i]), std::nullopt);
    i = end;
    for (; told != left_out.end() && told->behind == i; ++told)
      skipped(told->path, told->reason, told->detail);
  }
}

/// For each held entry its line in the page, if that has the same there.
std::vector<std::optional<std::size_t>> PageMatch::lines_of_held(const KnownPage& page) const {
  std::vector<std::optional<std::size_t>> lines(held_.size());
  if (!reads_pages_ || !is_of_source() || page.marks.empty()) return lines;
  const std::string marks = seen_.marks();
  std::size_t next = 0;
  for (std::size_t i = 0; i < held_.size(); ++i) {
    const std::string_view mark = std::string_view(marks).substr(i * kMarkBytes, kMarkBytes);
    for (std::size_t line = next; line < page.entries && !lines[i]; ++line)
      if (std::string_view(page.marks).substr(line * kMarkBytes, kMarkBytes) == mark) lines[i] = line;
    if (lines[i]) next = *lines[i] + 1;
  }
  return lines;
}

void PageMatch::hand_on_lines(const KnownPage& page, std::size_t line,
                              std::span<SourceEntry> entries) {
  auto stretch = std::make_shared<KnownStretch>();
  stretch->page = page;
  stretch->line = line;
  for (SourceEntry& entry : entries) {
    stretch->owners.push_back(owners_.owner(entry.status.uid, entry.status.gid));
    entry.directory.reset();
    stretch->entries.push_back(std::move(entry));
  }
  next_.unchanged(std::move(stretch));
}

void PageMatch::skipped(const std::string& path, SkipReason reason, const std::string& detail) {
  if (held_.empty()) return next_.skipped(path, reason, detail);
  left_out_.push_back({held_.size(), path, reason, detail});
}

void PageMatch::failed(const std::string& path, bool vanished, const std::string& error) {
  while (!held_.empty()) release();
  follows_ = false;
  next_.failed(path, vanished, error);
}

void PageMatch::finish() {
  while (!held_.empty()) release();
  if (const KnownPage* page = levels_.front().page) unmet_.emplace_back(page->first, std::nullopt);
  for (const auto& [from, to] : unmet_) present_.drop_pages(source_, from, to);
}

}  // namespace reverse
