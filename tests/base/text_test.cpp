#include "libcore/base/text.h"

#include <fnmatch.h>

#include <catch2/catch.hpp>
#include <functional>
#include <string>

namespace reverse {
namespace {

/// Calls `visit` with every string of up to `length` characters out of `alphabet`.
void for_all_strings(std::string_view alphabet, std::size_t length,
                     const std::function<void(const std::string&)>& visit,
                     const std::string& start = "") {
  visit(start);
  if (start.size() == length) return;
  for (const char c : alphabet) for_all_strings(alphabet, length, visit, start + c);
}

std::string all_bytes() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += char(byte);
  return bytes;
}

}  // namespace

TEST_CASE("clean text is valid UTF-8 without control characters", "[text]") {
  for (const std::string text :
       {"", "a b", "~", "\u00a0", "é", "\u2027", "\u202a", "\ud7ff", "\ue000", "\ufefe", "\ufffd",
        "\U0001fffe", "\U0010ffff", "🙂"}) {
    INFO(printable(text));
    CHECK(is_clean(text));
  }
}

TEST_CASE("text with control characters, separators or byte order marks is not clean", "[text]") {
  for (const std::string text : {"a\nb", "\x1f", "\x7f", "\u0080", "\u009f", "\u2028", "\u2029",
                                 "\ufeff", "\ufffe", "\uffff"}) {
    INFO(printable(text));
    CHECK_FALSE(is_clean(text));
  }
  CHECK_FALSE(is_clean(std::string(1, '\0')));
}

TEST_CASE("text that is not strict UTF-8 is not clean", "[text]") {
  for (const std::string text :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\x81", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xe2\x82",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x9f\x99", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff"}) {
    INFO(to_hex(text));
    CHECK_FALSE(is_clean(text));
    CHECK_FALSE(is_clean("a" + text + "a"));
  }
}

TEST_CASE("the percent form keeps clean characters and writes the other bytes in hex", "[text]") {
  CHECK(percent_encode("plain é 🙂") == "plain é 🙂");
  CHECK(percent_encode("100%") == "100%25");
  CHECK(percent_encode("a\nb") == "a%0Ab");
  CHECK(percent_encode("\xff\xc3\xa9\xc3") == "%FFé%C3");
  CHECK(percent_encode("\u2028") == "%E2%80%A8");
  CHECK(percent_encode("\xf0\x9f\x99 ") == "%F0%9F%99 ");
}

TEST_CASE("every pair of bytes comes back from its percent form, which is clean", "[text]") {
  int failures = 0;
  for_all_strings(all_bytes(), 2, [&](const std::string& bytes) {
    const std::string text = percent_encode(bytes);
    if (!is_clean(text) || percent_decode(text) != bytes) ++failures;
  });
  CHECK(failures == 0);
}

TEST_CASE("bytes around characters of every length come back from their percent form", "[text]") {
  int failures = 0;
  const std::string alphabet = "a%\xc3\xa9\xe2\x80\xa8\xf0\x9f\x99\x82";
  for_all_strings(alphabet, 5, [&](const std::string& bytes) {
    const std::string text = percent_encode(bytes);
    if (!is_clean(text) || percent_decode(text) != bytes) ++failures;
  });
  CHECK(failures == 0);
}

TEST_CASE("only the one percent form of some bytes is read", "[text]") {
  for (const std::string text :
       {"%", "%4", "%GG", "%0a", "%41", "%C3%A9", "a\n", "\xff", "%25%", "%E2%80%A8%", "% 0A"}) {
    INFO(printable(text));
    CHECK_FALSE(percent_decode(text).has_value());
  }
  CHECK(percent_decode("%C3") == "\xc3");
  CHECK(percent_decode("") == "");
}

TEST_CASE("two texts never stand for the same bytes in percent form", "[text]") {
  int accepted = 0;
  int not_canonical = 0;
  for_all_strings("%0AaC39é", 6, [&](const std::string& text) {
    const auto bytes = percent_decode(text);
    if (bytes) ++accepted;
    if (bytes && percent_encode(*bytes) != text) ++not_canonical;
  });
  CHECK(accepted > 0);
  CHECK(not_canonical == 0);
}

TEST_CASE("a printable name can neither move the cursor nor turn the text around", "[text]") {
  CHECK(printable("plain é 🙂.txt") == "plain é 🙂.txt");
  CHECK(printable("a\x1b[2Jb") == "a\\x1b[2Jb");
  CHECK(printable("a\nb\\n") == "a\\x0ab\\\\n");
  CHECK(printable("txt.\u202eexe") == "txt.\\xe2\\x80\\xaeexe");
  CHECK(printable("\u2066a\u2069\u200f\u061c") ==
        "\\xe2\\x81\\xa6a\\xe2\\x81\\xa9\\xe2\\x80\\x8f\\xd8\\x9c");
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(printable("\u009b") == "\\xc2\\x9b");
  CHECK(printable(std::string("a\0b", 3)) == "a\\x00b");
}

