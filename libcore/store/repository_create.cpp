#include <algorithm>
#include <array>
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

/// `is_new`: nobody was there before.
void make_layout(Backend& backend, bool is_new) {
  backend.make_directory("");
  std::vector<RepoPath> directories = named_directories();
  for (int i = 0; i < layout::kShards; ++i) directories.push_back(layout::shard(i));
  if (is_new) directories.push_back(layout::gate(random_hex(16)));
  backend.make_directories(directories);
  if (!is_new) find_or_open_gate(backend);
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

/// Makes the repository `info`; goes on where an earlier call was cut short.
static void create_as(Backend& backend, const RepositoryInfo& info) {
  const LocationState state = look_at_location(backend);
  const bool is_made = state == LocationState::repository;
  if (is_made && Repository::open(backend, false).info().id != info.id)
    fail(ErrorKind::exists, "{} is a repository already", backend.display(""));
  if (state == LocationState::foreign)
    fail(ErrorKind::no_repository, "{} is neither empty nor a repository", backend.display(""));
  if (!is_made) {
    backend.expect_uploads();  // all that whoever makes a repository has
    make_layout(backend, state == LocationState::absent);
    // On its way with the others, and named when they and all directories are durable.
    const std::unique_ptr<Upload> upload =
        upload_text(backend, format_repository_info(info), kTextMode);
    const std::vector<std::unique_ptr<Upload>> files = upload_files(backend);
    backend.barrier(named_directories());  // while they are on their way
    put_files(backend, files);
    backend.barrier(std::vector<RepoPath>{""});
    const Publication publication{upload.get(), layout::kRepositoryFile};
    if (backend.publish({&publication, 1}).front() != MoveResult::done)
      fail(ErrorKind::exists, "somebody else made a repository in {} at the same time",
           backend.display(""));
  }
  backend.barrier(std::vector<RepoPath>{""});
}

Repository Repository::create(Backend& backend, DigestKind digest, std::string id) {
  return with_context("create repository", [&] {
    if (id.empty()) id = random_uuid();
    RepositoryInfo info{std::move(id), digest, to_rfc3339_local(now())};
    with_recovery(backend, [&] { create_as(backend, info); });
    return Repository(backend, std::move(info));
  });
}

}  // namespace reverse
