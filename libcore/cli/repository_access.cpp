#include "libcore/cli/repository_access.h"

#include <fcntl.h>

#include "libcore/base/fd.h"
#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/engine/machine.h"
#include "libcore/engine/show.h"
#include "libcore/scan/file_system.h"

namespace reverse {

std::unique_ptr<Backend> open_backend(const Location& location, Durability durability) {
  return open_local_backend(local_repository_path(location), durability);
}

std::string creation_note(const std::string& path, Backend& backend) {
  std::string type = file_system_of(open_file(path, O_PATH | O_DIRECTORY).get()).type;
  std::optional<std::uint64_t> free = backend.free_bytes();
  return fmt::format("made a repository at {} ({}{})", printable(path), type,
                     free ? ", " + format_bytes(*free) + " free" : "");
}

ReadAccess open_for_reading(const std::string& text) {
  std::unique_ptr<Backend> backend = open_backend(parse_location(text));
  Repository repository = Repository::open(*backend, false);
  return {std::move(backend), std::move(repository)};
}

std::unique_ptr<Catalog> open_catalog(Invocation& call) {
  return Catalog::open(call.common.cache_dir,
                       [&](const std::string& message) { call.output.warning(message); });
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
  return to_display_local(parse_rfc3339(head.started).value_or(Timestamp{})).substr(0, 16);
}

}  // namespace reverse
