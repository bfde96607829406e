#include "libcore/engine/remote_hasher.h"

#include <algorithm>
#include <unordered_map>

#include "libcore/base/error.h"
#include "libcore/engine/observer.h"
#include "libcore/engine/sums_service.h"

namespace reverse {

namespace {

constexpr std::size_t kFilesAtOnce = 4096;
constexpr std::size_t kArgumentFiles = 64;
constexpr std::size_t kLongestLine = 8192;  // longer ones are none of ours

/// Cuts what comes into lines.
class Lines {
 public:
  template <typename Visit>
  void take(ByteView bytes, Visit visit) {
    for (std::size_t end; (end = bytes.find('\n')) != ByteView::npos;
         bytes.remove_prefix(end + 1)) {
      append(bytes.substr(0, end));
      if (line_.ends_with('\r')) line_.pop_back();
      if (line_.size() < kLongestLine) visit(std::string_view(line_));
      line_.clear();
    }
    append(bytes);
  }

 private:
  void append(ByteView bytes) {
    line_.append(bytes.substr(0, kLongestLine - std::min(kLongestLine, line_.size())));
  }
  std::string line_;
};

/// What was told about each file of a command; more than once is as good as nothing.
class Answers {
 public:
  Answers(std::span<const ProofTask> tasks, Progress& progress)
      : tasks_(tasks), progress_(progress), proofs_(tasks.size()), told_(tasks.size()) {}

  void put(std::size_t task, Proof proof) {
    if (task >= tasks_.size()) return;
    if (++told_[task] == 1) progress_.bytes += tasks_[task].size;
    proofs_[task] = std::move(proof);
  }
  std::vector<std::optional<Proof>> take() {
    for (std::size_t i = 0; i < told_.size(); ++i)
      if (told_[i] != 1) proofs_[i].reset();
    return std::move(proofs_);
  }

 private:
  const std::span<const ProofTask> tasks_;
  Progress& progress_;
  std::vector<std::optional<Proof>> proofs_;
  std::vector<std::size_t> told_;
};

/// A line as md5sum and its kin print it: "DIGEST  NAME", "DIGEST *NAME", "DIGEST NAME".
struct SumLine {
  Digest digest;
  std::string_view name;
};
std::optional<SumLine> parse_sum_line(std::string_view line, DigestKind kind) {
  const std::size_t blank = line.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const std::optional<Digest> digest = Digest::parse(line.substr(0, blank));
  if (!digest || digest->kind() != kind) return std::nullopt;
  line.remove_prefix(blank + 1);
  if (line.starts_with(' ') || line.starts_with('*')) line.remove_prefix(1);
  return SumLine{*digest, line};
}

/// True if every shell takes `text` for itself.
bool is_plain(std::string_view text) {
  return !text.starts_with('-') && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("/._-+,").find(c) != std::string_view::npos;
  });
}

/// The name by which a command knows a file.
std::string name_for(const HashCommand& command, const RemoteShell& shell, const RepoPath& path) {
  return command.names == HashCommand::Names::arguments ? shell.root() + "/" + path : path;
}

std::vector<HashCommand> candidates(DigestKind kind) {
  using Names = HashCommand::Names;
  const std::vector<std::string> programs =
      kind == DigestKind::md5 ? std::vector<std::string>{"md5sum", "md5 -r", "openssl md5 -r"}
                              : std::vector<std::string>{"sha256sum", "sha256 -r", "shasum -a 256",
                                                         "openssl sha256 -r"};
  std::vector<HashCommand> commands = {{"reverse-verify", Names::question, kFilesAtOnce}};
  for (const std::string& program : programs)
    commands.push_back({program, Names::input, kFilesAtOnce});
  for (const std::string& program : programs) {
    commands.push_back({program, Names::arguments, kArgumentFiles});
    commands.push_back({program, Names::arguments, 1});  // some servers look at the last name only
  }
  return commands;
}

}  // namespace

