#include "libcore/backend/sftp/sftp_read.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "libcore/base/error.h"

namespace reverse::sftp {

namespace {

constexpr std::uint64_t kSmallChunk = 32 << 10;  // of one read: what every server gives
constexpr std::uint64_t kLargeChunk = 255 << 10;
constexpr std::uint64_t kLargeFile = 1 << 20;
constexpr std::uint64_t kBytesUnderWay = 2 << 20;  // on one connection
constexpr std::uint64_t kWidenEvery = 4 << 20;
constexpr std::size_t kFirstLists = 4, kMostLists = 64;  // requests for names at once

/// Replies in the order of their requests, of which only some are under way at a time.
class ReplyQueue {
 public:
  ReplyQueue() = default;
  ~ReplyQueue() {
    while (!replies_.empty()) take();
  }
  ReplyQueue(const ReplyQueue&) = delete;
  ReplyQueue& operator=(const ReplyQueue&) = delete;

  std::size_t size() const { return replies_.size(); }
  void submit(Client& client, Request request) {
    auto slot = std::make_shared<Slot>();
    replies_.push_back(slot);
    client.submit(std::move(request), [slot](Reply&& reply) {
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
  std::deque<std::shared_ptr<Slot>> replies_;
};

/// An open file or directory of the server, closed without waiting.
class Handle {
 public:
  Handle(Client& client, std::string handle) : client_(client), handle_(std::move(handle)) {}
  ~Handle() {
    client_.submit(close_request(handle_), [](Reply&&) {});
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  const std::string& get() const { return handle_; }
  Client& client() const { return client_; }

 private:
  Client& client_;
  const std::string handle_;
};

/// One file on its way to a sink: a large one over all connections at once, each in turn asked for
/// the next part. Where one is lost it is begun anew where it stopped.
class FileReader {
 public:
  FileReader(const Server& server, const std::string& full, std::uint64_t stripe_from,
             ByteSink& sink)
      : server_(server), full_(full), sink_(sink), stripe_from_(stripe_from) {}

  std::uint64_t run() {
    while (!read_over(server_.pool().next())) {
    }
    return total_;
  }

 private:
  bool read_over(Client& client);
  bool begin(Client& client, std::vector<Reply>& opened);
  void widen(std::deque<Handle>& handles);
  bool deliver(const Handle& handle, Reply reply, std::uint64_t chunk);

  const Server& server_;
  const std::string& full_;
  ByteSink& sink_;
  const std::uint64_t stripe_from_;
  std::optional<std::uint64_t> size_;
  std::uint64_t total_ = 0;     // delivered
  std::uint64_t widen_at_ = 0;  // when so much was asked for
  std::size_t turn_ = 0;
  bool has_ended_ = false;
};

/// Examines and opens the file in one flight. False if the connection is lost.
bool FileReader::begin(Client& client, std::vector<Reply>& opened) {
  opened = Server::call_all(client, {lstat_request(full_), open_request(full_, kRead)});
  if (opened[0].lost || opened[1].lost) return false;
  if (is_absent(opened[0]))
    fail(ErrorKind::not_found, "read {}: there is no such file", server_.quote(full_));
  server_.check(opened[0], "stat", full_);
  const FileStat stat = to_file_stat(opened[0].attributes);
  const bool is_plain = stat.type == FileType::file;
  if (is_plain) server_.check(opened[1], "open", full_);
  if (is_plain && (!size_ || *size_ == stat.size)) {
    size_ = stat.size;
    return true;
  }
  if (opened[1].type == PacketType::handle) Handle(client, opened[1].handle);
  fail(ErrorKind::io, "read {}: {}", server_.quote(full_),
       is_plain ? "its size changed while it was read" : "not a regular file");
}

/// False if the connection was lost before the end.
bool FileReader::read_over(Client& client) {
  std::vector<Reply> opened;
  if (!begin(client, opened)) return false;
  std::deque<Handle> handles;
  handles.emplace_back(client, opened[1].handle);
  const std::uint64_t most = std::min(client.limits().read, kLargeChunk);
  const std::uint64_t chunk = *size_ > kLargeFile ? most : kSmallChunk;
  ReplyQueue replies;
  std::deque<const Handle*> turns;  // whose reply comes next
  std::uint64_t asked = total_;
  widen_at_ = *size_ >= stripe_from_ ? 0 : *size_ + 1;
  const auto ask = [&] {
    const Handle& handle = handles[turn_++ % handles.size()];
    replies.submit(handle.client(),
                   read_request(handle.get(), asked, static_cast<std::uint32_t>(chunk)));
    turns.push_back(&handle);
    asked += chunk;
  };
  while (!has_ended_) {
    // One read more than the size tells: that there is no more shows in its reply.
    while ((replies.size() + 1) * chunk <= kBytesUnderWay * handles.size() && asked <= *size_) ask();
    if (asked >= widen_at_ && asked <= *size_) {
      widen(handles);
      widen_at_ = asked + kWidenEvery;
    }
    if (replies.size() == 0) {
      asked = total_;
      ask();
    }
    const Handle& handle = *turns.front();
    turns.pop_front();
    if (!deliver(handle, replies.take(), chunk)) return false;
  }
  return true;
}

/// Opens the file on the connections that do not carry it yet. One that cannot is passed over.
void FileReader::widen(std::deque<Handle>& handles) {
  server_.pool().grow_fully();
  for (Client* client : server_.pool().ready()) {
    const auto is_its = [&](const Handle& handle) { return &handle.client() == client; };
    if (std::ranges::any_of(handles, is_its)) continue;
    Reply reply = std::move(Server::call_all(*client, {open_request(full_, kRead)})[0]);
    if (reply.type == PacketType::handle) handles.emplace_back(*client, std::move(reply.handle));
  }
}

/// Hands on what one read gave, and reads the rest of what it should have given.
bool FileReader::deliver(const Handle& handle, Reply reply, std::uint64_t chunk) {
  std::uint64_t wanted = chunk;
  while (true) {
    if (reply.lost) return false;
    has_ended_ = has_ended(reply);
    if (has_ended_) return true;
    server_.check(reply, "read", full_);
    sink_.write(reply.data);
    server_.pool().note_progress();
    total_ += reply.data.size();
    has_ended_ = total_ == *size_ && reply.data.size() < wanted;  // more was asked for
    if (has_ended_) return true;
    wanted -= std::min<std::uint64_t>(wanted, reply.data.size());
    if (wanted == 0 || total_ >= *size_) return true;
    reply = std::move(Server::call_all(
        handle.client(),
        {read_request(handle.get(), total_, static_cast<std::uint32_t>(wanted))})[0]);
  }
}

/// Appends the names of an open directory. False if the connection is lost.
bool list_open(const Server& server, Client& client, const std::string& handle,
               const std::string& full, std::vector<NameEntry>& names) {
  std::size_t count = kFirstLists;
  for (bool ends = false; !ends; count = std::min(2 * count, kMostLists)) {
    std::vector<Request> requests(count, read_directory_request(handle));
    for (Reply& reply : Server::call_all(client, std::move(requests))) {
      if (reply.lost) return false;
      ends |= has_ended(reply);
      if (!has_ended(reply)) server.check(reply, "list", full);
      std::move(reply.names.begin(), reply.names.end(), std::back_inserter(names));
    }
  }
  return true;
}

}  // namespace

std::uint64_t read_file(const Server& server, const std::string& full, std::uint64_t stripe_from,
                        ByteSink& sink) {
  return FileReader(server, full, stripe_from, sink).run();
}

std::vector<NameEntry> list_directory(const Server& server, const std::string& full) {
  while (true) {
    Client& client = server.pool().front();
    // "No such file" may also mean that it is no directory.
    const std::vector<Reply> replies =
        Server::call_all(client, {open_directory_request(full), stat_request(full)});
    if (replies[0].lost || replies[1].lost) continue;
    if (is_absent(replies[0]) && is_done(replies[1]))
      fail(ErrorKind::io, "list {}: not a directory", server.quote(full));
    server.check(replies[0], "list", full);
    Handle handle(client, replies[0].handle);
    std::vector<NameEntry> names;
    if (list_open(server, client, handle.get(), full, names)) return names;
  }
}

}  // namespace reverse::sftp
