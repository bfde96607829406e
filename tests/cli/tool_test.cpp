#include "libcore/cli/tool.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "libcore/base/error.h"
#include "tests/support/temp_tree.h"
#include "tests/support/tools/manual_check.h"
#include "tests/support/tools/tool_harness.h"

using namespace reverse;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

/// A tool that does what a test wants and has one option of each sort.
class Probe : public Command {
 public:
  using Work = std::function<ExitCode(Invocation&)>;
  explicit Probe(Work work) : work_(std::move(work)) {}
  void declare_options(OptionSet& options) override {
    options.heading("What is done");
    options.value({"exclude", 'e', Shown::first}, "PATTERN", "leave out what matches", excludes_);
    options.flag({"strict"}, "be strict", strict_);
    options.reserved({"all"});
  }
  ExitCode execute(Invocation& call) override { return work_(call); }

 private:
  Work work_;
  std::vector<std::string> excludes_;
  bool strict_ = false;
};

ToolSpec probe(Probe::Work work) {
  ToolSpec spec;
  spec.name = "reverse-probe";
  spec.synopsis = {"[OPTIONS] SOURCE... REPO", "[OPTIONS] --strict REPO"};
  spec.summary = "Probes the frame.";
  spec.examples = {{"reverse-probe /home /backup", "first"}, {"reverse-probe -q /a /b", "second"}};
  spec.common = {true, false, true, true, true};
  spec.make = [work = std::move(work)] { return std::make_unique<Probe>(work); };
  return spec;
}

ExitCode nothing(Invocation&) {
  return ExitCode::ok;
}

/// A tool that asks for its repository and prints it with the operands that are left.
ToolSpec asking(RepositoryPlace place, std::size_t fewest) {
  return probe([=](Invocation& call) {
    std::string line = take_repository(call, place, fewest) + ":";
    for (const std::string& operand : call.operands) line += " " + operand;
    call.output.result(line);
    return ExitCode::ok;
  });
}

ToolGroup group(ToolEntry otherwise = nullptr) {
  const auto say = [](std::string text) -> ToolEntry {
    return [text](std::span<const std::string> args, ToolIo& io) {
      for (const std::string& arg : args) io.out.write(text + " " + arg + "\n");
      return 0;
    };
  };
  ToolGroup tools;
  tools.name = "reverse-group";
  tools.summary = "Does one thing or another.";
  tools.synopsis = {"VERB [OPTIONS] REPO"};
  tools.verbs = {{"list", "lists", say("list")}, {"diff", "compares", nullptr}};
  tools.otherwise = otherwise ? std::move(otherwise) : nullptr;
  return tools;
}

int plain(std::span<const std::string> args, ToolIo& io) {
  io.out.write("plain " + args.front());
  return 0;
}

}  // namespace

TEST_CASE("a tool's code is what its command returns", "[cli]") {
  ToolHarness harness;
  CHECK(harness.run(probe(nothing), {}).code == 0);
  const ToolRun run = harness.run(probe([](Invocation& call) {
                                    call.output.result("kept 3");
                                    return ExitCode::incomplete;
                                  }),
                                  {});
  CHECK(run.code == 3);
  CHECK(run.out == "kept 3\n");
}

TEST_CASE("an error is told once, with the tool's name, and decides the code", "[cli]") {
  ToolHarness harness;
  const ToolRun run = harness.run(probe([](Invocation&) -> ExitCode {
                                    fail(ErrorKind::refused, "the source is empty (--allow empty)");
                                  }),
                                  {});
  CHECK(run.code == 5);
  CHECK(run.err == "reverse-probe: the source is empty (--allow empty)\n");
  CHECK(run.out.empty());
}

TEST_CASE("a usage error prints one line and the synopsis on stderr", "[cli]") {
  ToolHarness harness;
  const ToolRun run = harness.run(probe(nothing), {"--frobnicate"});
  CHECK(run.code == 2);
  CHECK(run.err ==
        "reverse-probe: unknown option '--frobnicate'\n"
        "Usage: reverse-probe [OPTIONS] SOURCE... REPO\n"
        "       reverse-probe [OPTIONS] --strict REPO\n");
  CHECK(run.out.empty());
}

TEST_CASE("a malformed variable ends a tool with code 2", "[cli]") {
  ToolHarness harness;
  harness.environment["REVERSE_PROGRESS_INTERVAL"] = "2m";
  const ToolRun run = harness.run(probe(nothing), {});
  CHECK(run.code == 2);
  CHECK_THAT(run.err, StartsWith("reverse-probe: REVERSE_PROGRESS_INTERVAL: '2m'"));
}

