#include "libcore/engine/gc.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/layout.h"
#include "libcore/store/tree.h"
#include "tests/engine/gc_scene.h"
#include "tests/engine/test_clock.h"

// What one run of gc does and refuses to do, with nobody else at work.

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Lines = std::vector<std::string>;

std::string own(int version, int file) {
  return "version " + std::to_string(version) + " file " + std::to_string(file);
}

TEST_CASE("where everything is referred to, gc changes nothing and leaves the gate open") {
  Versions f;
  f.back_up(0);
  f.back_up(1);
  const auto before = f.place.files();
  const GcReport report = collect(f.place, at_once());
  CHECK(report.revisions == 2);
  CHECK(report.objects == f.place.objects());
  CHECK(report.live_objects == report.objects);
  CHECK(report.taken_out + report.put_back + report.deleted + report.in_trash == 0);
  CHECK_FALSE(report.gate_closed);
  auto after = f.place.files();
  std::erase_if(after, [](const auto& file) { return file.first.starts_with("gc/heads/"); });
  CHECK(after == before);
  const auto again = f.place.files();
  collect(f.place, at_once());
  CHECK(f.place.files() == again);  // nothing new: nothing written
}

TEST_CASE("without a grace one run frees the space of what was forgotten") {
  Versions f;
  const std::string old = f.back_up(0);
  f.back_up(1);
  forget(f.place, old);
  const GcReport report = collect(f.place, at_once());
  CHECK(report.expired == Lines{old});
  CHECK(report.revisions == 1);
  CHECK(report.taken_out == report.deleted);
  CHECK(report.deleted_bytes > 70'000);
  CHECK(report.in_trash == 0);
  CHECK(report.gate_closed);
  CHECK(files_below(f.place, "trash") == Lines{});
  CHECK(fs::is_empty(f.place.path() + "/trash"));
  CHECK(files_below(f.place, "forgotten") == Lines{});
  CHECK_FALSE(has_object(f.place, own(0, 0)));
  CHECK(has_object(f.place, own(1, 0)));
  CHECK(has_object(f.place, "shared 3"));
  CHECK(defects(f.place) == Lines{});
  CHECK(f.place.objects() == collect(f.place, at_once()).live_objects);
  f.check_all_restore();
}

TEST_CASE("without a grace one run leaves nothing of a revision whose contents all stay") {
  Versions f;
  f.back_up(0);
  const std::string twin = f.client.back_up(f.place, f.source.path()).head.revision();
  forget(f.place, twin);
  const GcReport report = collect(f.place, at_once());
  CHECK(report.expired == Lines{twin});
  CHECK(report.taken_out == 0);
  CHECK(fs::is_empty(f.place.path() + "/trash"));
  CHECK(files_below(f.place, "forgotten") == Lines{});
  CHECK(defects(f.place) == Lines{});
  f.check_all_restore();
}

TEST_CASE("nothing goes before its time: the mark's grace, the trash's day, the age of uploads") {
  Versions f;
  const std::string old = f.back_up(0);
  f.back_up(1);
  forget(f.place, old);
  GcOptions usual;
  GcReport report = collect(f.place, usual);
  CHECK(report.expired == Lines{});
  CHECK(report.marked == 1);
  CHECK(report.next_expiry);
  CHECK(report.taken_out == 0);
  age(f.place, 7 * 24 - 1);
  CHECK(collect(f.place, usual).expired == Lines{});
  age(f.place, 2);
  report = collect(f.place, usual);
  CHECK(report.expired == Lines{old});
  CHECK(report.taken_out >= 6);
  CHECK(report.deleted == 0);
  CHECK(report.in_trash == report.taken_out);
  CHECK(report.in_trash_bytes == report.taken_out_bytes);
  CHECK(report.trash_until);
  CHECK(report.gate_closed);
  age(f.place, 23);
  const GcReport waiting = collect(f.place, usual);
  CHECK(waiting.deleted == 0);
  CHECK(waiting.in_trash == report.in_trash);
  CHECK_FALSE(waiting.gate_closed);
  age(f.place, 2);
  CHECK(collect(f.place, usual).deleted == report.taken_out);
  CHECK(files_below(f.place, "trash") == Lines{});
  f.check_all_restore();
}

TEST_CASE("a mark that was taken back in time keeps its revision") {
  Versions f;
  const std::string old = f.back_up(0);
  f.back_up(1);
  forget(f.place, old);
  age(f.place, 6 * 24);
  collect(f.place, GcOptions());
  unforget(f.place, old);
  age(f.place, 20 * 24);
  CHECK(collect(f.place, GcOptions()).taken_out == 0);
  CHECK(heads_of(f.place).size() == 2);
  f.check_all_restore();
}

TEST_CASE("uploads that no revision refers to yet stay for a week") {
  Versions f;
  f.back_up(0);
  const std::string content = "uploaded by a run that goes on";
  write_file(f.place.path() + "/" + object_of(content), content);
  CHECK(collect(f.place, GcOptions()).unreferenced_kept == 1);
  age(f.place, 7 * 24 - 1);
  CHECK(collect(f.place, GcOptions()).taken_out == 0);
  age(f.place, 2);
  CHECK(collect(f.place, GcOptions()).taken_out == 1);
}

TEST_CASE("a dry run tells what the run then does, and changes nothing") {
  Versions f;
  const std::string first = f.back_up(0);
  f.back_up(1);
  const std::string third = f.back_up(2);
  write_file(f.place.path() + "/tmp/0123", "left over");
  fs::create_directories(f.place.path() + "/trash/" + std::string(32, 'a'));
  fs::rename(f.place.path() + "/" + object_of("shared 5"),
             f.place.path() + "/trash/" + std::string(32, 'a') + "/" +
                 fs::path(object_of("shared 5")).filename().string());
  age(f.place, 9 * 24);
  GcOptions options = GENERATE(GcOptions(), at_once());
  options.allow = {"mass-gc"};
  options.dry_run = true;
  const bool marked_before = GENERATE(true, false);
  if (marked_before) {
    forget(f.place, first);
    age(f.place, 9 * 24);
  } else {
    options.forget = {first};
  }
  const auto before = f.place.files();
  const GcReport plan = collect(f.place, options);
  CHECK(f.place.files() == before);
  options.dry_run = false;
  const GcReport report = collect(f.place, options);
  CHECK(plan.forgotten == options.forget);
  CHECK(plan.forgotten == report.forgotten);
  CHECK(plan.expired == report.expired);
  CHECK(plan.marked == report.marked);
  CHECK(plan.revisions == report.revisions);
  CHECK(plan.objects == report.objects);
  CHECK(plan.live_objects == report.live_objects);
  CHECK(plan.taken_out == report.taken_out);
  CHECK(plan.taken_out_bytes == report.taken_out_bytes);
  CHECK(plan.put_back == 1);
  CHECK(report.put_back == 1);
  CHECK(plan.put_back_bytes == report.put_back_bytes);
  CHECK(plan.deleted == report.deleted);
  CHECK(plan.deleted_bytes == report.deleted_bytes);
  CHECK(plan.in_trash == report.in_trash);
  CHECK(plan.gate_closed == report.gate_closed);
  CHECK(plan.temporaries == 1);
  CHECK(report.temporaries == 1);
  CHECK(heads_of(f.place).size() == report.revisions);
  f.check_all_restore();
}

TEST_CASE("abandoned uploads go after a week, and at once if they have their name already") {
  Versions f;
  f.back_up(0);
  const std::string tmp = f.place.path() + "/tmp/";
  write_file(tmp + "young", "1");
  write_file(tmp + "old", "22");
  age(f.place, 7 * 24 + 1);
  write_file(tmp + "young", "1");
  fs::create_hard_link(f.place.path() + "/" + object_of("shared 1"), tmp + "linked");
  const GcReport report = collect(f.place, GcOptions());
  CHECK(report.temporaries == 2);
  CHECK(files_below(f.place, "tmp") == Lines{"young"});
  CHECK(has_object(f.place, "shared 1"));
}

TEST_CASE("names that are not this format's are never moved, removed or counted") {
  Versions f;
  f.back_up(0);
  const Lines foreign = {"objects/ab/README",
                         "objects/0123456789abcdef0123456789abcdef",
                         "trash/notes",
                         "trash/" + std::string(32, 'b') + "/notes",
                         "forgotten/desk/notes",
                         "manifests/notes.yaml",
                         "bad/notes"};
  for (const std::string& name : foreign) {
    fs::create_directories(fs::path(f.place.path() + "/" + name).parent_path());
    write_file(f.place.path() + "/" + name, "mine");
  }
  const std::size_t objects = f.place.objects() - 2;
  age(f.place, 100 * 24);
  CHECK(collect(f.place, at_once()).objects == objects);
  for (const std::string& name : foreign) CHECK(fs::exists(f.place.path() + "/" + name));
}

// --- guards

TEST_CASE("gc asks before more than half of the objects go, and before all of them do") {
  Versions f;
  const std::string old = f.back_up(0);
  GcOptions options = at_once();
  options.allow.clear();
  SECTION("half") {
    f.source.remove("shared");
    f.source.remove("own/large");
    BackupOptions smaller = Client::options(f.source.path());
    smaller.allow = {"shrink"};
    f.client.back_up(f.place, smaller);
    forget(f.place, old);
  }
  SECTION("all") {
    forget(f.place, old);
  }
  const auto before = f.place.files();
  for (bool dry_run : {true, false}) {
    options.dry_run = dry_run;
    try {
      collect(f.place, options);
      FAIL("not refused");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::refused);
      CHECK_THAT(error.what(), Contains("--allow mass-gc"));
    }
    CHECK(f.place.files() == before);  // marks and heads too
  }
  options.allow = {"mass-gc"};
  CHECK(collect(f.place, options).deleted > 0);
}

