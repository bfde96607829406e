#include "libcore/engine/view_remote_tree.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "libcore/backend/remote_shell.h"
#include "libcore/backend/remote_trees.h"
#include "libcore/base/error.h"
#include "libcore/base/random.h"
#include "libcore/base/text.h"
#include "libcore/engine/target_maker.h"
#include "libcore/store/content_key.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

using Act = RemoteStep::Act;
using Outcome = RemoteAnswer::Outcome;

constexpr std::size_t kNamesAtOnce = 1024;
constexpr std::uint32_t kFileMode = 0444;

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::ptrdiff_t depth_of(const std::string& path) { return std::count(path.begin(), path.end(), '/'); }

class RemoteTree : public ViewTree {
 public:
  RemoteTree(const Repository& repository, RemoteTrees& trees, const std::string& directory,
             ViewReport& report, const ViewProblem& problem)
      : repository_(repository),
        trees_(trees),
        directory_(directory),
        report_(report),
        problem_(problem) {}

  void add(const Entry& entry) override;
  void remove(const std::string& path, bool is_directory) override;
  void finish(const Entry& directory) override;
  void flush() override;

 private:
  /// Links are made by SFTP or by `ln`.
  enum class How { unknown, link, command };

  std::string full(const std::string& path) const { return directory_ + "/" + path; }
  std::vector<std::string> places_of(const Entry& entry, const RepoPath& directory = "") const;
  void open_parent(const std::string& path);
  void open_parents();
  void run(std::vector<RemoteTrees::Stage> stages);
  void do_removals();
  void do_additions();
  void make_directories();
  void link_files();
  void try_links();
  void make_links(const std::vector<RemoteTrees::Stage>& stages);
  void link_by_command(const std::vector<RemoteTrees::Stage>& stages);
  std::vector<RemoteAnswer> look_at(const std::vector<const Entry*>& entries);
  bool settle(const Entry& file, const RemoteAnswer& found);
  void link_elsewhere(const std::vector<const Entry*>& files);
  void copy_file(const Entry& file);
  void report_damage(const Entry& file, const std::string& why);
  void finish_directories();

  const Repository& repository_;
  RemoteTrees& trees_;
  const std::string directory_;
  ViewReport& report_;
  const ViewProblem& problem_;

  How how_ = How::unknown;
  std::vector<std::pair<std::string, bool>> removals_;  // path, and whether a directory
  std::vector<Entry> additions_, finished_;
  std::set<std::string> fresh_;  // directories made here and not finished
  std::set<std::string> opening_;  // others, to be opened to changes before anything else
  std::map<std::string, Timestamp> changed_;  // others that are open, by their times before
  std::map<ContentKey, std::string> copies_;  // of contents without room for links: where in the view
};

// --- what is to be done is collected

void RemoteTree::open_parent(const std::string& path) {
  const std::string parent = parent_of(path);
  if (parent.empty() || fresh_.count(parent) > 0 || changed_.count(parent) > 0) return;
  opening_.insert(parent);
}

void RemoteTree::add(const Entry& entry) {
  if (entry.path.empty()) return;
  if (!removals_.empty()) do_removals();
  const bool is_file = entry.type == FileType::file && entry.digest;
  const bool is_directory =
      entry.type == FileType::directory || entry.type == FileType::repository;
  if (!is_file && !is_directory && entry.type != FileType::symlink) {
    ++report_.left_out;
    return;
  }
  open_parent(entry.path);
  if (is_directory) fresh_.insert(entry.path);
  additions_.push_back(entry);
  if (additions_.size() >= kNamesAtOnce) do_additions();
}

void RemoteTree::remove(const std::string& path, bool is_directory) {
  open_parent(path);
  removals_.push_back({path, is_directory});
  if (removals_.size() >= kNamesAtOnce) do_removals();
}

void RemoteTree::finish(const Entry& directory) {
  if (directory.path.empty()) return;  // the view itself keeps the mode that it was made with
  finished_.push_back(directory);
}

void RemoteTree::flush() {
  if (!removals_.empty()) do_removals();
  do_additions();
  RemoteTrees::Stage stage;
  for (const auto& [path, mtime] : changed_)
    stage.push_back({.act = Act::set, .path = full(path), .mode = 0555, .mtime = mtime});
  run({std::move(stage)});
  changed_.clear();
}

// --- and done

/// Steps of which each must succeed.
void RemoteTree::run(std::vector<RemoteTrees::Stage> stages) {
  const std::vector<RemoteAnswer> answers = trees_.run(stages);
  auto answer = answers.begin();
  for (const RemoteTrees::Stage& stage : stages)
    for (const RemoteStep& step : stage)
      if (const RemoteAnswer& told = *answer++; told.outcome != Outcome::done)
        fail(ErrorKind::io, "change {}: {}", trees_.quote(step.path), printable(told.words));
}

