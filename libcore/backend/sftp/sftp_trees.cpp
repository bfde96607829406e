#include "libcore/backend/sftp/sftp_trees.h"

#include <algorithm>
#include <utility>

#include "libcore/backend/sftp/sftp_read.h"
#include "libcore/base/error.h"

namespace reverse::sftp {

namespace {

constexpr std::size_t kListedAhead = 256;
constexpr std::uint32_t kSmallFile = 32 << 10;  // what every server sends in one reply

using Outcome = RemoteAnswer::Outcome;

Outcome outcome_of(const Reply& reply) {
  if (reply.type != PacketType::status || reply.status == Status::ok) return Outcome::done;
  if (reply.status == Status::no_such_file) return Outcome::absent;
  return reply.status == Status::unsupported ? Outcome::unsupported : Outcome::failed;
}

RemoteAnswer answer_of(const Reply& reply) {
  RemoteAnswer answer{.outcome = outcome_of(reply), .words = "", .stat = {}};
  if (reply.type == PacketType::attrs) answer.stat = to_file_stat(reply.attributes);
  if (answer.outcome != Outcome::done)
    answer.words = reply.message.empty() ? std::string(to_string(reply.status)) : reply.message;
  return answer;
}

}  // namespace

/// nullopt for what the server does not offer.
std::optional<Request> SftpTrees::request_of(const RemoteStep& step) const {
  switch (step.act) {
    case RemoteStep::Act::make_directory:
      return make_directory_request(step.path, step.mode);
    case RemoteStep::Act::link:
      if (!server_.offers("hardlink@openssh.com")) return std::nullopt;
      return hard_link_request(step.other, step.path);
    case RemoteStep::Act::symlink:
      return symlink_request(step.other, step.path);
    case RemoteStep::Act::set:
      return step.mtime ? set_mode_and_time_request(step.path, step.mode, step.mtime->seconds)
                        : set_mode_request(step.path, step.mode);
    case RemoteStep::Act::rename:
      if (!server_.offers("posix-rename@openssh.com")) return rename_request(step.path, step.other);
      return posix_rename_request(step.path, step.other);
    case RemoteStep::Act::remove:
      return remove_request(step.path);
    case RemoteStep::Act::remove_directory:
      return remove_directory_request(step.path);
    case RemoteStep::Act::look:
      break;
  }
  return lstat_request(step.path);
}

std::vector<RemoteAnswer> SftpTrees::run(std::span<const Stage> stages) {
  const RemoteAnswer refused{Outcome::unsupported, "the server does not offer that", {}};
  std::vector<RemoteAnswer> answers;
  std::vector<std::size_t> asked;  // which of the answers the replies belong to
  std::vector<std::vector<Request>> requests;
  for (const Stage& stage : stages) {
    requests.emplace_back();
    for (const RemoteStep& step : stage) {
      answers.push_back(refused);
      std::optional<Request> request = request_of(step);
      if (!request) continue;
      asked.push_back(answers.size() - 1);
      requests.back().push_back(*std::move(request));
    }
  }
  std::vector<Reply> replies = server_.call_stages(std::move(requests));
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (replies[i].lost) server_.throw_failure(replies[i], "work at trees beside", full(""));
    answers[asked[i]] = answer_of(replies[i]);
  }
  return answers;
}

std::vector<std::vector<ListedFile>> SftpTrees::list(std::span<const std::string> directories) {
  std::vector<std::vector<ListedFile>> listings;
  for (std::size_t i = 0; i < directories.size(); ++i) {
    if (i % kListedAhead == 0)
      for (const std::string& directory :
           directories.subspan(i, std::min(kListedAhead, directories.size() - i)))
        prefetch_.begin(directory, true, 0);
    std::optional<Prefetch::Found> found = prefetch_.take(directories[i]);
    if (found && found->failure) found.reset();  // looked at once more, for a certain answer
    std::vector<ListedFile>& listing = listings.emplace_back();
    for (NameEntry& entry :
         found ? std::move(found->names) : list_directory(server_, directories[i]))
      if (entry.name != "." && entry.name != "..")
        listing.push_back({std::move(entry.name), to_file_stat(entry.attributes)});
  }
  return listings;
}

std::vector<std::optional<std::string>> SftpTrees::read(std::span<const std::string> paths) {
  Client& client = server_.pool().front();
  std::vector<Request> requests;
  for (const std::string& path : paths) requests.push_back(open_request(path, kRead));
  const std::vector<Reply> opened = Server::call_all(client, std::exchange(requests, {}));
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (opened[i].type == PacketType::handle)
      requests.push_back(read_request(opened[i].handle, 0, kSmallFile));
    else if (!is_absent(opened[i]))
      server_.throw_failure(opened[i], "read", paths[i]);
  }
  const std::vector<Reply> told = Server::call_all(client, std::move(requests));
  std::vector<std::optional<std::string>> texts(paths.size());
  for (std::size_t i = 0, next = 0; i < paths.size(); ++i) {
    if (opened[i].type != PacketType::handle) continue;
    client.submit(close_request(opened[i].handle), [](Reply&&) {});
    const Reply& reply = told[next++];
    if (reply.type == PacketType::data)
      texts[i] = reply.data;
    else if (has_ended(reply))
      texts[i] = "";
    else
      server_.throw_failure(reply, "read", paths[i]);
  }
  return texts;
}

}  // namespace reverse::sftp
