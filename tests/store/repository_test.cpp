#include "libcore/store/repository.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/store/object_copies.h"
#include "libcore/store/small_files.h"
#include "tests/store/forwarding_backend.h"
#include "tests/store/sample.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

ErrorKind kind_of_error(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("no error");
  return ErrorKind::internal;
}

/// Lets `calls` changing calls through and then fails for good, as a crash would.
class DyingBackend : public ForwardingBackend {
 public:
  DyingBackend(Backend& inner, int calls) : ForwardingBackend(inner), left_(calls) {}

  std::vector<MoveResult> publish(std::span<const Publication> publications) override {
    spend();
    return ForwardingBackend::publish(publications);
  }
  bool make_directory(const RepoPath& path) override {
    spend();
    return ForwardingBackend::make_directory(path);
  }
  void barrier(std::span<const RepoPath> directories) override {
    spend();
    ForwardingBackend::barrier(directories);
  }

 private:
  void spend() {
    if (left_-- <= 0) fail(ErrorKind::io, "died");
  }
  std::atomic<int> left_;  // creations do several things at a time
};

std::string text_of(const Sums& sums, const SampleRepository& sample) {
  return sample.repository().read_object(sums);
}

TEST_CASE("a new repository has the documented layout and is found again", "[store][repository]") {
  SampleRepository sample(DigestKind::sha256);
  Backend& backend = sample.backend();
  CHECK(look_at_location(backend) == LocationState::repository);
  Repository opened = Repository::open(backend, true);
  CHECK(opened.info().id == sample.repository().info().id);
  CHECK(opened.info().digest == DigestKind::sha256);
  int shards = 0;
  backend.list("objects",
               [&](const ListedFile& file) { shards += file.stat.type == FileType::directory; });
  CHECK(shards == 256);
  for (const char* directory : {"features", "manifests", "tmp", "trash", "bad", "forgotten", "gc"})
    CHECK(backend.stat(directory)->type == FileType::directory);
  CHECK(find_gate(backend));
  CHECK(backend.stat("reserve")->size == 1 << 20);
  CHECK((backend.stat("restore.sh")->mode & 0111) != 0);
  CHECK(backend.stat("RECOVER.txt")->size > 500);
  CHECK((backend.stat("repository.yaml")->mode & 0222) == 0);
  int temporaries = 0;
  backend.list("tmp", [&](const ListedFile&) { ++temporaries; });
  CHECK(temporaries == 0);
}

TEST_CASE("what lies at a location is told without changing it", "[store][repository]") {
  TempDir directory;
  auto look = [](const std::string& path) { return look_at_location(*open_local_backend(path)); };
  CHECK(look(directory / "absent") == LocationState::absent);
  fs::create_directories(directory / "empty");
  CHECK(look(directory / "empty") == LocationState::empty);
  fs::create_directories(directory / "disk/lost+found");
  CHECK(look(directory / "disk") == LocationState::empty);
  fs::create_directories(directory / "home/docs");
  CHECK(look(directory / "home") == LocationState::foreign);
  fs::create_directories(directory / "other/tmp/mine");  // only the name is ours
  CHECK(look(directory / "other") == LocationState::foreign);
  fs::create_directories(directory / "file");
  write_file(directory / "file/trash", "");
  CHECK(look(directory / "file") == LocationState::foreign);
}

TEST_CASE("a repository is not made over something else", "[store][repository]") {
  SampleRepository sample;
  CHECK(kind_of_error([&] { Repository::create(sample.backend(), DigestKind::md5); }) ==
        ErrorKind::exists);
  TempDir directory;
  write_file(directory / "precious", "data");
  auto backend = open_local_backend(directory.path());
  CHECK(kind_of_error([&] { Repository::create(*backend, DigestKind::md5); }) ==
        ErrorKind::no_repository);
  CHECK(std::distance(fs::directory_iterator(directory.path()), {}) == 1);
}

TEST_CASE("a repository that others make since the location was looked at is left as it is", "[store][repository]") {
  SampleRepository theirs;
  const std::string id = theirs.repository().info().id;
  CHECK(kind_of_error([&] {
          Repository::create(theirs.backend(), DigestKind::sha256, {}, LocationState::absent);
        }) == ErrorKind::exists);
  const Repository found = Repository::open(theirs.backend(), true);
  CHECK(found.info().id == id);
  CHECK(found.info().digest == DigestKind::md5);
}

TEST_CASE("a creation cut short anywhere is finished by the next", "[store][repository]") {
  for (int calls : {0, 5, 100, 267, 268, 270, 271, 272}) {
    TempDir directory;
    auto backend = open_local_backend(directory / "repo", Durability::none);
    DyingBackend dying(*backend, calls);
    bool finished = true;
    try {
      Repository::create(dying, DigestKind::md5);
    } catch (const Error&) {
      finished = false;
    }
    INFO(calls);
    LocationState state = look_at_location(*backend);
    CHECK((!finished || state == LocationState::repository));
    if (state == LocationState::repository) {
      CHECK_NOTHROW(Repository::open(*backend, true));
      CHECK(find_gate(*backend));
      continue;
    }
    CHECK((state == LocationState::absent || state == LocationState::empty));
    Repository made = Repository::create(*backend, DigestKind::md5);
    CHECK(Repository::open(*backend, true).info().id == made.info().id);
    CHECK(backend->stat(layout::gate(made.first_gate())));
  }
}