TEST_CASE("a repository without anything is no reason to ask") {
  Place place;
  const auto backend = place.connect();
  Repository::create(*backend, DigestKind::md5);
  GcOptions options = at_once();
  options.allow.clear();
  const GcReport report = collect(place, options);
  CHECK(report.objects + report.revisions == 0);
}

// --- what cannot be relied on

/// Runs gc, which must stop with exit 4 and leave everything as it was.
std::string stopped_by_damage(const Place& place) {
  const auto before = place.files();
  std::string message;
  try {
    collect(place, at_once());
    FAIL_CHECK("gc went on");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt);
    message = error.what();
  }
  CHECK(place.files() == before);
  return message;
}

TEST_CASE("a head that is torn, unknown or under a wrong name stops gc with nothing moved") {
  Versions f;
  const std::string old = f.back_up(0);
  const std::string kept = f.back_up(1);
  forget(f.place, old);
  const std::string path = f.place.path() + "/manifests/" + kept + ".yaml";
  const std::string text = read_file(path);
  SECTION("cut at every 97th byte") {
    for (std::size_t size = 0; size < text.size(); size += 97) {
      fs::remove(path);
      write_file(path, text.substr(0, size));
      CHECK_THAT(stopped_by_damage(f.place), Contains(kept));
    }
  }
  SECTION("of a newer format") {
    std::string newer = text;
    newer.replace(newer.find("manifest: 1"), 11, "manifest: 2");
    fs::remove(path);
    write_file(path, newer);
    CHECK_THAT(stopped_by_damage(f.place), Contains(kept));
  }
  SECTION("renamed") {
    fs::rename(path, fs::path(path).parent_path() / "monday.yaml");
    CHECK_THAT(stopped_by_damage(f.place), Contains("monday.yaml"));
  }
  SECTION("no directory of manifests at all") {
    fs::rename(f.place.path() + "/manifests", f.place.path() + "/manifest");
    CHECK_THAT(stopped_by_damage(f.place), Contains("manifests"));
  }
}

