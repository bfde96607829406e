#include "libcore/backend/sftp/syncer.h"

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse::sftp {

namespace {

constexpr std::size_t kTryAt = 4;        // uploads: then it is worth to know whether commands work
constexpr std::size_t kSyncedEach = 16;  // of a group; more are cheaper by a command
constexpr std::size_t kDirectoriesEach = 16;

/// A shell's spelling of `text` that stands for nothing else.
std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (char c : text) c == '\'' ? quoted += "'\\''" : quoted += c;
  return quoted + "'";
}

}  // namespace

bool sync_by_command(Client& client, const std::string& path) {
  try {
    // Elsewhere than on Linux `sync` may return before anything is written.
    const CommandResult result =
        client.run(fmt::format("sync -f -- {} && uname -s", shell_quoted(path)));
    return result.exit_code == 0 && result.output == "Linux\n";
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::network) throw;
    return false;
  }
}

Syncer::Syncer(const Server& server, Durability durability, bool may_run)
    : server_(server),
      durability_(durability),
      command_(may_run && durability == Durability::barrier ? Command::unknown : Command::refused) {
}

Syncer::~Syncer() = default;

bool Syncer::offers_fsync() {
  return durability_ != Durability::none && server_.offers("fsync@openssh.com");
}

bool Syncer::works() {
  std::lock_guard lock(mutex_);
  return offers_fsync() || command_ == Command::works;
}

bool Syncer::counts_upload(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (++uploads_ == 1) first_path_ = path;
  if (command_ == Command::unknown && uploads_ >= kTryAt) {
    command_ = Command::trying;
    trying_ = std::jthread([this, proof = first_path_] { try_command(proof); });
  }
  if (uploads_ > kSyncedEach && command_ == Command::works) return false;
  return server_.pool().front().was_ready() ? offers_fsync() : durability_ != Durability::none;
}

void Syncer::begin_group() {
  std::lock_guard lock(mutex_);
  uploads_ = 0;
}

/// Whether the command reaches the very file that SFTP shows: its name was never used before.
void Syncer::try_command(const std::string& path) {
  bool works = false;
  try {
    works = sync_by_command(server_.pool().front(), path);
  } catch (const std::exception&) {
    // Then files are synced one by one.
  }
  std::lock_guard lock(mutex_);
  command_ = works ? Command::works : Command::refused;
}

void Syncer::sync_all(const std::string& path) {
  {
    std::lock_guard lock(mutex_);
    if (command_ == Command::refused && !offers_fsync()) return;  // nothing is durable there
  }
  const bool works = sync_by_command(server_.pool().front(), path);
  std::lock_guard lock(mutex_);
  if (works)
    command_ = Command::works;
  else if (command_ != Command::works && !offers_fsync())
    command_ = Command::refused;
  else
    fail(ErrorKind::io, "sync {}: the server's command `sync -f` failed", server_.quote(path));
}

bool Syncer::syncs_directories() {
  std::lock_guard lock(mutex_);
  return offers_fsync() && !directories_refused_;
}

void Syncer::sync_directories(const std::set<std::string>& directories) {
  if (durability_ == Durability::none || directories.empty()) return;
  bool by_command = false;
  {
    std::lock_guard lock(mutex_);
    by_command = command_ == Command::works &&
                 (directories.size() > kDirectoriesEach || directories_refused_ || !offers_fsync());
  }
  if (by_command) return sync_all(server_.full(""));
  if (!offers_fsync()) return;
  if (!fsync_directories({directories.begin(), directories.end()})) {
    std::lock_guard lock(mutex_);
    directories_refused_ = true;
  }
}

/// False if this server opens no directories for that.
bool Syncer::fsync_directories(const std::vector<std::string>& names) {
  while (true) {
    Client& client = server_.pool().front();
    std::vector<Request> opens, syncs, closes;
    for (const std::string& name : names) opens.push_back(open_request(name, kRead));
    std::vector<Reply> opened = Server::call_all(client, std::move(opens));
    std::vector<const std::string*> open_names;
    const Reply* failed = nullptr;
    bool is_refused = false;
    for (std::size_t i = 0; i < opened.size(); ++i) {
      if (opened[i].type == PacketType::handle) {
        syncs.push_back(fsync_request(opened[i].handle));
        closes.push_back(close_request(opened[i].handle));
        open_names.push_back(&names[i]);
      } else if (!is_absent(opened[i])) {
        failed = &opened[i];
        is_refused |= !failed->lost;
      }
    }
    std::vector<Reply> synced = Server::call_all(client, std::move(syncs));
    for (Request& close : closes) client.submit(std::move(close), [](Reply&&) {});
    bool is_lost = failed != nullptr && failed->lost;
    for (std::size_t i = 0; i < synced.size(); ++i) {
      is_lost |= synced[i].lost;
      if (!synced[i].lost && !is_refused) server_.check(synced[i], "sync", *open_names[i]);
    }
    if (!is_lost) return !is_refused;
  }
}

std::string Syncer::describe(const Abilities& abilities) {
  const bool names = abilities.sync_directories.value_or(false);
  if (abilities.sync_command == true)
    return "many files at once, by the command sync -f; few by fsync";
  if (abilities.sync_files == true)
    return names ? "files and names, each by fsync" : "files by fsync, names when the server likes";
  return "when the server likes: a power cut there may cost revisions";
}

}  // namespace reverse::sftp
