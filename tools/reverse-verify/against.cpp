#include "tools/reverse-verify/against.h"

#include <chrono>

#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/cli/cli_observer.h"
#include "libcore/cli/location.h"
#include "libcore/cli/progress.h"
#include "libcore/engine/compare_tree.h"

namespace reverse {

namespace {

using Took = std::chrono::duration<double>;

struct Wording {
  std::string_view word, modifier;  ///< for people; for programs, as in `diff`
};

Wording wording(Difference kind) {
  switch (kind) {
    case Difference::rotten:
      return {"rotten", ""};  // an object of another type
    case Difference::changed:
      return {"changed", "M"};
    case Difference::missing:
      return {"missing", "-"};
    case Difference::added:
      return {"new", "+"};
    case Difference::retyped:
      return {"type", "T"};
  }
  return {};
}

class Comparison {
 public:
  Comparison(const Repository& repository, const RevisionPath& revision, Invocation& call)
      : repository_(repository), revision_(revision), call_(call) {}

  ExitCode run(const std::string& directory) {
    const auto started = std::chrono::steady_clock::now();
    CliObserver observer(call_.output, false);
    if (path().empty()) {
      observer.progress.total_files = revision_.head.entries;
      observer.progress.total_bytes = revision_.head.bytes;
    }
    {
      ProgressPrinter progress(call_.io, call_.output, call_.common,
                               [&] { return observer.snapshot("compare", "compared"); });
      report_ = compare_tree({repository_, observer, call_.io.stop,
                              [this](const TreeDifference& difference) { tell(difference); }},
                             revision_.head, path(), directory);
    }
    call_.output.end_problems("--json");
    const ExitCode code = report_.rotten > 0         ? ExitCode::damage
                          : report_.not_compared > 0 ? ExitCode::incomplete
                                                     : ExitCode::ok;
    tell_summary(directory, std::chrono::steady_clock::now() - started, code);
    return code;
  }

 private:
  std::string path() const { return revision_.path.value_or(""); }

  void tell(const TreeDifference& difference) {
    const std::string path = difference.path.empty() ? "." : difference.path;
    const bool is_rotten = difference.kind == Difference::rotten;
    // What is new is the least of news where damage is looked for, and may be much.
    if (difference.kind == Difference::added && call_.output.verbosity() == 0) return;
    if (!is_rotten && call_.output.quiet()) return;
    if (call_.output.json()) return call_.output.result(object_of(difference, path));
    call_.output.result(
        fmt::format("{:<10}  {}", wording(difference.kind).word, printable(path)));
  }

  JsonLine object_of(const TreeDifference& difference, const std::string& path) const {
    if (difference.kind != Difference::rotten) {
      JsonLine line("change");
      line.add_path("path", path);
      return std::move(line.add("modifier", wording(difference.kind).modifier));
    }
    JsonLine line("damage");
    line.add("object", difference.digest->hex())
        .add("kind", "rot")
        .add("size", difference.size)
        .add("revision", revision_.head.revision());
    return std::move(line.add_path("path", path));
  }

  void tell_summary(const std::string& directory, Took took, ExitCode code) {
    Output& output = call_.output;
    if (output.json()) return output.result(summary_object(directory, took, code));
    output.summary(fmt::format("compared {} ({}) in '{}' with {} in {}",
                               counted(report_.files, "file"), format_bytes(report_.bytes),
                               printable(directory), revision_.head.revision(),
                               format_duration(took)));
    output.summary(fmt::format("{} changed, {} missing, {} new, {} of another type",
                               report_.changed, report_.missing, report_.added, report_.retyped));
    if (report_.not_compared > 0)
      output.summary(counted(report_.not_compared, "name") + " could not be compared");
    output.summary(report_.rotten == 0
                       ? "no rot found"
                       : counted(report_.rotten, "file") +
                             " rotten: size and time are the revision's, the content is not");
  }

  JsonLine summary_object(const std::string& directory, Took took, ExitCode code) const {
    JsonLine line("summary");
    line.add("revision", revision_.head.revision())
        .add_path("against", directory)
        .add("files_compared", report_.files)
        .add("bytes_compared", report_.bytes)
        .add("files_rotten", report_.rotten)
        .add("paths_changed", report_.changed)
        .add("paths_missing", report_.missing)
        .add("paths_new", report_.added)
        .add("paths_retyped", report_.retyped)
        .add("paths_not_compared", report_.not_compared)
        .add("total_duration", took.count());
    return std::move(line.add("exit_code", static_cast<int>(code)));
  }

  const Repository& repository_;
  const RevisionPath& revision_;
  Invocation& call_;
  CompareReport report_;
};

}  // namespace

ExitCode verify_against(const Repository& repository, const RevisionPath& revision,
                        const std::string& directory, Invocation& call) {
  return Comparison(repository, revision, call).run(parse_source(directory));
}

}  // namespace reverse