TEST_CASE("a repository that this program does not know is refused", "[store][repository]") {
  SampleRepository sample;
  auto open = [&](bool for_writing) {
    return [&sample, for_writing] { Repository::open(sample.backend(), for_writing); };
  };
  write_file(sample.path() + "/features/info-color", "");
  CHECK_NOTHROW(open(true)());
  write_file(sample.path() + "/features/write-pieces", "");
  CHECK_NOTHROW(open(false)());
  CHECK(kind_of_error(open(true)) == ErrorKind::no_repository);
  write_file(sample.path() + "/features/read-pieces", "");
  CHECK(kind_of_error(open(false)) == ErrorKind::no_repository);
  auto nothing = open_local_backend(sample.scratch("nothing"));
  CHECK(kind_of_error([&] { Repository::open(*nothing, false); }) == ErrorKind::no_repository);
}

TEST_CASE("repository.yaml is read strictly", "[store][repository]") {
  RepositoryInfo info{kFirstId, DigestKind::md5, "2014-01-25T11:00:00+01:00"};
  std::string text = format_repository_info(info);
  CHECK(text ==
        "format: 1\nid: \"6f0c2a7e-1111-4111-8111-111111111111\"\ndigest: \"md5\"\n"
        "created: \"2014-01-25T11:00:00+01:00\"\n");
  CHECK(parse_repository_info(text, "r").id == kFirstId);
  CHECK(parse_repository_info(text + "x-note: \"cellar\"\n", "r").id == kFirstId);
  auto kind = [](const std::string& changed) {
    return kind_of_error([&] { parse_repository_info(changed, "r"); });
  };
  CHECK(kind("format: 2\n" + text.substr(10)) == ErrorKind::no_repository);
  CHECK(kind("") == ErrorKind::corrupt);
  CHECK(kind(text.substr(0, 30)) == ErrorKind::corrupt);
  CHECK(kind(text + "color: \"red\"\n") == ErrorKind::corrupt);
  CHECK(kind(text + text.substr(10)) == ErrorKind::corrupt);
}

TEST_CASE("revisions are found by set, oldest first, other names left out", "[store][repository]") {
  SampleRepository sample;
  CHECK(sample.repository().sets().empty());
  std::string first = sample.publish({make_directory("")}, kFirstId);
  std::string second = sample.publish({make_directory(""), make_directory("a")}, kSecondId);
  write_file(sample.path() + "/manifests/desk/home/notes.txt", "");
  write_file(sample.path() + "/manifests/desk/home/.20140125T100000Z-6f0c2a7e.yaml.swp", "");
  fs::create_directories(sample.path() + "/manifests/nas/empty");
  CHECK(sample.repository().sets() == std::vector<std::string>{"desk/home", "nas/empty"});
  CHECK(sample.repository().revisions("desk/home") ==
        std::vector<std::string>{"20140125T100000Z-6f0c2a7e", "20140125T100000Z-7f0c2a7e"});
  CHECK(sample.repository().revisions("nas/empty").empty());
  CHECK(sample.repository().revisions("nas/none").empty());
  CHECK(sample.repository().read_head(first).id == kFirstId);
  TreeReader reader = sample.repository().tree(sample.repository().read_head(second));
  CHECK(read_all(reader).size() == 2);
  CHECK(kind_of_error([&] { sample.repository().read_head("desk/home/none"); }) ==
        ErrorKind::not_found);
}

TEST_CASE("a head with another digest than its repository is refused", "[store][repository]") {
  SampleRepository md5;
  SampleRepository sha256(DigestKind::sha256);
  std::string revision = sha256.publish({make_directory("")}, kFirstId);
  fs::create_directories(md5.path() + "/manifests/desk");
  fs::copy(sha256.path() + "/manifests/desk/home", md5.path() + "/manifests/desk/home");
  CHECK(kind_of_error([&] { md5.repository().read_head(revision); }) == ErrorKind::corrupt);
}

TEST_CASE("an object is looked for in objects, trash and bad", "[store][repository]") {
  SampleRepository sample;
  sample.store({"content"});
  Sums sums = hash_bytes(DigestKind::md5, "content");
  std::string name = sums.digest.hex();
  std::string home = sample.path() + "/" + object_path({sums.digest, std::nullopt});
  CHECK(text_of(sums, sample) == "content");
  fs::create_directories(sample.path() + "/trash/aaaa");
  fs::create_directories(sample.path() + "/trash/bbbb");
  fs::rename(home, sample.path() + "/trash/bbbb/" + name);
  CHECK(text_of(sums, sample) == "content");
  fs::rename(sample.path() + "/trash/bbbb/" + name, sample.path() + "/bad/" + name);
  CHECK(text_of(sums, sample) == "content");
  fs::remove(sample.path() + "/bad/" + name);
  CHECK(kind_of_error([&] { text_of(sums, sample); }) == ErrorKind::not_found);
}

