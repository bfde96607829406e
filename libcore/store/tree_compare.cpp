#include "libcore/store/tree_compare.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/store/page_rules.h"

namespace reverse {

namespace {

using Lines = std::vector<std::string_view>;

constexpr std::size_t kReadTogether = 32;  // pages

/// Appends the lines of `text`, whole ones.
void append_lines(Lines& lines, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
}

/// The lines that only the first has, sorted by their bytes. Sorts both.
Lines only_in(Lines& lines, Lines& others) {
  std::sort(lines.begin(), lines.end());
  std::sort(others.begin(), others.end());
  Lines only;
  std::set_difference(lines.begin(), lines.end(), others.begin(), others.end(),
                      std::back_inserter(only));
  return only;
}

void expect_page(const PageRef& ref, std::string_view text) {
  if (!text.starts_with(kPageHeader) || text.back() != '\n' || text.size() == kPageHeader.size())
    fail(ErrorKind::corrupt, "page {}: not a page of this format", ref.page.hex());
}

/// Pages of a tree that will be entered, as far as that is known, by the lines that refer to them.
/// Whoever wants one of them gets it read together with those of its level that come next.
class PagesAhead {
 public:
  struct Page {
    PageRef ref;
    std::string text = "";  // "" if not read yet
  };

  PagesAhead(DigestKind kind, const PagesFetcher& fetch) : kind_(kind), fetch_(fetch) {}

  bool knows(std::string_view line) const { return by_line_.contains(line); }
  /// What the line refers to, which is known then until it is dropped. Throws `corrupt`.
  Page& at(std::string_view line);
  /// Reads the text of one that is known.
  void read(Page& page);
  /// Forgets the page, and those of its level that would have come before it.
  void drop(const PageRef& ref);

 private:
  struct Place {
    unsigned level;
    std::string first;
    bool operator<(const Place& other) const {
      return level != other.level ? level < other.level : compare_paths(first, other.first) < 0;
    }
  };
  struct Known : Page {
    std::string line;
  };
  static Place place_of(const PageRef& ref) { return {ref.level, ref.first}; }

  const DigestKind kind_;
  const PagesFetcher& fetch_;
  std::map<Place, Known> pages_;
  std::unordered_map<std::string_view, Page*> by_line_;
};

PagesAhead::Page& PagesAhead::at(std::string_view line) {
  if (const auto known = by_line_.find(line); known != by_line_.end()) return *known->second;
  if (!line.starts_with("- ")) fail(ErrorKind::corrupt, "not a reference");
  PageRef ref = parse_page_ref(line.substr(2), kind_);
  Known& page = pages_[place_of(ref)];
  by_line_.erase(page.line);
  page = {{std::move(ref)}, std::string(line)};
  by_line_.emplace(page.line, &page);
  return page;
}

void PagesAhead::read(Page& page) {
  if (!page.text.empty()) return;
  std::vector<PageRef> refs;
  std::vector<std::string*> texts;
  for (auto next = pages_.find(place_of(page.ref));
       next != pages_.end() && next->first.level == page.ref.level; ++next) {
    if (refs.size() == kReadTogether) break;
    if (!next->second.text.empty()) continue;
    refs.push_back(next->second.ref);
    texts.push_back(&next->second.text);
  }
  std::vector<std::string> found = fetch_(refs);
  for (std::size_t i = 0; i < refs.size(); ++i) {
    expect_page(refs[i], found[i]);
    *texts[i] = std::move(found[i]);
  }
}

void PagesAhead::drop(const PageRef& ref) {
  const auto end = pages_.upper_bound(place_of(ref));
  for (auto next = pages_.lower_bound({ref.level, ""}); next != end; next = pages_.erase(next))
    by_line_.erase(next->second.line);
}

/// A page and the line in it that comes next.
struct Frame {
  PageRef ref;
  std::string text;
  std::size_t at = 0;  // where the line begins

