#include "tests/engine/client.h"

#include <filesystem>

#include "libcore/base/fd.h"
#include "libcore/base/text.h"
#include "libcore/engine/machine.h"
#include "libcore/engine/expect_backup.h"
#include "libcore/engine/open_repository.h"
#include "libcore/engine/revisions.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/layout.h"
#include "tests/engine/in_memory.h"

namespace reverse {

namespace fs = std::filesystem;

// --- what an operation tells

void RecordingObserver::warning(const std::string& message) {
  std::lock_guard lock(mutex_);
  warnings.push_back(message);
}
void RecordingObserver::item(ItemAction action, const std::string& path, std::uint64_t) {
  std::lock_guard lock(mutex_);
  actions[path] = action;
}
void RecordingObserver::kept(const std::string& path) {
  std::lock_guard lock(mutex_);
  kept_paths.push_back(path);
}
void RecordingObserver::problem(const Problem& problem) {
  std::lock_guard lock(mutex_);
  problems.push_back(problem);
}

// --- repositories

ScratchDir::ScratchDir() {
  const TemporariesInMemory here;
  directory_ = std::make_unique<TempDir>();
}

std::unique_ptr<FaultBackend> Place::connect() const {
  return std::make_unique<FaultBackend>(open_local_backend(path(), Durability::none));
}

Place Place::copy() const {
  Place copy;
  fs::copy(path(), copy.path(), fs::copy_options::recursive);
  return copy;
}

std::map<std::string, std::string> Place::files() const {
  std::map<std::string, std::string> files;
  if (!fs::exists(path())) return files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path()))
    if (entry.is_regular_file())
      files[fs::relative(entry.path(), path()).string()] = read_file(entry.path().string());
  return files;
}

std::size_t Place::objects() const {
  std::size_t count = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path() + "/objects"))
    count += entry.is_regular_file();
  return count;
}

// --- backing up

void Client::forget() {
  fs::remove_all(cache());
}

BackupOptions Client::options(const std::string& source) {
  BackupOptions options;
  options.source = options.read_from = source;
  options.host = "desk";
  options.label = label_of_source(source);
  options.tool = "reverse test";
  return options;
}

BackupReport Client::back_up(Backend& backend, const BackupOptions& options,
                             const std::stop_token& stop) {
  observer = std::make_unique<RecordingObserver>();
  const auto warn = [this](const std::string& message) { observer->warning(message); };
  const auto catalog = Catalog::open(cache(), warn);
  OpenOptions open;
  open.location = backend.display("");
  open.fstab = "/dev/null";
  AskedHead asked;
  if (const std::optional<std::string> id = catalog->repository_at(open.location))
    asked = expect_backup(backend, options.host + "/" + options.label,
                          PresentSet::open(cache(), *id, warn)->basis());
  const OpenedRepository opened = open_for_writing(backend, *catalog, open);
  if (opened.created) asked = expect_first_backup(opened.repository);
  const auto present = PresentSet::open(cache(), opened.repository.info().id, warn);
  const auto open_uploads = [&] {
    return UploadJournal::open(cache(), opened.repository.info().id, warn);
  };
  return run_backup(
      {opened.repository, *catalog, *present, *observer, stop, open_uploads, &asked,
       [&](const std::string& id) { return Translations::open(cache(), id, warn); }},
      options);
}

BackupReport Client::back_up(const Site& site, const BackupOptions& options) {
  return back_up(*site.connect(), options);
}

BackupReport Client::back_up(const Site& site, const std::string& source) {
  return back_up(site, options(source));
}

// --- reading back

Restored restore(Backend& backend, const std::string& revision, RestoreOptions options) {
  const Repository repository = Repository::open(backend, false);
  Restored restored{{}, std::make_unique<RecordingObserver>()};
  const RevisionPath found = resolve_revision(repository, revision, {}, "desk", now());
  if (found.path) options.path = *found.path;
  restored.report = run_restore(repository, found.head, options, *restored.observer, {});
  return restored;
}

Restored restore(Backend& backend, const std::string& revision, const std::string& target) {
  RestoreOptions options;
  options.target = target;
  return restore(backend, revision, options);
}

Restored restore(const Site& site, const std::string& revision, RestoreOptions options) {
  return restore(*site.connect(), revision, std::move(options));
}

Restored restore(const Site& site, const std::string& revision, const std::string& target) {
  return restore(*site.connect(), revision, target);
}

std::vector<Entry> entries_of(const Site& site, const std::string& revision) {
  const auto backend = site.connect();
  const Repository repository = Repository::open(*backend, false);
  TreeReader tree = repository.tree(resolve_revision(repository, revision, {}, "desk", now()).head);
  std::vector<Entry> entries;
  while (std::optional<Entry> entry = tree.next()) entries.push_back(std::move(*entry));
  return entries;
}

std::vector<Head> heads_of(const Site& site) {
  const auto backend = site.connect();
  std::vector<Head> heads;
  visit_heads(
      Repository::open(*backend, false), {}, [&](const Head& head) { heads.push_back(head); },
      [](const std::string& name, const Error& error) {
        throw Error(error.kind(), name + ": " + error.what());
      });
  return heads;
}

// --- judging a repository

namespace {

class Inspection {
 public:
  explicit Inspection(Backend& backend)
      : backend_(backend), repository_(Repository::open(backend, false)) {}

  std::vector<std::string> run() {
    visit_heads(
        repository_, {}, [this](const Head& head) { look_at(head); },
        [this](const std::string& name, const Error& error) { note(name, error); });
    for (int shard = 0; shard < layout::kShards; ++shard)
      backend_.list(layout::shard(shard), [&](const ListedFile& file) {
        look_at_object(layout::shard(shard) + "/" + file.name, file.name);
      });
    return std::move(defects_);
  }

 private:
  void note(const std::string& what, const std::exception& error) {
    defects_.push_back(what + ": " + error.what());
  }

  void look_at(const Head& head) {
    try {
      TreeReader tree = repository_.tree(head);
      while (std::optional<Entry> entry = tree.next())
        if (entry->digest) look_at(head.revision() + ":" + entry->path, *entry);
    } catch (const Error& error) {
      note(head.revision(), error);
    }
  }

  void look_at(const std::string& what, const Entry& entry) {
    try {
      HashSink sink(repository_.info().digest);  // the sums are compared by the repository itself
      repository_.read_object({*entry.digest, entry.check, entry.size}, sink);
    } catch (const Error& error) {
      note(what, error);
    }
  }

  void look_at_object(const RepoPath& path, const std::string& name) {
    const std::optional<ObjectName> object = parse_object_name(name);
    HashSink sink(repository_.info().digest);
    backend_.read(path, sink);
    if (!object || sink.finish().digest != object->digest) defects_.push_back(path + " is damaged");
  }

  Backend& backend_;
  Repository repository_;
  std::vector<std::string> defects_;
};

}  // namespace

std::vector<std::string> defects(Backend& backend) {
  return Inspection(backend).run();
}

std::vector<std::string> defects(const Site& site) {
  return defects(*site.connect());
}

}  // namespace reverse
