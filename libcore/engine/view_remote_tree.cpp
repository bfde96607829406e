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
#include "libcore/engine/stored_sizes.h"
#include "libcore/engine/target_maker.h"
#include "libcore/store/content_key.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

using Act = RemoteStep::Act;
using Outcome = RemoteAnswer::Outcome;

constexpr std::size_t kNamesAtOnce = 4096;
constexpr std::uint32_t kFileMode = 0444;
/// Listing objects/ takes as many flights as asking for some hundreds, and a listed object about a
/// quarter of the bytes and the work of two requests, which a file costs less if it is listed.
constexpr std::uint64_t kWorthListing = 1000;  // files
constexpr std::uint64_t kListedPerFile = 4;    // objects
constexpr std::uint64_t kMostListed = 1 << 20;  // which take 24 MB of memory

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::ptrdiff_t depth_of(const std::string& path) { return std::count(path.begin(), path.end(), '/'); }

bool is_worth_listing(const Repository& repository, std::uint64_t files) {
  return files >= kWorthListing && repository.info().digest == DigestKind::md5;
}

class RemoteTree : public ViewTree {
  using Stage = RemoteTrees::Stage;
  using Stages = std::vector<Stage>;

 public:
  RemoteTree(const Repository& repository, RemoteTrees& trees, const std::string& directory,
             ViewReport& report, const ViewProblem& problem)
      : repository_(repository),
        trees_(trees),
        directory_(directory),
        report_(report),
        problem_(problem),
        stored_(repository) {}

  void expect(std::uint64_t files) override;
  void add(const Entry& entry) override;
  void replace(const Entry& file) override;
  void remove(const std::string& path, bool is_directory) override;
  void finish(const Entry& directory) override;
  void flush() override;

 private:
  /// Links are made by SFTP or by `ln`.
  enum class How { unknown, link, command };

  std::string full(const std::string& path) const { return directory_ + "/" + path; }
  static std::vector<ObjectName> names_of(const Entry& file);
  std::vector<std::string> places_of(const Entry& file, const RepoPath& directory = "") const;
  void open_parent(const std::string& path);
  void open_parents();
  void run(const Stages& stages) { demand(stages, trees_.run(stages)); }
  void demand(const Stages& stages, std::span<const RemoteAnswer> answers) const;
  void do_removals();
  void do_additions();
  Stages take_directories();
  Stage take_finished();
  std::vector<const Entry*> files_to_make(bool with_content) const;
  Stages links_to(const std::vector<const Entry*>& files) const;
  RemoteStep link_to(const Entry& file, const std::string& place) const;
  RemoteStep look_at(const Entry& file) const;
  std::vector<RemoteAnswer> make(const Stages& first, const Stages& links, const Stage& proofs);
  void make_empty_files();
  void try_links();
  std::optional<std::string> listed_place(const Entry& file);
  void link_by_command(const Stages& links);
  bool settle(const Entry& file, const RemoteAnswer& found);
  void link_elsewhere(const std::vector<const Entry*>& files);
  void copy_file(const Entry& file);
  void report_damage(const Entry& file, const std::string& why);

  const Repository& repository_;
  RemoteTrees& trees_;
  const std::string directory_;
  ViewReport& report_;
  const ViewProblem& problem_;

