#include "libcore/backend/sftp/sftp_backend.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "libcore/backend/sftp/prefetch.h"
#include "libcore/backend/sftp/server.h"
#include "libcore/backend/sftp/sftp_read.h"
#include "libcore/backend/sftp/sftp_shell.h"
#include "libcore/backend/sftp/sftp_upload.h"
#include "libcore/backend/sftp/syncer.h"
#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse::sftp {

namespace {

constexpr std::size_t kUploadsPerConnection = 64;
constexpr std::size_t kMostOpen = 1024;  // uploads with an open file
constexpr std::size_t kOpenUntold = 64;  // where the server does not tell how many it allows
constexpr std::size_t kSyncedWithNames =
    8;  // publications that are not worth a barrier of their own

RepoPath parent_of(const RepoPath& path) {
  std::size_t slash = path.rfind('/');
  return slash == RepoPath::npos ? "" : path.substr(0, slash);
}

class SftpBackend final : public Backend {
 public:
  SftpBackend(std::unique_ptr<Pool> pool, const std::string& root, const SftpOptions& options);

  const BackendTraits& traits() const override { return traits_; }
  std::string display(const RepoPath& path) const override {
    return server_.quote(server_.full(path));
  }

  std::optional<FileStat> stat(const RepoPath& path) override;
  void list(const RepoPath& directory,
            const std::function<void(const ListedFile&)>& visit) override;
  std::uint64_t read(const RepoPath& path, ByteSink& sink) override;
  void expect(std::span<const Expected> what) override;

  std::unique_ptr<Upload> create(const RepoPath& path, std::uint32_t mode) override;
  std::vector<MoveResult> publish(std::span<const Publication> publications) override;
  void replace(Upload& upload, const RepoPath& target) override;
  MoveResult move(const RepoPath& from, const RepoPath& to) override;
  bool remove(const RepoPath& path) override;
  bool make_directory(const RepoPath& path) override;
  void make_directories(std::span<const RepoPath> paths) override;
  bool remove_directory(const RepoPath& path) override;

  void barrier(std::span<const RepoPath> directories) override;
  std::optional<std::uint64_t> free_bytes() override;
  bool recover() override;
  RemoteShell* shell() override { return may_run_ ? &shell_ : nullptr; }

 private:
  struct Rename {
    std::string from, to;
  };
  std::vector<Reply> rename_and_sync(const std::vector<Rename>& renames);
  std::uint32_t mode_of_directories();
  MoveResult settle(const Reply& reply, const Rename& rename) const;
  MoveResult rename_again(const Rename& rename) const;
  void note_change(const RepoPath& path);
  void require_generation(unsigned generation) const;

  const Server server_;
  const BackendTraits traits_;
  const std::uint64_t stripe_from_;
  OpenUploads open_;
  Syncer syncer_;
  Prefetch prefetch_;
  SftpShell shell_;
  const bool may_run_;
  std::mutex mutex_;
  std::set<RepoPath> changed_;  ///< directories with names not yet durable; by `mutex_`
  unsigned covered_ = 0;        ///< generation in which the last barrier was; by `mutex_`
  std::size_t created_ = 0;     ///< by `mutex_`
};

SftpBackend::SftpBackend(std::unique_ptr<Pool> pool, const std::string& root,
                         const SftpOptions& options)
    : server_(std::move(pool), root),
      traits_{.cheap_stat = false,
              .reliable_listing = false,
              .hard_links = true,
              .durable = options.durability != Durability::none,
              .connections = 8},
      stripe_from_(options.stripe_from),
      syncer_(server_, options.durability, options.run_commands),
      prefetch_(server_),
      shell_(server_),
      may_run_(options.run_commands) {}

void SftpBackend::note_change(const RepoPath& path) {
  std::lock_guard lock(mutex_);
  changed_.insert(parent_of(path));
}

/// What was written in an earlier generation and not made durable then may be lost.
void SftpBackend::require_generation(unsigned generation) const {
  if (server_.pool().generation() != generation)
    fail(ErrorKind::network,
         "the connection to '{}' was lost before what went over it was durable",
         printable(server_.pool().host()));
}

bool SftpBackend::recover() {
  try {
    server_.pool().front();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::network) throw;
    return false;
  }
  std::lock_guard lock(mutex_);
  covered_ = server_.pool().generation();
  changed_.clear();
  return true;
}

// --- reading

std::optional<FileStat> SftpBackend::stat(const RepoPath& path) {
  if (!path.empty()) return server_.examine(server_.full(path));
  std::string root = server_.full("");  // may be reached through a symlink
  Reply reply = server_.call(stat_request(root));
  if (reply.type == PacketType::attrs) return to_file_stat(reply.attributes);
  if (!is_absent(reply)) server_.throw_failure(reply, "stat", root);
  return std::nullopt;
}

void SftpBackend::expect(std::span<const Expected> what) {
  for (const Expected& one : what)
    prefetch_.begin(server_.full(one.path), one.is_directory, one.size);
}

