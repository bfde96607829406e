#include "tests/engine/verify_scene.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"

namespace reverse {

namespace fs = std::filesystem;

VersionsOfPages::VersionsOfPages() {
  back_up(0);
  back_up(1);
  for (int i = 0; i < 300; ++i)
    source.write("many/d" + std::to_string(i % 7) + "/f" + std::to_string(i),
                 "content " + std::to_string(i / 2));
  last = back_up(2);
}

std::set<std::string> Verified::paths() const {
  std::set<std::string> paths;
  for (const Damage& damage : damages)
    if (!damage.revision.empty() && !damage.object.empty())
      paths.insert(damage.revision + ":" + damage.path);
  return paths;
}

std::set<std::string> Verified::kinds() const {
  std::set<std::string> kinds;
  for (const Damage& damage : damages)
    kinds.insert(std::string(to_string(damage.kind)) + " " +
                 (damage.object.empty() ? damage.revision : damage.object));
  return kinds;
}

Verified verify(Backend& backend, const VerifyOptions& options, const std::string& memory,
                ProveWhere where,
                const std::function<std::optional<std::string>(const Sums&)>& spare_page) {
  Verified verified;
  verified.observer = std::make_unique<RecordingObserver>();
  const Repository repository = Repository::open(backend, false);
  std::unique_ptr<VerifiedSet> remembered;
  const auto warn = [&](const std::string& message) { verified.observer->warning(message); };
  const std::unique_ptr<ObjectProver> prover = make_prover(repository, where, warn, {});
  if (!memory.empty()) remembered = VerifiedSet::open(memory, repository.info().id, warn);
  const VerifyDeps deps{repository,
                        *prover,
                        remembered.get(),
                        *verified.observer,
                        {},
                        [&](const Damage& damage) { verified.damages.push_back(damage); },
                        spare_page};
  verified.report = run_verify(deps, options);
  verified.where = prover->where();
  verified.manner = prover->describe();
  return verified;
}

Verified verify(const Place& place, const VerifyOptions& options, const std::string& memory) {
  return verify(*place.connect(), options, memory);
}

std::map<std::string, std::set<std::string>> needs_of_objects(const Place& place) {
  std::map<std::string, std::set<std::string>> needs;
  for (const Head& head : heads_of(place))
    for (const Entry& entry : entries_of(place, head.revision())) {
      if (!entry.digest) continue;
      std::string path = place.path() + "/" + object_path({*entry.digest, entry.check});
      if (!fs::exists(path)) path = place.path() + "/" + object_path({*entry.digest, std::nullopt});
      needs[path].insert(head.revision() + ":" + entry.path);
    }
  return needs;
}

std::vector<std::string> objects_of(const Place& place, bool only_files) {
  std::vector<std::string> objects;
  const auto needs = needs_of_objects(place);
  for (const std::string& name : files_below(place, "objects")) {
    const std::string path = place.path() + "/objects/" + name;
    if (!only_files || needs.count(path) > 0) objects.push_back(path);
  }
  return objects;
}

void copy_to(const std::string& folder, const Place& place) {
  fs::copy(place.path(), folder, fs::copy_options::recursive);
  struct stat owner;
  REQUIRE(::stat(fs::path(folder).parent_path().c_str(), &owner) == 0);
  REQUIRE(::chown(folder.c_str(), owner.st_uid, owner.st_gid) == 0);
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    REQUIRE(::chown(entry.path().c_str(), owner.st_uid, owner.st_gid) == 0);
}

void flip_bit(const std::string& path, std::uint64_t bit) {
  struct stat info;
  REQUIRE(::stat(path.c_str(), &info) == 0);
  REQUIRE(info.st_size > 0);
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  std::string bytes = read_file(path);
  bit %= bytes.size() * 8;
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  {
    UniqueFd fd = open_file(path, O_WRONLY);
    write_full(fd.get(), bytes, path);
    const timespec times[2] = {info.st_atim, info.st_mtim};
    REQUIRE(::futimens(fd.get(), times) == 0);
  }
  REQUIRE(::chmod(path.c_str(), info.st_mode & 07777) == 0);
}

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace reverse