TEST_CASE("an object put back while others are searched is found", "[store][repository]") {
  SampleRepository sample;
  sample.store({"content"});
  Sums sums = hash_bytes(DigestKind::md5, "content");
  std::string home = sample.path() + "/" + object_path({sums.digest, std::nullopt});
  std::string away = sample.scratch("away");
  fs::rename(home, away);
  struct PuttingBack : ForwardingBackend {
    using ForwardingBackend::ForwardingBackend;
    void list(const RepoPath& directory,
              const std::function<void(const ListedFile&)>& visit) override {
      ForwardingBackend::list(directory, visit);
      if (directory == "trash") act();
    }
    std::function<void()> act = [] {};
  } backend(sample.backend());
  Repository repository = Repository::open(backend, false);
  backend.act = [&] { fs::rename(away, home); };
  CHECK(repository.read_object(sums) == "content");
}

TEST_CASE("a content whose digest was taken is found under its own name", "[store][repository]") {
  SampleRepository sample;
  Sums wanted = hash_bytes(DigestKind::md5, "content");
  auto place = [&](const ObjectName& name, const std::string& content) {
    write_file(sample.path() + "/" + object_path(name), content);
  };
  place({wanted.digest, std::nullopt}, "another content with that digest");
  CHECK(kind_of_error([&] { text_of(wanted, sample); }) == ErrorKind::corrupt);
  place({wanted.digest, wanted.check}, "content");
  CHECK(text_of(wanted, sample) == "content");
  StringSink sink(100);
  sample.repository().read_object(wanted, sink);
  CHECK(sink.text == "content");
}

TEST_CASE("a damaged object is reported, and a whole one elsewhere is used for pages",
          "[store][repository]") {
  SampleRepository sample;
  sample.store({"content"});
  Sums sums = hash_bytes(DigestKind::md5, "content");
  std::string home = sample.path() + "/" + object_path({sums.digest, std::nullopt});
  fs::permissions(home, fs::perms::owner_all);
  for (const char* damaged : {"cantent", "conten", "contents", ""}) {
    write_file(home, damaged);
    StringSink sink(100);
    CHECK(kind_of_error([&] { sample.repository().read_object(sums, sink); }) ==
          ErrorKind::corrupt);
    CHECK(kind_of_error([&] { text_of(sums, sample); }) == ErrorKind::corrupt);
  }
  fs::create_directories(sample.path() + "/trash/aaaa");
  write_file(sample.path() + "/trash/aaaa/" + sums.digest.hex(), "content");
  CHECK(text_of(sums, sample) == "content");
}

TEST_CASE("a large damaged object is passed over where another place holds a whole one",
          "[store][repository]") {
  SampleRepository sample;
  const std::string content(3 << 20, 'x');  // too large to be verified in memory
  sample.store({content});
  const Sums sums = hash_bytes(DigestKind::md5, content);
  const std::string home = sample.path() + "/" + object_path({sums.digest, std::nullopt});
  fs::permissions(home, fs::perms::owner_all);
  write_file(home, content.substr(1) + "y");
  const Repository& repository = sample.repository();
  StringSink sink(8 << 20);
  const auto restart = [&] { sink.text.clear(); };
  CHECK(kind_of_error([&] { read_whole_copy(repository, sums, sink, restart); }) ==
        ErrorKind::corrupt);
  CHECK(sink.text.empty());
  CHECK(kind_of_error([&] { read_checked_object(repository, sums, sink); }) == ErrorKind::corrupt);
  CHECK(sink.text.empty());
  CHECK(!has_spare_copy(repository, sums));

  fs::create_directories(sample.path() + "/trash/aaaa");
  write_file(sample.path() + "/trash/aaaa/" + sums.digest.hex(), content);
  CHECK(has_spare_copy(repository, sums));
  read_whole_copy(repository, sums, sink, restart);
  CHECK(sink.text == content);
  sink.text.clear();
  read_checked_object(repository, sums, sink);
  CHECK(sink.text == content);
  sink.text.clear();
  read_damaged_object(repository, sums, sink);
  CHECK(sink.text == content.substr(1) + "y");
}

TEST_CASE("a page that does not end costs no memory", "[store][repository][hostile]") {
  SampleRepository sample;
  Sums sums = hash_bytes(DigestKind::md5, "content");
  std::string home = sample.path() + "/" + object_path({sums.digest, std::nullopt});
  write_file(home, "");
  fs::resize_file(home, std::uintmax_t(1) << 36);
  CHECK(kind_of_error([&] { text_of(sums, sample); }) == ErrorKind::corrupt);
}

}  // namespace
}  // namespace reverse
