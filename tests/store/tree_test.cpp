#include "libcore/store/tree.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "libcore/base/error.h"
#include "tests/store/sample.h"

namespace reverse {
namespace {

using Catch::Matchers::Contains;

/// A tree of `files` files in directories of about 20, in order. The content of each is its path
/// and `version`.
std::vector<Entry> make_tree(int files, const std::string& version = "1") {
  std::vector<Entry> entries = {make_directory("")};
  for (int i = 0; i < files; ++i) {
    if (i % 20 == 0) entries.push_back(make_directory(fmt::format("dir-{:06}", i / 20)));
    std::string path = fmt::format("dir-{:06}/some-file-name-{:02}.html", i / 20, i % 20);
    entries.push_back(make_file(path, path + version));
  }
  return entries;
}

std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt);
    return error.what();
  }
  return "no error";
}

/// What reading a tree of one page with this text says.
std::string error_of_page(const std::string& text, std::uint64_t entries,
                          const std::string& first = "") {
  PageRef ref{hash_bytes(DigestKind::md5, text).digest, Check(), text.size(), 0, entries, first};
  return error_of([&] {
    TreeReader reader(
        DigestKind::md5, [&](const PageRef&) { return text; }, ref);
    read_all(reader);
  });
}

std::string page_of(const std::vector<Entry>& entries) {
  std::string text = "# reverse page 1\n";
  for (const Entry& entry : entries) append_entry(text, entry);
  return text;
}

TEST_CASE("pages that are added whole make the tree that their entries make", "[store][tree]") {
  MemoryPages pages;
  const std::vector<Entry> entries = make_tree(3000);
  const PageRef root = write_tree(entries, pages.sink());
  std::vector<PageRef> leaves;
  TreeWriter leaf_writer(DigestKind::md5);
  const PageSink leaf_sink = [&](const PageRef& ref, const std::string&) {
    if (ref.level == 0) leaves.push_back(ref);
  };
  for (const Entry& entry : entries) leaf_writer.add(entry, leaf_sink);
  leaf_writer.finish(leaf_sink);

  // Every third page whole, also the last one; or all of them.
  for (std::size_t step : {1, 3}) {
    TreeWriter writer(DigestKind::md5);
    std::size_t at = 0;
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      const std::size_t end = at + leaves[i].entries;
      const bool whole = i % step == (leaves.size() - 1) % step && i > 0;
      if (whole) CHECK(writer.surely_begins_page(leaves[i].first));
      for (; at < end; ++at)
        whole ? writer.pass(entries[at].type, entries[at].path) : writer.add(entries[at], pages.sink());
      if (whole) writer.add_page(leaves[i], pages.sink());
    }
    CHECK(writer.finish(pages.sink()) == root);
  }
}

TEST_CASE("the lines of pages make the tree that their entries make", "[store][tree]") {
  MemoryPages pages;
  const std::vector<Entry> entries = make_tree(300);
  const PageRef root = write_tree(entries, pages.sink());
  std::size_t at = 0;
  TreeWriter writer(DigestKind::md5), reader(DigestKind::md5);
  const PageSink take = [&](const PageRef& ref, const std::string& text) {
    if (ref.level > 0) return;
    for (const std::string_view line : page_lines(ref, text)) {
      writer.add_line(entries[at].type, entries[at].path, std::string(line) + "\n", pages.sink());
      ++at;
    }
    PageRef other = ref;
    ++other.entries;
    CHECK_THAT(error_of([&] { page_lines(other, text); }), Contains("entries instead of"));
    CHECK_THAT(error_of([&] { page_lines(ref, text.substr(0, text.size() - 1)); }), Contains("cut short"));
  };
  for (const Entry& entry : entries) reader.add(entry, take);
  reader.finish(take);
  CHECK(writer.finish(pages.sink()) == root);
}

