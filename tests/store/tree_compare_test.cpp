#include "libcore/store/tree_compare.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "libcore/base/error.h"
#include "tests/store/sample.h"

namespace reverse {
namespace {

using Catch::Matchers::Contains;
using Lines = std::vector<std::string>;

std::vector<Entry> make_tree(int files) {
  std::vector<Entry> entries = {make_directory("")};
  for (int i = 0; i < files; ++i) {
    if (i % 20 == 0) entries.push_back(make_directory(fmt::format("dir-{:06}", i / 20)));
    entries.push_back(make_file(fmt::format("dir-{:06}/file-{:02}", i / 20, i % 20), "1"));
  }
  return entries;
}

PagesFetcher one_by_one(PageFetcher fetch) {
  return [fetch = std::move(fetch)](std::span<const PageRef> pages) {
    std::vector<std::string> texts;
    for (const PageRef& page : pages) texts.push_back(fetch(page));
    return texts;
  };
}

/// "-path", "+path", "!path"
Lines compare(MemoryPages& pages, const PageRef* before, const PageRef& after) {
  Lines lines;
  compare_trees(DigestKind::md5, one_by_one(pages.fetcher()), before, after,
                [&](const Entry* old_entry, const Entry* new_entry) {
                  char sign = old_entry == nullptr ? '+' : new_entry == nullptr ? '-' : '!';
                  lines.push_back(sign + (new_entry != nullptr ? new_entry : old_entry)->path);
                });
  return lines;
}

/// The same by looking at every entry.
Lines compare_plainly(const std::vector<Entry>& before, const std::vector<Entry>& after) {
  Lines lines;
  auto a = before.begin(), b = after.begin();
  while (a != before.end() || b != after.end()) {
    int order = a == before.end()  ? 1
                : b == after.end() ? -1
                                   : compare_paths(a->path, b->path);
    if (order < 0) lines.push_back("-" + a->path);
    if (order > 0) lines.push_back("+" + b->path);
    if (order == 0 && !(*a == *b)) lines.push_back("!" + b->path);
    a += order <= 0;
    b += order >= 0;
  }
  return lines;
}

}  // namespace

TEST_CASE("two trees differ in exactly the entries that differ", "[store][tree]") {
  std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): the same in each run
  for (int size : {1, 40, 900, 4000}) {
    for (int round = 0; round < 6; ++round) {
      std::vector<Entry> before = make_tree(size), after = before;
      for (int i = 0; i < round * round; ++i) {
        std::size_t at = 1 + random() % (after.size() - 1);
        Entry& entry = after[at];
        if (entry.type == FileType::directory) continue;
        if (i % 3 == 0) entry.mtime.seconds += 1;
        if (i % 3 == 1) after.erase(after.begin() + static_cast<std::ptrdiff_t>(at));
        if (i % 3 == 2)
          after.insert(after.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                       make_file(entry.path + "-" + std::to_string(i), "new"));
      }
      auto in_order = [](const Entry& a, const Entry& b) {
        return compare_paths(a.path, b.path) < 0;
      };
      std::sort(after.begin(), after.end(), in_order);
      after.erase(std::unique(after.begin(), after.end(),
                              [](auto& a, auto& b) { return a.path == b.path; }),
                  after.end());
      MemoryPages pages;
      PageRef a = write_tree(before, pages.sink()), b = write_tree(after, pages.sink());
      INFO(size << " files, round " << round);
      CHECK(compare(pages, &a, b) == compare_plainly(before, after));
      CHECK(compare(pages, &b, a) == compare_plainly(after, before));
    }
  }
}

TEST_CASE("trees of different heights are compared", "[store][tree]") {
  MemoryPages pages;
  std::vector<Entry> small = make_tree(30), large = make_tree(5000);
  PageRef a = write_tree(small, pages.sink()), b = write_tree(large, pages.sink());
  REQUIRE(a.level < b.level);
  CHECK(compare(pages, &a, b) == compare_plainly(small, large));
  CHECK(compare(pages, nullptr, b).size() == large.size());
}

TEST_CASE("comparing reads only pages that differ", "[store][tree]") {
  MemoryPages pages;
  std::vector<Entry> entries = make_tree(20000);
  PageRef before = write_tree(entries, pages.sink());
  entries[10000].mode = 0600;
  PageRef after = write_tree(entries, pages.sink());
  pages.fetched = 0;
  CHECK(compare(pages, &before, after) == Lines{"!" + entries[10000].path});
  CHECK(pages.fetched == 2 * (before.level + 1));
  pages.fetched = 0;
  CHECK(compare(pages, &after, after).empty());
  CHECK(pages.fetched == 0);
}

TEST_CASE("pages that differ are fetched together, and told before to whoever wants it",
          "[store][tree]") {
  MemoryPages pages;
  std::vector<Entry> entries = make_tree(20000);
  PageRef before = write_tree(entries, pages.sink());
  REQUIRE(before.level == 2);
  for (std::size_t i = 0; i < entries.size(); i += 100)
    if (entries[i].type == FileType::file) entries[i].mtime.seconds += 1;
  PageRef after = write_tree(entries, pages.sink());
  std::size_t calls = 0, fetched = 0, most = 0, differences = 0;
  std::set<Digest> told;
  const PagesFetcher fetch = [&](std::span<const PageRef> wanted) {
    ++calls;
    fetched += wanted.size();
    most = std::max(most, wanted.size());
    if (!told.empty())
      for (const PageRef& ref : wanted) CHECK((ref.level == 2 || told.contains(ref.page)));
    return one_by_one(pages.fetcher())(wanted);
  };
  const auto count = [&](const Entry*, const Entry*) { ++differences; };
  compare_trees(DigestKind::md5, fetch, &before, after, count);
  CHECK(differences > 150);
  CHECK(calls * 8 < fetched);
  CHECK(most == 32);
  const std::size_t unaware = std::exchange(fetched, 0);
  compare_trees(DigestKind::md5, fetch, &before, after, count,
                [&](const PageRef& ref) { CHECK(told.insert(ref.page).second); });
  CHECK(fetched == unaware);
  CHECK(told.size() + 2 == fetched);  // all but the roots
}

TEST_CASE("a page that is no page, or lies, ends a comparison with its name", "[store][tree]") {
  MemoryPages pages;
  PageRef before = write_tree(make_tree(5), pages.sink());
  auto compare_with = [&](const std::string& text, unsigned level) {
    PageRef bad{hash_bytes(DigestKind::md5, text).digest, Check(), text.size(), level, 7, ""};
    try {
      compare_trees(
          DigestKind::md5,
          one_by_one([&](const PageRef& ref) {
            return ref.page == bad.page ? text : pages.fetcher()(ref);
          }),
          &before, bad, [](const Entry*, const Entry*) {});
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::corrupt);
      CHECK_THAT(error.what(), Contains(bad.page.hex()));
      return true;
    }
    return false;
  };
  std::string header = "# reverse page 1\n", root = line_of(make_directory("")) + "\n";
  std::string file = line_of(make_file("b", "x")) + "\n", earlier = line_of(make_file("a", "x"));
  CHECK(compare_with("nonsense\n", 0));
  CHECK(compare_with(header, 0));
  CHECK(compare_with(header + line_of(make_file("b", "x")), 0));
  CHECK(compare_with(header + root + file + earlier + "\n", 0));
  CHECK(compare_with(header + root, 1));
  std::string above = header + "- ";
  append_page_ref(above, before);
  CHECK(compare_with(above + "\n", 3));
  CHECK_FALSE(compare_with(header + root + file, 0));
}

}  // namespace reverse
