#include "libcore/cli/repository_access.h"

#include <fcntl.h>
#include <malloc.h>

#include <map>

#include "libcore/backend/sftp/sftp_backend.h"
#include "libcore/backend/ssh/ssh_link.h"
#include "libcore/base/fd.h"
#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/catalog/server_memory.h"
#include "libcore/cli/output.h"
#include "libcore/cli/terminal.h"
#include "libcore/engine/machine.h"
#include "libcore/engine/set_lock.h"
#include "libcore/engine/show.h"
#include "libcore/scan/file_system.h"

namespace reverse {

namespace {

/// What earlier runs found out about the server at `location`. A cache that fails costs time only.
sftp::AbilityMemory memory_of(const Location& location, Invocation& call) {
  const auto use = [directory = call.common.cache_dir, &output = call.output](const auto& body) {
    try {
      body(*ServerMemory::open(directory, [&](const std::string& what) { output.warning(what); }));
    } catch (const Error& error) {
      output.warning(error.what());
    }
  };
  const std::string name = location.text();
  return {.recall =
              [use, name](const std::string& greeting) {
                std::optional<std::string> found;
                use([&](ServerMemory& memory) { found = memory.recall(name, greeting); });
                return found;
              },
          .keep =
              [use, name](const std::string& greeting, const std::string& text) {
                use([&](ServerMemory& memory) { memory.keep(name, greeting, text); });
              }};
}

std::unique_ptr<Backend> open_remote_backend(const Location& location, Invocation& call,
                                             Durability durability, Traffic traffic) {
  // What goes to a server is allocated by one thread and freed by another: with a heap for each
  // thread twice the memory is used, and more time. A local repository is faster with them.
  ::mallopt(M_ARENA_MAX, 1);
  Output& output = call.output;
  const auto note = [&output](const std::string& text) { output.note(text); };
  const ssh::Target target{location.host, location.user, location.port};
  ssh::ConnectOptions connect;
  connect.ssh_command = call.common.ssh_command;
  if (call.io.err_is_terminal) connect.ask = ask_at_terminal;
  connect.notice = note;
  connect.compress = traffic == Traffic::text;
  connect.stop = call.io.stop;
  sftp::PoolOptions pool;
  pool.connections = call.common.connections;
  pool.retry_for = call.common.retry_for;
  pool.stop = call.io.stop;
  pool.upload_rate = call.common.upload_rate;
  pool.notice = [&output](const std::string& text) { output.warning(text); };
  return sftp::open_sftp_backend(
      std::make_unique<sftp::Pool>(
          location.host, [target, connect] { return ssh::open_link(target, connect); }, pool),
      location.path,
      {.durability = durability,
       .run_commands = call.common.remote_commands,
       .memory = memory_of(location, call),
       .scratch = layout::kTemporaries});
}

}  // namespace

std::unique_ptr<Backend> open_backend(const Location& location, Invocation& call,
                                      Durability durability, Traffic traffic) {
  if (location.is_remote()) return open_remote_backend(location, call, durability, traffic);
  return open_local_backend(repository_name(location), durability);
}

std::string creation_note(const Location& location, Backend& backend) {
  std::string facts;
  if (!location.is_remote())
    facts = file_system_of(open_file(location.path, O_PATH | O_DIRECTORY).get()).type;
  if (std::optional<std::uint64_t> free = backend.free_bytes())
    facts += fmt::format("{}{} free", facts.empty() ? "" : ", ", format_bytes(*free));
  return fmt::format("made a repository at {}{}", printable(repository_name(location)),
                     facts.empty() ? "" : " (" + facts + ")");
}

ReadAccess open_for_reading(const std::string& text, Invocation& call) {
  std::unique_ptr<Backend> backend = open_backend(parse_location(text), call);
  Repository repository = Repository::open(*backend, false);
  return {std::move(backend), std::move(repository)};
}

std::unique_ptr<Catalog> open_catalog(Invocation& call) {
  return Catalog::open(call.common.cache_dir,
                       [&](const std::string& message) { call.output.warning(message); });
}

std::unique_ptr<History> open_history(const Repository& repository, Invocation& call) {
  return History::open(call.common.cache_dir, repository.info().id,
                       [&](const std::string& message) { call.output.warning(message); });
}

std::unique_ptr<PresentSet> open_present_set(const std::string& repository_id, Invocation& call) {
  return PresentSet::open(call.common.cache_dir, repository_id,
                          [&](const std::string& message) { call.output.warning(message); });
}

OpenTranslations translations_of(Invocation& call) {
  return [&call](const std::string& repository_id) {
    return Translations::open(call.common.cache_dir, repository_id,
                              [&call](const std::string& what) { call.output.warning(what); });
  };
}

OpenJournal uploads_of(const std::string& repository_id, Invocation& call) {
  return [repository_id, &call] {
    return UploadJournal::open(call.common.cache_dir, repository_id,
                               [&call](const std::string& what) { call.output.warning(what); });
  };
}

OpenCopyJournal copies_of(const std::string& repository_id, Invocation& call) {
  // Held as long as what is returned here.
  const auto locks = std::make_shared<std::map<std::string, SetLock>>();
  return [=, &call](const std::string& source_id) -> std::unique_ptr<UploadJournal> {
    try {
      if (!locks->contains(source_id))
        locks->emplace(source_id, SetLock(call.common.cache_dir, repository_id, source_id));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::busy) throw;
      return nullptr;
    }
    return uploads_of(repository_id, call)();
  };
}

std::string this_host(const CommonOptions& common) {
  return set_component(common.environment_host ? *common.environment_host : host_name());
}

void FilterOptions::declare(OptionSet& options) {
  options.value({"set", 0, Shown::first}, "GLOB", "only sets HOST/LABEL that match (repeatable)",
                filter.sets);
  options.value({"host"}, "GLOB", "only sets of hosts that match (repeatable)", filter.hosts);
  options.value({"tag"}, "TAG", "only revisions with this tag (repeatable: any of them)",
                filter.tags);
}

void add_sets(const Repository& repository, const std::vector<std::string>& sets,
              RevisionFilter& filter) {
  for (const std::string& set : sets) {
    if (matching_sets(repository, {{set}, {}, {}}).empty())
      fail(ErrorKind::not_found, "there is no set '{}'", printable(set));
    filter.sets.push_back(set);
  }
}

RevisionPath resolve(const Repository& repository, const std::string& words,
                     const RevisionFilter& filter, const CommonOptions& common) {
  RevisionPath found = resolve_revision(repository, words, filter, this_host(common), now());
  if (!found.path || found.path->empty()) return found;
  TreeReader tree = repository.tree(found.head);
  tree.seek(*found.path);
  std::optional<Entry> entry = tree.next();
  if (entry && entry->path == *found.path) return found;
  std::optional<std::string> other = newest_with_path(repository, found.head.set(), *found.path);
  fail(ErrorKind::not_found, "'{}' is not in revision {}; {}", printable(*found.path),
       found.head.revision(),
       other ? fmt::format("the newest that has it is {}", *other)
             : fmt::format("no revision of {} has it", found.head.set()));
}

std::string start_of(const Head& head) {
  return minute(parse_rfc3339(head.started).value_or(Timestamp{}));
}

}  // namespace reverse
