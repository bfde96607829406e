#include <algorithm>
#include <utility>

#include "libcore/backend/remote_trees.h"
#include "libcore/base/error.h"
#include "libcore/base/random.h"
#include "libcore/base/text.h"
#include "libcore/engine/view_remote_tree.h"
#include "libcore/engine/view_site.h"

namespace reverse {

namespace {

using Act = RemoteStep::Act;
using Outcome = RemoteAnswer::Outcome;

RemoteAnswer do_one(RemoteTrees& trees, RemoteStep step) {
  return std::move(trees.run_stage({std::move(step)}).front());
}

[[noreturn]] void fail_step(const RemoteTrees& trees, ErrorKind kind, std::string_view act,
                            const std::string& path, const RemoteAnswer& answer) {
  fail(answer.outcome == Outcome::absent ? ErrorKind::not_found : kind, "{} {}: {}", act,
       trees.quote(path), printable(answer.words));
}

std::optional<FileStat> look(RemoteTrees& trees, const std::string& path) {
  const RemoteAnswer answer = do_one(trees, {.act = Act::look, .path = path});
  if (answer.outcome == Outcome::done) return answer.stat;
  if (answer.outcome != Outcome::absent)
    fail_step(trees, ErrorKind::io, "look at", path, answer);
  return std::nullopt;
}

/// SFTP knows no locks: that two runs worked at one view shows when one of them finds that its
/// marker is not what it wrote.
class RemoteMarker : public ViewMarker {
 public:
  RemoteMarker(RemoteTrees& trees, std::string path, std::string text)
      : trees_(trees), path_(std::move(path)), text_(std::move(text)) {}

  ViewState read() override { return parse_view_state(text_); }
  void write(const ViewState& state) override;
  void remove() override;

 private:
  std::unique_ptr<Upload> begin_draft(const std::string& path, const std::string& text) const;
  void expect_unchanged() const;

  RemoteTrees& trees_;
  const std::string path_;
  std::string text_;  // that was read or written last
  const std::string run_ = random_hex(8);
};

/// The new text is on its way while it is looked whether the marker is still what it was.
void RemoteMarker::write(const ViewState& state) {
  std::string text = format_view_state(state, run_);
  const std::string draft = path_ + "." + run_;
  try {
    const std::unique_ptr<Upload> upload = begin_draft(draft, text);
    expect_unchanged();
    trees_.keep(*upload);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    fail_without_parent(trees_.quote(path_.substr(0, path_.rfind('/'))));
  }
  text_ = std::move(text);
  const RemoteAnswer answer = do_one(trees_, {.act = Act::rename, .path = draft, .other = path_});
  if (answer.outcome == Outcome::done) return;
  // A server that replaces nothing by a rename.
  const std::vector<RemoteTrees::Stage> stages{
      {{.act = Act::remove, .path = path_}},
      {{.act = Act::rename, .path = draft, .other = path_}}};
  const std::vector<RemoteAnswer> answers = trees_.run(stages);
  if (answers.back().outcome != Outcome::done)
    fail_step(trees_, ErrorKind::io, "write", path_, answers.back());
}

std::unique_ptr<Upload> RemoteMarker::begin_draft(const std::string& path,
                                                  const std::string& text) const {
  std::unique_ptr<Upload> upload = trees_.create(path, 0600);
  upload->write(text);
  upload->close();
  return upload;
}

void RemoteMarker::expect_unchanged() const {
  if (trees_.read(std::vector{path_}).front().value_or("") != text_)
    fail(ErrorKind::busy, "another process is working at the view that {} belongs to",
         trees_.quote(path_));
}

void RemoteMarker::remove() {
  const RemoteAnswer answer = do_one(trees_, {.act = Act::remove, .path = path_});
  if (answer.outcome != Outcome::done && answer.outcome != Outcome::absent)
    fail_step(trees_, ErrorKind::io, "remove", path_, answer);
}

class RemoteViews : public ViewSite {
 public:
  explicit RemoteViews(RemoteTrees& trees) : trees_(trees) {}

