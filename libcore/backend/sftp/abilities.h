#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "libcore/backend/server_report.h"
#include "libcore/backend/sftp/server.h"

namespace reverse::sftp {

/// What a server does for this account when it is tried; what could not be tried is absent. What
/// servers say of themselves decides nothing: some confirm links that they never make.
struct Abilities {
  std::optional<bool> create;                 ///< makes files
  std::optional<bool> exclusive_create;       ///< ... under a free name only, if asked to
  std::optional<bool> exclusive_directories;  ///< makes a directory under a free name only
  std::optional<bool> mode_at_creation;       ///< a file has the mode at once that was asked for
  std::optional<bool> set_mode;               ///< changes modes
  std::optional<bool> rename;                 ///< gives a file another name, if that is free
  std::optional<bool> rename_keeps;           ///< ... and not if it is taken
  std::optional<bool> replace;                ///< gives a file a taken name, in one step
  std::optional<bool> hard_links;             ///< gives a file a second name that holds it as well
  std::optional<bool> remove;
  std::optional<bool> keeps_order;            ///< was seen to do requests only in the order they came
  std::optional<bool> sync_files, sync_directories;  ///< fsync@openssh.com
  std::optional<bool> free_space;                    ///< tells how much room there is
  std::optional<bool> case_sensitive;                ///< names that differ in case are two
  std::optional<bool> sync_command;                  ///< `sync -f` in its shell reaches these files
};

/// Tries everything, with files in `directory` that are removed as far as the server removes any.
/// nullopt if the directory is not there. Throws `network` where the connection is lost.
std::optional<Abilities> try_abilities(const Server& server, const std::string& directory,
                                       bool run_commands);

/// Lines "KEY: yes" and "KEY: no"; and back, passing over what is not understood.
std::string format_abilities(const Abilities& abilities);
Abilities parse_abilities(std::string_view text);
/// For people and programs.
std::vector<ServerReport::Ability> describe(const Abilities& abilities);

/// Where abilities are kept from one run to the next: a text for a server's greeting. Any thread.
struct AbilityMemory {
  std::function<std::optional<std::string>(const std::string& greeting)> recall;
  std::function<void(const std::string& greeting, const std::string& text)> keep;
};

/// The abilities of the server in use: remembered from an earlier run, or tried when somebody needs
/// them. Those of a server whose greeting has changed since are tried anew. Thread-safe.
class KnownAbilities {
 public:
  KnownAbilities(const Server& server, AbilityMemory memory, std::string scratch, bool run_commands)
      : server_(server),
        memory_(std::move(memory)),
        scratch_(std::move(scratch)),
        run_commands_(run_commands) {}

  /// If nothing is remembered, begins to try, in the background. Only where there is a memory: it
  /// pays in later runs.
  void begin();
  /// True if earlier runs have found them out.
  bool are_remembered();
  /// What is known by now.
  std::optional<Abilities> known();
  /// What is known, and if that is nothing, what is tried now. All absent where that was not
  /// possible. Where there is no `scratch`, files are tried in `directory`.
  Abilities get(const std::string& directory);
  /// Tried now, whatever was known.
  Abilities renew(const std::string& directory);

 private:
  std::string greeting() const;
  void learn(const Abilities& found);
  void recall(std::unique_lock<std::mutex>& lock);

  const Server& server_;
  const AbilityMemory memory_;
  const std::string scratch_;  ///< server's name of where files are tried
  const bool run_commands_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::optional<Abilities> known_;
  bool has_recalled_ = false, is_trying_ = false, are_remembered_ = false;
  std::jthread trying_;
};

}  // namespace reverse::sftp
