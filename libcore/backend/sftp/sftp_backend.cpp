#include "libcore/backend/sftp/sftp_backend.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "libcore/backend/directory_modes.h"
#include "libcore/backend/sftp/open_directories.h"
#include "libcore/backend/sftp/prefetch.h"
#include "libcore/backend/sftp/publisher.h"
#include "libcore/backend/sftp/server.h"
#include "libcore/backend/sftp/sftp_read.h"
#include "libcore/backend/sftp/sftp_shell.h"
#include "libcore/backend/sftp/sftp_trees.h"
#include "libcore/backend/sftp/sftp_upload.h"
#include "libcore/backend/sftp/syncer.h"
#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse::sftp {

namespace {

constexpr std::size_t kUploadsPerConnection = 64;
constexpr std::size_t kMostOpen = 1024;  // uploads with an open file: more would only wait in the server
constexpr std::size_t kOpenUntold = 64;  // where the server does not tell how many it allows
constexpr std::size_t kNamedTogether = 16;  // so few files get durable names all in the same flight

constexpr std::uint32_t kRootMode = 0700;  // of a repository's directory, unless it is there

/// The bits of a new directory in such a one.
std::uint32_t bits_below(const FileStat& directory) {
  return 0700 | (directory.mode & 02777);
}

RepoPath parent_of(const RepoPath& path) {
  std::size_t slash = path.rfind('/');
  return slash == RepoPath::npos ? "" : path.substr(0, slash);
}

SftpUpload& own(Upload* upload) {
  auto* mine = dynamic_cast<SftpUpload*>(upload);
  if (mine == nullptr) fail(ErrorKind::internal, "publish: not an upload of this backend");
  return *mine;
}

class SftpBackend final : public Backend,
                          public DirectoryModes,
                          public ExaminableServer,
                          public RemoteTreesOwner {
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
  void expect_uploads() override { server_.pool().grow_fully(); }

  std::unique_ptr<Upload> create(const RepoPath& path, std::uint32_t mode) override;
  std::unique_ptr<Upload> take_over(const LeftUpload& left, const RepoPath& path,
                                    std::uint32_t mode) override;
  bool make_durable(std::span<Upload* const> uploads) override;
  std::vector<MoveResult> publish(std::span<const Publication> publications) override;
  void replace(Upload& upload, const RepoPath& target) override;
  MoveResult move(const RepoPath& from, const RepoPath& to) override;
  std::vector<MoveResult> move_all(std::span<const Move> moves) override;
  bool remove(const RepoPath& path) override;
  std::vector<bool> remove_all(std::span<const RepoPath> paths) override;
  bool make_directory(const RepoPath& path) override;
  void set_mode(const RepoPath& directory, std::uint32_t mode) override;
  void make_directories(std::span<const RepoPath> paths) override;
  bool remove_directory(const RepoPath& path) override;

  void barrier(std::span<const RepoPath> directories) override;
  std::optional<std::uint64_t> free_bytes() override;
  ServerReport examine_server(const RepoPath& directory) override;
  void recover(const Error& loss) override;
  RemoteShell* shell() override { return may_run_ ? &shell_ : nullptr; }
  RemoteTrees& trees() override { return trees_; }

 private:
  static std::size_t most_open(Client& client);
  std::unique_ptr<Upload> go_on_with(const std::string& name, const LeftUpload& left,
                                     std::uint32_t mode);
  std::unique_ptr<Upload> create_named(const std::string& name, std::uint32_t mode);
  Request look_request(const RepoPath& path) const;
  std::uint32_t mode_below(const RepoPath& directory);
  void note_mode(const RepoPath& directory, std::uint32_t mode);
  void apply_mode(const std::string& name, std::uint32_t found, std::uint32_t wanted);
  void say_that_nothing_lasts();
  [[noreturn]] void throw_given_up(std::string loss) const;
  void note_change(const RepoPath& path);
  void require_generation(unsigned generation) const;
  std::set<std::string> directories_above(std::span<const Publication> publications) const;
  bool names_together(std::size_t uploads) {
    return uploads <= kNamedTogether && syncer_.syncs_directories();
  }
  void settle(std::span<Upload* const> uploads);
  std::vector<Publisher::Naming> finish_uploads(std::span<const Publication> publications);

  const Server server_;
  const BackendTraits traits_;
  const std::uint64_t stripe_from_;
  OpenUploads open_;
  KnownAbilities abilities_;
  Publisher publisher_;
  Syncer syncer_;
  Prefetch prefetch_;
  SftpShell shell_;
  SftpTrees trees_;
  const bool may_run_;
  std::once_flag warned_;
  std::mutex mutex_;
  std::set<RepoPath> changed_;  ///< directories with names not yet durable; by `mutex_`
  std::map<RepoPath, std::uint32_t> modes_;  ///< of directories that others are made in; by `mutex_`
  std::set<std::string> synced_;  ///< directories, by a publication, and not changed since; by `mutex_`
  std::uint64_t changes_ = 0;     ///< of names; by `mutex_`
  unsigned covered_ = 0;        ///< generation in which the last barrier was; by `mutex_`
  std::size_t created_ = 0;     ///< by `mutex_`
};

SftpBackend::SftpBackend(std::unique_ptr<Pool> pool, const std::string& root,
                         const SftpOptions& options)
    : server_(std::move(pool), root),
      traits_{.cheap_stat = false,
              .reliable_listing = false,
              .durable = options.durability != Durability::none,
              .connections = 8},
      stripe_from_(options.stripe_from),
      abilities_(server_, options.memory,
                 options.scratch.empty() ? "" : server_.full(options.scratch),
                 options.run_commands),
      publisher_(server_, abilities_),
      syncer_(server_, abilities_, options.durability, options.run_commands),
      prefetch_(server_),
      shell_(server_),
      trees_(
          server_,
          [this](const std::string& name, std::uint32_t mode) { return create_named(name, mode); },
          [](Upload& upload) {
            own(&upload).finish();
            own(&upload).set_published();
          }),
      may_run_(options.run_commands) {}

void SftpBackend::note_change(const RepoPath& path) {
  std::lock_guard lock(mutex_);
  ++changes_;
  changed_.insert(parent_of(path));
  synced_.erase(server_.full(parent_of(path)));
}

/// What was written in an earlier generation and not made durable then may be lost.
void SftpBackend::require_generation(unsigned generation) const {
  if (server_.pool().generation() != generation)
    fail(ErrorKind::network, "the connection to '{}' was lost before what went over it was durable",
         printable(server_.pool().host()));
}

void SftpBackend::recover(const Error& loss) {
  try {
    server_.pool().front();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::network) throw;
    throw_given_up(loss.what());
  }
  std::lock_guard lock(mutex_);
  covered_ = server_.pool().generation();
  changed_.clear();
}