void SftpBackend::list(const RepoPath& directory,
                       const std::function<void(const ListedFile&)>& visit) {
  std::string name = server_.full(directory);
  std::optional<Prefetch::Found> found = prefetch_.take(name);
  if (found && found->failure) found.reset();  // looked at once more, for a certain answer
  std::vector<NameEntry> names = found ? std::move(found->names) : list_directory(server_, name);
  for (NameEntry& entry : names)
    if (entry.name != "." && entry.name != "..")
      visit({std::move(entry.name), to_file_stat(entry.attributes)});
}

std::uint64_t SftpBackend::read(const RepoPath& path, ByteSink& sink) {
  std::string name = server_.full(path);
  std::optional<Prefetch::Found> found = prefetch_.take(name);
  if (found && found->failure && is_absent(*found->failure))
    server_.throw_failure(*found->failure, "read", name);
  if (!found || found->failure) return read_file(server_, name, stripe_from_, sink);
  sink.write(found->data);
  return found->data.size();
}

std::optional<std::uint64_t> SftpBackend::free_bytes() {
  std::optional<FileSystemStat> stat = server_.room();
  if (!stat) return std::nullopt;
  return stat->available_blocks * stat->block_size;
}

// --- writing

std::unique_ptr<Upload> SftpBackend::create(const RepoPath& path, std::uint32_t mode) {
  std::string name = server_.full(path);
  bool is_sync = syncer_.counts_upload(name);
  std::size_t created;
  {
    std::lock_guard lock(mutex_);
    created = ++created_;
  }
  if (created % kUploadsPerConnection == 0) server_.pool().grow();
  Client& client = created <= kOpenUntold ? server_.pool().front() : server_.pool().next();
  std::size_t most = kOpenUntold;
  if (created > kOpenUntold && client.limits().handles > 0)
    most = std::min<std::size_t>(kMostOpen, client.limits().handles / 2);
  open_.enter(most);
  return std::make_unique<SftpUpload>(server_, client, open_, name, mode, is_sync, stripe_from_);
}

SftpUpload& own(Upload* upload) {
  auto* mine = dynamic_cast<SftpUpload*>(upload);
  if (mine == nullptr) fail(ErrorKind::internal, "publish: not an upload of this backend");
  return *mine;
}

std::vector<MoveResult> SftpBackend::publish(std::span<const Publication> publications) {
  std::vector<Rename> renames;
  syncer_.begin_group();
  const SftpUpload* unsynced = nullptr;
  unsigned oldest = server_.pool().generation();  // that something was written in
  for (const Publication& publication : publications) {
    SftpUpload& upload = own(publication.upload);
    upload.finish();
    if (!upload.is_synced()) unsynced = &upload;
    if (!upload.is_synced()) oldest = std::min(oldest, upload.generation());
    renames.push_back({upload.path(), server_.full(publication.target)});
  }
  if (unsynced != nullptr && traits_.durable) {
    syncer_.sync_all(unsynced->path());
    require_generation(oldest);
  }
  std::vector<Reply> replies = rename_and_sync(renames);
  std::vector<MoveResult> results;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    results.push_back(settle(replies[i], renames[i]));
    if (results.back() != MoveResult::done) continue;
    own(publications[i].upload).set_published();
    note_change(publications[i].target);
    server_.pool().note_progress();
  }
  return results;
}

std::vector<Reply> SftpBackend::rename_and_sync(const std::vector<Rename>& renames) {
  std::vector<Request> requests;
  for (const Rename& rename : renames) requests.push_back(rename_request(rename.from, rename.to));
  return Server::call_all(server_.pool().front(), std::move(requests));
}

/// What a rename's reply means: version 3 has one word for "taken" and for everything else.
MoveResult SftpBackend::settle(const Reply& reply, const Rename& rename) const {
  if (is_done(reply)) return MoveResult::done;
  if (reply.lost) return rename_again(rename);
  if (is_absent(reply)) return MoveResult::gone;
  if (has_failed(reply)) {
    if (server_.examine(rename.to)) return MoveResult::exists;
    if (!server_.examine(rename.from)) return MoveResult::gone;
  }
  server_.throw_failure(reply, "rename to", rename.to);
}

/// After a lost reply: a temporary that is gone has its name. Nobody else moves temporaries, and a
/// request that is still under way finds what it wants or nothing.
MoveResult SftpBackend::rename_again(const Rename& rename) const {
  if (server_.examine(rename.from)) {
    Reply reply = server_.call(rename_request(rename.from, rename.to));
    if (!is_absent(reply)) return settle(reply, rename);
  }
  return server_.examine(rename.to) ? MoveResult::done : MoveResult::gone;
}