TEST_CASE("a tree is read as it was written, whatever its size", "[store][tree]") {
  for (int files : {0, 1, 15, 16, 17, 127, 128, 129, 3000}) {
    MemoryPages pages;
    std::vector<Entry> entries = make_tree(files);
    PageRef root = write_tree(entries, pages.sink());
    CHECK(root.entries == entries.size());
    CHECK(root.first.empty());
    TreeReader reader(DigestKind::md5, pages.fetcher(), root);
    CHECK(read_all(reader) == entries);
    CHECK_FALSE(reader.next());
    CHECK(pages.fetched == pages.texts.size());  // each page once
  }
}

TEST_CASE("a copy of a tree's writer gives the tree so far", "[store][tree]") {
  MemoryPages pages;
  std::vector<Entry> entries = make_tree(500);
  TreeWriter writer(DigestKind::md5);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    writer.add(entries[i], pages.sink());
    if (i != 333) continue;
    TreeWriter copy = writer;
    PageRef checkpoint = copy.finish(pages.sink());
    TreeReader reader(DigestKind::md5, pages.fetcher(), checkpoint);
    CHECK(read_all(reader) == std::vector<Entry>(entries.begin(), entries.begin() + 334));
  }
  CHECK(writer.finish(pages.sink()) == write_tree(entries, pages.sink()));
}

TEST_CASE("pages begin where the format says", "[store][tree]") {
  MemoryPages pages;
  PageRef root = write_tree(make_tree(5000), pages.sink());
  for (PageRef level = root; level.level > 0;) {
    Page page = parse_page(level, pages.texts.at(level.page), DigestKind::md5);
    // Every page but the first of a level begins at a cut point, or behind a page that was full.
    std::uint64_t items_before = 0;
    for (const PageRef& child : page.pages) {
      Page content = parse_page(child, pages.texts.at(child.page), DigestKind::md5);
      bool at_cut_point =
          xxh3_64(child.first.empty() ? "." : child.first, child.level) < (1ull << 60);
      if (&child != page.pages.data()) CHECK((at_cut_point || items_before == 128));
      items_before = std::max(content.entries.size(), content.pages.size());
      CHECK(items_before <= 128);
      if (&child != &page.pages.back()) CHECK(items_before >= 16);
    }
    level = page.pages.front();
  }
}

TEST_CASE("an unchanged stretch of a tree gives the same pages", "[store][tree]") {
  MemoryPages before;
  MemoryPages after;
  std::vector<Entry> entries = make_tree(5000);
  write_tree(entries, before.sink());
  entries.insert(entries.begin() + 2, make_file("dir-000000/aaa", "new"));
  write_tree(entries, after.sink());
  auto is_new = [&](const auto& page) { return before.texts.count(page.first) == 0; };
  auto changed = std::count_if(after.texts.begin(), after.texts.end(), is_new);
  CHECK(changed <= 8);  // a page or two at each level
}

TEST_CASE("a page with long lines is cut by its size", "[store][tree]") {
  MemoryPages pages;
  std::vector<Entry> entries = {make_directory("")};
  for (int i = 0; i < 20; ++i) {
    entries.push_back(make_file(fmt::format("f{:02}", i), ""));
    entries.back().xattrs = {{"user.x", std::string(i < 10 ? 60000 : 300000, 'x')}};
  }
  PageRef root = write_tree(entries, pages.sink());
  for (const auto& [digest, text] : pages.texts)
    CHECK((text.size() <= 256 << 10 || std::count(text.begin(), text.end(), '\n') <= 3));
  TreeReader reader(DigestKind::md5, pages.fetcher(), root);
  CHECK(read_all(reader) == entries);
}

TEST_CASE("a hundred revisions cost a twelfth of flat lists", "[store][tree]") {
  constexpr int kFiles = 60000;
  std::mt19937 random(7);
  MemoryPages pages;
  std::vector<Entry> entries = make_tree(kFiles);
  std::size_t flat = 0;
  for (const Entry& entry : entries) flat += line_of(entry).size() + 1;
  write_tree(entries, pages.sink());
  std::size_t first = pages.bytes;
  constexpr int kMeasured = 6;  // the other revisions cost the same
  for (int revision = 1; revision <= kMeasured; ++revision) {
    for (int change = 0; change < 60; ++change) {
      Entry& entry = entries[random() % entries.size()];
      entry.mtime.seconds += revision;
    }
    write_tree(entries, pages.sink());
  }
  double hundred = double(first) + double(pages.bytes - first) / kMeasured * 99;
  INFO("ratio 1/" << 100.0 * double(flat) / hundred);
  CHECK(hundred <= 100.0 * double(flat) / 12);
}

