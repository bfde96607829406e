#include "libcore/backend/sftp/abilities.h"

#include <algorithm>
#include <cctype>

#include "libcore/backend/sftp/syncer.h"
#include "libcore/base/error.h"
#include "libcore/base/pipeline.h"
#include "libcore/base/random.h"
#include "libcore/base/text.h"

namespace reverse::sftp {

namespace {

struct Field {
  const char* key;
  const char* words;
  std::optional<bool> Abilities::*value;
};

constexpr Field kFields[] = {
    {"create", "makes files", &Abilities::create},
    {"exclusive_create", "makes a file only where its name is free", &Abilities::exclusive_create},
    {"exclusive_directories", "makes a directory only where its name is free",
     &Abilities::exclusive_directories},
    {"mode_at_creation", "gives a new file its mode at once", &Abilities::mode_at_creation},
    {"set_mode", "changes modes", &Abilities::set_mode},
    {"rename", "renames files", &Abilities::rename},
    {"rename_keeps", "a rename replaces nothing", &Abilities::rename_keeps},
    {"replace", "replaces a file in one step", &Abilities::replace},
    {"hard_links", "makes hard links", &Abilities::hard_links},
    {"remove", "removes files", &Abilities::remove},
    {"keeps_order", "does requests in the order they come", &Abilities::keeps_order},
    {"sync_files", "makes files durable when asked (fsync)", &Abilities::sync_files},
    {"sync_directories", "makes names durable when asked (fsync)", &Abilities::sync_directories},
    {"free_space", "tells how much room there is", &Abilities::free_space},
    {"case_sensitive", "tells names apart that differ in case", &Abilities::case_sensitive},
    {"sync_command", "runs the command sync -f", &Abilities::sync_command},
};

using Sizes = std::vector<std::uint64_t>;  // bytes

constexpr std::uint32_t kMode = 0444, kOtherMode = 0600;
constexpr std::size_t kInARow = 32;  // requests, each of which shows what was done before it

Request new_file_request(const std::string& name) {
  return open_request(name, kWrite | kCreate | kExclusive, kMode);
}

/// One round of trying. Questions that have nothing to do with each other are asked side by side:
/// all together take as many flights as the longest. Each works with files of its own, under names
/// that were never used before, and removes them if it may; and it has the replies to what it asked
/// before it asks on, since in which order this server does things is yet to be seen.
class Trial {
 public:
  Trial(const Server& server, std::string directory, bool run_commands)
      : server_(server),
        client_(server.pool().front()),
        directory_(std::move(directory)),
        run_commands_(run_commands) {}

  std::optional<Abilities> run();

 private:
  std::string fresh_name() const { return directory_ + "/" + random_hex(16); }
  bool offers(const char* extension) const { return server_.offers(extension); }

  Reply ask(Request request) { return client_.call(std::move(request)); }
  std::vector<Reply> ask_all(std::vector<Request> requests);
  std::vector<std::string> make(const Sizes& sizes);
  std::optional<Attributes> look(const std::string& name);
  bool has_mode(const std::string& name, std::uint32_t mode);
  Sizes sizes_of(const std::vector<std::string>& names);
  void remove(const std::vector<std::string>& names);

  void try_file();
  void try_order(const std::string& name, const std::string& handle);
  void try_modes(const std::string& name);
  void try_names(const std::string& name);
  void try_removal(const std::string& name);
  void try_links();
  void try_renames();
  void try_directory_sync();
  void try_command();
  void try_room();

  const Server& server_;
  Client& client_;
  const std::string directory_;
  const bool run_commands_;
  bool is_directory_gone_ = false;
  Abilities found_;  // each member is written by one question
};

std::optional<Abilities> Trial::run() {
  Pipeline side_by_side({});
  for (const auto question :
       {&Trial::try_file, &Trial::try_links, &Trial::try_renames, &Trial::try_directory_sync,
        &Trial::try_command, &Trial::try_room})
    side_by_side.start([this, question] { (this->*question)(); });
  side_by_side.wait();
  if (is_directory_gone_) return std::nullopt;
  return found_;
}

/// In one flight.
std::vector<Reply> Trial::ask_all(std::vector<Request> requests) {
  std::vector<Reply> replies = Server::call_all(client_, std::move(requests));
  for (const Reply& reply : replies)
    if (reply.lost) server_.throw_failure(reply, "try out", directory_);
  return replies;
}

/// Makes files of so many bytes each; their names. None where one of them cannot be made.
std::vector<std::string> Trial::make(const Sizes& sizes) {
  std::vector<std::string> names;
  std::vector<Request> opens, writes, closes;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    names.push_back(fresh_name());
    opens.push_back(new_file_request(names.back()));
  }
  const std::vector<Reply> opened = ask_all(std::move(opens));
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (opened[i].type != PacketType::handle) continue;
    writes.push_back(write_request(opened[i].handle, 0, std::string(sizes[i], 'x')));
    closes.push_back(close_request(opened[i].handle));
  }
  const bool are_all_made = closes.size() == sizes.size();
  ask_all(std::move(writes));
  ask_all(std::move(closes));
  if (!are_all_made) remove(std::exchange(names, {}));
  return names;
}