TEST_CASE("with --json errors are objects, even those of the command line", "[cli]") {
  ToolHarness harness;
  const ToolRun run = harness.run(probe(nothing), {"--frobnicate", "--json"});
  const auto object = nlohmann::json::parse(run.err);
  CHECK(object["message_type"] == "exit_error");
  CHECK(object["code"] == 2);
  CHECK(harness.run(probe(nothing), {"--frobnicate", "--", "--json"}).err.front() == 'r');
}

TEST_CASE("what is not an error of ours ends a tool with code 1", "[cli]") {
  ToolHarness harness;
  const ToolRun run =
      harness.run(probe([](Invocation&) -> ExitCode { throw std::logic_error("oops"); }), {});
  CHECK(run.code == 1);
  CHECK(run.err == "reverse-probe: internal error: oops\n");
  CHECK(harness.run(probe([](Invocation&) -> ExitCode { throw std::bad_alloc(); }), {}).err ==
        "reverse-probe: out of memory\n");
}

TEST_CASE("a stopped tool says so", "[cli]") {
  ToolHarness harness;
  const ToolRun run = harness.run(probe([](Invocation&) -> ExitCode { throw Cancelled(); }), {});
  CHECK(run.code == kStoppedCode);
  CHECK(run.err == "reverse-probe: stopped\n");
}

TEST_CASE("a tool whose reader is gone is silent", "[cli]") {
  ClosedOut out;
  StringOut err;
  ToolHarness harness;
  ToolIo io{out, err, harness.lookup(), {}};
  const ToolSpec spec = probe([](Invocation& call) {
    call.output.result("a line");
    return ExitCode::ok;
  });
  CHECK(tool_main(spec, {}, io) == kStoppedCode);
  CHECK(err.text().empty());
}

TEST_CASE("a result that cannot be written is a failure", "[cli]") {
  class FullOut : public TextOut {
    bool deliver(ByteView) override { fail(ErrorKind::no_space, "write: no space"); }
  };
  FullOut out;
  StringOut err;
  ToolHarness harness;
  ToolIo io{out, err, harness.lookup(), {}};
  const ToolSpec spec = probe([](Invocation& call) {
    call.output.result("a line");
    return ExitCode::ok;
  });
  CHECK(tool_main(spec, {}, io) == 1);
  CHECK_THAT(err.text(), Contains("no space"));
}

TEST_CASE("-h is one screen with synopsis, commonest options and two examples", "[cli]") {
  ToolHarness harness;
  const ToolRun run = harness.run(probe(nothing), {"-h"});
  CHECK(run.code == 0);
  CHECK_THAT(run.out, StartsWith("Usage: reverse-probe [OPTIONS] SOURCE... REPO\n"));
  CHECK_THAT(run.out, Contains("-e, --exclude PATTERN") && Contains("reverse-probe -q /a /b"));
  CHECK_THAT(run.out, !Contains("be strict") && !Contains("--cache-dir"));
  CHECK(std::count(run.out.begin(), run.out.end(), '\n') <= 24);
}

TEST_CASE("--help tells every option, exit code and variable on stdout", "[cli]") {
  ToolHarness harness;
  const ToolSpec spec = probe(nothing);
  const ToolRun run = harness.run(spec, {"--help"});
  CHECK(run.code == 0);
  CHECK(run.err.empty());
  for (const OptionDoc& doc : tool_options(spec)) CHECK_THAT(run.out, Contains(doc.name.name));
  for (const ExitCodeDoc& doc : exit_code_docs())
    CHECK_THAT(run.out, Contains(fmt::format("\n  {} ", int(doc.code))));
  CHECK_THAT(run.out, Contains("REVERSE_CACHE_DIR") && Contains("What is done:\n"));
  for (std::size_t from = 0; from < run.out.size();) {
    const std::size_t end = run.out.find('\n', from);
    CHECK(end - from <= 79);
    from = end + 1;
  }
}

TEST_CASE("help that was asked for before a mistake is given", "[cli]") {
  ToolHarness harness;
  CHECK(harness.run(probe(nothing), {"-h", "--frobnicate"}).code == 0);
  CHECK(harness.run(probe(nothing), {"--frobnicate", "-h"}).code == 2);
  harness.environment["REVERSE_HOST"] = "";
  CHECK(harness.run(probe(nothing), {"--help"}).code == 0);
}

TEST_CASE("--version names tool and version", "[cli]") {
  ToolHarness harness;
  CHECK(harness.run(probe(nothing), {"--version"}).out ==
        fmt::format("reverse-probe {}\n", version()));
}