TEST_CASE("an unchanged tree costs nothing", "[store][tree]") {
  MemoryPages pages;
  PageRef root = write_tree(make_tree(3000), pages.sink());
  std::size_t bytes = pages.bytes;
  CHECK(write_tree(make_tree(3000), pages.sink()) == root);
  CHECK(pages.bytes == bytes);
}

TEST_CASE("seeking finds what reading everything finds", "[store][tree]") {
  MemoryPages pages;
  std::vector<Entry> entries = make_tree(4000);
  PageRef root = write_tree(entries, pages.sink());
  TreeReader reader(DigestKind::md5, pages.fetcher(), root);
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    std::string path = entries[random() % entries.size()].path;
    if (random() % 3 == 0) path += "x";
    if (random() % 3 == 0) path.resize(path.size() / 2);
    auto expected = std::lower_bound(entries.begin(), entries.end(), path,
                                     [](const Entry& entry, const std::string& to) {
                                       return compare_paths(entry.path, to) < 0;
                                     });
    reader.seek(path);
    for (int step = 0; step < 40 && expected != entries.end(); ++step, ++expected) {
      std::optional<Entry> found = reader.next();
      REQUIRE(found);
      REQUIRE(*found == *expected);
    }
    if (expected == entries.end()) REQUIRE_FALSE(reader.next());
  }
}

TEST_CASE("seeking reads only the pages on the way", "[store][tree]") {
  MemoryPages pages;
  std::vector<Entry> entries = make_tree(20000);
  PageRef root = write_tree(entries, pages.sink());
  TreeReader reader(DigestKind::md5, pages.fetcher(), root);
  reader.seek(entries[12345].path);
  CHECK(reader.next() == entries[12345]);
  CHECK(pages.fetched == root.level + 1);
  reader.seek(entries[12345].path);
  CHECK(reader.next() == entries[12345]);
  CHECK(pages.fetched == root.level + 1);  // still open
}

TEST_CASE("the writer refuses entries that no reader would accept", "[store][tree]") {
  auto write = [](const std::vector<Entry>& entries) {
    MemoryPages pages;
    write_tree(entries, pages.sink());
  };
  CHECK_THROWS_AS(write({}), Error);
  CHECK_THROWS_AS(write({make_directory("a")}), Error);
  CHECK_THROWS_AS(write({make_file("", "")}), Error);
  CHECK_THROWS_AS(write({make_directory(""), make_file("b", ""), make_file("a", "")}), Error);
  CHECK_THROWS_AS(write({make_directory(""), make_file("a", ""), make_file("a", "")}), Error);
  CHECK_THROWS_AS(write({make_directory(""), make_file("a", ""), make_file("a/b", "")}), Error);
  CHECK_THROWS_AS(write({make_directory(""), make_file("a/b", "")}), Error);
}

TEST_CASE("entries that break the rules of a tree are refused", "[store][tree][hostile]") {
  Entry root = make_directory("");
  CHECK_THAT(error_of_page(page_of({root, make_file("b", ""), make_file("a", "")}), 3),
             Contains("line 4: 'a' comes after 'b'"));
  CHECK_THAT(error_of_page(page_of({root, make_file("a", ""), make_file("a", "")}), 3),
             Contains("comes after"));
  CHECK_THAT(error_of_page(page_of({root, make_symlink("a", "/etc"), make_file("a/b", "")}), 3),
             Contains("entry 'a/b': not in a directory"));
  CHECK_THAT(error_of_page(page_of({root, make_file("a/b", "")}), 2),
             Contains("not in a directory"));
  CHECK_THAT(error_of_page(page_of({make_file("a", "")}), 1, "a"), Contains("the root is missing"));
  CHECK_THAT(error_of_page(page_of({make_symlink("", "/etc"), make_file("a", "")}), 2),
             Contains("the root is not a directory"));
}