/// Throws `loss` with what it may not tell: which place cannot be reached, and that it was tried.
void SftpBackend::throw_given_up(std::string loss) const {
  const std::string host = printable(server_.pool().host());
  if (loss.find("'" + host + ":") == loss.npos)
    loss = fmt::format("reach {}: {}", display(""), loss);
  const std::string given_up = server_.pool().given_up();
  if (!given_up.empty() && !loss.ends_with(given_up)) loss += "; " + given_up;
  throw Error(ErrorKind::network, loss);
}

// --- reading

/// The root may be reached through a symlink.
Request SftpBackend::look_request(const RepoPath& path) const {
  const std::string name = server_.full(path);
  return path.empty() ? stat_request(name) : lstat_request(name);
}

std::optional<FileStat> SftpBackend::stat(const RepoPath& path) {
  if (!path.empty()) return server_.examine(server_.full(path));
  Reply reply = server_.call(look_request(path));
  if (reply.type == PacketType::attrs) return to_file_stat(reply.attributes);
  if (!is_absent(reply)) server_.throw_failure(reply, "stat", server_.full(path));
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
  if (found && found->failure && is_absent(*found->failure))
    server_.throw_failure(*found->failure, "list", name);
  if (found && found->failure) found.reset();  // asked once more, for a certain answer
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

ServerReport SftpBackend::examine_server(const RepoPath& directory) {
  const Abilities found = abilities_.renew(server_.full(directory));
  const ServerVersion& version = server_.pool().front().version();
  ServerReport report{.host = server_.pool().host(),
                      .banner = version.banner,
                      .extensions = {},
                      .abilities = describe(found),
                      .publishing = Publisher::describe(found),
                      .durability = Syncer::describe(found)};
  for (const auto& [name, data] : version.extensions) report.extensions.push_back(name);
  return report;
}

// --- writing

std::unique_ptr<Upload> SftpBackend::create(const RepoPath& path, std::uint32_t mode) {
  abilities_.begin();
  return create_named(server_.full(path), mode);
}

std::unique_ptr<Upload> SftpBackend::create_named(const std::string& name, std::uint32_t mode) {
  bool is_sync = syncer_.counts_upload(name);
  std::size_t created;
  {
    std::lock_guard lock(mutex_);
    created = ++created_;
  }
  if (created % kUploadsPerConnection == 0) server_.pool().grow();
  Client& client = created <= kOpenUntold ? server_.pool().front() : server_.pool().next();
  const bool is_told = created > kOpenUntold || client.was_ready();  // else nobody waits for it
  open_.enter(is_told ? most_open(client) : kOpenUntold);
  return std::make_unique<SftpUpload>(server_, client, open_, name, mode, is_sync, stripe_from_);
}

/// How many uploads may have a file open.
std::size_t SftpBackend::most_open(Client& client) {
  const std::uint64_t handles = client.limits().handles;
  return handles > 0 ? std::clamp<std::size_t>(handles / 2, 1, kMostOpen) : kOpenUntold;
}

/// The rename is the contest between those who want it.
std::unique_ptr<Upload> SftpBackend::take_over(const LeftUpload& left, const RepoPath& path,
                                               std::uint32_t mode) {
  const std::string name = server_.full(path);
  try {
    if (move(left.path, path) != MoveResult::done) return nullptr;
    if (std::unique_ptr<Upload> upload = go_on_with(name, left, mode)) return upload;
    remove(path);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::network) throw;
  }
  return nullptr;
}

