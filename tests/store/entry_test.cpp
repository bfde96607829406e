#include "libcore/store/entry.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "libcore/base/error.h"
#include "tests/store/sample.h"

namespace reverse {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

constexpr const char* kUuid = "6f0c2a7e-1111-4111-8111-111111111111";

Entry again(const Entry& entry, DigestKind kind = DigestKind::md5) {
  return EntryParser(kind).parse(line_of(entry));
}

/// The line of a plain file with one piece of its text replaced.
std::string changed_line(const std::string& from, const std::string& to) {
  std::string line = line_of(make_file("docs/a.txt", "content"));
  std::size_t at = line.find(from);
  REQUIRE(at != std::string::npos);
  return line.replace(at, from.size(), to);
}

void check_refused(const std::string& line, const std::string& reason) {
  INFO(line.substr(0, 300));
  EntryParser parser(DigestKind::md5);
  try {
    parser.parse(line);
    FAIL_CHECK("accepted");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt);
    CHECK_THAT(error.what(), Contains(reason));
  }
}

TEST_CASE("an entry is one line of the documented form", "[store][entry]") {
  CHECK(line_of(make_file("docs/a.txt", "hello\n")) ==
        R"(- {"type": "file", "mode": "0644", "uid": 1000, "gid": 100, "owner": "joe:users", )"
        R"("mtime": "1390644000.123456789", "size": 6, "md5": "b1946ac92492d2347c6235b4d2611184", )"
        R"("check": "6bba86c7e069f56d5a10b435f1c8e49c", "path": "docs/a.txt"})");
  CHECK(line_of(make_directory("")) ==
        R"(- {"type": "dir", "mode": "0755", "uid": 1000, "gid": 100, "owner": "joe:users", )"
        R"("mtime": "1390644000.123456789", "path": "."})");
  CHECK(line_of(make_symlink("docs/link", "../b")) ==
        R"(- {"type": "symlink", "mode": "0777", "uid": 1000, "gid": 100, "owner": "joe:users", )"
        R"("mtime": "1390644000.123456789", "target": "../b", "path": "docs/link"})");
}

TEST_CASE("every type of entry is read back as it was written", "[store][entry]") {
  std::vector<Entry> entries = {make_directory(""), make_file("f", "x"), make_symlink("l", "t")};
  for (FileType type : {FileType::fifo, FileType::socket, FileType::character_device,
                        FileType::block_device, FileType::repository})
    entries.push_back(make_entry(type, "special"));
  for (Entry& entry : entries) {
    entry.xattrs = {{"user.a", std::string("\0\xff", 2)}, {"user.b", ""}};
    if (entry.type == FileType::character_device || entry.type == FileType::block_device) {
      entry.device_major = 4294967295;
      entry.device_minor = 1;
    }
    if (entry.type == FileType::repository) {
      entry.repository_id = kUuid;
      entry.mtime = {};
    } else if (entry.type != FileType::directory) {
      entry.hardlink = 0x00000000000000ffu;
    }
    CHECK(again(entry) == entry);
  }
}

TEST_CASE("optional members of a file are read back as they were written", "[store][entry]") {
  Entry entry = make_file("f", "x");
  entry.mode = 07777;
  entry.uid = entry.gid = 4294967295;
  entry.owner = ":";
  entry.size = 9223372036854775807;
  entry.changed = true;
  entry.sparse = true;
  entry.hardlink = 0xfedcba9876543210u;
  CHECK(again(entry) == entry);
  entry.digest.reset();
  entry.check.reset();
  entry.changed = false;
  entry.error = "open 'f': Permission denied";
  CHECK(again(entry) == entry);
  CHECK(again(make_file("f", "x", DigestKind::sha256), DigestKind::sha256) ==
        make_file("f", "x", DigestKind::sha256));
}

TEST_CASE("every byte that a name can hold comes back", "[store][entry]") {
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/') continue;
    Entry entry = make_symlink(std::string("a") + char(byte) + "z", std::string(2, char(byte)));
    INFO(byte);
    CHECK(again(entry) == entry);
  }
}