  bool at_end() const { return at == text.size(); }
  std::string_view line() const {
    return std::string_view(text).substr(at, text.find('\n', at) - at);
  }
  void skip_line() { at = text.find('\n', at) + 1; }
};

/// `with_context` that names the page only where something is wrong with it.
template <typename Body>
decltype(auto) in_page(const Frame& frame, Body&& body) {
  try {
    return body();
  } catch (Error& error) {
    error.add_context("page " + frame.ref.page.hex());
    throw;
  }
}

/// Goes over a tree line by line. What a line says is read only when it is asked for.
class Cursor {
 public:
  /// A page that holds nothing but the reference to the root stands above it.
  Cursor(DigestKind kind, const PagesFetcher& fetch, const PageRef* root)
      : ahead_(kind, fetch), entries_(kind) {
    if (root == nullptr) return;
    Frame top;
    top.ref.level = root->level + 1;
    top.text = "- ";
    append_page_ref(top.text, *root);
    top.text += '\n';
    frames_.push_back(std::move(top));
  }
  bool at_end() const { return frames_.empty(); }
  std::string_view line() const { return frames_.back().line(); }
  /// Of the page that the line stands in: 0 if the line is an entry.
  unsigned level() const { return frames_.back().ref.level; }
  /// Where the line's entry is, or the first entry below it.
  const std::string& path() { return level() == 0 ? entry().path : page().ref.first; }
  const Entry& entry();

  void skip();
  /// Goes to the first line of the page that the line refers to.
  void enter();

  /// What is still to come in the open page of `level`, if there is one.
  Lines lines_to_come(unsigned level) const;
  /// Says that the pages will be entered to which the lines refer; tells `hint` of new ones. What
  /// cannot be read is told when it is come to.
  void expect(const Lines& references, const PageHint& hint);
  /// All lines of those that were expected, which are read for that; valid until the next page is
  /// entered.
  Lines lines_below(const Lines& references);

 private:
  PagesAhead::Page& page();
  void forget_line();

  PagesAhead ahead_;
  EntryParser entries_;
  std::vector<Frame> frames_;  // from the root down
  std::optional<Entry> entry_;
  PagesAhead::Page* page_ = nullptr;
  std::optional<std::string> last_path_;
};

PagesAhead::Page& Cursor::page() {
  if (page_ != nullptr) return *page_;
  const Frame& frame = frames_.back();
  PagesAhead::Page& page = in_page(frame, [&]() -> auto& { return ahead_.at(frame.line()); });
  if (page.ref.level + 1 != frame.ref.level)
    fail(ErrorKind::corrupt, "page {}: level {} below level {}", frame.ref.page.hex(), page.ref.level,
         frame.ref.level);
  page_ = &page;
  return page;
}

const Entry& Cursor::entry() {
  if (entry_) return *entry_;
  const Frame& frame = frames_.back();
  entry_ = in_page(frame, [&] { return entries_.parse(line()); });
  if (last_path_ && compare_paths(*last_path_, entry_->path) >= 0)
    fail(ErrorKind::corrupt, "page {}: '{}' comes after '{}'", frame.ref.page.hex(),
         printable(entry_->path), printable(*last_path_));
  return *entry_;
}

void Cursor::forget_line() {
  if (entry_) last_path_ = std::move(entry_->path);
  entry_.reset();
  page_ = nullptr;
}

void Cursor::skip() {
  forget_line();
  frames_.back().skip_line();
  while (!frames_.empty() && frames_.back().at_end()) frames_.pop_back();
}

void Cursor::enter() {
  ahead_.read(page());
  Frame below{page().ref, std::move(page().text), kPageHeader.size()};
  ahead_.drop(below.ref);
  forget_line();
  frames_.back().skip_line();
  frames_.push_back(std::move(below));
}

Lines Cursor::lines_to_come(unsigned level) const {
  Lines lines;
  for (const Frame& frame : frames_)
    if (frame.ref.level == level)
      append_lines(lines, std::string_view(frame.text).substr(frame.at));
  return lines;
}

void Cursor::expect(const Lines& references, const PageHint& hint) {
  try {
    for (std::string_view line : references) {
      if (ahead_.knows(line)) continue;
      const PageRef& ref = ahead_.at(line).ref;
      if (hint) hint(ref);
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) throw;
  }
}

Lines Cursor::lines_below(const Lines& references) {
  std::vector<PagesAhead::Page*> pages;
  for (std::string_view line : references)
    if (ahead_.knows(line)) pages.push_back(&ahead_.at(line));
  std::sort(pages.begin(), pages.end(), [](const auto* a, const auto* b) {
    return compare_paths(a->ref.first, b->ref.first) < 0;
  });
  Lines lines;
  for (PagesAhead::Page* page : pages) {
    ahead_.read(*page);
    append_lines(lines, std::string_view(page->text).substr(kPageHeader.size()));
  }
  return lines;
}

class Comparison {
 public:
  Comparison(Cursor& before, Cursor& after, const DifferenceVisitor& visit, const PageHint& hint)
      : before_(before), after_(after), visit_(visit), hint_(hint) {}

