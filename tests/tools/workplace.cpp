#include "tests/tools/workplace.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "libcore/base/fd.h"
#include "libcore/base/text.h"
#include "libcore/store/head.h"
#include "tools/reverse-backup/command.h"
#include "tools/reverse-restore/command.h"
#include "tools/reverse/command.h"

namespace reverse {

Workplace::Workplace() {
  harness.environment["REVERSE_HOST"] = "desk";
}

void Workplace::write_small_tree() {
  source.write("docs/a.txt", "alpha\n");
  source.write("docs/b.txt", "beta\n");
  source.write("c.txt", "gamma\n");
}

ToolRun Workplace::run_backup(Words words) {
  words.insert(words.begin(), {"--fsync", "none"});
  return harness.run(backup_tool(), words);
}

ToolRun Workplace::backup(const Words& options) {
  Words words = options;
  words.push_back(source.path());
  words.push_back(repo());
  return run_backup(words);
}

ToolRun Workplace::restore(const Words& words) {
  Words all = words;
  all.insert(all.begin(), repo());
  return harness.run(restore_tool(), all);
}

ToolRun Workplace::reverse(const Words& words) {
  return harness.run(front_door(), words);
}

Words Workplace::names(const std::string& revision) {
  const ToolRun run = reverse({"ls", "-R", repo(), revision});
  INFO(run.err);
  REQUIRE(run.code == 0);
  return lines_of(run.out);
}

std::size_t Workplace::revisions() {
  const ToolRun run = reverse({"list", "--all", repo()});
  INFO(run.err);
  REQUIRE(run.code == 0);
  return lines_of(run.out).size();
}

std::filesystem::path Workplace::only_file(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) found.push_back(entry.path());
  REQUIRE(found.size() == 1);
  return found.front();
}

std::string Workplace::add_checkpoint() {
  const std::filesystem::path file = only_file(repo() + "/manifests");
  Head head = parse_head(read_file(file), file.string());
  head.id = "00000000-0000-4000-8000-000000000001";
  head.outcome = Outcome::checkpoint;
  write_file(repo() + "/manifests/" + head.revision() + ".yaml", format_head(head));
  return head.revision();
}

std::vector<nlohmann::json> json_lines(const std::string& text) {
  std::vector<nlohmann::json> objects;
  for (const std::string& line : lines_of(text)) {
    INFO(line);
    REQUIRE(nlohmann::json::accept(line));
    objects.push_back(nlohmann::json::parse(line));
    REQUIRE(objects.back().contains("message_type"));
  }
  return objects;
}

Words lines_of(const std::string& text) {
  Words lines;
  for (const std::string_view line : split(text, '\n')) lines.emplace_back(line);
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace reverse
