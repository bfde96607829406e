#include "libcore/cli/option_set.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "libcore/base/error.h"

using namespace reverse;
using Catch::Matchers::Contains;

namespace {

using Words = std::vector<std::string>;

/// Some options of every sort, and what a command line made of them.
struct Line {
  Words excludes;
  std::string label;
  std::optional<std::string> host;
  bool dry_run = false, quiet = false, json = false, one_file_system = false;
  unsigned verbosity = 0;
  Words operands;
  std::set<std::string> given;

  explicit Line(const Words& args) {
    OptionSet options;
    options.value({"exclude", 'e'}, "PATTERN", "", excludes);
    options.value({"exclude-file", 0, Shown::in_help, "exclude-from"}, "FILE", "",
                  [](const std::string& file) { fail(ErrorKind::usage, "no file {}", file); });
    options.value({"label"}, "LABEL", "", label);
    options.value({"host"}, "HOST", "", host);
    options.flag({"one-file-system", 'x'}, "", one_file_system);
    options.flag({"dry-run", 'n'}, "", dry_run);
    options.flag({"quiet", 'q'}, "", quiet);
    options.flag({"json"}, "", json);
    options.count({"verbose", 'v'}, "", verbosity);
    options.reserved({"config"}, "FILE");
    options.reserved({"no-remote-exec"});
    OptionSet::Parsed parsed = options.parse(args);
    operands = std::move(parsed.operands);
    given = std::move(parsed.given);
  }
};

/// The message with which a command line is refused.
std::string refusal(const Words& args) {
  try {
    const Line line(args);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a repeatable option takes one value and leaves the operands alone", "[cli]") {
  const Line line({"-e", "a", "/x", "REPO"});
  CHECK(line.excludes == Words{"a"});
  CHECK(line.operands == Words{"/x", "REPO"});
}

TEST_CASE("values and operands are taken as they are, brackets and commas included", "[cli]") {
  const Line line({"-e", "[a,b]", "[b,c]", "REPO"});
  CHECK(line.excludes == Words{"[a,b]"});
  CHECK(line.operands == Words{"[b,c]", "REPO"});
}

TEST_CASE("what follows two dashes is an operand, whatever it looks like", "[cli]") {
  const Line line({"-q", "a", "--", "-x", "--json", "--", ""});
  CHECK(line.quiet);
  CHECK_FALSE(line.one_file_system);
  CHECK_FALSE(line.json);
  CHECK(line.operands == Words{"a", "-x", "--json", "--", ""});
}

TEST_CASE("a word, an empty string and a single dash are operands", "[cli]") {
  CHECK(Line({"list"}).operands == Words{"list"});
  CHECK(Line({"", "REPO"}).operands == Words{"", "REPO"});
  CHECK(Line({"-", "REPO"}).operands == Words{"-", "REPO"});
  CHECK(Line({}).operands.empty());
}

TEST_CASE("options and operands may be mixed and operands keep their order", "[cli]") {
  const Line line({"one", "-n", "two", "--label", "L", "three", "-q"});
  CHECK(line.operands == Words{"one", "two", "three"});
  CHECK(line.dry_run);
  CHECK(line.quiet);
  CHECK(line.label == "L");
}

TEST_CASE("POSIXLY_CORRECT does not change how a line is read", "[cli]") {
  ::setenv("POSIXLY_CORRECT", "1", 1);
  const Line line({"one", "-n", "two"});
  ::unsetenv("POSIXLY_CORRECT");
  CHECK(line.dry_run);
  CHECK(line.operands == Words{"one", "two"});
}

TEST_CASE("letters may be joined, with a value at their end", "[cli]") {
  CHECK(Line({"-nq"}).dry_run);
  CHECK(Line({"-nq"}).quiet);
  CHECK(Line({"-vvv"}).verbosity == 3);
  CHECK(Line({"-ea"}).excludes == Words{"a"});
  const Line line({"-nea", "-qe", "b", "c"});
  CHECK(line.excludes == Words{"a", "b"});
  CHECK(line.operands == Words{"c"});
}

TEST_CASE("an option's value may be empty or begin with a dash", "[cli]") {
  CHECK(Line({"-e", "-n"}).excludes == Words{"-n"});
  CHECK_FALSE(Line({"-e", "-n"}).dry_run);
  CHECK(Line({"--exclude=--", "x"}).excludes == Words{"--"});
  CHECK(Line({"--exclude="}).excludes == Words{""});
  CHECK(Line({"-e", ""}).excludes == Words{""});
  CHECK(Line({"--label=a=b"}).label == "a=b");
}

TEST_CASE("of a repeated option with one value the last one counts, a list collects", "[cli]") {
  CHECK(Line({"--label", "a", "--label=b"}).label == "b");
  CHECK(Line({"-e", "a", "--exclude", "b"}).excludes == Words{"a", "b"});
  CHECK(Line({"-q", "-q"}).quiet);
}

TEST_CASE("an option that was not given leaves no trace", "[cli]") {
  CHECK_FALSE(Line({}).host.has_value());
  CHECK(Line({"--host="}).host == "");
  CHECK(Line({"-q", "--host=a"}).given == std::set<std::string>{"host", "quiet"});
}

TEST_CASE("a missing value is refused by the option's name", "[cli]") {
  CHECK(refusal({"a", "--label"}) == "--label needs a value");
  CHECK(refusal({"-e"}) == "-e needs a value");
  CHECK(refusal({"-nqe"}) == "-e needs a value");
}

TEST_CASE("unknown options are refused", "[cli]") {
  CHECK(refusal({"--frobnicate"}) == "unknown option '--frobnicate'");
  CHECK(refusal({"--frobnicate=x"}) == "unknown option '--frobnicate'");
  CHECK(refusal({"-nZ"}) == "unknown option '-Z'");
  CHECK(refusal({"-\xff"}) == "unknown option '-\\xff'");
  CHECK(refusal({"--\x1b[31m"}) == "unknown option '--\\x1b[31m'");
}

TEST_CASE("long options are not to be cut short", "[cli]") {
  CHECK(refusal({"--lab", "x"}) == "unknown option '--lab' (did you mean '--label'?)");
  CHECK(refusal({"--lab=x"}) == "unknown option '--lab' (did you mean '--label'?)");
  CHECK(refusal({"--lab"}) == "unknown option '--lab' (did you mean '--label'?)");
  CHECK(refusal({"--js=x"}) == "unknown option '--js' (did you mean '--json'?)");
  CHECK(refusal({"--ex", "x"}) == "unknown option '--ex'");
  CHECK_THAT(refusal({"-q", "--qui"}), Contains("'--qui'"));
}

TEST_CASE("a flag takes no value", "[cli]") {
  CHECK(refusal({"--json=x"}) == "--json takes no value");
  CHECK(refusal({"--json="}) == "--json takes no value");
}

TEST_CASE("a refused value is told with the option as it was written", "[cli]") {
  CHECK(refusal({"--exclude-file", "f"}) == "--exclude-file: no file f");
  CHECK(refusal({"--exclude-from=f"}) == "--exclude-from: no file f");
}

TEST_CASE("options of later versions are refused, and say so", "[cli]") {
  CHECK(refusal({"--config", "f", "x"}) == "--config: not in this version");
  CHECK(refusal({"--no-remote-exec"}) == "--no-remote-exec: not in this version");
}

TEST_CASE("the parser can be used again and again in one process", "[cli]") {
  for (int i = 0; i < 3; ++i) {
    CHECK_THROWS_AS(Line({"-nZq", "--label"}), Error);
    CHECK(Line({"-n", "a"}).operands == Words{"a"});
  }
}