/// Keeps in mind what the directories were, and opens them to their owner.
void RemoteTree::open_parents() {
  if (opening_.empty()) return;
  RemoteTrees::Stage looks, opening;
  for (const std::string& path : opening_) {
    looks.push_back({.act = Act::look, .path = full(path)});
    opening.push_back({.act = Act::set, .path = full(path), .mode = 0700});
  }
  const std::vector<RemoteAnswer> found = trees_.run_stage(looks);
  std::size_t next = 0;
  for (const std::string& path : opening_) changed_.emplace(path, found[next++].stat.mtime);
  run({std::move(opening)});
  opening_.clear();
}

void RemoteTree::do_removals() {
  open_parents();
  std::vector<RemoteTrees::Stage> stages(1);
  std::ptrdiff_t depth = -1;
  for (const auto& [path, is_directory] : removals_) {
    if (!is_directory) {
      stages.front().push_back({.act = Act::remove, .path = full(path)});
      continue;
    }
    if (std::exchange(depth, depth_of(path)) != depth_of(path)) stages.emplace_back();
    stages.back().push_back({.act = Act::remove_directory, .path = full(path)});
    changed_.erase(path);
  }
  const std::vector<RemoteAnswer> answers = trees_.run(stages);
  for (const RemoteAnswer& answer : answers)
    if (answer.outcome != Outcome::done && answer.outcome != Outcome::absent)
      fail(ErrorKind::io, "remove names in {}: {}", trees_.quote(directory_),
           printable(answer.words));
  report_.removed += removals_.size();
  removals_.clear();
}

void RemoteTree::do_additions() {
  open_parents();
  make_directories();
  link_files();
  additions_.clear();
  finish_directories();
}

void RemoteTree::make_directories() {
  std::vector<RemoteTrees::Stage> stages(1);
  std::ptrdiff_t depth = 0;
  RemoteTrees::Stage symlinks;
  for (const Entry& entry : additions_) {
    if (entry.type == FileType::symlink) {
      symlinks.push_back({.act = Act::symlink, .path = full(entry.path), .other = entry.target});
    } else if (entry.type != FileType::file) {
      if (std::exchange(depth, depth_of(entry.path)) != depth_of(entry.path)) stages.emplace_back();
      stages.back().push_back({.act = Act::make_directory, .path = full(entry.path), .mode = 0700});
      ++report_.directories;
    }
  }
  report_.symlinks += symlinks.size();
  stages.push_back(std::move(symlinks));
  run(std::move(stages));
}

/// Where readers look, in their order: the object's usual names, below `directory` or in objects/.
std::vector<std::string> RemoteTree::places_of(const Entry& entry, const RepoPath& directory) const {
  std::vector<std::string> places;
  const auto add_place = [&](const ObjectName& name) {
    places.push_back(
        trees_.full(directory.empty() ? object_path(name) : directory + "/" + to_string(name)));
  };
  if (entry.check) add_place({*entry.digest, entry.check});
  add_place({*entry.digest, std::nullopt});
  return places;
}

/// Finds out how links are made here, by making one and looking whether it is there.
void RemoteTree::try_links() {
  const RemoteStep link{.act = Act::link,
                        .path = full(".reverse-" + random_hex(8)),
                        .other = trees_.full(layout::kRepositoryFile)};
  for (const How how : {How::link, How::command}) {
    how_ = how;
    make_links({{link}});
    const RemoteTrees::Stage rest{{.act = Act::look, .path = link.path},
                                  {.act = Act::remove, .path = link.path}};
    if (trees_.run_stage(rest).front().outcome == Outcome::done) return;
  }
  fail(ErrorKind::unsupported,
       "hard links to objects cannot be made at {}, neither by SFTP nor by the command ln, or it is "
       "not on the repository's file system ('reverse restore' makes copies)",
       trees_.quote(directory_));
}

void RemoteTree::link_files() {
  std::vector<const Entry*> files;
  std::vector<std::unique_ptr<Upload>> empty;
  for (const Entry& entry : additions_) {
    if (entry.type != FileType::file) continue;
    ++report_.files;
    if (entry.size > 0)
      files.push_back(&entry);
    else  // links to it may be needed up to the file system's limit, and save nothing
      empty.push_back(trees_.create(full(entry.path), kFileMode));
  }
  for (const std::unique_ptr<Upload>& upload : empty) upload->close();
  for (const std::unique_ptr<Upload>& upload : empty) trees_.keep(*upload);
  if (files.empty()) return;
  if (how_ == How::unknown) try_links();
  std::vector<RemoteTrees::Stage> stages;
  for (const Entry* file : files) {
    const auto copy = copies_.find(ContentKey::of(*file->digest, file->check));
    std::size_t at = 0;
    for (const std::string& place :
         copy == copies_.end() ? places_of(*file) : std::vector{full(copy->second)}) {
      // One place after the other: a link that is there already keeps the next from being made.
      if (stages.size() <= at) stages.resize(at + 1);
      stages[at++].push_back({.act = Act::link, .path = full(file->path), .other = place});
    }
  }
  make_links(stages);
  const std::vector<RemoteAnswer> found = look_at(files);
  std::vector<const Entry*> missing;
  for (std::size_t i = 0; i < files.size(); ++i)
    if (!settle(*files[i], found[i])) missing.push_back(files[i]);
  if (!missing.empty()) link_elsewhere(missing);
}