  How how_ = How::unknown;
  bool is_listed_ = false;  // objects/, by `stored_`
  StoredSizes stored_;
  std::vector<std::pair<std::string, bool>> removals_;  // path, and whether a directory
  std::vector<Entry> additions_;
  std::vector<Entry> closing_;   // directories of which some names may still have to be settled
  std::vector<Entry> finished_;  // others that get their modes and times with the next names
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

void RemoteTree::replace(const Entry& file) {
  open_parent(file.path);
  removals_.push_back({file.path, false});
  additions_.push_back(file);
  if (additions_.size() < kNamesAtOnce) return;
  do_removals();
  do_additions();
}

void RemoteTree::remove(const std::string& path, bool is_directory) {
  open_parent(path);
  removals_.push_back({path, is_directory});
  if (removals_.size() >= kNamesAtOnce) do_removals();
}

void RemoteTree::finish(const Entry& directory) {
  if (directory.path.empty()) return;  // the view itself keeps the mode that it was made with
  closing_.push_back(directory);
}

void RemoteTree::flush() {
  if (!removals_.empty()) do_removals();
  do_additions();
  Stage stage = take_finished();
  for (const auto& [path, mtime] : changed_)
    stage.push_back({.act = Act::set, .path = full(path), .mode = 0555, .mtime = mtime});
  run({std::move(stage)});
  changed_.clear();
}

// --- and done

/// Each of the steps must have succeeded.
void RemoteTree::demand(const Stages& stages, std::span<const RemoteAnswer> answers) const {
  auto answer = answers.begin();
  for (const Stage& stage : stages)
    for (const RemoteStep& step : stage)
      if (const RemoteAnswer& told = *answer++; told.outcome != Outcome::done)
        fail(ErrorKind::io, "change {}: {}", trees_.quote(step.path), printable(told.words));
}

/// Keeps in mind what the directories were, and opens them to their owner.
void RemoteTree::open_parents() {
  if (opening_.empty()) return;
  Stage looks, opening;
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
  Stages stages(1);
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
  const std::vector<const Entry*> files = files_to_make(true);
  if (!files.empty() && how_ == How::unknown) try_links();
  if (!is_listed_) expect(files.size());
  if (is_listed_) stored_.list();
  std::vector<const Entry*> unlisted;
  Stage proofs;  // of what became of each file
  for (const Entry* file : files) {
    const std::optional<std::string> place = listed_place(*file);
    proofs.push_back(place ? link_to(*file, *place) : look_at(*file));
    if (!place) unlisted.push_back(file);
  }
  std::vector<RemoteAnswer> found = make(take_directories(), links_to(unlisted), proofs);
  make_empty_files();
  report_.files += files.size();
  std::vector<const Entry*> missing;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (proofs[i].act == Act::link) found[i].stat = {.type = FileType::file, .size = files[i]->size};
    if (!settle(*files[i], found[i])) missing.push_back(files[i]);
  }
  if (!missing.empty()) link_elsewhere(missing);
  additions_.clear();
  std::move(closing_.begin(), closing_.end(), std::back_inserter(finished_));
  closing_.clear();
}

/// Takes the steps of `first`, each of which must succeed, makes links, and tells what `proofs` are
/// answered then: all in as few round trips as can be had.
std::vector<RemoteAnswer> RemoteTree::make(const Stages& first, const Stages& links,
                                           const Stage& proofs) {
  Stages stages = first;
  if (how_ == How::command) {
    run(std::exchange(stages, {}));
    link_by_command(links);
  } else {
    stages.insert(stages.end(), links.begin(), links.end());
  }
  stages.push_back(proofs);
  std::vector<RemoteAnswer> answers = trees_.run(stages);
  if (how_ != How::command) demand(first, answers);
  answers.erase(answers.begin(), answers.end() - static_cast<std::ptrdiff_t>(proofs.size()));
  return answers;
}

/// Directories that are finished, then those that are new, level by level, and symlinks.
RemoteTree::Stages RemoteTree::take_directories() {
  Stages stages{take_finished()};
  std::ptrdiff_t depth = 0;
  Stage symlinks;
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
  return stages;
}

/// The names that its object may have, in the order in which readers look for them.
std::vector<ObjectName> RemoteTree::names_of(const Entry& file) {
  std::vector<ObjectName> names;
  if (file.check) names.push_back({*file.digest, file.check});
  names.push_back({*file.digest, std::nullopt});
  return names;
}

/// Where these are: below `directory`, or in objects/.
std::vector<std::string> RemoteTree::places_of(const Entry& file, const RepoPath& directory) const {
  std::vector<std::string> places;
  for (const ObjectName& name : names_of(file))
    places.push_back(
        trees_.full(directory.empty() ? object_path(name) : directory + "/" + to_string(name)));
  return places;
}

/// Objects whose names and sizes are known take one link each, of which the reply tells enough.
void RemoteTree::expect(std::uint64_t files) {
  if (!is_worth_listing(repository_, files)) return;
  is_listed_ = count_roughly(repository_) <= std::min(kListedPerFile * files, kMostListed);
  if (is_listed_) stored_.expect_list();
}

/// The object in objects/, if it is known to be whole.
std::optional<std::string> RemoteTree::listed_place(const Entry& file) {
  if (!is_listed_ || how_ != How::link || copies_.contains(ContentKey::of(*file.digest, file.check))) return std::nullopt;
  for (const ObjectName& name : names_of(file))
    if (const std::optional<std::uint64_t> size = stored_.find(name))
      return *size == file.size ? std::optional(trees_.full(object_path(name))) : std::nullopt;
  return std::nullopt;
}

