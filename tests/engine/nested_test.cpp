#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/engine/gc_scene.h"
#include "tests/engine/sync_scene.h"
#include "tests/engine/test_clock.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

/// A tree with a repository of another tree in it.
struct Nest {
  Nest() {
    inner_source.write("a", "inner content");
    inner_source.write("b", "shared content");
    outer.write("own", "outer content");
    outer.write("copy", "shared content");
    outer.make_dir("kept");
    client.back_up(*inner(), inner_options());
    advance_clock(10);
  }
  std::unique_ptr<Backend> inner() const {
    return open_local_backend(outer / "kept/repo", Durability::none);
  }
  BackupOptions inner_options() const {
    BackupOptions options = Client::options(inner_source.path());
    options.label = "inner";
    return options;
  }
  BackupOptions options() const {
    BackupOptions options = Client::options(outer.path());
    options.label = "outer";
    return options;
  }

  TempTree inner_source, outer;
  Place place;
  Client client;
};

}  // namespace

TEST_CASE("revisions of a nested repository are copied before the head that names it", "[nested]") {
  Nest f;
  const BackupReport report = f.client.back_up(f.place, f.options());
  CHECK(report.nested_revisions == 1);
  const std::vector<Head> heads = heads_of(f.place);
  REQUIRE(heads.size() == 2);
  CHECK(heads[0].label == "inner");
  REQUIRE(heads[1].repositories.size() == 1);
  CHECK(heads[1].repositories[0].path == "kept/repo");
  CHECK(heads[1].repositories[0].heads == 1);
  CHECK(heads[1].repositories[0].added == 1);
  CHECK(defects(f.place) == Lines{});
  TempDir target;
  restore(f.place, "desk/inner", target.path());
  CHECK(differences(facts_of(f.inner_source.path()), facts_of(target.path())) == Lines{});
}

TEST_CASE("again, only the head of the run is added, and none if nothing changed", "[nested]") {
  Nest f;
  f.client.back_up(f.place, f.options());
  const std::size_t objects = f.place.objects();
  CHECK(f.client.back_up(f.place, f.options()).nested_revisions == 0);
  CHECK(heads_of(f.place).size() == 3);
  BackupOptions options = f.options();
  options.skip_if_unchanged = true;
  CHECK_FALSE(f.client.back_up(f.place, options).published);
  CHECK(f.place.objects() == objects);
}

TEST_CASE("between digests what was hashed once is not read again", "[nested]") {
  Nest f;
  Repository::create(*f.place.connect(), DigestKind::sha256);
  CHECK(f.client.back_up(f.place, f.options()).nested_revisions == 1);
  f.inner_source.write("c", "later content");
  f.client.back_up(*f.inner(), f.inner_options());
  fs::remove(f.outer / "kept/repo" + "/" + object_of("inner content"));  // nobody looks
  CHECK(f.client.back_up(f.place, f.options()).nested_revisions == 1);
  CHECK(heads_of(f.place).size() == 4);
  CHECK(defects(f.place) == Lines{});
}

TEST_CASE("a dry run tells how many nested revisions would be copied", "[nested]") {
  Nest f;
  Repository::create(*f.place.connect(), DigestKind::md5);
  BackupOptions options = f.options();
  options.dry_run = true;
  CHECK(f.client.back_up(f.place, options).nested_revisions == 1);
  CHECK(heads_of(f.place).empty());
}

TEST_CASE("what is damaged in a nested repository is a problem of the revision", "[nested]") {
  Nest f;
  const std::string inner = f.outer / "kept/repo";
  SECTION("an object") {
    fs::remove(inner + "/" + object_of("inner content"));
  }
  SECTION("its description") {
    fs::remove_all(inner + "/manifests");
    write_file(inner + "/manifests", "", 0644);
  }
  const BackupReport report = f.client.back_up(f.place, f.options());
  CHECK(report.published);
  CHECK(report.nested_revisions == 0);
  CHECK(report.head.outcome == Outcome::incomplete);
  REQUIRE(report.head.problems.size() == 1);
  CHECK(report.head.problems[0].path == "kept/repo");
  CHECK(defects(f.place) == Lines{});
}

TEST_CASE("restoring makes a nested repository again, as it was when the backup began", "[nested]") {
  Nest f;
  f.client.back_up(f.place, f.options());
  advance_clock(10);
  f.client.back_up(*f.inner(), f.inner_options());  // later, and known to the outer one
  sync(*f.inner(), *f.place.connect(), f.client);
  REQUIRE(heads_of(f.place).size() == 3);

  TempDir target;
  const Restored restored = restore(f.place, "desk/outer", target.path());
  CHECK(restored.report.repositories_restored == 1);
  const auto again = open_local_backend(target / "kept/repo");
  const Repository repository = Repository::open(*again, false);
  CHECK(repository.info().id == Repository::open(*f.inner(), false).info().id);
  CHECK(repository.all_revisions().size() == 1);
  CHECK(defects(*again) == Lines{});

  CHECK(restore(f.place, "desk/outer", target.path()).report.repositories_restored == 1);
  CHECK(repository.all_revisions().size() == 1);
}

TEST_CASE("restoring leaves another repository that is there as it is", "[nested]") {
  Nest f;
  f.client.back_up(f.place, f.options());
  const TempTree target;
  fs::create_directory(target / "kept");
  Repository::create(*open_local_backend(target / "kept/repo"), DigestKind::md5);
  const Restored restored = restore(f.place, "desk/outer", target.path());
  CHECK(restored.observer->kept_paths == Lines{target / "kept/repo"});
  CHECK(restored.report.files_kept == 1);
  CHECK(restored.report.repositories_restored == 0);
}

}  // namespace reverse
