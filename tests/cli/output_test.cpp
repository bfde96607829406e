#include "libcore/cli/output.h"

#include <catch2/catch.hpp>

#include "libcore/cli/cli_observer.h"
#include "tests/support/tools/tool_harness.h"

using namespace reverse;
using Catch::Matchers::Contains;

namespace {

/// An Output over streams in memory.
struct Talk {
  explicit Talk(CommonOptions options = {}, bool terminal = false) {
    io.out_is_terminal = io.err_is_terminal = terminal;
    output = std::make_unique<Output>(io, options, "reverse-test");
  }
  StringOut out, err;
  ToolIo io{out, err, {}, {}};
  std::unique_ptr<Output> output;
};

CommonOptions with(bool CommonOptions::*option) {
  CommonOptions options;
  options.*option = true;
  return options;
}

}  // namespace

TEST_CASE("results go to stdout, talk goes to stderr", "[cli]") {
  Talk talk;
  talk.output->result("a line");
  talk.output->summary("the summary");
  talk.output->note("by the way");
  talk.output->warning("beware", "a/b");
  talk.output->exit_error(1, "it broke");
  CHECK(talk.out.text() == "a line\nthe summary\n");
  CHECK(talk.err.text() == "by the way\nwarning: a/b: beware\nreverse-test: it broke\n");
}

TEST_CASE("quiet drops the summary, but neither results nor warnings", "[cli]") {
  Talk talk(with(&CommonOptions::quiet));
  talk.output->result("a line");
  talk.output->summary("the summary");
  talk.output->note("by the way");
  talk.output->warning("beware");
  CHECK(talk.out.text() == "a line\n");
  CHECK(talk.err.text() == "warning: beware\n");
}

TEST_CASE("names from outside cannot write to the terminal", "[cli]") {
  Talk talk;
  talk.output->result_name("a\x1b[2Jb\n");
  talk.output->warning("open 'x\ny': no", "\xe2\x80\xae");
  talk.output->exit_error(1, "bad '\r'");
  CHECK(talk.out.text() == "a\\x1b[2Jb\\x0a\n");
  CHECK_THAT(talk.err.text(), Contains("warning: \\xe2\\x80\\xae: open 'x\\x0ay': no\n"));
  CHECK_THAT(talk.err.text(), Contains("bad '\\x0d'\n"));
}

TEST_CASE("print0 gives names raw and ended by NUL", "[cli]") {
  Talk talk(with(&CommonOptions::print0));
  talk.output->result_name("a\nb");
  talk.output->result_name("\xff");
  CHECK(talk.out.text() == std::string("a\nb\0\xff\0", 6));
}

TEST_CASE("the first ten problems are named, then their number", "[cli]") {
  Talk talk;
  for (int i = 0; i < 1234; ++i)
    talk.output->problem("f" + std::to_string(i), "open", "permission denied");
  talk.output->end_problems("reverse show REPO latest");
  CHECK_THAT(talk.err.text(), Contains("error: f9: permission denied\n"));
  CHECK_THAT(talk.err.text(), !Contains("f10"));
  CHECK_THAT(talk.err.text(), Contains("error: 1,224 more; all of them: reverse show REPO latest"));
}

TEST_CASE("ten problems need no further word, and counting starts anew", "[cli]") {
  Talk talk;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 10; ++i) talk.output->problem("f", "open", "no");
    talk.output->end_problems("command");
  }
  CHECK_THAT(talk.err.text(), !Contains("more"));
}

TEST_CASE("with --json everything is an object on a line of its own", "[cli]") {
  Talk talk(with(&CommonOptions::json));
  talk.output->result(JsonLine("summary").add("files_new", 3).add("exit_code", 0));
  talk.output->summary("words");
  talk.output->note("words");
  talk.output->warning("beware", "a/b");
  talk.output->problem("\xff", "open", "no");
  talk.output->exit_error(5, "refused");
  CHECK(talk.out.text() == R"({"message_type":"summary","files_new":3,"exit_code":0})"
                           "\n");
  CHECK(talk.err.text() ==
        R"({"message_type":"warning","message":"beware","item":"a/b"})"
        "\n"
        R"({"message_type":"error","error":{"message":"no"},"during":"open","itemx":"%FF"})"
        "\n"
        R"({"message_type":"exit_error","code":5,"message":"refused"})"
        "\n");
}

TEST_CASE("with --json every problem is told", "[cli]") {
  Talk talk(with(&CommonOptions::json));
  for (int i = 0; i < 12; ++i) talk.output->problem("f" + std::to_string(i), "open", "no");
  CHECK_THAT(talk.err.text(), Contains("\"f11\""));
}

TEST_CASE("JSON values keep their types and stay valid UTF-8", "[cli]") {
  const std::vector<std::string> tags{"a", "b"};
  JsonLine line("x");
  line.add("flag", true)
      .add("big", ~std::uint64_t(0))
      .add("negative", std::int64_t(-5))
      .add("ratio", 0.5)
      .add("text", "q\"\n")
      .add("broken", std::string("\xff"))
      .add("tags", tags)
      .add_path("path", "caf\xc3\xa9")
      .add_path("other", "50%\n");
  CHECK(line.text() ==
        R"({"message_type":"x","flag":true,"big":18446744073709551615,"negative":-5,"ratio":0.5,)"
        R"("text":"q\"\n","broken":")"
        "\xef\xbf\xbd"
        R"(","tags":["a","b"],"path":"café","otherx":"50%25%0A"})");
}

TEST_CASE("a status line stays below what is printed and goes away", "[cli]") {
  Talk talk({}, true);
  talk.output->status_line("10 %");
  talk.output->warning("beware");
  talk.output->status_line("20 %");
  talk.output->status_line("");
  CHECK(talk.err.text() == "10 %\r\x1b[Kwarning: beware\n10 %\r\x1b[K20 %\r\x1b[K");
}

TEST_CASE("results at a terminal take the status line's place for a moment", "[cli]") {
  Talk talk({}, true);
  talk.output->status_line("10 %");
  talk.output->result("a line");
  CHECK(talk.out.text() == "a line\n");
  CHECK(talk.err.text() == "10 %\r\x1b[K10 %");
}

TEST_CASE("tables line up by characters, without blanks at line ends", "[cli]") {
  Table table({Table::Align::left, Table::Align::right, Table::Align::left});
  table.row({"SET", "FILES", "NOTE"});
  table.row({"caf\xc3\xa9", "61,210", ""});
  table.row({"b", "1", "x"});
  CHECK(table.text() ==
        "SET    FILES  NOTE\n"
        "caf\xc3\xa9  61,210\n"
        "b          1  x");
}

TEST_CASE("an observer tells items only where they are wanted", "[cli]") {
  Talk talk;
  CliObserver silent(*talk.output, false);
  CliObserver plan(*talk.output, true);
  silent.item(ItemAction::created, "a", 5);
  CHECK(talk.out.text().empty());
  plan.item(ItemAction::changed_while_read, "b\n", 2048);
  CHECK_THAT(talk.out.text(),
             Contains("changed while read") && Contains("2.00 KiB") && Contains("b\\x0a\n"));
}

TEST_CASE("an observer gives items as verbose_status objects", "[cli]") {
  Talk talk(with(&CommonOptions::json));
  CliObserver observer(*talk.output, true);
  observer.item(ItemAction::moved, "a", 5);
  observer.kept("b");
  CHECK(talk.out.text() ==
        R"({"message_type":"verbose_status","action":"moved","item":"a","data_size":5})"
        "\n"
        R"({"message_type":"verbose_status","action":"kept","item":"b"})"
        "\n");
}
