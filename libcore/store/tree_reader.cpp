#include <algorithm>
#include <map>
#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/store/entry_names.h"
#include "libcore/store/flow_parser.h"
#include "libcore/store/page_rules.h"
#include "libcore/store/tree.h"
#include "libcore/store/tree_order.h"

namespace reverse {

namespace {

PageRef parse_ref_fields(FlowParser& fields, DigestKind kind) {
  PageRef ref;
  std::optional<Digest> page = Digest::parse(fields.text("page"));
  if (!page || page->kind() != kind)
    fail(ErrorKind::corrupt, "a page is named by {} in lower-case hex", to_string(kind));
  ref.page = *page;
  if (kind == DigestKind::md5) {
    ref.check = Check::parse(fields.text("check"));
    if (!ref.check) fail(ErrorKind::corrupt, "a check is 32 lower-case hex digits");
  }
  ref.size = fields.number("size");
  std::uint64_t level = fields.number("level");
  if (level >= kMaxLevels) fail(ErrorKind::corrupt, "a tree of {} levels", level);
  ref.level = static_cast<unsigned>(level);
  ref.entries = fields.number("entries");
  ref.first = fields.name("first");
  fields.expect_end();
  if (ref.first == ".")
    ref.first.clear();
  else if (const char* found = ref.first.empty() ? "empty path" : path_flaw(ref.first))
    fail(ErrorKind::corrupt, "{}: '{}'", found, printable(ref.first));
  return ref;
}

PageRef parse_ref(FlowParser& fields, std::string_view mapping, DigestKind kind) {
  fields.read(mapping);
  PageRef ref = parse_ref_fields(fields, kind);
  std::string again;
  append_page_ref(again, ref);
  if (again != fields.canonical()) fail(ErrorKind::corrupt, "not in the format's spelling");
  return ref;
}

/// What follows a page's header: whole lines.
std::string_view items_in(std::string_view text) {
  if (!text.starts_with(kPageHeader)) fail(ErrorKind::corrupt, "not a page of this format");
  if (text.back() != '\n') fail(ErrorKind::corrupt, "cut short");
  return text.substr(kPageHeader.size());
}

/// Takes the first line off them, which is given without its newline.
std::string_view take_line(std::string_view& items) {
  const std::size_t end = items.find('\n');
  const std::string_view line = items.substr(0, end);
  items.remove_prefix(end + 1);
  return line;
}

[[noreturn]] void fail_count(std::uint64_t counted, const PageRef& ref) {
  fail(ErrorKind::corrupt, "{} entries instead of {}", counted, ref.entries);
}

/// Reads pages; keeps the parsers' buffers between them.
class PageParser {
 public:
  explicit PageParser(DigestKind kind) : kind_(kind), entries_(kind) {}

  Page parse(const PageRef& ref, std::string_view text) {
    std::size_t line = 1;
    try {
      return parse_lines(ref, text, line);
    } catch (Error& error) {
      error.add_context(fmt::format("page {} line {}", ref.page.hex(), line));
      throw;
    }
  }

 private:
  Page parse_lines(const PageRef& ref, std::string_view text, std::size_t& line);
  void add_item(const PageRef& ref, std::string_view item, Page& page);
  void expect_order(const PageRef& ref, std::string_view first);
  void count(const PageRef& ref, std::uint64_t entries);

