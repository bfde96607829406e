#include "libcore/backend/sftp/abilities.h"

#include <algorithm>
#include <cctype>

#include "libcore/backend/sftp/syncer.h"
#include "libcore/base/error.h"
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

constexpr std::uint32_t kMode = 0444, kOtherMode = 0600;
constexpr std::size_t kInARow = 32;  // requests, each of which shows what was done before it

/// One round of trying. Every file has a name of its own that was never used before.
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
  Reply ask(Request request) { return client_.call(std::move(request)); }
  std::optional<Attributes> look(const std::string& name);
  std::uint64_t size_of(const std::string& name);
  bool has_mode(const std::string& name, std::uint32_t mode);
  bool offers(const char* extension) const { return server_.offers(extension); }

  Reply make(const std::string& name, std::size_t size);
  void try_order();
  void try_creation();
  void try_links();
  void try_renames();
  void try_removal();
  void try_directories();
  void try_rest();
  void clean_up();

  const Server& server_;
  Client& client_;
  const std::string directory_;
  const bool run_commands_;
  const std::string first_ = fresh_name(), link_ = fresh_name();
  Abilities found_;
  std::vector<std::string> made_;
};

std::optional<Attributes> Trial::look(const std::string& name) {
  Reply reply = ask(lstat_request(name));
  if (reply.type != PacketType::attrs) return std::nullopt;
  return reply.attributes;
}

/// 0 where it is not there.
std::uint64_t Trial::size_of(const std::string& name) {
  const std::optional<Attributes> found = look(name);
  return found ? found->size.value_or(0) : 0;
}

/// Makes a file of so many bytes; the answer to that it be made.
Reply Trial::make(const std::string& name, std::size_t size) {
  Reply opened = ask(open_request(name, kWrite | kCreate | kExclusive, kMode));
  if (opened.type != PacketType::handle) return opened;
  made_.push_back(name);
  ask(write_request(opened.handle, 0, std::string(size, 'x')));
  if (offers("fsync@openssh.com")) found_.sync_files = is_done(ask(fsync_request(opened.handle)));
  ask(close_request(opened.handle));
  return opened;
}

std::optional<Abilities> Trial::run() {
  const Reply made = make(first_, 1);
  if (is_absent(made)) return std::nullopt;
  found_.create = made.type == PacketType::handle;
  if (*found_.create) {
    try_creation();
    try_order();
    try_links();
    try_renames();
    try_removal();
    try_directories();
  }
  try_rest();
  clean_up();
  return found_;
}

bool Trial::has_mode(const std::string& name, std::uint32_t mode) {
  const std::optional<Attributes> attributes = look(name);
  return attributes && (attributes->mode.value_or(0) & 0777) == mode;
}

void Trial::try_creation() {
  found_.mode_at_creation = has_mode(first_, kMode);
  found_.set_mode =
      is_done(ask(set_mode_request(first_, kOtherMode))) && has_mode(first_, kOtherMode);
  const Reply again = ask(open_request(first_, kWrite | kCreate | kExclusive, kMode));
  found_.exclusive_create = again.type != PacketType::handle;
  if (!*found_.exclusive_create) ask(close_request(again.handle));
  std::string shouted = first_;
  for (std::size_t i = directory_.size(); i < shouted.size(); ++i)
    shouted[i] = static_cast<char>(std::toupper(static_cast<unsigned char>(shouted[i])));
  found_.case_sensitive = !look(shouted);
}

/// Has a file grow byte by byte and its size told in between, all in one flight.
void Trial::try_order() {
  const std::string name = fresh_name();
  const Reply opened = ask(open_request(name, kWrite | kCreate | kExclusive, kMode));
  if (opened.type != PacketType::handle) return;
  made_.push_back(name);
  std::vector<Request> requests;
  for (std::size_t i = 0; i < kInARow; ++i) {
    requests.push_back(write_request(opened.handle, i, "x"));
    requests.push_back(lstat_request(name));
  }
  const std::vector<Reply> replies = Server::call_all(client_, std::move(requests));
  ask(close_request(opened.handle));
  found_.keeps_order = true;
  for (std::size_t i = 0; i < kInARow; ++i)
    if (replies[2 * i + 1].attributes.size != i + 1) found_.keeps_order = false;
}

void Trial::try_links() {
  found_.hard_links = false;
  if (!offers("hardlink@openssh.com")) return;
  if (!is_done(ask(hard_link_request(first_, link_)))) return;
  found_.hard_links = size_of(link_) == 1;
  if (*found_.hard_links) made_.push_back(link_);
}

void Trial::try_renames() {
  const std::string second = fresh_name(), third = fresh_name();
  if (make(second, 2).type != PacketType::handle) return;
  found_.rename = is_done(ask(rename_request(second, third))) && size_of(third) == 2;
  if (*found_.rename) {
    made_.back() = third;
    ask(rename_request(third, first_));
    found_.rename_keeps = size_of(first_) == 1 && size_of(third) == 2;
  }
  found_.replace = false;
  const std::string& from = made_.back();
  if (!offers("posix-rename@openssh.com") || size_of(from) != 2) return;
  found_.replace = is_done(ask(posix_rename_request(from, first_))) && size_of(first_) == 2;
}

void Trial::try_removal() {
  found_.remove = is_done(ask(remove_request(first_))) && !look(first_);
  // The second name must not live by the first.
  if (*found_.remove && *found_.hard_links) found_.hard_links = size_of(link_) == 1;
}

/// Where nothing is removed no directories are left about.
void Trial::try_directories() {
  if (!*found_.remove) return;
  const std::string name = fresh_name();
  if (!is_done(ask(make_directory_request(name, 0700)))) return;
  found_.exclusive_directories = !is_done(ask(make_directory_request(name, 0700)));
  ask(remove_directory_request(name));
}

void Trial::try_rest() {
  if (run_commands_) found_.sync_command = sync_by_command(client_, directory_);
  found_.free_space = server_.room().has_value();
  if (!offers("fsync@openssh.com")) return;
  const Reply opened = ask(open_request(directory_, kRead));
  found_.sync_directories = false;
  if (opened.type != PacketType::handle) return;
  found_.sync_directories = is_done(ask(fsync_request(opened.handle)));
  ask(close_request(opened.handle));
}

void Trial::clean_up() {
  if (!found_.remove.value_or(false)) return;  // left to gc
  std::vector<Request> requests;
  for (const std::string& name : made_) requests.push_back(remove_request(name));
  Server::call_all(client_, std::move(requests));
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
