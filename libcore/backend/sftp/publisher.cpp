#include "libcore/backend/sftp/publisher.h"

#include "libcore/base/error.h"

namespace reverse::sftp {

namespace {

/// The account may not do such a thing, or the server cannot.
bool is_refused(const Reply& reply) {
  return !reply.lost &&
         (reply.status == Status::permission_denied || reply.status == Status::unsupported);
}

std::string directory_of(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  return slash == name.npos ? "." : name.substr(0, slash);
}

}  // namespace

Publisher::Way Publisher::way_of(const Abilities& abilities) {
  const bool links = abilities.hard_links.value_or(false);
  const bool renames = abilities.rename.value_or(true);
  if (renames && abilities.rename_keeps.value_or(true)) return Way::rename;
  if (links) return abilities.remove.value_or(true) ? Way::link : Way::link_and_leave;
  return renames ? Way::look_and_rename : Way::none;
}

std::string Publisher::describe(const Abilities& abilities) {
  if (abilities.create == false) return "not at all: this account makes no files there";
  switch (way_of(abilities)) {
    case Way::rename:
      return "by rename, which replaces nothing";
    case Way::link:
      return "by hard link";
    case Way::link_and_leave:
      return "by hard link; this account removes nothing, reverse-gc sweeps what is left";
    case Way::look_and_rename:
      return "by rename after a look whether the name is free";
    case Way::none:
      return "not at all: this account neither renames nor links files there";
  }
  return {};
}

/// OpenSSH's server is known to rename without replacing; what it refuses to this account shows
/// soon enough.
Publisher::Way Publisher::way(const std::string& directory) {
  std::lock_guard lock(mutex_);
  if (way_) return *way_;
  const std::optional<Abilities> known = abilities_.known();
  if (!known && server_.is_openssh()) return Way::rename;
  way_ = way_of(known ? *known : abilities_.get(directory));
  return *way_;
}

std::vector<MoveResult> Publisher::publish(const std::vector<Naming>& namings, Behind* behind) {
  if (namings.empty()) return {};
  const std::string directory = directory_of(namings.front().from);
  Way used = way(directory);
  std::vector<Reply> replies = ask(used, namings, behind);
  if (is_refused(replies.front())) {
    Abilities found = abilities_.get(directory);
    if (found.create && way_of(found) == used) found = abilities_.renew(directory);
    // Where nothing could be tried (a closed gate) the reply to a link tells.
    const Way other = found.create ? way_of(found) : Way::link_and_leave;
    if (other != used) replies = ask(other, namings, behind);
    used = other;
    std::lock_guard lock(mutex_);
    if (found.create) way_ = other;
  }
  std::vector<MoveResult> results;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    results.push_back(replies[i].lost ? ask_again(used, namings[i])
                                      : settle(replies[i], namings[i], act_of(used)));
    if (used == Way::link && results.back() == MoveResult::done)
      server_.pool().front().submit(remove_request(namings[i].from), [](Reply&&) {});
  }
  return results;
}

const char* Publisher::act_of(Way way) {
  return way == Way::link || way == Way::link_and_leave ? "link to" : "rename to";
}

std::vector<Reply> Publisher::ask(Way way, const std::vector<Naming>& namings,
                                  Behind* behind) const {
  if (way == Way::none)
    fail(ErrorKind::permission, "publish {}: this account may neither rename nor link files there",
         server_.quote(namings.front().to));
  if (behind) behind->replies.clear();  // of an earlier try: nothing lay behind these names
  const bool links = way == Way::link || way == Way::link_and_leave;
  std::vector<Request> looks, requests;
  for (const auto& [from, to] : namings) {
    looks.push_back(lstat_request(to));
    requests.push_back(links ? hard_link_request(from, to) : rename_request(from, to));
  }
  if (way != Way::look_and_rename && !behind) return server_.call_over_all(std::move(requests));
  Client& client = behind ? *behind->client : server_.pool().front();
  if (way != Way::look_and_rename) {
    requests.insert(requests.end(), behind->requests.begin(), behind->requests.end());
    std::vector<Reply> replies = Server::call_all(client, std::move(requests));
    behind->replies.assign(replies.begin() + std::ssize(namings), replies.end());
    replies.resize(namings.size());
    return replies;
  }
  std::vector<Reply> replies = Server::call_all(client, std::move(looks));
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (is_absent(replies[i]))
      replies[i] = std::move(Server::call_all(client, {std::move(requests[i])}).front());
    else if (replies[i].type == PacketType::attrs)
      replies[i].type = PacketType::status, replies[i].status = Status::failure;  // taken
  }
  return replies;
}

std::vector<MoveResult> Publisher::move(const std::vector<Naming>& namings) {
  if (namings.empty()) return {};
  const Way used = way(directory_of(namings.front().from));
  const bool replaces = used != Way::rename && used != Way::link_and_leave;
  const std::vector<bool> is_taken =
      replaces ? taken(namings) : std::vector<bool>(namings.size(), false);
  std::vector<Request> requests;
  for (std::size_t i = 0; i < namings.size(); ++i)
    if (!is_taken[i]) requests.push_back(rename_request(namings[i].from, namings[i].to));
  const std::vector<Reply> replies =
      Server::call_all(server_.pool().front(), std::move(requests));
  std::vector<MoveResult> results(namings.size(), MoveResult::exists);
  auto reply = replies.begin();
  for (std::size_t i = 0; i < namings.size(); ++i) {
    if (is_taken[i]) continue;
    // Never tried again: by now the name may be another file's, and moving that was not asked for.
    if (reply->lost) server_.throw_failure(*reply, act_of(Way::rename), namings[i].to);
    results[i] = settle(*reply++, namings[i], act_of(Way::rename));
  }
  return results;
}

/// Which of the new names are somebody's already.
std::vector<bool> Publisher::taken(const std::vector<Naming>& namings) const {
  std::vector<Request> looks;
  for (const Naming& naming : namings) looks.push_back(lstat_request(naming.to));
  const std::vector<Reply> found = Server::call_all(server_.pool().front(), std::move(looks));
  std::vector<bool> is_taken;
  for (std::size_t i = 0; i < namings.size(); ++i)
    is_taken.push_back(found[i].type == PacketType::attrs ||
                       (!is_absent(found[i]) && server_.examine(namings[i].to)));
  return is_taken;
}

/// What a reply means: version 3 has one word for "taken" and for everything else.
MoveResult Publisher::settle(const Reply& reply, const Naming& naming, const char* act) const {
  if (is_done(reply)) return MoveResult::done;
  if (is_absent(reply)) return MoveResult::gone;
  if (has_failed(reply)) {
    if (server_.examine(naming.to)) return MoveResult::exists;
    if (!server_.examine(naming.from)) return MoveResult::gone;
  }
  server_.throw_failure(reply, act, naming.to);
}

/// After a lost reply: a temporary that is gone has its name. Nobody else moves temporaries, and a
/// request that is still under way finds what it wants or nothing. A link that was made shows as a
/// taken name, and who asked for it looks whose it is.
MoveResult Publisher::ask_again(Way way, const Naming& naming) const {
  if (server_.examine(naming.from)) {
    std::vector<Reply> replies = ask(way, {naming});
    if (!replies.front().lost && !is_absent(replies.front()))
      return settle(replies.front(), naming, act_of(way));
    if (replies.front().lost) return ask_again(way, naming);
  }
  return server_.examine(naming.to) ? MoveResult::done : MoveResult::gone;
}

}  // namespace reverse::sftp