std::string page_path(const Place& place, const std::string& revision, unsigned level) {
  const auto backend = place.connect();
  const Repository repository = Repository::open(*backend, false);
  PageRef ref = repository.read_head(revision).tree;
  while (ref.level > level)
    ref = parse_page(ref, repository.read_object(ref.sums()), DigestKind::md5).pages.back();
  return place.path() + "/" + object_path({ref.page, std::nullopt});
}

TEST_CASE("a page that is damaged or missing stops gc with nothing moved, at whatever level") {
  Versions f;
  const std::string old = f.back_up(0);
  for (int i = 0; i < 400; ++i) f.source.write("many/f" + std::to_string(i), std::to_string(i % 7));
  const std::string kept = f.back_up(1);
  forget(f.place, old);
  const unsigned level = GENERATE(0u, 1u);
  const std::string path = page_path(f.place, kept, level);
  std::string text = read_file(path);
  fs::remove(path);
  SECTION("missing") {}
  SECTION("one byte is another") {
    text[text.size() / 2] ^= 1;
    write_file(path, text);
  }
  SECTION("empty") {
    write_file(path, "");
  }
  SECTION("cut at a line") {
    write_file(path, text.substr(0, text.rfind('\n', text.size() - 2) + 1));
  }
  CHECK_THAT(stopped_by_damage(f.place), Contains(kept));
}

TEST_CASE("a revision that is damaged and forgotten does not keep gc from going on") {
  Versions f;
  const std::string broken = f.back_up(0);
  const std::string kept = f.back_up(1);
  write_file(f.place.path() + "/manifests/" + broken + ".yaml.new", "torn");
  fs::rename(f.place.path() + "/manifests/" + broken + ".yaml.new",
             f.place.path() + "/manifests/" + broken + ".yaml");
  stopped_by_damage(f.place);
  forget(f.place, broken);
  CHECK(collect(f.place, at_once()).deleted > 0);
  f.check_all_restore();
}