  DigestKind kind_;
  EntryParser entries_;
  FlowParser refs_;
  std::string last_;  // path of the page's item before
  bool any_ = false;  // there is one
  std::uint64_t counted_ = 0;
};

Page PageParser::parse_lines(const PageRef& ref, std::string_view text, std::size_t& line) {
  std::string_view items = items_in(text);
  any_ = false;
  counted_ = 0;
  Page page;
  while (!items.empty()) {
    ++line;
    add_item(ref, take_line(items), page);
  }
  if (counted_ == 0 || counted_ != ref.entries) fail_count(counted_, ref);
  return page;
}

void PageParser::add_item(const PageRef& ref, std::string_view item, Page& page) {
  if (ref.level == 0) {
    page.entries.push_back(entries_.parse(item));
    expect_order(ref, page.entries.back().path);
    return count(ref, 1);
  }
  if (item.size() > kMaxLine || !item.starts_with("- "))
    fail(ErrorKind::corrupt, "not a reference");
  PageRef child = parse_ref(refs_, item.substr(2), kind_);
  if (child.level + 1 != ref.level)
    fail(ErrorKind::corrupt, "level {} below level {}", child.level, ref.level);
  expect_order(ref, child.first);
  count(ref, child.entries);
  page.pages.push_back(std::move(child));
}

void PageParser::expect_order(const PageRef& ref, std::string_view first) {
  if (any_ ? compare_paths(last_, first) >= 0 : first != ref.first)
    fail(ErrorKind::corrupt, "'{}' comes after '{}'", printable(first),
         printable(any_ ? last_ : ref.first));
  any_ = true;
  last_ = first;
}

void PageParser::count(const PageRef& ref, std::uint64_t entries) {
  if (entries == 0 || entries > ref.entries - counted_)
    fail(ErrorKind::corrupt, "entries that do not add up to {}", ref.entries);
  counted_ += entries;
}

/// A page that is being read, and how far.
struct Frame {
  PageRef ref;
  Page page;
  std::size_t next = 0;  // the item to go to next
};

// Leaves that are asked for before they are read: a few at first, since often a few are all that is
// wanted; then, the longer the reading goes on, the more.
constexpr std::size_t kFirstAhead = 8;
constexpr std::size_t kMostAhead = 256;
constexpr std::size_t kInnerAhead = 8;       // likewise pages of pages
constexpr std::size_t kMostInnerAhead = 32;  // where all of a tree is read

}  // namespace

PageRef parse_page_ref(std::string_view mapping, DigestKind kind) {
  FlowParser fields;
  return parse_ref(fields, mapping, kind);
}

Page parse_page(const PageRef& ref, std::string_view text, DigestKind kind) {
  return PageParser(kind).parse(ref, text);
}

std::vector<std::string_view> page_lines(const PageRef& ref, std::string_view text) {
  return with_context(fmt::format("page {}", ref.page.hex()), [&] {
    std::vector<std::string_view> lines;
    for (std::string_view items = items_in(text); !items.empty();)
      lines.push_back(take_line(items));
    if (lines.size() != ref.entries) fail_count(lines.size(), ref);
    return lines;
  });
}

struct TreeReader::State {
  State(DigestKind kind, PageFetcher fetcher, PageRef top, PageHint told)
      : parser(kind), fetch(std::move(fetcher)), hint(std::move(told)), root(std::move(top)) {}

  PageParser parser;
  PageFetcher fetch;
  PageHint hint;
  PageRef root;
  std::vector<Frame> frames;  // from the root down; empty before the first read
  TreeOrder order;

  // Where hints have come to: pages of pages, which are read ahead for that and kept for the reader.
  std::vector<Frame> ahead;
  std::map<Digest, Page> kept;
  std::size_t leaves_read = 0, leaves_ahead = 0;  // since the reader began, or jumped
  bool is_whole = false;  // all will be read

