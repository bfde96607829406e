#include "libcore/backend/sftp/server.h"

#include <condition_variable>
#include <iterator>
#include <mutex>
#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse::sftp {

namespace {

ErrorKind kind_of(const Reply& reply) {
  if (reply.lost) return ErrorKind::network;
  switch (reply.status) {
    case Status::no_such_file:
      return ErrorKind::not_found;
    case Status::permission_denied:
      return ErrorKind::permission;
    case Status::unsupported:
      return ErrorKind::unsupported;
    default:
      return ErrorKind::io;
  }
}

}  // namespace

std::string Server::full(const RepoPath& path) const {
  if (path.empty()) return root_.empty() ? "." : root_;
  if (root_.empty()) return path;
  return root_.ends_with('/') ? root_ + path : root_ + "/" + path;
}

std::string Server::quote(const std::string& full) const {
  return fmt::format("'{}:{}'", printable(pool_->host()), printable(full));
}

FileStat to_file_stat(const Attributes& attributes) {
  std::uint32_t mode = attributes.mode.value_or(0);
  return {.type = file_type_of_mode(mode),
          .size = attributes.size.value_or(0),
          .mode = mode & 07777,
          .mtime = {attributes.mtime.value_or(0), 0},
          .links = 0,
          .owner = attributes.uid};
}

std::optional<FileStat> Server::examine(const std::string& full) const {
  Reply reply = call(lstat_request(full));
  if (reply.type == PacketType::attrs) return to_file_stat(reply.attributes);
  if (reply.status != Status::no_such_file) throw_failure(reply, "stat", full);
  return std::nullopt;
}

std::optional<FileSystemStat> Server::room() const {
  if (!offers("statvfs@openssh.com")) return std::nullopt;
  Reply reply = call(statvfs_request(full("")));
  if (reply.type != PacketType::extended_reply) return std::nullopt;
  return parse_statvfs(reply.extended);
}

void Server::throw_failure(const Reply& reply, std::string_view act,
                           const std::string& full) const {
  if (reply.lost) pool_->check_stop();
  std::string words =
      reply.message.empty() ? std::string(to_string(reply.status)) : printable(reply.message);
  ErrorKind kind = kind_of(reply);
  if (kind == ErrorKind::io) {  // version 3 has no code of its own for a full disk
    const std::optional<FileSystemStat> stat = room();
    const bool no_blocks = stat && stat->available_blocks == 0;
    const bool no_inodes = stat && stat->inodes > 0 && stat->free_inodes == 0;
    if (no_blocks || no_inodes) kind = ErrorKind::no_space;
    if (stat && stat->read_only)
      words += " (the file system is read-only)";
    else if (no_blocks)
      words += " (0 B free there)";
    else if (no_inodes)
      words += " (no inodes free there)";
    else if (stat && act == "write")
      words += " (there is room: a quota, perhaps)";
    else if (act == "create" && has_failed(reply))
      words += " (a quota, or too many open files there, perhaps)";
  }
  fail(kind, "{} {}: {}", act, quote(full), words);
}

void Server::check(const Reply& reply, std::string_view act, const std::string& full) const {
  if (reply.lost || reply.status != Status::ok) throw_failure(reply, act, full);
}

Server::Answer Server::ask(const Request& request) const {
  for (bool repeated = false;; repeated = true) {
    Client& client = pool_->front();
    std::vector<Reply> replies = call_all(client, {request});
    if (!replies.front().lost) return {std::move(replies.front()), &client, repeated};
  }
}

std::vector<Reply> Server::call_stages(std::vector<std::vector<Request>> stages) const {
  Client& client = pool_->front();
  std::vector<Reply> replies;
  std::vector<Request> together;
  for (std::vector<Request>& stage : stages) {
    std::move(stage.begin(), stage.end(), std::back_inserter(together));
    if (&stage != &stages.back() && keeps_order()) continue;
    std::vector<Reply> some = call_all(client, std::exchange(together, {}));
    std::move(some.begin(), some.end(), std::back_inserter(replies));
  }
  return replies;
}

std::vector<Reply> Server::call_all(Client& client, std::vector<Request> requests) {
  Client* const one = &client;
  return call_all(std::span(&one, 1), std::move(requests));
}

std::vector<Reply> Server::call_over_all(std::vector<Request> requests) const {
  return call_all(pool_->ready(), std::move(requests));
}

/// The same number of requests in a row over each of the connections.
std::vector<Reply> Server::call_all(std::span<Client* const> clients,
                                    std::vector<Request> requests) {
  const std::size_t share = (requests.size() + clients.size() - 1) / clients.size();
  std::vector<Reply> replies(requests.size());
  std::mutex mutex;
  std::condition_variable all_done;
  std::size_t left = requests.size();
  for (std::size_t i = 0; i < requests.size(); ++i)
    clients[i / share]->submit(std::move(requests[i]), [&, i](Reply&& reply) {
      std::lock_guard lock(mutex);
      replies[i] = std::move(reply);
      if (--left == 0) all_done.notify_one();
    });
  std::unique_lock lock(mutex);
  all_done.wait(lock, [&] { return left == 0; });
  return replies;
}

}  // namespace reverse::sftp
