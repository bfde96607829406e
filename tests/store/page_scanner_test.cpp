#include "libcore/store/page_scanner.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "libcore/base/error.h"
#include "tests/store/sample.h"

namespace reverse {
namespace {

using Catch::Matchers::Contains;

std::string page_of(const std::vector<Entry>& entries) {
  std::string text = "# reverse page 1\n";
  for (const Entry& entry : entries) append_entry(text, entry);
  return text;
}

/// Files in all the forms that entries have.
std::vector<Entry> odd_entries(DigestKind kind) {
  auto file = [kind](std::string path) { return make_file(path, "content of " + path, kind); };
  std::vector<Entry> entries = {make_directory(""), file("plain"), file("quo\"te"),
                                file("quo\\te"),    file("\xff"),  file("zz")};
  entries[1].path = "a plain one, \", \"path\": \"not";
  entries[5].changed = entries[5].sparse = true;
  entries[5].hardlink = 7;
  entries[5].xattrs = {{"user.x", "\", \"md5\": \""}};
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return compare_paths(a.path, b.path) < 0; });
  entries.push_back(make_symlink("\xff\xff", "\", \"md5\": \"d41d8cd98f00b204e9800998ecf8427e"));
  Entry unreadable = make_entry(FileType::file, "\xff\xff\xff");
  unreadable.error = "no";
  entries.push_back(unreadable);
  return entries;
}

TEST_CASE("a page of entries is scanned for the contents of its files, however they are written",
          "[store][gc]") {
  DigestKind kind = GENERATE(DigestKind::md5, DigestKind::sha256);
  std::vector<Entry> entries = odd_entries(kind);
  std::vector<ContentKey> expected;
  for (const Entry& entry : entries)
    if (entry.digest) expected.push_back(ContentKey::of(*entry.digest, entry.check));
  PageScanner scanner(kind);
  const PageContent& content = scanner.scan(page_of(entries), 0);
  CHECK(content.contents == expected);
  CHECK(content.entries == entries.size());
  CHECK(content.first_hash == xxh3_64("", 0));
  CHECK(expected.size() == 5);
}

TEST_CASE("the scan of a whole tree finds what reading it finds", "[store][gc]") {
  DigestKind kind = GENERATE(DigestKind::md5, DigestKind::sha256);
  std::vector<Entry> entries = {make_directory("")};
  for (int i = 0; i < 5000; ++i)
    entries.push_back(make_file(fmt::format("f{:05}", i), fmt::format("{}", i % 1700), kind));
  MemoryPages pages;
  PageRef root = write_tree(entries, pages.sink(), kind);
  PageScanner scanner(kind);
  std::vector<ContentKey> found;
  std::vector<PageLink> links = {PageLink::of(root)};
  while (!links.empty()) {
    PageLink link = links.back();
    links.pop_back();
    const PageContent& content = scanner.scan(pages.texts.at(link.key.digest(kind)), link.level);
    CHECK(content.entries == link.entries);
    CHECK(content.first_hash == link.first_hash);
    CHECK(hash_bytes(kind, pages.texts.at(link.key.digest(kind))) == link.sums(kind));
    found.insert(found.end(), content.contents.begin(), content.contents.end());
    links.insert(links.end(), content.pages.rbegin(), content.pages.rend());
  }
  std::vector<ContentKey> expected;
  for (const Entry& entry : entries)
    if (entry.digest) expected.push_back(ContentKey::of(*entry.digest, entry.check));
  CHECK(found == expected);
}

std::string error_of(const std::string& text, unsigned level) {
  try {
    PageScanner(DigestKind::md5).scan(text, level);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt);
    return error.what();
  }
  return "no error";
}

TEST_CASE("whatever could hide a reference is an error", "[store][gc]") {
  std::string good = page_of({make_directory(""), make_file("a", "a")});
  auto with = [&good](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  CHECK(error_of(good, 0) == "no error");
  CHECK_THAT(error_of("", 0), Contains("not a page"));
  CHECK_THAT(error_of(good.substr(0, good.size() - 1), 0), Contains("cut short"));
  CHECK_THAT(error_of(with("page 1", "page 2"), 0), Contains("not a page"));
  CHECK_THAT(error_of(with("\"file\"", "\"bundle\""), 0), Contains("line 3"));
  CHECK_THAT(error_of(with("\"md5\"", "\"md6\""), 0), Contains("line 3"));
  CHECK_THAT(error_of(with("\"size\": 1", "\"size\": 01"), 0), Contains("line 3"));
  CHECK_THAT(
      error_of(with("\"size\": 1", "\"also\": \"0cc175b9c0f1b6a831c399e269772661\", \"size\": 1"),
               0),
      Contains("line 3"));
  CHECK_THAT(error_of(with("0cc175b9", "0CC175B9"), 0), Contains("line 3"));
  CHECK_THAT(error_of(good, 1), Contains("line 2"));
  CHECK_THAT(error_of(good + "\n", 0), Contains("line 4"));
}

TEST_CASE("a reference of the wrong level is an error", "[store][gc]") {
  MemoryPages pages;
  std::vector<Entry> entries = {make_directory("")};
  for (int i = 0; i < 300; ++i) entries.push_back(make_file(fmt::format("f{:03}", i), "x"));
  PageRef root = write_tree(entries, pages.sink());
  REQUIRE(root.level == 1);
  CHECK(error_of(pages.texts.at(root.page), 1) == "no error");
  CHECK_THAT(error_of(pages.texts.at(root.page), 2), Contains("level 0 below level 2"));
  CHECK_THAT(error_of(pages.texts.at(root.page), 0), Contains("line 2"));
}

}  // namespace
}  // namespace reverse