TEST_CASE("a name that is not clean is written in percent form", "[store][entry]") {
  CHECK_THAT(line_of(make_file("100%", "")), Contains(R"("path": "100%"})"));
  CHECK_THAT(line_of(make_file("a\n%\xff\"\\", "")), Contains(R"("pathx": "a%0A%25%FF\"\\"})"));
  CHECK_THAT(line_of(make_file("\xef\xbb\xbf", "")), Contains(R"("pathx": "%EF%BB%BF"})"));
  CHECK_THAT(line_of(make_symlink("l", "\x7f")), Contains(R"("targetx": "%7F", "path": "l"})"));
}

TEST_CASE("an error with raw bytes in it does not make the entry unreadable", "[store][entry]") {
  Entry entry = make_file("f", "");
  entry.digest.reset();
  entry.check.reset();
  entry.error = "open 'a\xff\n'";
  CHECK(again(entry).error == "open 'a%FF%0A'");
}

TEST_CASE("the line of an entry that moved is made of the one that it had", "[store][entry]") {
  const std::vector<std::string> paths = {"", "a", "docs/a.txt", "back\\slash \"quoted\"", "caf\xc3\xa9",
                                          "raw \xff bytes", "line\nend"};
  for (const std::string& from : paths)
    for (const std::string& to : paths) {
      const std::string line = line_of(make_symlink(from, "\"path\": \"a\"}"));
      std::string moved = "before";
      append_moved(moved, line, from, to);
      CHECK(moved == "before" + line_of(make_symlink(to, "\"path\": \"a\"}")) + "\n");
      std::string refused;
      if (from != to) CHECK_THROWS_AS(append_moved(refused, line, to, from), Error);
    }
}

TEST_CASE("times before 1970 and far ahead come back", "[store][entry]") {
  for (Timestamp time : {Timestamp{-2, 500000000}, Timestamp{-1, 999999999}, Timestamp{0, 0},
                         Timestamp{253402300800, 1}, Timestamp{-62135596800, 0}}) {
    Entry entry = make_directory("");
    entry.mtime = time;
    CHECK(again(entry) == entry);
  }
  Entry entry = make_directory("");
  entry.mtime = {-2, 500000000};
  CHECK_THAT(line_of(entry), Contains(R"("mtime": "-1.500000000")"));
}

std::string random_bytes(std::mt19937& random, std::size_t most) {
  std::string bytes(random() % (most + 1), ' ');
  for (char& byte : bytes)
    byte = char(random() % 3 == 0 ? random() % 255 + 1 : 'a' + random() % 26);
  return bytes;
}

Entry random_entry(std::mt19937& random) {
  Entry entry = random() % 2 ? make_file("", random_bytes(random, 9)) : make_symlink("", "");
  do entry.path = random_bytes(random, 30);
  while (entry.path.find('/') != std::string::npos || entry.path == "." || entry.path == "..");
  if (entry.path.empty()) entry.path = "x";
  entry.mode = random() % 010000;
  entry.uid = random();
  entry.mtime = {std::int64_t(random()) - 2147483648, std::uint32_t(random() % 1000000000)};
  if (entry.type == FileType::symlink) entry.target = random_bytes(random, 40);
  if (entry.type == FileType::file) entry.sparse = random() % 2;
  if (random() % 4 == 0) entry.hardlink = random();
  if (random() % 4 == 0) entry.xattrs = {{"u" + random_bytes(random, 5), random_bytes(random, 9)}};
  return entry;
}

TEST_CASE("what is read is written again byte for byte", "[store][entry]") {
  std::mt19937 random(1);
  EntryParser parser(DigestKind::md5);
  for (int i = 0; i < 2000; ++i) {
    Entry entry = random_entry(random);
    std::string line = line_of(entry);
    Entry read = parser.parse(line);
    REQUIRE(read == entry);
    REQUIRE(line_of(read) == line);
  }
}

TEST_CASE("a changed byte is refused or means another entry", "[store][entry]") {
  std::mt19937 random(2);
  EntryParser parser(DigestKind::md5);
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string line = line_of(random_entry(random));
    line[random() % line.size()] = char(random());
    if (random() % 2) line.erase(random() % line.size(), 1 + random() % 3);
    try {
      std::string written = line_of(parser.parse(line));
      REQUIRE(written == line);
      ++accepted;
    } catch (const Error& error) {
      REQUIRE(error.kind() == ErrorKind::corrupt);
    }
  }
  CHECK(accepted > 100);  // some changes hit letters of names
}

