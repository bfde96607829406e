#include "libcore/backend/sftp/open_directories.h"

#include <algorithm>

namespace reverse::sftp {

OpenDirectories::OpenDirectories(const Server& server, const std::set<std::string>& names)
    : server_(server), client_(server.pool().front()) {
  std::vector<Request> opens;
  for (const std::string& name : names) opens.push_back(open_request(name, kRead));
  std::vector<Reply> replies = Server::call_all(client_, std::move(opens));
  auto name = names.begin();
  for (Reply& reply : replies) {
    if (reply.type == PacketType::handle) opened_.push_back({*name, std::move(reply.handle)});
    ++name;
  }
}

OpenDirectories::~OpenDirectories() {
  for (const Opened& each : opened_) client_.submit(close_request(each.handle), [](Reply&&) {});
}

std::vector<MoveResult> OpenDirectories::publish(Publisher& publisher,
                                                 const std::vector<Publisher::Naming>& namings,
                                                 std::set<std::string>& synced) {
  Publisher::Behind syncs{&client_};
  for (const Opened& each : opened_) syncs.requests.push_back(fsync_request(each.handle));
  const bool keeps_order = server_.keeps_order(client_);
  const std::vector<MoveResult> results =
      publisher.publish(namings, keeps_order ? &syncs : nullptr);
  if (std::ranges::count(results, MoveResult::done) == 0) return results;
  if (!keeps_order) syncs.replies = Server::call_all(client_, std::move(syncs.requests));
  for (std::size_t i = 0; i < syncs.replies.size(); ++i) {
    if (syncs.replies[i].lost) continue;
    server_.check(syncs.replies[i], "sync", opened_[i].name);
    synced.insert(opened_[i].name);
  }
  return results;
}

}  // namespace reverse::sftp