void SftpBackend::replace(Upload& upload, const RepoPath& target) {
  SftpUpload& mine = own(&upload);
  mine.finish();
  if (!mine.is_synced() && traits_.durable) {
    syncer_.sync_all(mine.path());
    require_generation(mine.generation());
  }
  std::string name = server_.full(target);
  if (!server_.offers("posix-rename@openssh.com"))
    fail(ErrorKind::unsupported, "replace {}: this server replaces no file in one step",
         server_.quote(name));
  Server::Answer answer = server_.ask(posix_rename_request(mine.path(), name));
  const bool was_done = answer.repeated && is_absent(answer.reply) && server_.examine(name);
  if (!was_done) server_.check(answer.reply, "replace", name);
  mine.set_published();
  note_change(target);
}

MoveResult SftpBackend::move(const RepoPath& from, const RepoPath& to) {
  const Rename rename{server_.full(from), server_.full(to)};
  Reply reply = std::move(rename_and_sync({rename})[0]);
  // Never tried again: by now the name may be another file's, and moving that was not asked for.
  if (reply.lost) server_.throw_failure(reply, "rename to", rename.to);
  MoveResult result = settle(reply, rename);
  if (result == MoveResult::done) {
    note_change(from);
    note_change(to);
  }
  return result;
}

bool SftpBackend::remove(const RepoPath& path) {
  std::string name = server_.full(path);
  Server::Answer answer = server_.ask(remove_request(name));
  if (is_absent(answer.reply)) {
    if (answer.repeated) note_change(path);
    return answer.repeated;
  }
  server_.check(answer.reply, "remove", name);
  note_change(path);
  return true;
}

/// The bits of the root.
std::uint32_t SftpBackend::mode_of_directories() {
  std::optional<FileStat> root = stat("");
  return 0700 | (root ? root->mode & 02777 : 0);
}

bool SftpBackend::make_directory(const RepoPath& path) {
  std::string name = server_.full(path);
  const std::uint32_t mode = path.empty() ? 0700 : mode_of_directories();
  Reply reply = server_.call(make_directory_request(name, mode));
  if (has_failed(reply) && server_.examine(name)) return false;
  server_.check(reply, "make directory", name);
  note_change(path);
  std::optional<FileStat> made = server_.examine(name);
  if (made && made->mode != mode)
    server_.check(server_.call(set_mode_request(name, mode)), "chmod", name);
  return true;
}

void SftpBackend::make_directories(std::span<const RepoPath> paths) {
  const std::uint32_t mode = mode_of_directories();
  std::vector<Request> requests, looks, changes;
  for (const RepoPath& path : paths)
    requests.push_back(make_directory_request(server_.full(path), mode));
  std::vector<Reply> replies = Server::call_all(server_.pool().front(), std::move(requests));
  for (const RepoPath& path : paths) looks.push_back(lstat_request(server_.full(path)));
  std::vector<Reply> found = Server::call_all(server_.pool().front(), std::move(looks));
  std::vector<std::string> changed;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const bool is_there = found[i].type == PacketType::attrs;
    if (!is_done(replies[i]) && !is_there) {  // alone, for a certain answer
      make_directory(paths[i]);
    } else if (is_done(replies[i])) {
      note_change(paths[i]);
      if (is_there && to_file_stat(found[i].attributes).mode != mode)
        changed.push_back(server_.full(paths[i]));
    }
  }
  for (const std::string& name : changed) changes.push_back(set_mode_request(name, mode));
  std::vector<Reply> told = Server::call_all(server_.pool().front(), std::move(changes));
  for (std::size_t i = 0; i < told.size(); ++i) server_.check(told[i], "chmod", changed[i]);
}

bool SftpBackend::remove_directory(const RepoPath& path) {
  std::string name = server_.full(path);
  Reply reply = server_.call(remove_directory_request(name));
  if (is_absent(reply) || has_failed(reply)) {
    std::optional<FileStat> found = server_.examine(name);
    if (found && found->type != FileType::directory)
      fail(ErrorKind::io, "remove directory {}: not a directory", server_.quote(name));
    if (is_absent(reply) || found) return false;
  }
  server_.check(reply, "remove directory", name);
  note_change(path);
  return true;
}

void SftpBackend::barrier(std::span<const RepoPath> directories) {
  std::set<std::string> names;
  unsigned covered = 0;
  {
    std::lock_guard lock(mutex_);
    covered = covered_;
    for (const RepoPath& directory : changed_) names.insert(server_.full(directory));
    changed_.clear();
  }
  for (const RepoPath& directory : directories) names.insert(server_.full(directory));
  syncer_.sync_directories(names);
  {
    std::lock_guard lock(mutex_);
    covered_ = server_.pool().generation();
  }
  if (traits_.durable && !names.empty()) require_generation(covered);
}

}  // namespace

std::unique_ptr<Backend> open_sftp_backend(std::unique_ptr<Pool> pool, const std::string& root,
                                           const SftpOptions& options) {
  return std::make_unique<SftpBackend>(std::move(pool), root, options);
}

}  // namespace reverse::sftp
