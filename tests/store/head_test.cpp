#include "libcore/store/head.h"

#include <catch2/catch.hpp>

#include "libcore/base/error.h"
#include "tests/store/sample.h"

namespace reverse {
namespace {

using Catch::Matchers::Contains;

Head full_head() {
  MemoryPages pages;
  Head head = make_head(kFirstId, write_tree({make_directory("")}, pages.sink()));
  head.source = "/srv/a\xff";
  head.previous = kSecondId;
  head.tags = {"daily", "say \"hi\""};
  head.outcome = Outcome::incomplete;
  head.files = 1;
  head.bytes = 18446744073709551615u;
  head.new_objects = 2;
  head.new_bytes = 3;
  head.problems = {{"", "list", "list '.': Permission denied"}, {"a\n", "open", "b: c, {d} # e"}};
  head.problem_count = 3;
  head.repositories = {{kSecondId, "backup", 5, 2}};
  return head;
}

/// The text with everything before its last line replaced, and a last line that fits.
std::string resealed(std::string text, const std::string& from, const std::string& to) {
  text.replace(text.find(from), from.size(), to);
  std::string body = text.substr(0, text.rfind("end: "));
  auto lines = std::count(body.begin(), body.end(), '\n');
  return body +
         fmt::format("end: {{\"lines\": {}, \"sha256\": \"{}\"}}\n", lines, sha256_hex(body));
}

ErrorKind kind_of_error(const std::string& text) {
  try {
    parse_head(text, "head");
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("accepted: " << text);
  return ErrorKind::internal;
}

TEST_CASE("a head is read as it was written", "[store][head]") {
  Head head = full_head();
  CHECK(parse_head(format_head(head), "head") == head);
  MemoryPages pages;
  Head plain =
      make_head(kFirstId, write_tree({make_directory("")}, pages.sink(), DigestKind::sha256));
  CHECK(parse_head(format_head(plain), "head") == plain);
}

TEST_CASE("a head is a text of the documented form", "[store][head]") {
  CHECK(format_head(full_head()).substr(0, 532) == R"(reverse-manifest: 1
id: "6f0c2a7e-1111-4111-8111-111111111111"
repository: "00000000-0000-4000-8000-000000000001"
token: "0123456789abcdef0123456789abcdef"
host: "desk"
label: "home"
machine: "4f1d"
sourcex: "/srv/a%FF"
started: "2014-01-25T11:00:00+01:00"
finished: "2014-01-25T11:00:09+01:00"
timezone: "Europe/Berlin"
tool: "reverse 0.1.0"
previous: "7f0c2a7e-2222-4222-8222-222222222222"
digest: "md5"
tags: ["daily", "say \"hi\""]
needs: []
outcome: "incomplete"
totals: {"entries": 1, "files": 1, "bytes": 18446744073709551615)");
  CHECK_THAT(format_head(full_head()),
             Contains("problems:\n- {\"path\": \".\", \"stage\": \"list\"") &&
                 Contains("\n- {\"pathx\": \"a%0A\", \"stage\": \"open\"") &&
                 Contains("\nproblem_count: 3\nrepositories:\n- {\"id\": \"") &&
                 Contains("\ntree: {\"page\": \"") && Contains("\nend: {\"lines\": "));
}

TEST_CASE("a revision is named by its set, its start in UTC and its id", "[store][head]") {
  Head head = full_head();
  CHECK(head.set() == "desk/home");
  CHECK(head.revision() == "desk/home/20140125T100000Z-6f0c2a7e");
}

TEST_CASE("a head cut short anywhere is refused", "[store][head]") {
  std::string text = format_head(full_head());
  for (std::size_t size = 0; size < text.size(); ++size)
    REQUIRE(kind_of_error(text.substr(0, size)) == ErrorKind::corrupt);
}

TEST_CASE("a head with a changed byte is refused", "[store][head]") {
  std::string text = format_head(full_head());
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] ^= 1;
    ErrorKind kind = kind_of_error(changed);
    REQUIRE((kind == ErrorKind::corrupt || kind == ErrorKind::no_repository));
  }
  CHECK(kind_of_error(text + "\n") == ErrorKind::corrupt);
  CHECK(kind_of_error(text + text) == ErrorKind::corrupt);
}

TEST_CASE("heads of a newer format or with an unknown need are refused as such", "[store][head]") {
  std::string text = format_head(full_head());
  CHECK(kind_of_error(resealed(text, "manifest: 1", "manifest: 2")) == ErrorKind::no_repository);
  CHECK(kind_of_error(resealed(text, "needs: []", "needs: [\"pieces\"]")) ==
        ErrorKind::no_repository);
  CHECK(kind_of_error(resealed(text, "manifest: 1", "manifest: 0")) == ErrorKind::corrupt);
  CHECK(kind_of_error(resealed(text, "manifest: 1", "manifest: x")) == ErrorKind::corrupt);
}

TEST_CASE("keys that begin with x- are passed over in heads", "[store][head]") {
  std::string text = format_head(full_head());
  CHECK(parse_head(resealed(text, "tags:", "x-color: {\"a\": 1}\ntags:"), "head") == full_head());
}

TEST_CASE("hostile heads are refused", "[store][head][hostile]") {
  std::string text = format_head(full_head());
  std::vector<std::pair<std::string, std::string>> changes = {
      {"host: \"desk\"", "host: \"..\""},
      {"host: \"desk\"", "host: \"a/b\""},
      {"label: \"home\"", "label: \"\""},
      {"host: \"desk\"", "host: desk"},
      {"host: \"desk\"", "host: &a \"desk\""},
      {"host: \"desk\"", "host: !!str \"desk\""},
      {"host: \"desk\"", "host: 'desk'"},
      {"host: \"desk\"", "host: |\n  desk"},
      {"host: \"desk\"", "host: \"desk\"\nhost: \"desk\""},
      {"host: \"desk\"\n", ""},
      {"host: \"desk\"", "host: \"desk\" # comment"},
      {"host: \"desk\"", "host: \"desk\"\n\ncolor: \"red\""},
      {"host: \"desk\"", "host: \"desk\"\ncolor: \"red\""},
      {"host: \"desk\"\nlabel: \"home\"", "label: \"home\"\nhost: \"desk\""},
      {"digest: \"md5\"", "digest: \"sha256\""},
      {"digest: \"md5\"", "digest: \"crc\""},
      {"\"entries\": 1", "\"entries\": 0x1"},
      {"\"entries\": 1", "\"entries\": 1e0"},
      {"\"entries\": 1", "\"entries\": -1"},
      {"\"entries\": 1", "\"entries\": 18446744073709551616"},
      {"tags: [", "tags: [[[[[[[[[[[[["},
      {"tags: [", "tags: [" + std::string(1 << 20, '[')},
      {"\"daily\"", "\"da\xffily\""},
      {"\"daily\"", "\"da\\u000aily\""},
      {"previous: \"7f0c", "previous: \"7F0c"},
      {"problem_count: 3", "problem_count: 1"},
      {"outcome: \"incomplete\"", "outcome: \"fine\""},
      {"started: \"2014-01-25", "started: \"2014-13-25"},
      {"reverse-manifest: 1\n", "%YAML 1.1\n---\nreverse-manifest: 1\n"},
  };
  for (const auto& [from, to] : changes) {
    INFO(to.substr(0, 60));
    CHECK(kind_of_error(resealed(text, from, to)) == ErrorKind::corrupt);
  }
}

TEST_CASE("a head that no reader would accept is not written", "[store][head]") {
  for (auto damage : std::vector<std::function<void(Head&)>>{
           [](Head& head) { head.host = "../x"; }, [](Head& head) { head.id = "1"; },
           [](Head& head) { head.token = ""; }, [](Head& head) { head.tags = {"a\nb"}; },
           [](Head& head) { head.problem_count = 0; }}) {
    Head head = full_head();
    damage(head);
    CHECK_THROWS_AS(format_head(head), Error);
  }
}

TEST_CASE("problems with raw bytes do not make a head unreadable", "[store][head]") {
  Head head = full_head();
  head.problems = {{"a\xff", "open", "open 'a\xff': No such file"}};
  Head read = parse_head(format_head(head), "head");
  CHECK(read.problems[0].path == "a\xff");
  CHECK(read.problems[0].error == "open 'a%FF': No such file");
}

}  // namespace
}  // namespace reverse
