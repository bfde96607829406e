#include "libcore/engine/verify_finding.h"

#include <algorithm>
#include <utility>

namespace reverse {

std::string_view to_string(DamageKind kind) {
  switch (kind) {
    case DamageKind::missing:
      return "missing";
    case DamageKind::size:
      return "size";
    case DamageKind::digest:
      return "digest";
    case DamageKind::check:
      return "check";
    case DamageKind::unreadable:
      return "unreadable";
    case DamageKind::mode:
      return "mode";
    case DamageKind::page:
      return "page";
    case DamageKind::manifest:
      return "manifest";
  }
  return "";
}

ObjectName name_of(const ContentKey& key, DigestKind kind) {
  ObjectName name{key.digest(kind), std::nullopt};
  if (kind == DigestKind::md5 && key.check() != Check{}) name.variant = key.check();
  return name;
}

ObjectName Finding::name(DigestKind digest) const {
  ObjectName name{content.digest(digest), std::nullopt};
  if (is_variant) name.variant = content.check();
  return name;
}

Sums Finding::sums(DigestKind digest) const {
  Sums sums{content.digest(digest), std::nullopt, size};
  if (digest == DigestKind::md5) sums.check = content.check();
  return sums;
}

void Findings::add(const Finding& finding) {
  std::lock_guard lock(mutex_);
  findings_.push_back(finding);
}

std::vector<Finding> Findings::take() {
  std::lock_guard lock(mutex_);
  std::vector<Finding> all = std::move(findings_);
  findings_.clear();
  // What is damaged besides being open to writers is damaged.
  auto rank = [](const Finding& finding) {
    return std::make_pair(finding.content, finding.kind == DamageKind::mode);
  };
  std::stable_sort(all.begin(), all.end(),
                   [&](const Finding& a, const Finding& b) { return rank(a) < rank(b); });
  auto is_same = [](const Finding& a, const Finding& b) { return a.content == b.content; };
  all.erase(std::unique(all.begin(), all.end(), is_same), all.end());
  return all;
}

}  // namespace reverse