std::unique_ptr<Upload> SftpBackend::go_on_with(const std::string& name, const LeftUpload& left,
                                                std::uint32_t mode) {
  const std::optional<FileStat> found = server_.examine(name);
  if (!found || found->type != FileType::file || found->size > left.size) return nullptr;
  // A server that ended meanwhile may have lost some of what it had told to have.
  const std::uint64_t there = std::min(found->size, left.confirmed);
  if (there == 0) return nullptr;
  Client& client = server_.pool().front();
  Reply opened = SftpUpload::open_again(server_, client, name, mode);
  if (opened.type != PacketType::handle) return nullptr;
  const bool is_sync = syncer_.counts_upload(name);
  open_.enter(most_open(client));
  return std::make_unique<SftpUpload>(server_, client, open_, name, mode, is_sync, stripe_from_,
                                      SftpUpload::Begun{std::move(opened.handle), there});
}

bool SftpBackend::make_durable(std::span<Upload* const> uploads) {
  if (names_together(uploads.size())) return false;
  settle(uploads);
  return true;
}

/// Waits until uploads are closed, and durable as far as can be had here.
void SftpBackend::settle(std::span<Upload* const> uploads) {
  if (std::ranges::all_of(uploads, [](Upload* one) { return own(one).is_settled(); })) return;
  syncer_.begin_group();
  std::vector<std::string> unsynced;
  unsigned oldest = server_.pool().generation();  // that something was written in
  for (Upload* one : uploads) {
    SftpUpload& upload = own(one);
    upload.finish();
    if (upload.is_synced()) continue;
    unsynced.push_back(upload.path());
    oldest = std::min(oldest, upload.generation());
  }
  if (!unsynced.empty() && traits_.durable) {
    syncer_.sync_files(unsynced);
    require_generation(oldest);
    if (!syncer_.works()) std::call_once(warned_, [this] { say_that_nothing_lasts(); });
  }
  for (Upload* one : uploads) own(one).set_settled();
}

/// Waits until the uploads are closed and durable; what names they are to get.
std::vector<Publisher::Naming> SftpBackend::finish_uploads(
    std::span<const Publication> publications) {
  std::vector<Upload*> uploads;
  std::vector<Publisher::Naming> namings;
  for (const Publication& publication : publications) {
    uploads.push_back(publication.upload);
    namings.push_back({own(publication.upload).path(), server_.full(publication.target)});
  }
  settle(uploads);
  return namings;
}