/// What became of them is to be looked at.
void RemoteTree::make_links(const std::vector<RemoteTrees::Stage>& stages) {
  if (how_ == How::link)
    trees_.run(stages);
  else
    link_by_command(stages);
}

/// Where the server's SFTP makes no links its shell may. Names go to the command's standard input.
void RemoteTree::link_by_command(const std::vector<RemoteTrees::Stage>& stages) {
  RemoteShell* const shell = repository_.backend().shell();
  if (shell == nullptr) return;
  RemoteCommand command{.line = "xargs -0 -n 2 ln -- 2>/dev/null", .input = ""};
  for (const RemoteTrees::Stage& stage : stages) {
    for (const RemoteStep& link : stage) {
      command.input.append(link.other).push_back('\0');
      command.input.append(link.path).push_back('\0');
    }
  }
  try {
    shell->run(command, [](ByteView) {});
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::network) throw;  // else: no commands to be had
  }
}

std::vector<RemoteAnswer> RemoteTree::look_at(const std::vector<const Entry*>& entries) {
  RemoteTrees::Stage looks;
  for (const Entry* entry : entries)
    looks.push_back({.act = Act::look, .path = full(entry->path)});
  return trees_.run_stage(looks);
}

/// True if the file is made, or reported as damaged. The size is compared always.
bool RemoteTree::settle(const Entry& file, const RemoteAnswer& found) {
  if (found.outcome != Outcome::done) return false;
  if (found.stat.type == FileType::file && found.stat.size == file.size) return true;
  trees_.run_stage({{.act = Act::remove, .path = full(file.path)}});
  report_damage(file, fmt::format("object {} has {} bytes instead of {}", file.digest->hex(),
                                  found.stat.size, file.size));
  return true;
}

/// The few that were not found in objects/, or whose object has no room for links. One by one.
void RemoteTree::link_elsewhere(const std::vector<const Entry*>& files) {
  std::vector<RepoPath> directories;
  list_if_there(repository_.backend(), layout::kTrash, [&](const ListedFile& run) {
    if (run.stat.type == FileType::directory)
      directories.push_back(layout::kTrash + "/" + run.name);
  });
  directories.push_back(layout::kBad);
  for (const Entry* file : files) {
    std::vector<RemoteTrees::Stage> stages;
    const auto try_place = [&](const std::string& place) {
      stages.push_back({{.act = Act::link, .path = full(file->path), .other = place}});
    };
    const auto copy = copies_.find(ContentKey::of(*file->digest, file->check));
    if (copy != copies_.end()) try_place(full(copy->second));
    for (const RepoPath& directory : directories)
      for (const std::string& place : places_of(*file, directory)) try_place(place);
    make_links(stages);
    if (!settle(*file, look_at({file}).front())) copy_file(*file);
  }
}

/// A file of its own, which what has the same content is linked to from now on.
void RemoteTree::copy_file(const Entry& file) {
  try {
    const std::unique_ptr<Upload> upload = trees_.create(full(file.path), kFileMode);
    repository_.read_object(sums_of(file), *upload);
    upload->close();
    trees_.keep(*upload);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::not_found) throw;
    return report_damage(file, error.what());
  }
  copies_[ContentKey::of(*file.digest, file.check)] = file.path;
  ++report_.copied;
}

void RemoteTree::report_damage(const Entry& file, const std::string& why) {
  --report_.files;
  ++report_.damaged;
  problem_(file.path, why);
}

void RemoteTree::finish_directories() {
  RemoteTrees::Stage stage;
  for (const Entry& directory : finished_) {
    stage.push_back({.act = Act::set,
                     .path = full(directory.path),
                     .mode = 0555,
                     .mtime = directory.mtime});
    fresh_.erase(directory.path);
    changed_.erase(directory.path);
  }
  run({std::move(stage)});
  finished_.clear();
}

}  // namespace

std::unique_ptr<ViewTree> open_remote_tree(const Repository& repository, RemoteTrees& trees,
                                           const std::string& directory, ViewReport& report,
                                           const ViewProblem& problem) {
  return std::make_unique<RemoteTree>(repository, trees, directory, report, problem);
}

}  // namespace reverse