  void run() {
    while (!before_.at_end() && !after_.at_end()) step();
    while (!before_.at_end()) take(before_);
    while (!after_.at_end()) take(after_);
  }

 private:
  void step();
  void take(Cursor& cursor);
  void look_ahead(unsigned level);

  Cursor &before_, &after_;
  const DifferenceVisitor& visit_;
  const PageHint& hint_;
};

/// Both trees stand where they have the same so far.
void Comparison::step() {
  if (before_.level() == after_.level() && before_.line() == after_.line()) {
    before_.skip();
    return after_.skip();
  }
  int order = compare_paths(before_.path(), after_.path());
  if (order != 0) return take(order < 0 ? before_ : after_);
  // Where one tree's page is several of the other's, the larger one is opened first.
  if (before_.level() != after_.level())
    return take(before_.level() > after_.level() ? before_ : after_);
  if (before_.level() > 0) {
    before_.enter();
    after_.enter();
    return look_ahead(before_.level());
  }
  visit_(&before_.entry(), &after_.entry());
  before_.skip();
  after_.skip();
}

/// Goes on in one tree: into a page, or over an entry that the other does not have.
void Comparison::take(Cursor& cursor) {
  if (cursor.level() > 0) {
    cursor.enter();
    return look_ahead(cursor.level());
  }
  &cursor == &before_ ? visit_(&cursor.entry(), nullptr) : visit_(nullptr, &cursor.entry());
  cursor.skip();
}

/// Of pages just entered, what the other tree's page of that level does not refer to will be entered
/// as well. Of pages of pages it is read at once, since then all that differs below them is known and
/// read together: hashed side by side, and where it is far away with one wait.
void Comparison::look_ahead(unsigned level) {
  if (level == 0) return;
  Lines before = before_.lines_to_come(level), after = after_.lines_to_come(level);
  const Lines only_before = only_in(before, after), only_after = only_in(after, before);
  before_.expect(only_before, hint_);
  after_.expect(only_after, hint_);
  if (level == 1) return;
  Lines below_before = before_.lines_below(only_before);
  Lines below_after = after_.lines_below(only_after);
  before_.expect(only_in(below_before, below_after), hint_);
  after_.expect(only_in(below_after, below_before), hint_);
}

}  // namespace

void compare_trees(DigestKind kind, const PagesFetcher& fetch, const PageRef* before,
                   const PageRef& after, const DifferenceVisitor& visit, const PageHint& hint) {
  Cursor of_before(kind, fetch, before), of_after(kind, fetch, &after);
  Comparison(of_before, of_after, visit, hint).run();
}

}  // namespace reverse