TEST_CASE("pages that do not fit their reference are refused", "[store][tree][hostile]") {
  std::string text = page_of({make_directory(""), make_file("a", "")});
  CHECK(error_of_page(text, 2) == "no error");
  CHECK_THAT(error_of_page(text, 3), Contains("2 entries instead of 3"));
  CHECK_THAT(error_of_page(text, 1), Contains("add up"));
  CHECK_THAT(error_of_page(text, 2, "a"), Contains("comes after"));
  CHECK_THAT(error_of_page(text.substr(0, text.size() - 1), 2), Contains("cut short"));
  CHECK_THAT(error_of_page(text.substr(2), 2), Contains("not a page"));
  CHECK_THAT(error_of_page("# reverse page 2\n" + text.substr(17), 2), Contains("not a page"));
  CHECK_THAT(error_of_page("# reverse page 1\n", 0), Contains("0 entries"));
  CHECK_THAT(error_of_page("", 0), Contains("not a page"));
  CHECK_THAT(error_of_page(text + "\n", 2), Contains("line 4"));
}

TEST_CASE("references with wrong level, order or counts are refused", "[store][tree][hostile]") {
  MemoryPages pages;
  PageRef root = write_tree(make_tree(200), pages.sink());
  REQUIRE(root.level == 1);
  Page page = parse_page(root, pages.texts.at(root.page), DigestKind::md5);
  REQUIRE(page.pages.size() > 2);
  auto error_with = [&](const std::function<void(std::vector<PageRef>&)>& damage) {
    std::vector<PageRef> refs = page.pages;
    damage(refs);
    std::string text = "# reverse page 1\n";
    for (const PageRef& ref : refs) {
      append_page_ref(text.append("- "), ref);
      text += '\n';
    }
    return error_of([&] {
      auto fetch = [&](const PageRef& ref) {
        return ref.page == root.page ? text : pages.texts.at(ref.page);
      };
      TreeReader reader(DigestKind::md5, fetch, root);
      read_all(reader);
    });
  };
  using Refs = std::vector<PageRef>;
  CHECK(error_with([](Refs&) {}) == "no error");
  CHECK_THAT(error_with([](Refs& refs) { refs[1].level = 1; }), Contains("level 1 below level 1"));
  CHECK_THAT(error_with([](Refs& refs) { std::swap(refs[1], refs[2]); }), Contains("comes after"));
  CHECK_THAT(error_with([](Refs& refs) { refs[1] = refs[2]; }), Contains("comes after"));
  CHECK_THAT(error_with([](Refs& refs) { refs.pop_back(); }), Contains("entries instead of"));
  CHECK_THAT(error_with([](Refs& refs) { ++refs[1].entries, --refs[2].entries; }),
             Contains("instead of"));
  CHECK_THAT(error_with([](Refs& refs) { refs[1].entries = ~0ull; }), Contains("add up"));
  CHECK_THAT(error_with([](Refs& refs) { refs[1].entries = 0; }), Contains("add up"));
  CHECK_THAT(error_with([](Refs& refs) { refs[1].first += "x"; }), Contains("comes after"));
}

TEST_CASE("a reference is read as it was written, and only so", "[store][tree]") {
  PageRef ref = write_tree(make_tree(3), MemoryPages().sink());
  ref.first = "a\xff/\"b\"";
  std::string text;
  append_page_ref(text, ref);
  CHECK(parse_page_ref(text, DigestKind::md5) == ref);
  std::string deep = text;
  deep.replace(deep.find("\"level\": 0"), 10, "\"level\": 64");
  std::string spaced = text;
  spaced.insert(1, " ");
  for (const std::string& bad : {deep, spaced, text + "x", std::string("{}"), text.substr(1)})
    CHECK(error_of([&] { parse_page_ref(bad, DigestKind::md5); }) != "no error");
  CHECK(error_of([&] { parse_page_ref(text, DigestKind::sha256); }) != "no error");
}

}  // namespace
}  // namespace reverse
