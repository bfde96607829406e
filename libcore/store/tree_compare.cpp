#include "libcore/store/tree_compare.h"

#include <algorithm>
#include <map>
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

struct PageText {
  PageRef ref;
  std::string text;
};

void expect_page(const PageText& page) {
  const std::string& text = page.text;
  if (!text.starts_with(kPageHeader) || text.back() != '\n' || text.size() == kPageHeader.size())
    fail(ErrorKind::corrupt, "page {}: not a page of this format", page.ref.page.hex());
}

/// A page and the line in it that comes next.
struct Frame : PageText {
  std::size_t at = 0;  // where the line begins
  /// Pages that will be entered, by where their lines begin; without a text those not read yet.
  std::map<std::size_t, PageText> ahead = {};

  bool at_end() const { return at == text.size(); }
  std::string_view line() const {
    return std::string_view(text).substr(at, text.find('\n', at) - at);
  }
  void skip_line() { at = text.find('\n', at) + 1; }
};

/// Goes over a tree line by line. What a line says is read only when it is asked for.
class Cursor {
 public:
  /// A page that holds nothing but the reference to the root stands above it.
  Cursor(DigestKind kind, const PagesFetcher& fetch, const PageRef* root)
      : kind_(kind), fetch_(fetch), entries_(kind) {
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
  const std::string& path() { return level() == 0 ? entry().path : page().first; }
  const Entry& entry();

  void skip();
  /// Goes to the first line of the page that the line refers to.
  void enter();

  /// What is still to come in the open page of `level`, if there is one.
  Lines lines_to_come(unsigned level);
  PageRef parse_reference(std::string_view line) const;
  /// Says that the page will be entered to which `line` of the open page of `level` refers.
  void expect(unsigned level, std::string_view line);
  /// Reads that page now. Its lines, valid until it is entered or the one above it is left.
  std::string_view read_ahead(unsigned level, std::string_view line);

 private:
  const PageRef& page();
  void forget_line();
  Frame* open_page(unsigned level);
  PageText& ahead_at(unsigned level, std::string_view line);
  void read_expected(Frame& frame);

  const DigestKind kind_;
  const PagesFetcher& fetch_;
  EntryParser entries_;
  std::vector<Frame> frames_;  // from the root down
  std::optional<Entry> entry_;
  std::optional<PageRef> page_;
  std::optional<std::string> last_path_;
};

PageRef Cursor::parse_reference(std::string_view line) const {
  if (!line.starts_with("- ")) fail(ErrorKind::corrupt, "not a reference");
  return parse_page_ref(line.substr(2), kind_);
}

const PageRef& Cursor::page() {
  if (page_) return *page_;
  const Frame& frame = frames_.back();
  const auto ahead = frame.ahead.find(frame.at);
  page_ = ahead != frame.ahead.end()
              ? ahead->second.ref
              : with_context(frame.ref.page.hex(), [&] { return parse_reference(frame.line()); });
  if (page_->level + 1 != frame.ref.level)
    fail(ErrorKind::corrupt, "page {}: level {} below level {}", frame.ref.page.hex(), page_->level,
         frame.ref.level);
  return *page_;
}

const Entry& Cursor::entry() {
  if (entry_) return *entry_;
  const Frame& frame = frames_.back();
  entry_ = with_context("page " + frame.ref.page.hex(), [&] { return entries_.parse(line()); });
  if (last_path_ && compare_paths(*last_path_, entry_->path) >= 0)
    fail(ErrorKind::corrupt, "page {}: '{}' comes after '{}'", frame.ref.page.hex(),
         printable(entry_->path), printable(*last_path_));
  return *entry_;
}

void Cursor::forget_line() {
  if (entry_) last_path_ = std::move(entry_->path);
  entry_.reset();
  page_.reset();
}

void Cursor::skip() {
  forget_line();
  frames_.back().skip_line();
  while (!frames_.empty() && frames_.back().at_end()) frames_.pop_back();
}

void Cursor::enter() {
  Frame& above = frames_.back();
  Frame below;
  below.ref = page();
  above.ahead.try_emplace(above.at, PageText{below.ref, ""});
  read_expected(above);
  below.text = std::move(above.ahead.extract(above.at).mapped().text);
  below.at = kPageHeader.size();
  forget_line();
  above.skip_line();
  frames_.push_back(std::move(below));
}

/// If the page that comes next is not read yet, it is, with others that are expected behind it.
void Cursor::read_expected(Frame& frame) {
  auto next = frame.ahead.find(frame.at);
  if (!next->second.text.empty()) return;
  std::vector<PageRef> refs;
  std::vector<PageText*> pages;
  for (; next != frame.ahead.end() && refs.size() < kReadTogether; ++next) {
    if (!next->second.text.empty()) continue;
    refs.push_back(next->second.ref);
    pages.push_back(&next->second);
  }
  std::vector<std::string> texts = fetch_(refs);
  for (std::size_t i = 0; i < pages.size(); ++i) {
    pages[i]->text = std::move(texts[i]);
    expect_page(*pages[i]);
  }
}

Frame* Cursor::open_page(unsigned level) {
  for (Frame& frame : frames_)
    if (frame.ref.level == level) return &frame;
  return nullptr;
}

PageText& Cursor::ahead_at(unsigned level, std::string_view line) {
  Frame& frame = *open_page(level);
  return frame.ahead[static_cast<std::size_t>(line.data() - frame.text.data())];
}

void Cursor::expect(unsigned level, std::string_view line) {
  PageRef ref = parse_reference(line);
  ahead_at(level, line).ref = std::move(ref);
}

std::string_view Cursor::read_ahead(unsigned level, std::string_view line) {
  PageRef ref = parse_reference(line);
  std::string text = std::move(fetch_({&ref, 1}).front());
  PageText& page = ahead_at(level, line) = {std::move(ref), std::move(text)};
  expect_page(page);
  return std::string_view(page.text).substr(kPageHeader.size());
}

Lines Cursor::lines_to_come(unsigned level) {
  Lines lines;
  if (const Frame* frame = open_page(level))
    append_lines(lines, std::string_view(frame->text).substr(frame->at));
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
  void look_ahead(unsigned level, bool in_before, bool in_after);
  static void expect_leaves(Cursor& cursor, const Lines& references);
  void expect(const Cursor& cursor, const Lines& references);
  static Lines lines_below(Cursor& cursor, unsigned level, const Lines& references);

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
    return look_ahead(before_.level(), true, true);
  }
  visit_(&before_.entry(), &after_.entry());
  before_.skip();
  after_.skip();
}

