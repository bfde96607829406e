#include "libcore/engine/verify_locate.h"

#include <algorithm>
#include <cstring>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"

namespace reverse {

std::size_t Locator::KeyHash::operator()(const ContentKey& key) const {
  std::size_t head;  // a digest's own bytes are as good as any hash of them
  std::memcpy(&head, key.bytes.data(), sizeof head);
  return head;
}

Locator::Locator(const Repository& repository, PageSurvey::Fetch fetch, PageSurvey& pages,
                 const std::vector<ContentKey>& contents, std::stop_token stop)
    : repository_(repository),
      fetch_(std::move(fetch)),
      pages_(pages),
      contents_(contents),
      stop_(std::move(stop)) {
  if (!contents_.empty()) mark_pages();
}

/// From the leaves up, so that a page's children are known before it is read.
void Locator::mark_pages() {
  PageScanner scanner(repository_.info().digest);
  for (unsigned level = 0; level < pages_.levels(); ++level)
    for (int shard = 0; shard < layout::kShards; ++shard) {
      std::vector<PageLink> links = pages_.pages(level, shard);
      expect_pages(repository_, links);
      for (const PageLink& link : links) {
        throw_if_stopped(stop_);
        if (leads_to_content(link, scanner)) marked_.insert(link.key);
      }
    }
}

bool Locator::leads_to_content(const PageLink& link, PageScanner& scanner) {
  if (is_wanted(link.key)) return true;
  try {
    std::string text = fetch_(link.sums(repository_.info().digest));
    const PageContent& content = scanner.scan(text, link.level);
    return std::any_of(content.contents.begin(), content.contents.end(),
                       [this](const ContentKey& key) { return is_wanted(key); }) ||
           std::any_of(content.pages.begin(), content.pages.end(),
                       [this](const PageLink& child) { return marked_.count(child.key) > 0; });
  } catch (const Error& error) {
    // Damaged in a way of its own, which is among the findings; or gone with its revisions.
    if (!damage_of_page(error)) throw;
    return false;
  }
}

std::size_t Locator::index_of(const ContentKey& key) const {
  auto place = std::lower_bound(contents_.begin(), contents_.end(), key);
  bool is_there = place != contents_.end() && *place == key;
  return is_there ? static_cast<std::size_t>(place - contents_.begin()) : contents_.size();
}

void Locator::locate(const VerifiedHead& head, const Found& found) {
  descend(head.tree, head.revision, found);
}

void Locator::descend(const PageRef& ref, const std::string& revision, const Found& found) {
  throw_if_stopped(stop_);
  const ContentKey key = ContentKey::of(ref.page, ref.check);
  if (marked_.count(key) == 0) return;
  if (std::size_t index = index_of(key); index < contents_.size())
    found(index, revision, ref.first, ref.entries);
  Page page;
  try {
    page = parse_page(ref, fetch_(ref.sums()), repository_.info().digest);
  } catch (const Error& error) {
    if (!damage_of_page(error)) throw;
    return;  // told by what was found above
  }
  for (const Entry& entry : page.entries)
    if (std::size_t index =
            entry.digest ? index_of(ContentKey::of(*entry.digest, entry.check)) : contents_.size();
        index < contents_.size())
      found(index, revision, entry.path, 0);
  for (const PageRef& child : page.pages) descend(child, revision, found);
}

}  // namespace reverse