/// The directories above all targets, but for the root where there are others.
std::set<std::string> SftpBackend::directories_above(
    std::span<const Publication> publications) const {
  std::set<std::string> names;
  for (const Publication& publication : publications) {
    RepoPath path = publication.target;
    do {
      path = parent_of(path);
      names.insert(server_.full(path));
    } while (path.find('/') != path.npos);
  }
  return names;
}

std::vector<MoveResult> SftpBackend::publish(std::span<const Publication> publications) {
  // What a barrier behind a few names will want is had in the flights of the names themselves.
  std::optional<OpenDirectories> above;
  if (names_together(publications.size())) above.emplace(server_, directories_above(publications));
  const std::vector<Publisher::Naming> namings = finish_uploads(publications);
  std::uint64_t changes;
  {
    std::lock_guard lock(mutex_);
    changes = changes_;
  }
  std::set<std::string> synced;
  const std::vector<MoveResult> results =
      above ? above->publish(publisher_, namings, synced) : publisher_.publish(namings);
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i] != MoveResult::done) continue;
    own(publications[i].upload).set_published();
    note_change(publications[i].target);
    server_.pool().note_progress();
    ++changes;
  }
  std::lock_guard lock(mutex_);
  // Where somebody else changed names meanwhile, those may have come after the sync.
  if (changes_ == changes) synced_.merge(synced);
  return results;
}

/// When the server is first met: it will not change.
void SftpBackend::say_that_nothing_lasts() {
  if (abilities_.are_remembered()) return;
  server_.pool().tell(fmt::format(
      "'{}' makes nothing durable when asked: it has no fsync@openssh.com and runs no `sync -f`. A "
      "power cut there may cost what was just published",
      printable(server_.pool().host())));
}

void SftpBackend::replace(Upload& upload, const RepoPath& target) {
  SftpUpload& mine = own(&upload);
  mine.finish();
  if (!mine.is_synced() && traits_.durable) {
    syncer_.sync_files({mine.path()});
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
  const Move move{from, to};
  return move_all({&move, 1}).front();
}

std::vector<MoveResult> SftpBackend::move_all(std::span<const Move> moves) {
  std::vector<Publisher::Naming> namings;
  for (const Move& move : moves) namings.push_back({server_.full(move.from), server_.full(move.to)});
  std::vector<MoveResult> results = publisher_.move(namings);
  for (std::size_t i = 0; i < moves.size(); ++i) {
    if (results[i] != MoveResult::done) continue;
    note_change(moves[i].from);
    note_change(moves[i].to);
  }
  return results;
}

bool SftpBackend::remove(const RepoPath& path) {
  return remove_all({&path, 1}).front();
}

std::vector<bool> SftpBackend::remove_all(std::span<const RepoPath> paths) {
  std::vector<Request> requests;
  for (const RepoPath& path : paths) requests.push_back(remove_request(server_.full(path)));
  std::vector<Reply> replies = Server::call_all(server_.pool().front(), std::move(requests));
  std::vector<bool> results;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::string name = server_.full(paths[i]);
    const bool is_repeated = replies[i].lost;  // it may have been removed before
    if (is_repeated) replies[i] = server_.call(remove_request(name));
    if (!is_absent(replies[i])) server_.check(replies[i], "remove", name);
    results.push_back(is_repeated || !is_absent(replies[i]));
    if (results.back()) note_change(paths[i]);
  }
  return results;
}

/// The bits of a new directory in this one.
std::uint32_t SftpBackend::mode_below(const RepoPath& directory) {
  {
    std::lock_guard lock(mutex_);
    if (const auto known = modes_.find(directory); known != modes_.end()) return known->second;
  }
  std::optional<FileStat> found = stat(directory);
  const std::uint32_t mode = found ? bits_below(*found) : kRootMode;
  if (found) note_mode(directory, mode);
  return mode;
}

void SftpBackend::note_mode(const RepoPath& directory, std::uint32_t mode) {
  std::lock_guard lock(mutex_);
  modes_[directory] = mode;
}

/// Where an account changes no modes (append-only ones), a directory works as it is.
void SftpBackend::apply_mode(const std::string& name, std::uint32_t found, std::uint32_t wanted) {
  if (found == wanted) return;
  Reply reply = server_.call(set_mode_request(name, wanted));
  if (reply.status != Status::permission_denied) return server_.check(reply, "chmod", name);
  server_.pool().tell(fmt::format(
      "{} has the mode {:04o} instead of {:04o}, and this account may not change that: other "
      "accounts, reverse-gc's among them, may lack access (internal-sftp -u sets the umask)",
      server_.quote(name), found, wanted));
}