TEST_CASE("the repository is the first or the last operand", "[cli]") {
  ToolHarness harness;
  CHECK(harness.run(asking(RepositoryPlace::last, 1), {"/a", "/b", "/r"}).out == "/r: /a /b\n");
  CHECK(harness.run(asking(RepositoryPlace::first, 1), {"/r", "latest"}).out == "/r: latest\n");
  CHECK(harness.run(asking(RepositoryPlace::first, 0), {"/r"}).out == "/r:\n");
}

TEST_CASE("with --repo no operand is the repository", "[cli]") {
  ToolHarness harness;
  harness.environment["REVERSE_REPOSITORY"] = "/v";
  CHECK(harness.run(asking(RepositoryPlace::last, 1), {"-r", "/r", "/a", "/b"}).out ==
        "/r: /a /b\n");
  CHECK(harness.run(asking(RepositoryPlace::last, 1), {"-r", "/r"}).code == 2);
}

TEST_CASE("the variable stands in only where the operands are the fewest possible", "[cli]") {
  ToolHarness harness;
  CHECK_THAT(harness.run(asking(RepositoryPlace::last, 1), {"/home"}).err,
             StartsWith("reverse-probe: the repository is missing"));
  harness.environment["REVERSE_REPOSITORY"] = "/v";
  CHECK(harness.run(asking(RepositoryPlace::last, 1), {"/home"}).out == "/v: /home\n");
  CHECK(harness.run(asking(RepositoryPlace::last, 1), {"/a", "/r"}).out == "/r: /a\n");
  CHECK(harness.run(asking(RepositoryPlace::first, 0), {}).out == "/v:\n");
  CHECK(harness.run(asking(RepositoryPlace::first, 0), {"/r"}).out == "/r:\n");
  CHECK(harness.run(asking(RepositoryPlace::last, 1), {}).code == 2);
}

TEST_CASE("a group runs the verb its first word names, with the rest", "[cli]") {
  ToolHarness harness;
  TempTree tree;
  CHECK(harness.run(group(), {"list", "/r", "-x"}).out == "list /r\nlist -x\n");
  CHECK(harness.run(group(plain), {"list", "/r"}).out == "list /r\n");
}

TEST_CASE("verbs of later versions, unknown words and no word are refused", "[cli]") {
  ToolHarness harness;
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{}, {"diff", "/r"}, {"lsit", "/r"}, {"-q", "list"}, {""}}) {
    const ToolRun run = harness.run(group(), args);
    CHECK(run.code == 2);
    CHECK_THAT(run.err, Contains("\nUsage: reverse-group VERB [OPTIONS] REPO\n"));
  }
  CHECK_THAT(harness.run(group(), {"diff"}).err, Contains("not in this version"));
}

TEST_CASE("without a verb only options, locations and existing files start a plain call", "[cli]") {
  ToolHarness harness;
  for (const char* word : {"/home", "./x", ".", "..", "nas:", "-n"})
    CHECK(harness.run(group(plain), {word}).out == std::string("plain ") + word);
  const ToolRun run = harness.run(group(plain), {"no-such-word"});
  CHECK(run.code == 2);
  CHECK_THAT(run.err, Contains("./no-such-word") && Contains("no-such-word:"));
}

TEST_CASE("a group's help lists its verbs", "[cli]") {
  ToolHarness harness;
  for (const char* option : {"-h", "--help"}) {
    const ToolRun run = harness.run(group(plain), {option});
    CHECK(run.code == 0);
    CHECK_THAT(run.out, Contains("list") && Contains("Reserved") && Contains("diff"));
  }
  CHECK_THAT(harness.run(group(plain), {"--version"}).out, StartsWith("reverse-group "));
}

TEST_CASE("a manual is held against the options", "[cli]") {
  const ToolSpec spec = probe(nothing);
  std::string manual = "# probe\n\n* `-e`, `--exclude PATTERN`: leave out. See `ls -l`.\n";
  for (const OptionDoc& doc : tool_options(spec)) {
    if (doc.reserved || doc.name.name == "exclude") continue;
    if (!doc.name.name.empty()) manual += "* `--" + doc.name.name + "`\n";
    if (doc.name.letter != 0) manual += std::string("* `-") + doc.name.letter + "`\n";
  }
  CHECK(manual_differences(manual, {&spec}).empty());
  CHECK(manual_differences(manual + "`--imagined`", {&spec}) ==
        std::vector<std::string>{"--imagined is in the manual, but no option"});
  const std::size_t strict = manual.find("* `--strict`\n");
  manual.erase(strict, 13);
  CHECK(manual_differences(manual, {&spec}) ==
        std::vector<std::string>{"--strict is not in the manual"});
}
