#include "libcore/backend/sftp/sftp_backend.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>

#include "libcore/backend/sftp/server.h"
#include "libcore/backend/sftp/sftp_upload.h"
#include "libcore/base/error.h"

namespace reverse::sftp {

namespace {

constexpr std::uint32_t kChunk = 32 << 10;  // of one read: what every server gives
constexpr std::size_t kReadsUnderWay = 32;
constexpr std::size_t kListsUnderWay = 4;

RepoPath parent_of(const RepoPath& path) {
  std::size_t slash = path.rfind('/');
  return slash == RepoPath::npos ? "" : path.substr(0, slash);
}

/// The name, or a directory on the way to it, is not there, or is of another type than was asked
/// for.
bool is_absent(const Reply& reply) {
  return !reply.lost && reply.status == Status::no_such_file;
}

/// Version 3's word for most failures, a taken name among them.
bool has_failed(const Reply& reply) {
  return !reply.lost && reply.status == Status::failure;
}

/// Replies in the order of their requests, of which only some are under way at a time.
class ReplyQueue {
 public:
  explicit ReplyQueue(Client& client) : client_(client) {}
  ~ReplyQueue() {
    while (!replies_.empty()) take();
  }
  ReplyQueue(const ReplyQueue&) = delete;
  ReplyQueue& operator=(const ReplyQueue&) = delete;

  std::size_t size() const { return replies_.size(); }
  void submit(Request request) {
    auto slot = std::make_shared<Slot>();
    replies_.push_back(slot);
    client_.submit(std::move(request), [slot](Reply&& reply) {
      std::lock_guard lock(slot->mutex);
      slot->reply = std::move(reply);
      slot->is_there = true;
      slot->came.notify_one();
    });
  }
  /// Waits for the oldest.
  Reply take() {
    std::shared_ptr<Slot> slot = replies_.front();
    replies_.pop_front();
    std::unique_lock lock(slot->mutex);
    slot->came.wait(lock, [&] { return slot->is_there; });
    return std::move(slot->reply);
  }

 private:
  struct Slot {
    std::mutex mutex;
    std::condition_variable came;
    bool is_there = false;
    Reply reply;
  };
  Client& client_;
  std::deque<std::shared_ptr<Slot>> replies_;
};

/// An open file or directory of the server, closed without waiting.
class Handle {
 public:
  Handle(const Server& server, Reply&& opened)
      : server_(server), handle_(std::move(opened.handle)) {}
  ~Handle() {
    server_.client().submit(close_request(handle_), [](Reply&&) {});
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  const std::string& get() const { return handle_; }

 private:
  const Server& server_;
  const std::string handle_;
};

class SftpBackend final : public Backend {
 public:
  SftpBackend(std::shared_ptr<const Server> server, Durability durability);

  const BackendTraits& traits() const override { return traits_; }
  std::string display(const RepoPath& path) const override {
    return server_->quote(server_->full(path));
  }

  std::optional<FileStat> stat(const RepoPath& path) override;
  void list(const RepoPath& directory,
            const std::function<void(const ListedFile&)>& visit) override;
  std::uint64_t read(const RepoPath& path, ByteSink& sink) override;

  std::unique_ptr<Upload> create(const RepoPath& path, std::uint32_t mode) override;
  std::vector<MoveResult> publish(std::span<const Publication> publications) override;
  void replace(Upload& upload, const RepoPath& target) override;
  MoveResult move(const RepoPath& from, const RepoPath& to) override;
  bool remove(const RepoPath& path) override;
  bool make_directory(const RepoPath& path) override;
  bool remove_directory(const RepoPath& path) override;

  void barrier(std::span<const RepoPath> directories) override;
  std::optional<std::uint64_t> free_bytes() override;

 private:
  Client& client() const { return server_->client(); }
  MoveResult settle_move(const Reply& reply, const std::string& from, const std::string& to) const;
  void note_change(const RepoPath& path);

