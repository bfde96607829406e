#include "libcore/store/repository.h"

#include <algorithm>
#include <array>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/store/object_places.h"

namespace reverse {

namespace {

constexpr std::size_t kMaxInfoBytes = 64 << 10;
constexpr std::size_t kMaxPageObject = 16 << 20;

/// Refuses features that matter and are not known; true if the one of partial copies is there.
bool look_at_features(Backend& backend, bool for_writing) {
  bool is_partial = false;
  list_if_there(backend, layout::kFeatures, [&](const ListedFile& file) {
    if (layout::kFeatures + "/" + file.name == layout::kPartialFeature) {
      is_partial = true;
      return;
    }
    bool matters =
        file.name.starts_with("read-") || (for_writing && file.name.starts_with("write-"));
    if (matters)
      fail(ErrorKind::no_repository, "{} has the feature '{}', which this program does not know",
           backend.display(""), printable(file.name));
  });
  return is_partial;
}

}  // namespace

Repository Repository::open(Backend& backend, bool for_writing, PartialCopy partial) {
  const std::array<Expected, 2> soon{{{layout::kRepositoryFile}, {layout::kFeatures, true}}};
  backend.expect(soon);
  std::string text;
  try {
    text = read_small_file(backend, layout::kRepositoryFile, kMaxInfoBytes);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    fail(ErrorKind::no_repository, "there is no repository in {}", backend.display(""));
  }
  RepositoryInfo info = parse_repository_info(text, backend.display(layout::kRepositoryFile));
  Repository repository(backend, std::move(info));
  repository.is_partial_ = look_at_features(backend, for_writing);
  if (for_writing && repository.is_partial_ && partial == PartialCopy::refused)
    fail(ErrorKind::unsupported,
         "{} is a partial copy that reverse-sync made to be carried: only reverse-sync writes to it",
         backend.display(""));
  return repository;
}

void Repository::declare_partial() {
  if (is_partial_) return;
  std::unique_ptr<Upload> mark = upload_text(*backend_, "", 0444);
  Publication publication{mark.get(), layout::kPartialFeature};
  backend_->publish({&publication, 1});
  backend_->barrier(std::array{layout::kFeatures});
  is_partial_ = true;
}

std::vector<std::string> Repository::sets() const {
  auto directories_in = [this](const RepoPath& path) {
    std::vector<std::string> names;
    list_if_there(*backend_, path, [&names](const ListedFile& file) {
      if (file.stat.type == FileType::directory && layout::is_set_component(file.name))
        names.push_back(file.name);
    });
    return names;
  };
  std::vector<std::string> sets;
  std::vector<std::string> hosts = directories_in(layout::kManifests);
  expect_sets(hosts);
  for (const std::string& host : hosts)
    for (const std::string& label : directories_in(layout::set_directory(host)))
      sets.push_back(host + "/" + label);
  std::sort(sets.begin(), sets.end());
  return sets;
}

std::vector<std::string> Repository::revisions(std::string_view set) const {
  static constexpr std::string_view kSuffix = ".yaml";
  std::vector<std::string> names;
  list_if_there(*backend_, layout::set_directory(set), [&names](const ListedFile& file) {
    std::string_view name = file.name;
    if (!name.ends_with(kSuffix)) return;
    name.remove_suffix(kSuffix.size());
    if (layout::is_revision_name(name)) names.emplace_back(name);
  });
  std::sort(names.begin(), names.end());
  return names;
}

void Repository::expect_sets(const std::vector<std::string>& sets) const {
  std::vector<RepoPath> directories;
  for (const std::string& set : sets) directories.push_back(layout::set_directory(set));
  expect_listings(*backend_, directories);
}

std::vector<std::string> Repository::all_revisions() const {
  std::vector<std::string> all, found = sets();
  expect_sets(found);
  for (const std::string& set : found)
    for (const std::string& name : revisions(set)) all.push_back(set + "/" + name);
  return all;
}

Head Repository::read_head(std::string_view revision) const {
  RepoPath path = layout::head(revision);
  Head head = parse_head(read_small_file(*backend_, path, kMaxHeadBytes), backend_->display(path));
  if (head.digest != info_.digest)
    fail(ErrorKind::corrupt, "{}: a revision with {} in a repository with {}",
         backend_->display(path), to_string(head.digest), to_string(info_.digest));
  if (head.revision() != revision)
    fail(ErrorKind::corrupt, "{}: it is the head of {}", backend_->display(path), head.revision());
  return head;
}

void Repository::expect_heads(std::span<const std::string> revisions, std::size_t next) const {
  constexpr std::size_t kHeadsAhead = 256;
  if (next % kHeadsAhead != 0) return;
  std::vector<Expected> heads;
  for (std::size_t i = next; i < std::min(next + kHeadsAhead, revisions.size()); ++i)
    heads.push_back({layout::head(revisions[i])});
  backend_->expect(heads);
}

void Repository::read_object(const Sums& wanted, ByteSink& sink) const {
  if (is_verified_first(wanted)) return sink.write(read_object(wanted));
  bool found = Places(*backend_, wanted).try_each([&](const RepoPath& path) {
    HashingSink hashing(info_.digest, sink);
    backend_->read(path, hashing);
    expect_sums(wanted, hashing.finish(), backend_->display(path));
    return true;
  });
  if (!found) fail_missing(*backend_, wanted);
}

void Repository::expect_object(const Sums& wanted) const {
  Places(*backend_, wanted).expect();
}

std::string Repository::read_object(const Sums& wanted) const {
  std::optional<std::string> text;
  std::optional<Error> damage;
  Places(*backend_, wanted).try_each([&](const RepoPath& path) {
    try {
      std::string read = read_small_file(*backend_, path, kMaxPageObject);
      expect_sums(wanted, hash_bytes(info_.digest, read), backend_->display(path));
      text = std::move(read);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt) throw;
      damage = error;  // another place may hold a whole one
    }
    return text.has_value();
  });
  if (!text && damage) throw *damage;
  if (!text) fail_missing(*backend_, wanted);
  return std::move(*text);
}

PageFetcher Repository::page_fetcher() const {
  return [this](const PageRef& ref) { return read_object(ref.sums()); };
}

PageHint Repository::page_hint() const {
  if (backend_->traits().cheap_stat) return {};
  return [this](const PageRef& ref) { expect_object(ref.sums()); };
}

TreeReader Repository::tree(const Head& head) const {
  return TreeReader(info_.digest, page_fetcher(), head.tree, page_hint());
}

}  // namespace reverse