bool SftpBackend::make_directory(const RepoPath& path) {
  std::string name = server_.full(path);
  const std::uint32_t mode = path.empty() ? kRootMode : mode_below(parent_of(path));
  std::vector<Reply> replies =
      server_.call_stages({{make_directory_request(name, mode)}, {lstat_request(name)}});
  if (replies[0].lost || replies[1].lost)
    replies = {server_.call(make_directory_request(name, mode)), server_.call(lstat_request(name))};
  if (has_failed(replies[0]) && server_.examine(name)) return false;
  server_.check(replies[0], "make directory", name);
  note_change(path);
  if (replies[1].type == PacketType::attrs)
    apply_mode(name, to_file_stat(replies[1].attributes).mode, mode);
  note_mode(path, mode);
  return true;
}

void SftpBackend::make_directories(std::span<const RepoPath> paths) {
  if (paths.empty()) return;
  std::map<RepoPath, std::uint32_t> modes;  // below each: few that are there, and those made here
  const auto mode_of = [&](const RepoPath& path) {
    if (path.empty()) return kRootMode;
    auto [above, is_unknown] = modes.try_emplace(parent_of(path));
    if (is_unknown) above->second = mode_below(above->first);
    return above->second;
  };
  std::vector<std::vector<Request>> stages;
  std::vector<Request> looks;
  std::ptrdiff_t depth = -1;
  for (const RepoPath& path : paths) {
    const std::uint32_t mode = modes[path] = mode_of(path);
    const std::ptrdiff_t own_depth = path.empty() ? 0 : 1 + std::ranges::count(path, '/');
    if (std::exchange(depth, own_depth) != own_depth) stages.emplace_back();
    stages.back().push_back(make_directory_request(server_.full(path), mode));
    looks.push_back(look_request(path));
  }
  stages.push_back(std::move(looks));
  std::vector<Reply> replies = server_.call_stages(std::move(stages));
  const std::span found = std::span(replies).subspan(paths.size());
  std::vector<std::string> changed;
  std::vector<Request> changes;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::uint32_t mode = mode_of(paths[i]);
    const bool is_there = found[i].type == PacketType::attrs;
    if (!is_there) {  // alone, for a certain answer
      make_directory(paths[i]);
    } else if (!is_done(replies[i])) {
      modes[paths[i]] = bits_below(to_file_stat(found[i].attributes));
      note_mode(paths[i], modes[paths[i]]);
    } else {
      note_change(paths[i]);
      note_mode(paths[i], mode);
      if (to_file_stat(found[i].attributes).mode == mode) continue;
      changed.push_back(server_.full(paths[i]));
      changes.push_back(set_mode_request(changed.back(), mode));
    }
  }
  std::vector<Reply> told = Server::call_all(server_.pool().front(), std::move(changes));
  for (std::size_t i = 0; i < told.size(); ++i) server_.check(told[i], "chmod", changed[i]);
}

void SftpBackend::set_mode(const RepoPath& directory, std::uint32_t mode) {
  std::string name = server_.full(directory);
  server_.check(server_.call(set_mode_request(name, mode)), "chmod", name);
  note_mode(directory, 0700 | (mode & 02777));
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
  unsigned covered = 0;
  std::set<std::string> names, synced;
  {
    std::lock_guard lock(mutex_);
    covered = covered_;
    for (const RepoPath& directory : changed_) names.insert(server_.full(directory));
    changed_.clear();
    synced = std::exchange(synced_, {});
  }
  for (const RepoPath& directory : directories) names.insert(server_.full(directory));
  const bool is_any = !names.empty();
  std::erase_if(names, [&](const std::string& name) { return synced.contains(name); });
  syncer_.sync_directories(names);
  {
    std::lock_guard lock(mutex_);
    covered_ = server_.pool().generation();
  }
  if (traits_.durable && is_any) require_generation(covered);
}

}  // namespace

std::unique_ptr<Backend> open_sftp_backend(std::unique_ptr<Pool> pool, const std::string& root,
                                           const SftpOptions& options) {
  return std::make_unique<SftpBackend>(std::move(pool), root, options);
}

}  // namespace reverse::sftp
