#include <algorithm>
#include <array>
#include <future>
#include <utility>
#include <vector>

#include "libcore/backend/recovery.h"
#include "libcore/base/error.h"
#include "libcore/base/random.h"
#include "libcore/base/timestamp.h"
#include "libcore/store/gate.h"
#include "libcore/store/repository.h"
#include "libcore/store/reserve.h"
#include "libcore/store/small_files.h"

namespace reverse {

extern const std::string_view kRestoreScript;
extern const std::string_view kRecoverText;

namespace {

constexpr std::uint32_t kTextMode = 0444;
constexpr std::uint32_t kScriptMode = 0555;

const std::array<const RepoPath*, 9> kDirectories = {
    &layout::kTemporaries, &layout::kObjects, &layout::kManifests,
    &layout::kFeatures,    &layout::kTrash,   &layout::kBad,
    &layout::kForgotten,   &layout::kGc,      &layout::kWriting};
const std::array<const RepoPath*, 3> kFiles = {&layout::kRecoverText, &layout::kRestoreScript,
                                               &layout::kReserve};

template <typename Names>
bool names(const Names& list, const std::string& name) {
  return std::any_of(list.begin(), list.end(), [&](const RepoPath* path) { return *path == name; });
}

bool is_temporary_name(const std::string& name) {
  return layout::is_token(name);
}

bool is_shard_name(const std::string& name) {
  return name.size() == 2 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// True if `directory` holds nothing but what a creation cut short puts there.
bool holds_only_leftovers(Backend& backend, const RepoPath& directory) {
  bool only_ours = true;
  list_if_there(backend, directory, [&](const ListedFile& file) {
    bool is_directory = file.stat.type == FileType::directory;
    if (directory == layout::kTemporaries)
      only_ours &= !is_directory && is_temporary_name(file.name);
    else if (directory == layout::kObjects)
      only_ours &= is_directory && is_shard_name(file.name);
    else if (directory == layout::kWriting)
      only_ours &= is_directory && layout::is_token(file.name);
    else
      only_ours = false;
  });
  return only_ours;
}

std::vector<RepoPath> named_directories() {
  std::vector<RepoPath> directories;
  for (const RepoPath* directory : kDirectories) directories.push_back(*directory);
  return directories;
}

/// In the order of `kFiles`.
std::vector<std::unique_ptr<Upload>> upload_files(Backend& backend) {
  std::vector<std::unique_ptr<Upload>> uploads;
  uploads.push_back(upload_text(backend, kRecoverText, kTextMode));
  uploads.push_back(upload_text(backend, kRestoreScript, kScriptMode));
  uploads.push_back(upload_reserve(backend));
  return uploads;
}

/// Files that an earlier attempt has already put there are whole: names appear only complete.
void put_files(Backend& backend, const std::vector<std::unique_ptr<Upload>>& uploads) {
  std::vector<Publication> publications;
  for (std::size_t i = 0; i < uploads.size(); ++i)
    publications.push_back({uploads[i].get(), *kFiles[i]});
  backend.publish(publications);
}

/// All directories, with an open gate: its token. `is_new`: nobody was there before.
std::string make_layout(Backend& backend, bool is_new) {
  std::vector<RepoPath> directories = named_directories();
  for (int i = 0; i < layout::kShards; ++i) directories.push_back(layout::shard(i));
  std::string token = random_hex(16);
  if (is_new) {
    directories.insert(directories.begin(), "");
    directories.push_back(layout::gate(token));
  }
  backend.make_directories(directories);
  return is_new ? token : find_or_open_gate(backend);
}

}  // namespace

LocationState look_at_location(Backend& backend) {
  bool is_repository = false;
  bool is_foreign = false;
  std::vector<RepoPath> leftovers;
  try {
    backend.list("", [&](const ListedFile& file) {
      bool is_directory = file.stat.type == FileType::directory;
      if (file.name == layout::kRepositoryFile) is_repository = true;
      if (is_directory && names(kDirectories, file.name))
        leftovers.push_back(file.name);
      else if (file.name != "lost+found" && !(!is_directory && names(kFiles, file.name)))
        is_foreign = true;
    });
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return LocationState::absent;
  }
  if (is_repository) return LocationState::repository;
  auto is_ours = [&](const RepoPath& path) { return holds_only_leftovers(backend, path); };
  if (is_foreign || !std::all_of(leftovers.begin(), leftovers.end(), is_ours))
    return LocationState::foreign;
  return LocationState::empty;
}

/// Makes the repository `info` where `state` was found, as far as it is not there yet. The token of
/// its gate.
static std::string create_as(Backend& backend, const RepositoryInfo& info, LocationState state) {
  if (state == LocationState::foreign)
    fail(ErrorKind::no_repository, "{} is neither empty nor a repository", backend.display(""));
  if (state == LocationState::repository) {  // made before the reply was lost, or by somebody else
    if (Repository::open(backend, false).info().id != info.id)
      fail(ErrorKind::exists, "{} is a repository already", backend.display(""));
    backend.barrier(std::vector<RepoPath>{""});
    return find_or_open_gate(backend);
  }
  std::string token = make_layout(backend, state == LocationState::absent);
  backend.expect_uploads();  // all that whoever makes a repository has
  // On its way with the others, and named when they and all directories are durable.
  const std::unique_ptr<Upload> upload =
      upload_text(backend, format_repository_info(info), kTextMode);
  const std::vector<std::unique_ptr<Upload>> files = upload_files(backend);
  auto directories = std::async(std::launch::async, [&] { backend.barrier(named_directories()); });
  put_files(backend, files);
  directories.get();
  backend.barrier(std::vector<RepoPath>{""});
  const Publication publication{upload.get(), layout::kRepositoryFile};
  if (backend.publish({&publication, 1}).front() != MoveResult::done)
    fail(ErrorKind::exists, "somebody else made a repository in {} at the same time",
         backend.display(""));
  backend.barrier(std::vector<RepoPath>{""});
  return token;
}

Repository Repository::create(Backend& backend, DigestKind digest, std::string id,
                              std::optional<LocationState> found) {
  return with_context("create repository", [&] {
    if (id.empty()) id = random_uuid();
    Repository made(backend, {std::move(id), digest, to_rfc3339_local(now())});
    with_recovery(backend, [&] {
      if (!found) found = look_at_location(backend);
      made.first_gate_ = create_as(backend, made.info(), *std::exchange(found, std::nullopt));
    });
    return made;
  });
}

}  // namespace reverse