/// Finds out how links are made here, by making one and looking whether it is there.
void RemoteTree::try_links() {
  const RemoteStep link{.act = Act::link,
                        .path = full(".reverse-" + random_hex(8)),
                        .other = trees_.full(layout::kRepositoryFile)};
  for (const How how : {How::link, How::command}) {
    how_ = how;
    const Stage rest{{.act = Act::look, .path = link.path}, {.act = Act::remove, .path = link.path}};
    if (make({}, {{link}}, rest).front().outcome == Outcome::done) return;
  }
  fail(ErrorKind::unsupported,
       "hard links to objects cannot be made at {}, neither by SFTP nor by the command ln, or it is "
       "not on the repository's file system ('reverse restore' makes copies)",
       trees_.quote(directory_));
}

/// Of the additions the files with content, or those without.
std::vector<const Entry*> RemoteTree::files_to_make(bool with_content) const {
  std::vector<const Entry*> files;
  for (const Entry& entry : additions_)
    if (entry.type == FileType::file && (entry.size > 0) == with_content) files.push_back(&entry);
  return files;
}

/// Links to an empty file may be needed up to the file system's limit, and save nothing.
void RemoteTree::make_empty_files() {
  std::vector<std::unique_ptr<Upload>> uploads;
  for (const Entry* file : files_to_make(false))
    uploads.push_back(trees_.create(full(file->path), kFileMode));
  for (const std::unique_ptr<Upload>& upload : uploads) upload->close();
  for (const std::unique_ptr<Upload>& upload : uploads) trees_.keep(*upload);
  report_.files += uploads.size();
}

/// One place after the other: a link that is there already keeps the next from being made.
RemoteTree::Stages RemoteTree::links_to(const std::vector<const Entry*>& files) const {
  Stages stages;
  for (const Entry* file : files) {
    const auto copy = copies_.find(ContentKey::of(*file->digest, file->check));
    std::size_t at = 0;
    for (const std::string& place :
         copy == copies_.end() ? places_of(*file) : std::vector{full(copy->second)}) {
      if (stages.size() <= at) stages.resize(at + 1);
      stages[at++].push_back(link_to(*file, place));
    }
  }
  return stages;
}

RemoteStep RemoteTree::link_to(const Entry& file, const std::string& place) const {
  return {.act = Act::link, .path = full(file.path), .other = place};
}

RemoteStep RemoteTree::look_at(const Entry& file) const {
  return {.act = Act::look, .path = full(file.path)};
}

/// Where the server's SFTP makes no links its shell may. Names go to the command's standard input.
void RemoteTree::link_by_command(const Stages& links) {
  RemoteShell* const shell = repository_.backend().shell();
  if (shell == nullptr) return;
  RemoteCommand command{.line = "xargs -0 -n 2 ln -- 2>/dev/null", .input = ""};
  for (const Stage& stage : links) {
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
    Stages links;
    const auto try_place = [&](const std::string& place) { links.push_back({link_to(*file, place)}); };
    const auto copy = copies_.find(ContentKey::of(*file->digest, file->check));
    if (copy != copies_.end()) try_place(full(copy->second));
    for (const RepoPath& directory : directories)
      for (const std::string& place : places_of(*file, directory)) try_place(place);
    if (!settle(*file, make({}, links, {look_at(*file)}).front())) copy_file(*file);
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

RemoteTree::Stage RemoteTree::take_finished() {
  Stage stage;
  for (const Entry& directory : finished_) {
    stage.push_back({.act = Act::set,
                     .path = full(directory.path),
                     .mode = 0555,
                     .mtime = directory.mtime});
    fresh_.erase(directory.path);
    changed_.erase(directory.path);
  }
  finished_.clear();
  return stage;
}

}  // namespace

void expect_objects(const Repository& repository, std::uint64_t files) {
  if (is_worth_listing(repository, files))
    expect_listings(repository.backend(), {layout::shard(0)});
}

std::unique_ptr<ViewTree> open_remote_tree(const Repository& repository, RemoteTrees& trees,
                                           const std::string& directory, ViewReport& report,
                                           const ViewProblem& problem) {
  return std::make_unique<RemoteTree>(repository, trees, directory, report, problem);
}

}  // namespace reverse
