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
constexpr std::uint64_t kBytesUnderWay = 2 << 20;
constexpr std::size_t kListsUnderWay = 4;

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
  Handle(Client& client, std::string handle) : client_(client), handle_(std::move(handle)) {}
  ~Handle() {
    client_.submit(close_request(handle_), [](Reply&&) {});
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  const std::string& get() const { return handle_; }

 private:
  Client& client_;
  const std::string handle_;
};

/// One file on its way to a sink, over one connection after the other.
class FileReader {
 public:
  FileReader(const Server& server, const std::string& full, ByteSink& sink)
      : server_(server), full_(full), sink_(sink) {}

  std::uint64_t run() {
    while (!read_over(server_.pool().next())) {
    }
    return total_;
  }

 private:
  bool read_over(Client& client);
  bool begin(Client& client, std::vector<Reply>& opened);
  bool deliver(Client& client, const std::string& handle, Reply reply, std::uint64_t chunk);

  const Server& server_;
  const std::string& full_;
  ByteSink& sink_;
  std::optional<std::uint64_t> size_;
  std::uint64_t total_ = 0;  // delivered
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
  Handle handle(client, opened[1].handle);
  const std::uint64_t most = std::min(client.limits().read, kLargeChunk);
  const std::uint64_t chunk = *size_ > kLargeFile ? most : kSmallChunk;
  ReplyQueue replies(client);
  std::uint64_t asked = total_;
  while (!has_ended_) {
    // One read more than the size tells: that there is no more shows in its reply.
    while ((replies.size() + 1) * chunk <= kBytesUnderWay && asked <= *size_) {
      replies.submit(read_request(handle.get(), asked, static_cast<std::uint32_t>(chunk)));
      asked += chunk;
    }
    if (replies.size() == 0) {
      replies.submit(read_request(handle.get(), total_, static_cast<std::uint32_t>(chunk)));
      asked = total_ + chunk;
    }
    if (!deliver(client, handle.get(), replies.take(), chunk)) return false;
  }
  return true;
}

/// Hands on what one read gave, and reads the rest of what it should have given.
bool FileReader::deliver(Client& client, const std::string& handle, Reply reply,
                         std::uint64_t chunk) {
  std::uint64_t wanted = chunk;
  while (true) {
    if (reply.lost) return false;
    has_ended_ = has_ended(reply);
    if (has_ended_) return true;
    server_.check(reply, "read", full_);
    sink_.write(reply.data);
    server_.pool().note_progress();
    total_ += reply.data.size();
    wanted -= std::min<std::uint64_t>(wanted, reply.data.size());
    if (wanted == 0 || total_ >= *size_) return true;
    reply = std::move(Server::call_all(
        client, {read_request(handle, total_, static_cast<std::uint32_t>(wanted))})[0]);
  }
}

/// Appends the names of an open directory. False if the connection is lost.
bool list_open(const Server& server, Client& client, const std::string& handle,
               const std::string& full, std::vector<NameEntry>& names) {
  ReplyQueue replies(client);
  for (bool ends = false;;) {
    while (!ends && replies.size() < kListsUnderWay) replies.submit(read_directory_request(handle));
    if (replies.size() == 0) return true;
    Reply reply = replies.take();
    if (reply.lost) return false;
    ends |= has_ended(reply);
    if (!has_ended(reply)) server.check(reply, "list", full);
    std::move(reply.names.begin(), reply.names.end(), std::back_inserter(names));
  }
}

}  // namespace

std::uint64_t read_file(const Server& server, const std::string& full, ByteSink& sink) {
  return FileReader(server, full, sink).run();
}

std::vector<NameEntry> list_directory(const Server& server, const std::string& full) {
  while (true) {
    Server::Answer opened = server.ask(open_directory_request(full));
    if (is_absent(opened.reply) && is_done(server.call(stat_request(full))))
      fail(ErrorKind::io, "list {}: not a directory", server.quote(full));
    server.check(opened.reply, "list", full);
    Handle handle(*opened.client, opened.reply.handle);
    std::vector<NameEntry> names;
    if (list_open(server, *opened.client, handle.get(), full, names)) return names;
  }
}

}  // namespace reverse::sftp