std::unique_ptr<RemoteHasher> RemoteHasher::find(RemoteShell& shell, std::span<const Known> known,
                                                 const std::stop_token& stop,
                                                 std::chrono::milliseconds limit) {
  const DigestKind kind = known.front().sums.digest.kind();
  for (HashCommand& command : candidates(kind)) {
    auto hasher = std::make_unique<RemoteHasher>(shell, std::move(command), kind);
    const std::size_t count = std::min(known.size(), hasher->command().most);
    try {
      if (hasher->tells_right(known.first(count), stop, limit)) return hasher;
    } catch (const Error& error) {
      const bool none_run = error.kind() == ErrorKind::usage || error.kind() == ErrorKind::busy;
      if (none_run) return nullptr;
      if (error.kind() != ErrorKind::io) throw;
    }
  }
  return nullptr;
}

bool RemoteHasher::tells_right(std::span<const Known> known, const std::stop_token& stop,
                               std::chrono::milliseconds limit) const {
  std::vector<ProofTask> tasks;
  for (const Known& file : known) tasks.push_back({file.path, file.sums.size});
  if (command_for(tasks).line.empty()) return false;
  Progress progress;  // nothing that anybody waits for
  const auto proofs = ask(tasks, progress, stop, limit);
  for (std::size_t i = 0; i < known.size(); ++i) {
    const Sums& wanted = known[i].sums;
    const bool is_right =
        proofs[i] && proofs[i]->outcome == Proof::Outcome::read &&
        proofs[i]->digest == wanted.digest &&
        (!tells_all() || (proofs[i]->check == wanted.check && proofs[i]->size == wanted.size));
    if (!is_right) return false;
  }
  return true;
}

/// The command for some files; an empty line where it cannot be made.
RemoteCommand RemoteHasher::command_for(std::span<const ProofTask> tasks) const {
  const std::string root = shell_.root();
  if (command_.names == HashCommand::Names::arguments) {
    std::string line = command_.program;
    for (const ProofTask& task : tasks) line += " " + name_for(command_, shell_, task.path);
    return {.line = is_plain(root) ? line : "", .input = ""};
  }
  if (root.find('\n') != std::string::npos) return {};
  const std::string input = sums_question(root, tasks);
  if (command_.names == HashCommand::Names::question)
    return {.line = fmt::format("nice {} --sums {}", command_.program, to_string(kind_)),
            .input = input};
  // In single quotes, without any of its own: the same words to sh, csh and fish. `read` takes the
  // first line and no byte more.
  return {.line = fmt::format("sh -c 'IFS= read -r root && cd -- \"$root\" && "
                              "exec nice xargs -0 {}'",
                              command_.program),
          .input = input};
}

std::vector<std::optional<Proof>> RemoteHasher::ask(
    std::span<const ProofTask> tasks, Progress& progress, const std::stop_token& stop,
    std::optional<std::chrono::milliseconds> timeout) const {
  RemoteCommand command = command_for(tasks);
  command.stop = stop;
  command.timeout = timeout;
  Answers answers(tasks, progress);
  Lines lines;
  if (tells_all()) {
    SumsAnswer answer(kind_);
    shell_.run(command, [&](ByteView bytes) {
      lines.take(bytes, [&](std::string_view line) {
        if (auto told = answer.take(line)) answers.put(told->task, std::move(told->proof));
      });
    });
    if (!answer.is_whole()) return std::vector<std::optional<Proof>>(tasks.size());
    return answers.take();
  }
  std::unordered_map<std::string, std::size_t> task_of;
  for (std::size_t i = 0; i < tasks.size(); ++i)
    task_of.emplace(name_for(command_, shell_, tasks[i].path), i);
  shell_.run(command, [&](ByteView bytes) {
    lines.take(bytes, [&](std::string_view text) {
      const std::optional<SumLine> line = parse_sum_line(text, kind_);
      const auto task = line ? task_of.find(std::string(line->name)) : task_of.end();
      if (task != task_of.end())
        answers.put(task->second, {Proof::Outcome::read, line->digest, {}, {}, ""});
    });
  });
  return answers.take();
}

}  // namespace reverse
