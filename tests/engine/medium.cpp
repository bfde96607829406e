#include "tests/engine/medium.h"

#include "libcore/store/repository.h"

namespace reverse {

namespace {

void add_files(Backend& backend, const RepoPath& directory,
               std::map<RepoPath, std::uint64_t>& files) {
  backend.list(directory, [&](const ListedFile& file) {
    const RepoPath path = directory.empty() ? file.name : directory + "/" + file.name;
    if (file.stat.type == FileType::directory)
      add_files(backend, path, files);
    else
      files[path] = file.stat.size;
  });
}

}  // namespace

std::unique_ptr<FaultBackend> Medium::connect() const {
  return std::make_unique<FaultBackend>(std::make_unique<MemoryBackend>(storage_));
}

std::vector<std::string> Medium::revisions() const {
  return Repository::open(*connect(), false).all_revisions();
}

std::map<RepoPath, std::uint64_t> files_of(Backend& backend, const RepoPath& directory) {
  std::map<RepoPath, std::uint64_t> files;
  add_files(backend, directory, files);
  return files;
}

}  // namespace reverse
