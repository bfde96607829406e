#include "libcore/store/server_find.h"

#include <memory>

#include "libcore/backend/remote_shell.h"
#include "libcore/base/error.h"
#include "libcore/base/random.h"
#include "libcore/base/text.h"
#include "libcore/store/layout.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::size_t kMostOutput = 256 << 20;

/// A shell's spelling of `text` that stands for nothing else.
std::string quoted(std::string_view text) {
  std::string word = "'";
  for (char c : text) c == '\'' ? word += "'\\''" : word += c;
  return word + "'";
}

/// Prints `proof` and a zero byte once it is certain that `find` works and sees the file tmp/`proof`, then
/// "TYPE SIZE SECONDS PATH" and a zero byte for each entry, and at the end, if all could be read, `proof` again.
std::string script(const std::string& root, const std::string& proof,
                   const std::vector<RepoPath>& directories, std::size_t depth) {
  std::string words;
  for (const RepoPath& directory : directories)
    words += " " + quoted(directory.empty() ? "." : directory);
  return fmt::format(
      "LC_ALL=C; export LC_ALL\n"
      "cd {root} || exit 1\n"
      "for d in{words}; do [ -d \"$d\" ] && set -- \"$@\" \"$d\"; done\n"
      "find {temporaries}/{proof} -printf '%f\\0' || exit 1\n"
      "[ $# = 0 ] || find \"$@\" -ignore_readdir_race -maxdepth {depth} "
      "\\( -name '.?*' -prune \\) -o -printf '%y %s %T@ %p\\0' || exit 2\n"
      "printf '{proof}\\0'\n",
      fmt::arg("root", quoted(root.starts_with('/') ? root : "./" + root)),
      fmt::arg("words", words), fmt::arg("temporaries", layout::kTemporaries),
      fmt::arg("proof", proof), fmt::arg("depth", depth));
}

FileType type_of(char letter) {
  switch (letter) {
    case 'f':
      return FileType::file;
    case 'd':
      return FileType::directory;
    case 'l':
      return FileType::symlink;
    default:
      return FileType::fifo;  // nothing that a repository has
  }
}

/// "f 0 1390644000.1234567890 forgotten/…"
void add_entry(std::string_view record, std::map<RepoPath, FileStat>& entries) {
  std::vector<std::string_view> words = split(record, ' ');
  if (words.size() < 4 || words[0].size() != 1)
    fail(ErrorKind::corrupt, "'{}' makes no sense", printable(record));
  std::string_view seconds = words[2].substr(0, words[2].find('.'));
  std::optional<std::uint64_t> size = parse_uint(words[1]);
  std::optional<std::uint64_t> date = parse_uint(seconds);  // none before 1970
  FileStat stat;
  stat.type = type_of(words[0][0]);
  stat.size = size.value_or(0);
  stat.mtime = {static_cast<std::int64_t>(date.value_or(0)), 0};
  std::string_view path = record.substr(static_cast<std::size_t>(words[3].data() - record.data()));
  if (path == ".") path = "";
  if (path.starts_with("./")) path.remove_prefix(2);
  entries.emplace(path, stat);
}

/// What a run of the script printed.
struct Answer {
  std::string output;
  std::string errors;
};

/// nullopt where the shell ran no command at all.
std::optional<Answer> run_script(RemoteShell& shell, std::string text) {
  Answer answer;
  try {
    CommandEnd end = shell.run({.line = "sh", .input = std::move(text)}, [&](ByteView bytes) {
      if (answer.output.size() + bytes.size() > kMostOutput)
        fail(ErrorKind::io, "it prints more than {} MiB", kMostOutput >> 20);
      answer.output.append(bytes);
    });
    answer.errors = std::move(end.errors);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::network) throw;
    if (answer.output.empty()) return std::nullopt;
    answer.errors = error.what();
  }
  return answer;
}

/// What stands between the two proofs. Before the first may be anything that a login prints.
std::optional<std::map<RepoPath, FileStat>> entries_in(const Answer& answer,
                                                       const std::string& proof) {
  const std::string mark = proof + '\0';
  std::size_t begin = answer.output.find(mark);
  if (begin == std::string::npos) return std::nullopt;
  std::string_view records = std::string_view(answer.output).substr(begin + mark.size());
  if (!records.ends_with(mark))
    fail(ErrorKind::corrupt, "it could not read everything: {}", printable(answer.errors));
  records.remove_suffix(mark.size());
  std::map<RepoPath, FileStat> entries;
  for (std::size_t end; (end = records.find('\0')) != std::string_view::npos;
       records.remove_prefix(end + 1))
    add_entry(records.substr(0, end), entries);
  return entries;
}

/// A file that nobody else can have made; nullptr where nothing can be written.
std::unique_ptr<Upload> make_proof(Backend& backend, const std::string& name) {
  try {
    std::unique_ptr<Upload> upload = create_temporary(backend, name, 0400);
    upload->confirm();
    return upload;
  } catch (const Error& error) {
    if (error.retryable()) throw;
    return nullptr;
  }
}

}  // namespace

std::optional<std::map<RepoPath, FileStat>> find_on_server(
    Backend& backend, const std::vector<RepoPath>& directories, std::size_t depth) {
  RemoteShell* shell = backend.shell();
  if (shell == nullptr) return std::nullopt;
  const std::string proof = random_hex(16);
  std::unique_ptr<Upload> upload = make_proof(backend, proof);
  if (!upload) return std::nullopt;
  std::optional<Answer> answer =
      run_script(*shell, script(shell->root(), proof, directories, depth));
  if (!answer) return std::nullopt;
  return with_context(fmt::format("find on the server of {}", backend.display("")),
                      [&] { return entries_in(*answer, proof); });
}

}  // namespace reverse