std::optional<Attributes> Trial::look(const std::string& name) {
  const Reply reply = ask(lstat_request(name));
  if (reply.type != PacketType::attrs) return std::nullopt;
  return reply.attributes;
}

bool Trial::has_mode(const std::string& name, std::uint32_t mode) {
  const std::optional<Attributes> attributes = look(name);
  return attributes && (attributes->mode.value_or(0) & 0777) == mode;
}

/// 0 for those that are not there.
Sizes Trial::sizes_of(const std::vector<std::string>& names) {
  std::vector<Request> looks;
  for (const std::string& name : names) looks.push_back(lstat_request(name));
  Sizes sizes;
  for (const Reply& reply : ask_all(std::move(looks)))
    sizes.push_back(reply.attributes.size.value_or(0));
  return sizes;
}

void Trial::remove(const std::vector<std::string>& names) {
  std::vector<Request> removals;
  for (const std::string& name : names) removals.push_back(remove_request(name));
  ask_all(std::move(removals));
}

/// What can be done with one file, from its creation to its removal: where nothing is removed, few
/// files are to be left about.
void Trial::try_file() {
  const std::string name = fresh_name();
  const Reply made = ask(new_file_request(name));
  is_directory_gone_ = is_absent(made);
  found_.create = made.type == PacketType::handle;
  if (!*found_.create) return;
  try_order(name, made.handle);
  if (offers("fsync@openssh.com")) found_.sync_files = is_done(ask(fsync_request(made.handle)));
  ask(close_request(made.handle));
  try_modes(name);
  try_names(name);
  try_removal(name);
}

/// It grows byte by byte and its size is told in between, all in one flight.
void Trial::try_order(const std::string& name, const std::string& handle) {
  std::vector<Request> requests;
  for (std::size_t i = 0; i < kInARow; ++i) {
    requests.push_back(write_request(handle, i, "x"));
    requests.push_back(lstat_request(name));
  }
  const std::vector<Reply> replies = ask_all(std::move(requests));
  found_.keeps_order = true;
  for (std::size_t i = 0; i < kInARow; ++i)
    if (replies[2 * i + 1].attributes.size != i + 1) found_.keeps_order = false;
}

void Trial::try_modes(const std::string& name) {
  found_.mode_at_creation = has_mode(name, kMode);
  found_.set_mode =
      is_done(ask(set_mode_request(name, kOtherMode))) && has_mode(name, kOtherMode);
}

/// Its name is asked for once more, and in capitals.
void Trial::try_names(const std::string& name) {
  std::string shouted = name;
  for (std::size_t i = directory_.size(); i < shouted.size(); ++i)
    shouted[i] = static_cast<char>(std::toupper(static_cast<unsigned char>(shouted[i])));
  found_.case_sensitive = !look(shouted);
  const Reply again = ask(new_file_request(name));
  found_.exclusive_create = again.type != PacketType::handle;
  if (!*found_.exclusive_create) ask(close_request(again.handle));
}

/// It is removed, and if that works a directory is made twice: where nothing is removed, none are
/// left about.
void Trial::try_removal(const std::string& name) {
  found_.remove = is_done(ask(remove_request(name))) && !look(name);
  if (!*found_.remove) return;
  const std::string directory = fresh_name();
  if (!is_done(ask(make_directory_request(directory, 0700)))) return;
  found_.exclusive_directories = !is_done(ask(make_directory_request(directory, 0700)));
  ask(remove_directory_request(directory));
}

/// A file gets a second name, which must not live by the first: that is removed, where it can be.
void Trial::try_links() {
  const std::vector<std::string> made = make({1});
  if (made.empty()) return;
  found_.hard_links = false;
  const std::string link = fresh_name();
  if (offers("hardlink@openssh.com") && is_done(ask(hard_link_request(made[0], link)))) {
    remove(made);
    found_.hard_links = sizes_of({link}) == Sizes{1};
  }
  remove({made[0], link});
}