  std::string quote(const std::string& path) const override { return trees_.quote(path); }
  bool is_in_repository(const std::string& path) const override {
    const std::string root = trees_.full("");
    return root == "." ? !path.starts_with('/') : (path + "/").starts_with(root + "/");
  }
  std::unique_ptr<ViewMarker> open_marker(const std::string& directory, bool create) override;
  std::vector<std::optional<ViewState>> states(const std::vector<std::string>& views) override;
  std::optional<std::uint32_t> mode_of(const std::string& path) override {
    const std::optional<FileStat> found = look(trees_, path);
    return found ? std::optional(found->mode) : std::nullopt;
  }
  void make_directory(const std::string& path, std::uint32_t mode) override;
  void expect(const Repository& repository, std::uint64_t files) override {
    expect_objects(repository, files);
  }
  std::unique_ptr<ViewTree> open_tree(const Repository& repository, const std::string& directory,
                                      ViewReport& report, const ViewProblem& problem) override {
    return open_remote_tree(repository, trees_, directory, report, problem);
  }
  void remove_tree(const std::string& path) override;
  std::vector<ListedFile> list(const std::string& directory) override {
    return std::move(trees_.list(std::vector{directory}).front());
  }
  void point(const std::string& path, const std::string& target) override;
  void remove_symlink(const std::string& path) override {
    const std::optional<FileStat> found = look(trees_, path);
    if (found && found->type == FileType::symlink)
      do_one(trees_, {.act = Act::remove, .path = path});
  }
  void remove_if_empty(const std::string& directory) override {
    do_one(trees_, {.act = Act::remove_directory, .path = directory});
  }

 private:
  RemoteTrees& trees_;
};

std::unique_ptr<ViewMarker> RemoteViews::open_marker(const std::string& directory, bool create) {
  const std::string path = ViewMarker::path_of(directory);
  std::optional<std::string> text = trees_.read(std::vector{path}).front();
  if (!text && !create) return nullptr;
  return std::make_unique<RemoteMarker>(trees_, path, text.value_or(""));
}

std::vector<std::optional<ViewState>> RemoteViews::states(const std::vector<std::string>& views) {
  std::vector<std::string> paths;
  for (const std::string& view : views) paths.push_back(ViewMarker::path_of(view));
  std::vector<std::optional<ViewState>> states;
  for (const std::optional<std::string>& text : trees_.read(paths))
    states.push_back(text ? std::optional(parse_view_state(*text)) : std::nullopt);
  return states;
}

void RemoteViews::make_directory(const std::string& path, std::uint32_t mode) {
  const std::vector<RemoteTrees::Stage> stages{
      {{.act = Act::make_directory, .path = path, .mode = mode}},
      {{.act = Act::set, .path = path, .mode = mode}}};
  const std::vector<RemoteAnswer> answers = trees_.run(stages);
  for (const RemoteAnswer& answer : answers)
    if (answer.outcome != Outcome::done) fail_step(trees_, ErrorKind::io, "make", path, answer);
}

/// Level by level down, where files go; then directories from the last level up.
void RemoteViews::remove_tree(const std::string& path) {
  if (!look(trees_, path)) return;
  std::vector<RemoteTrees::Stage> levels;
  std::vector<std::string> directories{path};
  while (!directories.empty()) {
    RemoteTrees::Stage opening, removing, &level = levels.emplace_back();
    for (const std::string& directory : directories) {
      opening.push_back({.act = Act::set, .path = directory, .mode = 0700});
      level.push_back({.act = Act::remove_directory, .path = directory});
    }
    trees_.run_stage(opening);
    const std::vector<std::vector<ListedFile>> listings = trees_.list(directories);
    std::vector<std::string> below;
    for (std::size_t i = 0; i < listings.size(); ++i) {
      for (const ListedFile& file : listings[i]) {
        std::string full = directories[i] + "/" + file.name;
        if (file.stat.type == FileType::directory)
          below.push_back(std::move(full));
        else
          removing.push_back({.act = Act::remove, .path = std::move(full)});
      }
    }
    trees_.run_stage(removing);
    directories = std::move(below);
  }
  std::reverse(levels.begin(), levels.end());
  trees_.run(levels);
  if (look(trees_, path))
    fail(ErrorKind::io, "{} cannot be removed whole", trees_.quote(path));
}

void RemoteViews::point(const std::string& path, const std::string& target) {
  const std::string draft = path + ".new";
  const std::vector<RemoteTrees::Stage> stages{
      {{.act = Act::remove, .path = draft}},
      {{.act = Act::symlink, .path = draft, .other = target}},
      {{.act = Act::rename, .path = draft, .other = path}}};
  if (trees_.run(stages).back().outcome == Outcome::done) return;
  const std::vector<RemoteTrees::Stage> again{{{.act = Act::remove, .path = path}},
                                              {{.act = Act::rename, .path = draft, .other = path}}};
  const std::vector<RemoteAnswer> answers = trees_.run(again);
  if (answers.back().outcome != Outcome::done)
    fail_step(trees_, ErrorKind::io, "link", path, answers.back());
}

}  // namespace

std::unique_ptr<ViewSite> open_remote_views(Backend& backend) {
  auto* owner = dynamic_cast<RemoteTreesOwner*>(&backend);
  if (owner == nullptr)
    fail(ErrorKind::unsupported, "{} reaches no trees beside the repository", backend.display(""));
  return std::make_unique<RemoteViews>(owner->trees());
}

}  // namespace reverse
