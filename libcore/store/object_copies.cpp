#include "libcore/store/object_copies.h"

#include <set>

#include "libcore/store/object_places.h"

namespace reverse {

namespace {

class NoSink : public ByteSink {
 public:
  void write(ByteView) override {}
};

/// Sends the object from one place after the other, until one was whole: that is told to `accept`,
/// and `reject` is called after each that was not.
template <typename Reject, typename Accept>
void find_whole(const Repository& repository, const Sums& wanted, ByteSink& sink, Reject reject,
                Accept accept) {
  Backend& backend = repository.backend();
  std::optional<Error> damage;
  const bool found = Places(backend, wanted).try_each([&](const RepoPath& path) {
    HashingSink hashing(repository.info().digest, sink);
    backend.read(path, hashing);
    try {
      expect_sums(wanted, hashing.finish(), backend.display(path));
    } catch (const Error& error) {
      damage = error;
      reject();
      return false;
    }
    accept(path);
    return true;
  });
  if (!found && damage) throw *damage;
  if (!found) fail_missing(backend, wanted);
}

std::optional<std::string> read_usual_copy(Backend& backend, const Sums& wanted) {
  try {
    return read_small_file(backend, object_path({wanted.digest, std::nullopt}), kSmallObject);
  } catch (const Error& error) {
    if (error.retryable() || error.kind() == ErrorKind::internal) throw;
    return std::nullopt;
  }
}

}  // namespace

void read_whole_copy(const Repository& repository, const Sums& wanted, ByteSink& sink,
                     const std::function<void()>& restart) {
  if (is_verified_first(wanted)) return repository.read_object(wanted, sink);
  find_whole(repository, wanted, sink, restart, [](const RepoPath&) {});
}

void read_checked_object(const Repository& repository, const Sums& wanted, ByteSink& sink) {
  if (is_verified_first(wanted)) return repository.read_object(wanted, sink);
  NoSink none;
  find_whole(
      repository, wanted, none, [] {},
      [&](const RepoPath& path) { repository.backend().read(path, sink); });
}

std::vector<std::optional<std::string>> read_small_objects(const Repository& repository,
                                                           std::span<const Sums> wanted) {
  std::vector<std::optional<std::string>> texts(wanted.size());
  std::vector<MemorySource> sources;
  std::vector<HashJob> jobs(wanted.size());
  sources.reserve(wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    texts[i] = read_usual_copy(repository.backend(), wanted[i]);
    sources.emplace_back(texts[i] ? ByteView(*texts[i]) : ByteView());
    jobs[i].source = &sources[i];
  }
  hash_many(repository.info().digest, jobs);
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (jobs[i].sums != wanted[i]) texts[i].reset();
  return texts;
}

PagesFetcher pages_fetcher(const Repository& repository) {
  return [&repository](std::span<const PageRef> pages) {
    std::vector<Sums> wanted;
    for (const PageRef& page : pages) wanted.push_back(page.sums());
    std::vector<std::optional<std::string>> found(pages.size());
    if (pages.size() > 1) found = read_small_objects(repository, wanted);
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < pages.size(); ++i)
      texts.push_back(found[i] ? std::move(*found[i]) : repository.read_object(wanted[i]));
    return texts;
  };
}

bool has_spare_copy(const Repository& repository, const Sums& wanted) {
  std::set<RepoPath> found;
  return Places(repository.backend(), wanted).try_each([&](const RepoPath& path) {
    if (repository.backend().stat(path)) found.insert(path);
    return found.size() > 1;
  });
}

void read_damaged_object(const Repository& repository, const Sums& wanted, ByteSink& sink) {
  const bool found = Places(repository.backend(), wanted).try_each([&](const RepoPath& path) {
    repository.backend().read(path, sink);
    return true;
  });
  if (!found) fail_missing(repository.backend(), wanted);
}

}  // namespace reverse
