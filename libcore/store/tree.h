#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/hash/digest.h"
#include "libcore/store/entry.h"
#include "libcore/store/tree_order.h"

namespace reverse {

/// Levels that a tree may have: pages of two items or more hold any 64-bit number of entries in
/// fewer.
inline constexpr unsigned kMaxLevels = 64;

/// A reference to a page (schema/FORMAT.md, "Pages").
struct PageRef {
  Digest page;
  std::optional<Check> check;
  std::uint64_t size = 0;     ///< bytes of the page
  unsigned level = 0;         ///< 0: its items are entries; n+1: references to pages of level n
  std::uint64_t entries = 0;  ///< entries below it
  std::string first;          ///< path of its first entry; "" is the root

  Sums sums() const { return {page, check, size}; }
  bool operator==(const PageRef&) const = default;
};

/// Appends `key: value` fields of a reference as one flow mapping, `{"page": …, "first": …}`,
/// without newline.
void append_page_ref(std::string& out, const PageRef& ref);
/// Reads what `append_page_ref` writes. Throws `corrupt`.
PageRef parse_page_ref(std::string_view mapping, DigestKind kind);

/// Takes each finished page. `text` is the page's whole content, sums already in `ref`.
using PageSink = std::function<void(const PageRef& ref, std::string text)>;

/// Turns entries, in order, into pages. Memory: a page a level. One thread at a time.
/// Copyable: finishing a copy gives the tree of all entries so far (checkpoints).
class TreeWriter {
 public:
  explicit TreeWriter(DigestKind kind);
  /// Throws `internal` for an entry that cannot come next (`TreeOrder`). Pages that became complete
  /// go to `sink`.
  void add(const Entry& entry, const PageSink& sink);
  /// The same for an entry of which the line is known, its newline included (`append_entry`).
  void add_line(FileType type, std::string_view path, std::string_view line, const PageSink& sink);
  /// True if an entry at `first` begins a page wherever it comes behind `items` of one, whatever
  /// its line is like. False: that cannot be told without the line.
  static bool surely_begins_page(std::size_t items, std::string_view first);
  /// The same for the entry that comes next.
  bool surely_begins_page(std::string_view first) const;
  /// Adds a page that is stored already in place of its entries, which must all have been `pass`ed,
  /// and of which the first must begin a page here.
  void add_page(const PageRef& ref, const PageSink& sink);
  /// Checks the order of an entry of such a page, as `add` does.
  void pass(FileType type, std::string_view path);
  /// Nothing was added yet.
  bool empty() const { return levels_.empty(); }
  /// Closes all levels and returns the root. Entries must not be empty, nor one added page all there is.
  PageRef finish(const PageSink& sink);

 private:
  struct Level {
    std::string text;  // the open page, header included; empty: no page open
    std::size_t items = 0;
    std::uint64_t entries = 0;
    std::string first;
    bool has_closed = false;  // a page of this level was closed: there is a level above
  };
  void add_item(unsigned level, std::string_view line, std::string_view first,
                std::uint64_t entries, const PageSink& sink);
  void check_order(const char* flaw, std::string_view path) const;
  PageRef close_page(unsigned level, const PageSink& sink);
  void add_reference(unsigned level, const PageRef& ref, const PageSink& sink);

  DigestKind kind_;
  std::vector<Level> levels_;
  TreeOrder order_;
  std::string line_;  // scratch
};

/// Gives a page's verified text. Throws `corrupt`, `not_found`, or what the backend throws.
using PageFetcher = std::function<std::string(const PageRef&)>;
/// Told of pages that will be fetched soon.
using PageHint = std::function<void(const PageRef&)>;

/// Reads entries of a tree in order, fetching each page when it is needed. Checks counts, order and
/// levels against the references, parents before children, and refuses what the format forbids
/// (schema/FORMAT.md, "Reading"). Memory: a page a level. One thread at a time.
class TreeReader {
 public:
  TreeReader(DigestKind kind, PageFetcher fetch, PageRef root, PageHint hint = {});
  ~TreeReader();
  TreeReader(TreeReader&&) noexcept;

  /// Says that all of it will be read: hints go as far ahead as is good for a whole tree, from now
  /// on. Throws what `next` throws.
  void expect_whole();
  /// The next entry; nullopt at the end. Throws `corrupt` naming page and line.
  std::optional<Entry> next();
  /// Goes to the entry at `path`, or the first after it in order, whether behind or ahead; reads
  /// only the pages on the way.
  void seek(std::string_view path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The items of one page, checked as `TreeReader` checks them: what gc, diff and find read page by
/// page. `text` must be verified content of `ref`. Throws `corrupt` naming page and line.
struct Page {
  std::vector<Entry> entries;  ///< level 0
  std::vector<PageRef> pages;  ///< level 1 and up
};
Page parse_page(const PageRef& ref, std::string_view text, DigestKind kind);

/// The lines of a page of level 0, each without its newline, as they stand in `text`, which must be
/// verified content of `ref`. Only their number is checked. Throws `corrupt`.
std::vector<std::string_view> page_lines(const PageRef& ref, std::string_view text);

}  // namespace reverse
