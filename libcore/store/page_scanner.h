#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "libcore/hash/digest.h"
#include "libcore/store/content_key.h"
#include "libcore/store/tree.h"

namespace reverse {

/// A reference to a page in a fixed number of bytes: what gc, which meets millions of them, keeps
/// of a `PageRef`.
struct PageLink {
  ContentKey key;
  std::uint64_t size = 0;
  std::uint64_t entries = 0;
  std::uint64_t first_hash = 0;  ///< XXH3-64 of the path of its first entry, raw; "" is the root
  std::uint32_t level = 0;

  static PageLink of(const PageRef& ref);
  Sums sums(DigestKind kind) const;
};

/// What one page refers to.
struct PageContent {
  std::uint64_t entries = 0;         ///< below it
  std::uint64_t first_hash = 0;      ///< as in `PageLink`
  std::vector<ContentKey> contents;  ///< of a page of level 0: of its files, in order
  std::vector<PageLink> pages;       ///< of one of level 1 and up
};

/// Reads from a page only what it refers to, several times as fast as `parse_page`. Lines in the
/// usual form are scanned, others go through the strict parsers. Whatever might hide a reference
/// (unknown keys, types, levels, a page cut short) is an error; that paths ascend and are sound is
/// not checked. One thread at a time; keep one, it holds buffers.
class PageScanner {
 public:
  explicit PageScanner(DigestKind kind);
  ~PageScanner();

  /// `text`: verified content of a page of `level`. Valid until the next call. Throws `corrupt`
  /// naming the line.
  const PageContent& scan(std::string_view text, unsigned level);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace reverse
