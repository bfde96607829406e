#pragma once

#include <memory>
#include <optional>
#include <string>

#include "libcore/catalog/catalog.h"
#include "libcore/catalog/history.h"
#include "libcore/catalog/present_set.h"
#include "libcore/catalog/translations.h"
#include "libcore/cli/location.h"
#include "libcore/cli/tool.h"
#include "libcore/engine/open_repository.h"
#include "libcore/engine/revisions.h"
#include "libcore/engine/sync.h"
#include "libcore/store/repository.h"

namespace reverse {

/// What will mostly cross the link to a remote repository.
enum class Traffic {
  contents,  ///< of files
  text,      ///< names, sums and pages, which are compressed
};

/// A backend for a location, as `call` asks for it. A remote one begins to connect: what is wrong
/// with that shows at the first use.
std::unique_ptr<Backend> open_backend(const Location& location, Invocation& call,
                                      Durability durability = Durability::barrier,
                                      Traffic traffic = Traffic::contents);

/// What is said when a repository was made: where, on which file system, how much room there is.
std::string creation_note(const Location& location, Backend& backend);

/// A repository opened for reading, with the backend that it reads through.
struct ReadAccess {
  std::unique_ptr<Backend> backend;
  Repository repository;
};
/// `text` as on the command line. Throws `no_repository`, `usage`.
ReadAccess open_for_reading(const std::string& text, Invocation& call);

/// The catalog of `call`'s cache directory; what was set aside becomes a warning.
std::unique_ptr<Catalog> open_catalog(Invocation& call);

/// What `call`'s cache directory knows of the paths in a repository.
std::unique_ptr<History> open_history(const Repository& repository, Invocation& call);

/// What it knows to be in a repository.
std::unique_ptr<PresentSet> open_present_set(const std::string& repository_id, Invocation& call);

/// What it has noted of repositories' contents, for whoever asks while `call` runs.
OpenTranslations translations_of(Invocation& call);

/// The journal of uploads to a repository, for whoever asks while `call` runs and holds the set's lock.
OpenJournal uploads_of(const std::string& repository_id, Invocation& call);

/// Likewise for copies from other repositories; with each comes the lock, held as long as what is
/// returned here.
OpenCopyJournal copies_of(const std::string& repository_id, Invocation& call);

/// This machine's host part of set names: REVERSE_HOST, else its name.
std::string this_host(const CommonOptions& common);

/// The options that say which revisions are meant: --set, --host, --tag.
struct FilterOptions {
  RevisionFilter filter;
  void declare(OptionSet& options);
};

/// Takes operands SET... as what `filter` is about. Throws `not_found` for one that is not there.
void add_sets(const Repository& repository, const std::vector<std::string>& sets,
              RevisionFilter& filter);

/// What REV or REV:PATH names in `repository`. If only PATH is missing, the message names the
/// newest revision that has it.
RevisionPath resolve(const Repository& repository, const std::string& words,
                     const RevisionFilter& filter, const CommonOptions& common);

/// "2014-01-25 11:00" of a head's start, in local time.
std::string start_of(const Head& head);

}  // namespace reverse