TEST_CASE("printable names are clean, and two names never look the same", "[text]") {
  std::size_t clean = 0;
  std::size_t total = 0;
  for_all_strings(all_bytes(), 2, [&](const std::string& bytes) {
    ++total;
    if (is_clean(printable(bytes))) ++clean;
  });
  CHECK(clean == total);
  CHECK(printable("\\x0a") != printable("\n"));
}

TEST_CASE("hex is lower case and read back strictly", "[text]") {
  CHECK(to_hex(std::string("\x00\x9f\xff", 3)) == "009fff");
  CHECK(from_hex("009fff") == std::string("\x00\x9f\xff", 3));
  CHECK(from_hex("") == "");
  for (const char* text : {"0", "0g", "AB", "00 ", " 00", "0x", "000"})
    CHECK_FALSE(from_hex(text).has_value());
}

TEST_CASE("base64 gives the vectors of RFC 4648", "[text]") {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"},
                                                         {"\xfb\xff", "+/8="}};
  for (const auto& [bytes, text] : vectors) {
    CHECK(to_base64(bytes) == text);
    CHECK(from_base64(text) == bytes);
  }
}

TEST_CASE("every pair of bytes comes back from base64", "[text]") {
  int failures = 0;
  for_all_strings(all_bytes(), 2, [&](const std::string& bytes) {
    if (from_base64(to_base64(bytes)) != bytes) ++failures;
  });
  CHECK(failures == 0);
}

TEST_CASE("only canonical base64 is read", "[text]") {
  for (const char* text : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "=", "==", "===", "====", "Zg==Zg==",
                           "Z===", "Zm 9", "Zm9v\n", "Zm9-", "Zg=a"}) {
    INFO(text);
    CHECK_FALSE(from_base64(text).has_value());
  }
}

TEST_CASE("numbers are plain decimal and fit 64 bits", "[text]") {
  CHECK(parse_uint("0") == 0u);
  CHECK(parse_uint("18446744073709551615") == UINT64_MAX);
  for (const char* text :
       {"", "00", "01", "-1", "+1", " 1", "1 ", "1.0", "0x1", "18446744073709551616"}) {
    INFO(text);
    CHECK_FALSE(parse_uint(text).has_value());
  }
}

TEST_CASE("splitting gives one part more than there are separators", "[text]") {
  using Parts = std::vector<std::string_view>;
  CHECK(split("", ',') == Parts{""});
  CHECK(split("a", ',') == Parts{"a"});
  CHECK(split(",a,,b,", ',') == Parts{"", "a", "", "b", ""});
}

TEST_CASE("globs match whole texts, bytes and slashes alike", "[text]") {
  CHECK(glob_match("*.tmp", "a/b.tmp"));
  CHECK_FALSE(glob_match("*.tmp", "a.tmp~"));
  CHECK(glob_match("?", "\xff"));
  CHECK_FALSE(glob_match("?", "é"));
  CHECK(glob_match("[\x80-\xff]x", "\xc3x"));
  CHECK(glob_match("[!a-c]", "d"));
  CHECK_FALSE(glob_match("[!a-c]", "b"));
  CHECK(glob_match("[]]", "]"));
  CHECK(glob_match("[a\\]]", "]"));
  CHECK(glob_match("\\*", "*"));
  CHECK_FALSE(glob_match("\\*", "a"));
  CHECK(glob_match("[a", "[a"));
  CHECK(glob_match("***", ""));
  CHECK_FALSE(glob_match("", "a"));
}

TEST_CASE("globs agree with fnmatch", "[text]") {
  int compared = 0;
  std::string differing;
  for_all_strings("ab*?[]!\\", 5, [&](const std::string& pattern) {
    for (const char* text : {"", "a", "b", "]", "ab", "ba", "[a", "a]b", "abab", "b\\!a"}) {
      ++compared;
      const bool expected = ::fnmatch(pattern.c_str(), text, 0) == 0;
      if (glob_match(pattern, text) != expected) differing += pattern + " on " + text + "\n";
    }
  });
  CHECK(compared > 300'000);
  CHECK(differing == "");
}

TEST_CASE("a glob of many stars ends soon on a long text", "[text]") {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "*a";
  CHECK_FALSE(glob_match(pattern + "b", std::string(5000, 'a')));
}

}  // namespace reverse