TEST_CASE("unknown keys are refused but for those that begin with x-", "[store][entry]") {
  EntryParser parser(DigestKind::md5);
  Entry entry = make_file("docs/a.txt", "content");
  CHECK(parser.parse(changed_line("\"mode\"", R"("x-color": "red", "mode")")) == entry);
  CHECK(parser.parse(changed_line("\"path\"", R"("x-a": "1", "x-b": "{]\"}", "path")")) == entry);
  check_refused(changed_line("\"path\"", R"("color": "red", "path")"),
                "'path' is missing or misplaced");
  check_refused(changed_line("\"path\"", R"("x-color": {"a": "b"}, "path")"),
                "'x-color' is not a string");
  check_refused(changed_line("a.txt\"", R"(a.txt", "x-last": "1")"), "'x-' key is last");
  check_refused(changed_line("a.txt\"", R"(a.txt", "color": "red")"),
                "key 'color' is unknown, repeated or misplaced");
}

TEST_CASE("paths that leave their directory are refused", "[store][entry][hostile]") {
  for (const char* path :
       {"../x", "..", "a/../b", "a/..", "/etc/passwd", "/", "a//b", "a/", "./a", "a/./b", ""})
    check_refused(changed_line("docs/a.txt", path), "path");
  check_refused(changed_line("\"path\": \"docs/a.txt\"", R"("pathx": "a%00b")"), "NUL in a path");
  check_refused(changed_line("\"path\": \"docs/a.txt\"", R"("pathx": "%2E%2E/%FF")"),
                "percent form");
  check_refused(changed_line("docs/a.txt", "a\\u0000b"), "NUL");
}

TEST_CASE("numbers that do not fit are refused", "[store][entry][hostile]") {
  for (const char* size : {"9223372036854775808", "18446744073709551616", "-1", "1e3", "0x10", "07",
                           "1.0", "\"7\"", "+7", "", "null", "true"})
    check_refused(changed_line("\"size\": 7", std::string("\"size\": ") + size), "");
  check_refused(changed_line("\"uid\": 1000", "\"uid\": 4294967296"), "uid");
  for (const char* mode : {"644", "00644", "0888", "-644", "0o44"})
    check_refused(changed_line("\"0644\"", '"' + std::string(mode) + '"'), "mode");
  for (const char* time : {"1390644000", "1390644000.1", "-0.000000000", "1e9.000000000",
                           "01.000000000", "99999999999999999999.000000000", " 1.000000000"})
    check_refused(changed_line("1390644000.123456789", time), "mtime");
}

TEST_CASE("keys twice, out of order, missing or of the wrong type are refused",
          "[store][entry][hostile]") {
  check_refused(changed_line("\"uid\": 1000", "\"uid\": 1000, \"uid\": 1000"), "'gid'");
  check_refused(changed_line("\"uid\": 1000, \"gid\": 100", "\"gid\": 100, \"uid\": 1000"),
                "'uid'");
  check_refused(changed_line("\"uid\": 1000, ", ""), "'uid'");
  check_refused(changed_line("\"path\"", R"("path": "a", "path")"), "'path'");
  check_refused(changed_line("\"path\"", R"("target": "a", "path")"), "'path'");
  check_refused(changed_line("\"path\"", R"("sparse": false, "path")"), "false");
  check_refused(changed_line("\"file\"", "\"dir\""), "'path'");
  check_refused(changed_line("\"file\"", "\"door\""), "unknown type");
  check_refused(changed_line("\"owner\": \"joe:users\"", "\"owner\": [[[[[[[[]]]]]]]]"),
                "wrong kind");
}

TEST_CASE("digests are lower-case hex of the repository's kind", "[store][entry][hostile]") {
  std::string digest = make_file("", "content").digest->hex();
  std::string upper = digest;
  std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
  check_refused(changed_line(digest, upper), "digest");
  check_refused(changed_line(digest, digest.substr(1)), "digest");
  check_refused(changed_line(digest, digest + digest), "wrong length");
  check_refused(line_of(make_file("f", "x", DigestKind::sha256)), "");
  std::string check = make_file("", "content").check->hex();
  check_refused(changed_line(", \"check\": \"" + check + "\"", ""), "'check'");
}

TEST_CASE("other spellings of the same entry are refused", "[store][entry][hostile]") {
  check_refused(changed_line("\"path\": \"docs/a.txt\"", R"("pathx": "docs/a.txt")"), "spelling");
  check_refused(changed_line("docs/a.txt", "docs\\/a.txt"), "spelling");
  check_refused(changed_line("docs/a.txt", "\\u0064ocs/a.txt"), "spelling");
  check_refused(changed_line("\"mode\"", " \"mode\""), "spelling");
  check_refused(changed_line("}", "} "), "spelling");
  check_refused(changed_line("- {", "-  {"), "not an entry");
  check_refused(line_of(make_directory("")) + "{}", "");
}

TEST_CASE("what is not JSON or not UTF-8 is refused", "[store][entry][hostile]") {
  check_refused("", "not an entry");
  check_refused("- {", "");
  check_refused("- {}", "'type'");
  check_refused("- {\"type\"", "");
  check_refused("- &a {\"type\": \"dir\"}", "not an entry");
  check_refused(changed_line("docs", "\xff\xfe"), "");
  check_refused(changed_line("docs", "\xed\xa0\x80"), "");
  check_refused(changed_line("docs", "\xc0\xae\xc0\xae"), "");
  check_refused(changed_line("docs", std::string("\0", 1)), "");
  check_refused("- {\"type\": " + std::string(100000, '[') + "}", "");
  check_refused("- {\"x-a\": " + std::string(100000, '{'), "");
}

TEST_CASE("a line above 1 MiB is refused, and none is written", "[store][entry]") {
  check_refused(changed_line("docs", std::string(kMaxLine, 'a')), "more than 1048576 bytes");
  Entry entry = make_file("f", "x");
  entry.xattrs = {{"user.big", std::string(700000, 'x')}};
  CHECK(entry_fits(entry));
  CHECK(again(entry) == entry);
  entry.xattrs = {{"user.big", std::string(800000, 'x')}};
  CHECK_FALSE(entry_fits(entry));
  std::string out = "before";
  CHECK_THROWS_AS(append_entry(out, entry), Error);
  CHECK(out == "before");
  entry.xattrs.clear();
  CHECK(entry_fits(entry));
}

TEST_CASE("an entry that no reader would accept is not written", "[store][entry]") {
  std::vector<Entry> entries(6, make_file("f", "x"));
  entries[0].path = "a/../b";
  entries[1].digest.reset();
  entries[2].check.reset();
  entries[3].owner = "a\nb:c";
  entries[4].size = 9223372036854775808u;
  entries[5].xattrs = {{"b", ""}, {"a", ""}};
  for (const Entry& entry : entries) CHECK_THROWS_AS(line_of(entry), Error);
}

TEST_CASE("paths are ordered so that a directory's content is contiguous", "[store][entry]") {
  std::vector<std::string> ordered = {"",     "a",     "a/\x01", "a/b",      "a/b/c",
                                      "a/bb", "a\x01", "a-b",    "a.b",      "a/c0",
                                      "ab",   "b",     "\x7f",   "\xc3\xa4", "\xff"};
  // "a/c0" belongs to "a": sorting by the rule must bring it there.
  std::sort(ordered.begin(), ordered.end(),
            [](const std::string& a, const std::string& b) { return compare_paths(a, b) < 0; });
  CHECK(ordered == std::vector<std::string>{"", "a", "a/\x01", "a/b", "a/b/c", "a/bb", "a/c0",
                                            "a\x01", "a-b", "a.b", "ab", "b", "\x7f", "\xc3\xa4",
                                            "\xff"});
  CHECK(compare_paths("a/b", "a/b") == 0);
  CHECK(is_below("a/b", "a"));
  CHECK(is_below("a", "a"));
  CHECK(is_below("a", ""));
  CHECK_FALSE(is_below("ab", "a"));
  CHECK_FALSE(is_below("a", "a/b"));
}

}  // namespace
}  // namespace reverse