/// Goes on in one tree: into a page, or over an entry that the other does not have.
void Comparison::take(Cursor& cursor) {
  bool is_before = &cursor == &before_;
  if (cursor.level() > 0) {
    cursor.enter();
    return look_ahead(cursor.level(), is_before, !is_before);
  }
  is_before ? visit_(&cursor.entry(), nullptr) : visit_(nullptr, &cursor.entry());
  cursor.skip();
}

/// Of pages just entered, what the other tree's page does not refer to will be read. Where pages are
/// far away, of pages of pages that is read at once, since one wait then serves for all that differs
/// below them.
void Comparison::look_ahead(unsigned level, bool in_before, bool in_after) {
  if (level == 0 || (!hint_ && level > 1)) return;
  Lines before = before_.lines_to_come(level), after = after_.lines_to_come(level);
  const Lines only_before = in_before ? only_in(before, after) : Lines();
  const Lines only_after = in_after ? only_in(after, before) : Lines();
  if (!hint_) {
    expect_leaves(before_, only_before);
    return expect_leaves(after_, only_after);
  }
  expect(before_, only_before);
  expect(after_, only_after);
  if (level == 1) return;
  Lines below_before = lines_below(before_, level, only_before);
  Lines below_after = lines_below(after_, level, only_after);
  expect(before_, only_in(below_before, below_after));
  expect(after_, only_in(below_after, below_before));
}

/// What cannot be read is told when it is come to.
void Comparison::expect_leaves(Cursor& cursor, const Lines& references) {
  try {
    for (std::string_view line : references) cursor.expect(1, line);
  } catch (const Error&) {
  }
}

void Comparison::expect(const Cursor& cursor, const Lines& references) {
  for (std::string_view line : references) hint_(cursor.parse_reference(line));
}

/// All lines of the pages that lines of the open page of `level` refer to.
Lines Comparison::lines_below(Cursor& cursor, unsigned level, const Lines& references) {
  Lines lines;
  for (std::string_view line : references) append_lines(lines, cursor.read_ahead(level, line));
  return lines;
}

}  // namespace

PagesFetcher one_by_one(PageFetcher fetch) {
  return [fetch = std::move(fetch)](std::span<const PageRef> pages) {
    std::vector<std::string> texts;
    for (const PageRef& page : pages) texts.push_back(fetch(page));
    return texts;
  };
}

void compare_trees(DigestKind kind, const PagesFetcher& fetch, const PageRef* before,
                   const PageRef& after, const DifferenceVisitor& visit, const PageHint& hint) {
  Cursor of_before(kind, fetch, before), of_after(kind, fetch, &after);
  Comparison(of_before, of_after, visit, hint).run();
}

}  // namespace reverse