  void open(const PageRef& ref);
  void expect_whole();
  void look_ahead();
  void fill_ahead();
  void go_ahead();
  void hint_inner(const Frame& frame) const;
  const Entry* next();
  void jump_to(std::string_view path);
};

void TreeReader::State::open(const PageRef& ref) {
  const auto place = kept.find(ref.page);
  Page page = place == kept.end() ? parser.parse(ref, fetch(ref)) : std::move(place->second);
  if (place != kept.end()) kept.erase(place);
  frames.push_back({ref, std::move(page)});
}

/// Opens the pages above the first leaf, and begins to look ahead from there.
void TreeReader::State::expect_whole() {
  if (!hint || !frames.empty()) return;
  is_whole = true;
  open(root);
  while (frames.back().ref.level > 1) {
    Frame& frame = frames.back();
    hint_inner(frame);
    const PageRef child = frame.page.pages[frame.next++];
    open(child);
  }
  ahead = frames;
  fill_ahead();
}

/// Before the next leaf is opened.
void TreeReader::State::look_ahead() {
  if (leaves_read++ == 0 && !is_whole) ahead = frames;
  if (leaves_ahead > 0) --leaves_ahead;
  fill_ahead();
}

void TreeReader::State::fill_ahead() {
  const std::size_t wanted =
      is_whole ? kMostAhead : std::min(kFirstAhead + 2 * leaves_read, kMostAhead);
  while (leaves_ahead < wanted && !ahead.empty()) go_ahead();
}

/// Asks for the next pages of pages.
void TreeReader::State::hint_inner(const Frame& frame) const {
  const std::size_t left = frame.page.pages.size() - frame.next;
  std::for_each_n(frame.page.pages.begin() + static_cast<std::ptrdiff_t>(frame.next),
                  std::min(is_whole ? kMostInnerAhead : kInnerAhead, left), hint);
}

void TreeReader::State::go_ahead() {
  Frame& frame = ahead.back();
  if (frame.next == frame.page.pages.size()) return ahead.pop_back();
  const PageRef child = frame.page.pages[frame.next];
  if (child.level == 0) {
    ++frame.next;
    ++leaves_ahead;
    return hint(child);
  }
  try {
    hint_inner(frame);
    ++frame.next;
    Page page = parser.parse(child, fetch(child));
    kept[child.page] = page;
    ahead.push_back({child, std::move(page)});
  } catch (const Error&) {
    ahead.clear();  // the reader will come to it
  }
}

const Entry* TreeReader::State::next() {
  if (frames.empty()) open(root);
  while (true) {
    Frame& frame = frames.back();
    if (frame.next < frame.page.entries.size()) return &frame.page.entries[frame.next++];
    if (frame.next < frame.page.pages.size()) {
      if (hint && frame.ref.level == 1) look_ahead();
      PageRef child = frame.page.pages[frame.next++];
      open(child);
    } else if (frames.size() > 1) {
      frames.pop_back();
    } else {
      return nullptr;
    }
  }
}

/// Opens the pages that cover `path`; those that are open already stay.
void TreeReader::State::jump_to(std::string_view path) {
  ahead.clear();
  kept.clear();
  leaves_read = leaves_ahead = 0;
  is_whole = false;
  if (frames.empty()) open(root);
  auto begins_by = [path](const PageRef& ref) { return compare_paths(ref.first, path) <= 0; };
  std::size_t depth = 0;
  for (; frames[depth].ref.level > 0; ++depth) {
    Frame& frame = frames[depth];
    const std::vector<PageRef>& pages = frame.page.pages;
    auto behind = std::partition_point(pages.begin(), pages.end(), begins_by);
    std::size_t following = std::max<std::ptrdiff_t>(behind - pages.begin(), 1);
    bool is_open = depth + 1 < frames.size() && frame.next == following;
    frame.next = following;
    if (is_open) continue;
    PageRef child = pages[following - 1];
    frames.resize(depth + 1);
    open(child);
  }
  Frame& leaf = frames[depth];
  auto comes_before = [path](const Entry& entry) { return compare_paths(entry.path, path) < 0; };
  const std::vector<Entry>& entries = leaf.page.entries;
  leaf.next = static_cast<std::size_t>(
      std::partition_point(entries.begin(), entries.end(), comes_before) - entries.begin());
}

TreeReader::TreeReader(DigestKind kind, PageFetcher fetch, PageRef root, PageHint hint)
    : state_(std::make_unique<State>(kind, std::move(fetch), std::move(root), std::move(hint))) {}
TreeReader::~TreeReader() = default;
TreeReader::TreeReader(TreeReader&&) noexcept = default;

std::optional<Entry> TreeReader::next() {
  const Entry* entry = state_->next();
  if (entry == nullptr) return std::nullopt;
  if (const char* flaw = state_->order.take(*entry))
    fail(ErrorKind::corrupt, "page {}: entry '{}': {}", state_->frames.back().ref.page.hex(),
         printable(entry->path), flaw);
  return *entry;
}

void TreeReader::expect_whole() { state_->expect_whole(); }

void TreeReader::seek(std::string_view path) {
  state_->jump_to(path);
  state_->order.jump();
}

}  // namespace reverse