TEST_CASE("an error while gc looks at the repository stops it with nothing moved") {
  Versions f;
  forget(f.place, f.back_up(0));
  f.back_up(1);
  const auto before = f.place.files();
  bool met = true;
  for (std::uint64_t n = 1; met; ++n) {
    const auto backend = f.place.connect();
    met = false;
    bool moved = false;
    backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t number) {
      if (call == "move") moved = true;
      if (number != n || moved) return;
      met = true;
      if (call == "list" || call == "read" || call == "stat")
        fail(ErrorKind::io, "fault on demand: {} {}", call, path);
      met = true;
      throw Cancelled();
    });
    try {
      collect(*backend, at_once());
    } catch (const std::exception&) {
    }
    if (met) CHECK(f.place.files() == before);
  }
}

// --- objects and names

TEST_CASE("of two contents with one MD5 both names stay while one of them is referred to") {
  Versions f;
  f.back_up(0);
  const Sums sums = hash_bytes(DigestKind::md5, "shared 1");
  const Sums other = hash_bytes(DigestKind::md5, "another");
  write_file(f.place.path() + "/" + object_path({sums.digest, sums.check}), "shared 1");
  const std::string stray = f.place.path() + "/" + object_path({sums.digest, other.check});
  write_file(stray, "whatever");
  CHECK(collect(f.place, at_once()).deleted == 1);
  CHECK_FALSE(fs::exists(stray));
  CHECK(has_object(f.place, "shared 1"));
  CHECK(fs::exists(f.place.path() + "/" + object_path({sums.digest, sums.check})));
}

TEST_CASE("what is needed is put back from the trash in the same run, and only if it is whole") {
  Versions f;
  f.back_up(0);
  const std::string run = "trash/" + std::string(32, 'c');
  const auto to_trash = [&](const std::string& content) {
    fs::create_directories(f.place.path() + "/" + run);
    fs::rename(f.place.path() + "/" + object_of(content),
               f.place.path() + "/" + run + "/" + fs::path(object_of(content)).filename().string());
  };
  to_trash("shared 1");
  to_trash("shared 2");
  const std::string rotten =
      f.place.path() + "/" + run + "/" + fs::path(object_of("shared 2")).filename().string();
  fs::remove(rotten);
  write_file(rotten, "shared X");
  const auto backend = f.place.connect();
  RecordingObserver observer;
  const GcReport report = collect(*backend, GcOptions(), &observer);
  CHECK(report.put_back == 1);
  CHECK(report.damaged == 1);
  CHECK(observer.warnings.size() == 1);
  CHECK(has_object(f.place, "shared 1"));
  CHECK_FALSE(has_object(f.place, "shared 2"));
  CHECK(files_below(f.place, "bad").size() == 1);
  CHECK(files_below(f.place, "trash") == Lines{});
}

TEST_CASE("the reserve is there again after a run for which it was given up") {
  Versions f;
  f.back_up(0);
  fs::remove(f.place.path() + "/reserve");
  collect(f.place, GcOptions());
  CHECK(fs::file_size(f.place.path() + "/reserve") == 1 << 20);
}

TEST_CASE("where the disk is full, gc gives up the reserve and goes on") {
  Versions f;
  forget(f.place, f.back_up(0));
  f.back_up(1);
  const auto backend = f.place.connect();
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    const bool writes = call == "make_directory" || call == "create" || call == "move";
    if (writes && fs::exists(f.place.path() + "/reserve"))
      fail(ErrorKind::no_space, "{} {}", call, path);
  });
  CHECK(collect(*backend, at_once()).deleted > 0);
  f.check_all_restore();
}

TEST_CASE("a set whose last revision went leaves no directory behind") {
  Versions f;
  const std::string revision = f.back_up(0);
  BackupOptions other = Client::options(f.source.path());
  other.host = "other";
  f.client.back_up(f.place, other);
  for (const Head& head : heads_of(f.place))
    if (head.host == "other") forget(f.place, head.revision());
  collect(f.place, at_once());
  CHECK_FALSE(fs::exists(f.place.path() + "/manifests/other"));
  CHECK(heads_of(f.place).size() == 1);
  collect(f.place, at_once());
  f.check_all_restore();
}

}  // namespace
}  // namespace reverse
