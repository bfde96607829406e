#include "libcore/engine/nested.h"

#include "libcore/base/temp_dir.h"

namespace reverse {

namespace {

/// Revisions that were finished when `revision` was started.
std::vector<std::string> finished_before(const Repository& repository, const Head& revision) {
  const std::optional<Timestamp> start = parse_rfc3339(revision.started);
  std::vector<std::string> names;
  visit_heads(
      repository, {},
      [&](const Head& head) {
        const std::optional<Timestamp> end = parse_rfc3339(head.finished);
        if (start && end && *end < *start) names.push_back(head.revision());
      },
      [](const std::string&, const Error& error) { throw Error(error); });
  return names;
}

}  // namespace

LocalRepository LocalRepository::open(const std::string& directory) {
  std::unique_ptr<Backend> backend = open_local_backend(directory);
  Repository repository = Repository::open(*backend, false);
  return {std::move(backend), std::move(repository)};
}

SyncReport restore_nested(const Repository& repository, const Head& revision, const std::string& id,
                          const std::string& directory, Observer& observer,
                          const std::stop_token& stop) {
  std::unique_ptr<Backend> backend = open_local_backend(directory);
  const Repository made = Repository::create(*backend, repository.info().digest, id);
  SyncOptions options;
  options.selection.revisions = finished_before(repository, revision);
  if (options.selection.revisions.empty()) return {};
  const TempDir scratch;  // nothing is known of the new repository, and nothing need be
  const std::unique_ptr<PresentSet> present =
      PresentSet::open(scratch.path(), id, [](const std::string&) {});
  return run_sync({repository, &made, made.info().digest, present.get(), observer, stop,
                   [](const SyncedRevision&) {}},
                  options);
}

}  // namespace reverse
