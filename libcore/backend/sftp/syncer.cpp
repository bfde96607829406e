#include "libcore/backend/sftp/syncer.h"

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse::sftp {

namespace {

constexpr std::size_t kTryAt = 4;        // uploads: then it is worth to know whether commands work
constexpr std::size_t kSyncedEach = 16;  // of a group; more are cheaper by a command
constexpr std::size_t kDirectoriesEach = 16;
constexpr int kSyncFailed = 1;  // its exit code then, of GNU and busybox; a shell that cannot run it has others

/// A shell's spelling of `text` that stands for nothing else.
std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (char c : text) c == '\'' ? quoted += "'\\''" : quoted += c;
  return quoted + "'";
}

}  // namespace

SyncRun sync_by_command(Client& client, const std::string& path) {
  try {
    // Elsewhere than on Linux `sync` may return before anything is written.
    const CommandResult run =
        client.run(fmt::format("sync -f -- {} && uname -s", shell_quoted(path)));
    if (run.exit_code == 0 && run.output == "Linux\n") return {};
    return {run.exit_code == kSyncFailed ? SyncRun::Result::failed : SyncRun::Result::not_run,
            fmt::format("exit code {}, and it said '{}'", run.exit_code,
                        printable(run.output + run.errors))};
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::network) throw;
    return {SyncRun::Result::not_run, error.what()};
  }
}

Syncer::Syncer(const Server& server, KnownAbilities& abilities, Durability durability,
               bool may_run)
    : server_(server),
      abilities_(abilities),
      durability_(durability),
      command_(may_run && durability == Durability::barrier ? Command::unknown : Command::refused) {
}

Syncer::~Syncer() = default;

bool Syncer::offers_fsync() {
  return durability_ != Durability::none && server_.offers("fsync@openssh.com");
}

/// With the lock.
bool Syncer::may_rely_on_command() const {
  return command_ == Command::works || command_ == Command::remembered;
}

bool Syncer::works() {
  std::lock_guard lock(mutex_);
  return offers_fsync() || may_rely_on_command();
}

bool Syncer::counts_upload(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (++uploads_ == 1) first_path_ = path;
  if (command_ == Command::unknown && uploads_ >= kTryAt) {
    command_ = Command::trying;
    trying_ = std::jthread([this, proof = first_path_] { find_out(proof); });
  }
  if (uploads_ > kSyncedEach && may_rely_on_command()) return false;
  return server_.pool().front().was_ready() ? offers_fsync() : durability_ != Durability::none;
}

void Syncer::begin_group() {
  std::lock_guard lock(mutex_);
  uploads_ = 0;
}

/// Whether the command works, as is remembered, or as shows when it is tried on the very file that
/// SFTP shows: its name was never used before.
void Syncer::find_out(const std::string& path) {
  Command found = Command::refused;
  try {
    const std::optional<Abilities> known = abilities_.known();
    if (known && known->sync_command)
      found = *known->sync_command ? Command::remembered : Command::refused;
    else if (sync_by_command(server_.pool().front(), path).result == SyncRun::Result::done)
      found = Command::works;
  } catch (const std::exception&) {
    // Then files are synced one by one.
  }
  std::lock_guard lock(mutex_);
  command_ = found;
}

void Syncer::sync_files(const std::vector<std::string>& files) {
  {
    std::lock_guard lock(mutex_);
    if (command_ == Command::refused && !offers_fsync()) return;  // nothing is durable there
  }
  if (sync_all(files.front()) || fsync_names(files)) return;
  fail(ErrorKind::io, "sync {}: the server's command `sync -f` failed, and so does fsync",
       server_.quote(files.front()));
}

/// Syncs everything by the command. False where that was not run, and fsync may be.
bool Syncer::sync_all(const std::string& path) {
  const SyncRun run = sync_by_command(server_.pool().front(), path);
  const bool works = run.result == SyncRun::Result::done;
  {
    std::lock_guard lock(mutex_);
    if (command_ == Command::works && !works) {
      // A server that is out of processes for a moment will run it again.
      if (run.result == SyncRun::Result::not_run && offers_fsync()) return false;
      fail(ErrorKind::io, "sync {}: the server's command `sync -f` failed: {}", server_.quote(path),
           run.trouble);
    }
    const bool was_remembered = command_ == Command::remembered;
    command_ = works ? Command::works : Command::refused;
    if (works || !was_remembered) return works || !offers_fsync();
  }
  abilities_.renew(path.substr(0, path.rfind('/')));
  return false;
}

bool Syncer::syncs_directories() {
  const std::optional<Abilities> known = abilities_.known();
  std::lock_guard lock(mutex_);
  if (known && known->sync_directories == false) directories_refused_ = true;
  return offers_fsync() && !directories_refused_;
}

void Syncer::sync_directories(const std::set<std::string>& directories) {
  if (durability_ == Durability::none || directories.empty()) return;
  bool by_command = false;
  {
    std::lock_guard lock(mutex_);
    by_command = may_rely_on_command() &&
                 (directories.size() > kDirectoriesEach || directories_refused_ || !offers_fsync());
  }
  if (by_command && sync_all(server_.full(""))) return;
  if (!offers_fsync()) {
    if (!by_command) return;  // nothing is durable there, which is said
    fail(ErrorKind::io, "sync {}: the server's command `sync -f` failed, and it has no fsync",
         server_.quote(server_.full("")));
  }
  if (!fsync_names({directories.begin(), directories.end()})) {
    std::lock_guard lock(mutex_);
    directories_refused_ = true;
  }
}

/// Syncs files or directories, each by a handle. False if this server opens some of them not for that.
bool Syncer::fsync_names(const std::vector<std::string>& names) {
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
