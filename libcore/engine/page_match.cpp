#include "libcore/engine/page_match.h"

#include <algorithm>
#include <utility>

#include "libcore/store/entry.h"

namespace reverse {

namespace {
constexpr std::size_t kDirectories = 24;  // the walk counts on as many (scan/walk.h)
}

PageMatch::PageMatch(ScanVisitor& next, PresentSet& present, const std::string& source,
                     OwnerNames& owners)
    : next_(next),
      present_(present),
      source_(source),
      owners_(owners),
      cursor_(present.pages_of(source)) {
  advance();
}

/// To the next page that can be relied on. Others are dropped: what they say was never published, or may not hold any more.
void PageMatch::advance() {
  while ((page_ = cursor_->next()) != nullptr && !cursor_->is_trusted())
    present_.drop_page(source_, page_->first);
}

/// Pages that no entry of this walk begins.
void PageMatch::drop_before(const std::string& path) {
  while (page_ != nullptr && compare_paths(page_->first, path) < 0) {
    present_.drop_page(source_, page_->first);
    follows_ = false;
    advance();
  }
}

void PageMatch::entry(SourceEntry entry, const std::optional<std::string>& list_error) {
  while (!held_.empty() && (list_error || !has_room(entry))) release();
  if (held_.empty()) {
    drop_before(entry.path);
    bool begins = !list_error && page_ != nullptr && page_->first == entry.path;
    if (!begins) {
      follows_ = false;
      return next_.entry(std::move(entry), list_error);
    }
    wanted_ = *page_;
    advance();
  }
  hold(std::move(entry));
  if (held_.size() == wanted_.entries) seen_.sum() == wanted_.seen ? hand_on() : release();
}

bool PageMatch::has_room(const SourceEntry& entry) {
  return directories_.size() < kDirectories ||
         std::ranges::find(directories_, entry.directory.get()) != directories_.end();
}

void PageMatch::hold(SourceEntry entry) {
  seen_.add(entry.path, entry.status, entry.target,
            owners_.owner(entry.status.uid, entry.status.gid));
  const SourceDirectory* directory = entry.directory.get();
  if (std::ranges::find(directories_, directory) == directories_.end())
    directories_.push_back(directory);
  held_.push_back(std::move(entry));
}

void PageMatch::hand_on() {
  auto stretch = std::make_shared<KnownStretch>();
  stretch->page = std::move(wanted_);
  stretch->follows = follows_;
  stretch->entries = std::exchange(held_, {});
  for (SourceEntry& entry : stretch->entries) entry.directory.reset();
  directories_.clear();
  seen_.clear();
  for (const LeftOut& name : std::exchange(left_out_, {}))
    next_.left_out(name.path, name.reason, name.detail);
  next_.unchanged(std::move(stretch));
  follows_ = true;
}

/// Hands on what is held one by one; what begins a page that is known as well is held again, but not the first.
void PageMatch::release() {
  present_.drop_page(source_, wanted_.first);
  std::vector<SourceEntry> entries = std::exchange(held_, {});
  std::vector<LeftOut> left_out = std::exchange(left_out_, {});
  directories_.clear();
  seen_.clear();
  follows_ = false;
  std::size_t told = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    i == 0 ? next_.entry(std::move(entries[i]), std::nullopt)
           : entry(std::move(entries[i]), std::nullopt);
    for (; told < left_out.size() && left_out[told].behind == i + 1; ++told)
      skipped(left_out[told].path, left_out[told].reason, left_out[told].detail);
  }
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
  for (; page_ != nullptr; advance()) present_.drop_page(source_, page_->first);
}

}  // namespace reverse