/// A file is given a free name, then one that is taken; another one takes that in one step. What is
/// to be in the way is made only where anything moves.
void Trial::try_renames() {
  const std::vector<std::string> made = make({2});
  if (made.empty()) return;
  const std::string &first = made[0], second = fresh_name();
  const bool offers_replacing = offers("posix-rename@openssh.com");
  found_.rename = is_done(ask(rename_request(first, second))) && sizes_of({second}) == Sizes{2};
  found_.replace = false;
  const bool anything_moves =
      *found_.rename ||
      (offers_replacing && is_done(ask(posix_rename_request(first, second))));
  const std::vector<std::string> more =
      anything_moves ? make({1, 3}) : std::vector<std::string>();
  if (!more.empty()) {
    const std::string &taken = more[0], &third = more[1];
    if (*found_.rename) {
      ask(rename_request(second, taken));
      found_.rename_keeps = sizes_of({second, taken}) == Sizes{2, 1};
    }
    found_.replace = offers_replacing && is_done(ask(posix_rename_request(third, taken))) &&
                     sizes_of({taken}) == Sizes{3};
    remove(more);
  }
  remove({first, second});
}

void Trial::try_directory_sync() {
  if (!offers("fsync@openssh.com")) return;
  const Reply opened = ask(open_request(directory_, kRead));
  found_.sync_directories = false;
  if (opened.type != PacketType::handle) return;
  found_.sync_directories = is_done(ask(fsync_request(opened.handle)));
  ask(close_request(opened.handle));
}

void Trial::try_command() {
  if (run_commands_)
    found_.sync_command = sync_by_command(client_, directory_).result == SyncRun::Result::done;
}

void Trial::try_room() {
  found_.free_space = server_.room().has_value();
}

}  // namespace

std::optional<Abilities> try_abilities(const Server& server, const std::string& directory,
                                       bool run_commands) {
  return Trial(server, directory, run_commands).run();
}

std::string format_abilities(const Abilities& abilities) {
  std::string text;
  for (const Field& field : kFields)
    if (const std::optional<bool>& value = abilities.*field.value)
      text += fmt::format("{}: {}\n", field.key, *value ? "yes" : "no");
  return text;
}

Abilities parse_abilities(std::string_view text) {
  Abilities abilities;
  for (std::string_view line : split(text, '\n'))
    for (const Field& field : kFields)
      for (bool value : {false, true})
        if (line == fmt::format("{}: {}", field.key, value ? "yes" : "no"))
          abilities.*field.value = value;
  return abilities;
}

std::vector<ServerReport::Ability> describe(const Abilities& abilities) {
  std::vector<ServerReport::Ability> described;
  for (const Field& field : kFields)
    described.push_back({field.key, field.words, abilities.*field.value});
  return described;
}

// --- what is remembered

/// What the server says of itself, before SFTP begins and in it: once that changes, it may be another.
std::string KnownAbilities::greeting() const {
  const ServerVersion& version = server_.pool().front().version();
  std::string text = version.banner.empty() ? "" : version.banner + "\n";
  for (const auto& [name, data] : version.extensions) text += fmt::format("{} {}\n", name, data);
  return text;
}

/// Looks once into the memory. With the lock, which is given up meanwhile.
void KnownAbilities::recall(std::unique_lock<std::mutex>& lock) {
  if (std::exchange(has_recalled_, true) || !memory_.recall) return;
  lock.unlock();
  const std::optional<std::string> text = memory_.recall(greeting());
  lock.lock();
  are_remembered_ = text.has_value();
  if (text && !known_) learn(parse_abilities(*text));
}

/// With the lock.
void KnownAbilities::learn(const Abilities& found) {
  known_ = found;
  if (found.keeps_order == false) server_.pool().note_disorder();
}

void KnownAbilities::begin() {
  if (!memory_.recall || scratch_.empty()) return;
  std::unique_lock lock(mutex_);
  if (known_ || has_recalled_ || is_trying_) return;
  is_trying_ = true;
  trying_ = std::jthread([this] {
    try {
      std::unique_lock inner(mutex_);
      recall(inner);
      const bool is_known = known_.has_value();
      inner.unlock();
      if (!is_known) renew(scratch_);
    } catch (const std::exception&) {
      // Whoever needs to know tries once more.
    }
    std::lock_guard inner(mutex_);
    is_trying_ = false;
    changed_.notify_all();
  });
}

bool KnownAbilities::are_remembered() {
  std::lock_guard lock(mutex_);
  return are_remembered_;
}

std::optional<Abilities> KnownAbilities::known() {
  std::unique_lock lock(mutex_);
  if (!is_trying_) recall(lock);
  return known_;
}

Abilities KnownAbilities::get(const std::string& directory) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !is_trying_; });
    recall(lock);
    if (known_) return *known_;
  }
  return renew(directory);
}

Abilities KnownAbilities::renew(const std::string& directory) {
  const std::optional<Abilities> found =
      try_abilities(server_, scratch_.empty() ? directory : scratch_, run_commands_);
  if (!found) return {};
  if (memory_.keep) memory_.keep(greeting(), format_abilities(*found));
  std::lock_guard lock(mutex_);
  learn(*found);
  return *found;
}

}  // namespace reverse::sftp
