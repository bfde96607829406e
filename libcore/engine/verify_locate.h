#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <unordered_set>
#include <vector>

#include "libcore/engine/verify_heads.h"
#include "libcore/engine/verify_pages.h"

namespace reverse {

/// Finds every name in every revision that needs one of some contents, reading each distinct page
/// once, and then of each revision only the pages that lead to such names. One thread at a time.
class Locator {
 public:
  /// Told of each such name: the index of the content, the revision and the path; `entries`: how
  /// many names are lost with a page, of which `path` is the first; else 0.
  using Found = std::function<void(std::size_t content, const std::string& revision,
                                   const std::string& path, std::uint64_t entries)>;

  /// `contents`: sorted. All must outlive it.
  Locator(const Repository& repository, PageSurvey::Fetch fetch, PageSurvey& pages,
          const std::vector<ContentKey>& contents, std::stop_token stop);

  void locate(const VerifiedHead& head, const Found& found);

 private:
  void mark_pages();
  bool leads_to_content(const PageLink& link, PageScanner& scanner);
  std::size_t index_of(const ContentKey& key) const;
  bool is_wanted(const ContentKey& key) const { return index_of(key) < contents_.size(); }
  void descend(const PageRef& ref, const std::string& revision, const Found& found);

  struct KeyHash {
    std::size_t operator()(const ContentKey& key) const;
  };

  const Repository& repository_;
  const PageSurvey::Fetch fetch_;
  PageSurvey& pages_;
  const std::vector<ContentKey>& contents_;
  const std::stop_token stop_;
  std::unordered_set<ContentKey, KeyHash> marked_;  // pages that lead to a content
};

}  // namespace reverse