  const std::shared_ptr<const Server> server_;
  BackendTraits traits_;
  bool syncs_ = false;
  std::mutex mutex_;
  std::set<RepoPath> changed_;  ///< directories with names not yet durable; by `mutex_`
};

SftpBackend::SftpBackend(std::shared_ptr<const Server> server, Durability durability)
    : server_(std::move(server)) {
  syncs_ = durability != Durability::none && client().offers("fsync@openssh.com");
  traits_ = {.cheap_stat = false,
             .reliable_listing = true,
             .hard_links = client().offers("hardlink@openssh.com"),
             .durable = syncs_,
             .connections = 8};
}

void SftpBackend::note_change(const RepoPath& path) {
  std::lock_guard lock(mutex_);
  changed_.insert(parent_of(path));
}

// --- reading

std::optional<FileStat> SftpBackend::stat(const RepoPath& path) {
  if (!path.empty()) return server_->examine(server_->full(path));
  std::string root = server_->full("");  // may be reached through a symlink
  Reply reply = client().call(stat_request(root));
  if (reply.type == PacketType::attrs) return to_file_stat(reply.attributes);
  if (reply.status != Status::no_such_file) server_->throw_failure(reply, "stat", root);
  return std::nullopt;
}

void SftpBackend::list(const RepoPath& directory,
                       const std::function<void(const ListedFile&)>& visit) {
  std::string name = server_->full(directory);
  Reply opened = client().call(open_directory_request(name));
  if (is_absent(opened) && stat(directory))
    fail(ErrorKind::io, "list {}: not a directory", server_->quote(name));
  server_->check(opened, "list", name);
  Handle handle(*server_, std::move(opened));
  ReplyQueue replies(client());
  bool has_ended = false;
  while (true) {
    while (!has_ended && replies.size() < kListsUnderWay)
      replies.submit(read_directory_request(handle.get()));
    if (replies.size() == 0) return;
    Reply reply = replies.take();
    has_ended = has_ended || reply.status == Status::end_of_file;
    if (reply.status != Status::end_of_file || reply.lost) server_->check(reply, "list", name);
    for (NameEntry& entry : reply.names)
      if (entry.name != "." && entry.name != "..")
        visit({std::move(entry.name), to_file_stat(entry.attributes)});
  }
}

std::uint64_t SftpBackend::read(const RepoPath& path, ByteSink& sink) {
  std::string name = server_->full(path);
  std::optional<FileStat> found = server_->examine(name);
  if (!found) fail(ErrorKind::not_found, "read {}: there is no such file", server_->quote(name));
  if (found->type != FileType::file)
    fail(ErrorKind::io, "read {}: not a regular file", server_->quote(name));
  Reply opened = client().call(open_request(name, kRead));
  server_->check(opened, "open", name);
  Handle handle(*server_, std::move(opened));
  ReplyQueue replies(client());
  std::uint64_t total = 0, asked = 0;
  while (true) {
    // One read more than the size tells: that there is no more shows in its reply.
    while (replies.size() < kReadsUnderWay && asked <= found->size) {
      replies.submit(read_request(handle.get(), asked, kChunk));
      asked += kChunk;
    }
    Reply reply = replies.size() > 0 ? replies.take()
                                     : client().call(read_request(handle.get(), total, kChunk));
    std::size_t wanted = kChunk;
    while (true) {
      if (reply.status == Status::end_of_file && !reply.lost) return total;
      server_->check(reply, "read", name);
      sink.write(reply.data);
      total += reply.data.size();
      wanted -= std::min(wanted, reply.data.size());
      if (wanted == 0 || total >= found->size) break;
      reply = client().call(
          read_request(handle.get(), total, static_cast<std::uint32_t>(wanted)));  // it gave less
    }
  }
}

std::optional<std::uint64_t> SftpBackend::free_bytes() {
  std::optional<FileSystemStat> stat = server_->room();
  if (!stat) return std::nullopt;
  return stat->available_blocks * stat->block_size;
}

// --- writing

std::unique_ptr<Upload> SftpBackend::create(const RepoPath& path, std::uint32_t mode) {
  std::string name = server_->full(path);
  Reply opened = client().call(open_request(name, kWrite | kCreate | kExclusive, mode));
  if (opened.type != PacketType::handle) {
    if (has_failed(opened) && server_->examine(name))
      fail(ErrorKind::exists, "create {}: the name is taken", server_->quote(name));
    server_->throw_failure(opened, "create", name);
  }
  return std::make_unique<SftpUpload>(server_, name, opened.handle, syncs_);
}

SftpUpload& own(Upload* upload) {
  auto* mine = dynamic_cast<SftpUpload*>(upload);
  if (mine == nullptr) fail(ErrorKind::internal, "publish: not an upload of this backend");
  return *mine;
}

std::vector<MoveResult> SftpBackend::publish(std::span<const Publication> publications) {
  std::vector<Request> renames;
  for (const Publication& publication : publications) {
    SftpUpload& upload = own(publication.upload);
    upload.finish();
    renames.push_back(rename_request(upload.path(), server_->full(publication.target)));
  }
  std::vector<Reply> replies = server_->call_all(std::move(renames));
  std::vector<MoveResult> results;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    SftpUpload& upload = own(publications[i].upload);
    results.push_back(
        settle_move(replies[i], upload.path(), server_->full(publications[i].target)));
    if (results.back() != MoveResult::done) continue;
    upload.set_published();
    note_change(publications[i].target);
  }
  return results;
}

/// What a rename's reply means: version 3 has one word for "taken" and for everything else.
MoveResult SftpBackend::settle_move(const Reply& reply, const std::string& from,
                                    const std::string& to) const {
  if (!reply.lost && reply.status == Status::ok) return MoveResult::done;
  if (is_absent(reply)) return MoveResult::gone;
  if (has_failed(reply)) {
    if (server_->examine(to)) return MoveResult::exists;
    if (!server_->examine(from)) return MoveResult::gone;
  }
  server_->throw_failure(reply, "rename to", to);
}

void SftpBackend::replace(Upload& upload, const RepoPath& target) {
  SftpUpload& mine = own(&upload);
  mine.finish();
  std::string name = server_->full(target);
  if (!client().offers("posix-rename@openssh.com"))
    fail(ErrorKind::unsupported, "replace {}: this server replaces no file in one step",
         server_->quote(name));
  server_->check(client().call(posix_rename_request(mine.path(), name)), "replace", name);
  mine.set_published();
  note_change(target);
}

MoveResult SftpBackend::move(const RepoPath& from, const RepoPath& to) {
  std::string source = server_->full(from), target = server_->full(to);
  MoveResult result = settle_move(client().call(rename_request(source, target)), source, target);
  if (result == MoveResult::done) {
    note_change(from);
    note_change(to);
  }
  return result;
}

bool SftpBackend::remove(const RepoPath& path) {
  std::string name = server_->full(path);
  Reply reply = client().call(remove_request(name));
  if (is_absent(reply)) return false;
  server_->check(reply, "remove", name);
  note_change(path);
  return true;
}

bool SftpBackend::make_directory(const RepoPath& path) {
  std::string name = server_->full(path);
  std::optional<FileStat> root = path.empty() ? std::nullopt : stat("");
  std::uint32_t mode = root ? 0700 | (root->mode & 02777) : 0700;
  Reply reply = client().call(make_directory_request(name, mode));
  if (has_failed(reply) && server_->examine(name)) return false;
  server_->check(reply, "make directory", name);
  note_change(path);
  std::optional<FileStat> made = server_->examine(name);
  if (made && made->mode != mode)
    server_->check(client().call(set_mode_request(name, mode)), "chmod", name);
  return true;
}

bool SftpBackend::remove_directory(const RepoPath& path) {
  std::string name = server_->full(path);
  Reply reply = client().call(remove_directory_request(name));
  if (is_absent(reply) || has_failed(reply)) {
    std::optional<FileStat> found = server_->examine(name);
    if (found && found->type != FileType::directory)
      fail(ErrorKind::io, "remove directory {}: not a directory", server_->quote(name));
    if (is_absent(reply) || found) return false;
  }
  server_->check(reply, "remove directory", name);
  note_change(path);
  return true;
}

void SftpBackend::barrier(std::span<const RepoPath> directories) {
  std::set<RepoPath> all(directories.begin(), directories.end());
  {
    std::lock_guard lock(mutex_);
    all.merge(changed_);
    changed_.clear();
  }
  if (!syncs_) return;
  std::vector<std::string> names;
  std::vector<Request> opens, syncs, closes;
  for (const RepoPath& directory : all) {
    names.push_back(server_->full(directory));
    opens.push_back(open_request(names.back(), kRead));
  }
  std::vector<Reply> opened = server_->call_all(std::move(opens));
  std::vector<std::string> open_names;
  std::optional<std::size_t> failed;
  for (std::size_t i = 0; i < opened.size(); ++i) {
    if (opened[i].type == PacketType::handle) {
      syncs.push_back(fsync_request(opened[i].handle));
      closes.push_back(close_request(opened[i].handle));
      open_names.push_back(names[i]);
    } else if (!is_absent(opened[i])) {
      failed = i;
    }
  }
  std::vector<Reply> synced = server_->call_all(std::move(syncs));
  server_->call_all(std::move(closes));
  if (failed) server_->throw_failure(opened[*failed], "sync", names[*failed]);
  for (std::size_t i = 0; i < synced.size(); ++i) server_->check(synced[i], "sync", open_names[i]);
}

}  // namespace

std::unique_ptr<Backend> open_sftp_backend(std::shared_ptr<Client> client, const std::string& host,
                                           const std::string& root, Durability durability) {
  auto server = std::make_shared<const Server>(std::move(client), host, root);
  return std::make_unique<SftpBackend>(std::move(server), durability);
}

}  // namespace reverse::sftp
