#include "libcore/engine/restore.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <set>

#include "libcore/base/fd.h"
#include "libcore/hash/hasher.h"
#include "tests/engine/client.h"
#include "tests/engine/tree_facts.h"
#include "tests/support/temp_tree.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;
using Names = std::set<std::string>;

constexpr Timestamp kTime{1'390'644'000, 5};

RestoreOptions into(const std::string& target) {
  RestoreOptions options;
  options.target = target;
  return options;
}

/// All names below `root`.
Names names_below(const std::string& root) {
  Names names;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root))
    names.insert(fs::relative(entry.path(), root).string());
  return names;
}

/// A tree in a repository.
struct Saved {
  Saved() {
    source.write("a.txt", "text of a");
    source.write("docs/b.txt", "text of b");
    source.write("docs/old/c.txt", "text of c");
    source.write("docs/old/c.log", "log");
    source.write("pictures/p.jpg", "picture");
    source.make_dir("pictures/none");
    source.set_mtime("a.txt", kTime);
    Client().back_up(place, source.path());
  }
  TempTree source;
  Place place;
};

// --- what is there already

struct OverwriteCase {
  const char* there;
  Overwrite overwrite;
  bool replaced, kept, skipped;
};

TEST_CASE("what is done with a name that is there depends on it and on the mode asked for") {
  const OverwriteCase row = GENERATE(values<OverwriteCase>({
      {"same", Overwrite::never, false, false, true},
      {"same", Overwrite::if_newer, false, false, true},
      {"same", Overwrite::if_changed, false, false, true},
      {"same", Overwrite::always, true, false, false},
      {"older", Overwrite::never, false, true, false},
      {"older", Overwrite::if_newer, true, false, false},
      {"older", Overwrite::if_changed, true, false, false},
      {"older", Overwrite::always, true, false, false},
      {"newer", Overwrite::never, false, true, false},
      {"newer", Overwrite::if_newer, false, false, true},
      {"newer", Overwrite::if_changed, true, false, false},
      {"newer", Overwrite::always, true, false, false},
      {"longer", Overwrite::never, false, true, false},
      {"longer", Overwrite::if_changed, true, false, false},
      {"symlink", Overwrite::never, false, true, false},
      {"symlink", Overwrite::always, true, false, false},
  }));
  CAPTURE(row.there, static_cast<int>(row.overwrite));
  Saved f;
  TempTree target;
  const std::string kind = row.there;
  if (kind == "symlink")
    target.symlink("elsewhere", "a.txt");
  else
    target.write("a.txt", kind == "longer" ? "a longer text" : "other txt");
  if (kind == "same" || kind == "longer") target.set_mtime("a.txt", kTime);
  if (kind == "older") target.set_mtime("a.txt", {kTime.seconds - 1, 0});
  if (kind == "newer") target.set_mtime("a.txt", {kTime.seconds, 6});
  RestoreOptions options = into(target.path());
  options.overwrite = row.overwrite;
  const Restored restored = restore(f.place, "latest", options);
  const bool is_new = !fs::is_symlink(target / "a.txt") && target.read("a.txt") == "text of a";
  CHECK(is_new == row.replaced);
  CHECK(restored.report.files_kept == (row.kept ? 1 : 0));
  CHECK(restored.observer->kept_paths == (row.kept ? Lines{target / "a.txt"} : Lines{}));
  CHECK(restored.report.files_skipped == (row.skipped ? 1 : 0));
  CHECK(restored.report.files_restored == (row.replaced ? 5 : 4));
  CHECK(restored.report.failed == 0);
  CHECK(target.read("docs/old/c.txt") == "text of c");
}

// --- contents that occur many times

/// How often objects were read to restore `f`, other than pages.
struct FarRestore {
  FarRestore(const Place& place, const std::string& revision, const RestoreOptions& options) {
    const auto backend = place.connect();
    backend->pretend_to_be_far();
    backend->set_hook([this](std::string_view call, const RepoPath& path, std::uint64_t) {
      if (call == "read" && path.starts_with("objects/")) ++reads[path];
    });
    restored = restore(*backend, revision, options);
  }
  int most_reads() const {
    int most = 0;
    for (const auto& [path, times] : reads) most = std::max(most, times);
    return most;
  }
  std::map<std::string, int> reads;
  Restored restored;
};

TEST_CASE("a content that occurs many times is fetched once from far away") {
  TempTree source;
  for (int i = 0; i < 40; ++i) source.write("d" + std::to_string(i % 7) + "/" + std::to_string(i), "same");
  source.write("large", std::string(3 << 20, 'x'));
  source.write("sub/large again", std::string(3 << 20, 'x'), 0600);
  source.set_mtime("sub/large again", kTime);
  Place place;
  Client().back_up(place, source.path());
  TempTree target;
  const FarRestore far(place, "latest", into(target.path()));
  CHECK(far.most_reads() == 1);
  CHECK(far.restored.report.files_restored == 42);
  CHECK(target.read("d3/3") == "same");
  CHECK(target.read("sub/large again") == std::string(3 << 20, 'x'));
  struct stat status {};
  REQUIRE(::stat((target / "sub/large again").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  CHECK(status.st_mtim.tv_sec == kTime.seconds);
}

TEST_CASE("a first copy that is not what it should be is copied by nobody") {
  TempTree source;
  source.write("a", "content");
  source.write("b", "content");
  source.set_mtime("a", kTime);
  Place place;
  Client().back_up(place, source.path());
  TempTree target;
  target.write("a", "another");  // size and time fit: it is taken for restored
  target.set_mtime("a", kTime);
  const FarRestore far(place, "latest", into(target.path()));
  CHECK(far.restored.report.files_skipped == 1);
  CHECK(target.read("b") == "content");

  TempTree kept;
  kept.symlink("b", "a");
  const FarRestore other(place, "latest", into(kept.path()));
  CHECK(other.restored.report.files_kept == 1);
  CHECK(kept.read("b") == "content");
}

TEST_CASE("restored twice, a tree stays as it is and nothing is written the second time") {
  Saved f;
  TempDir target;
  restore(f.place, "latest", target.path());
  const Restored again = restore(f.place, "latest", target.path());
  CHECK(again.report.files_restored + again.report.others_restored == 0);
  CHECK(again.report.files_skipped == 5);
  CHECK(differences(facts_of(f.source.path()), facts_of(target.path())) == Lines{});
}

TEST_CASE("files are counted as the revision counts them, links and special files apart") {
  TempTree source;
  source.write("file", "x");
  source.make_dir("dir");
  REQUIRE(::symlink("file", (source / "link").c_str()) == 0);
  REQUIRE(::mkfifo((source / "dir/fifo").c_str(), 0600) == 0);
  Place place;
  Client client;
  CHECK(client.back_up(place, source.path()).head.files == 1);
  TempDir target;
  const Restored restored = restore(place, "latest", target.path());
  CHECK(restored.report.files_restored == 1);
  CHECK(restored.report.others_restored == 2);
}

TEST_CASE("files that the revision does not know are left alone") {
  Saved f;
  TempTree target;
  target.write("docs/own", "mine");
  RestoreOptions options = into(target.path());
  options.overwrite = Overwrite::always;
  restore(f.place, "latest", options);
  CHECK(target.read("docs/own") == "mine");
}

TEST_CASE("a file where a directory is meant is kept, and replaced only if that was asked for") {
  Saved f;
  TempTree target;
  target.write("docs", "a file of that name");
  Restored restored = restore(f.place, "latest", target.path());
  CHECK(target.read("docs") == "a file of that name");
  CHECK(restored.report.failed > 0);
  CHECK(target.read("a.txt") == "text of a");
  RestoreOptions options = into(target.path());
  options.overwrite = Overwrite::always;
  restored = restore(f.place, "latest", options);
  CHECK(restored.report.failed == 0);
  CHECK(target.read("docs/b.txt") == "text of b");
}

TEST_CASE("a directory where a file is meant is never removed") {
  Saved f;
  TempTree target;
  target.write("a.txt/inside", "mine");
  RestoreOptions options = into(target.path());
  options.overwrite = Overwrite::always;
  const Restored restored = restore(f.place, "latest", options);
  CHECK(target.read("a.txt/inside") == "mine");
  CHECK(restored.report.failed == 1);
  CHECK(names_below(target.path()).size() == 10);  // no temporary is left beside it
}

TEST_CASE("a directory that forbids its owner to write gets what it lacks, and its mode back") {
  TempTree source;
  source.write("locked/file", "x");
  source.write("locked/deeper/file", "y");
  source.set_mode("locked/deeper", 0500);
  source.set_mode("locked", 0555);
  Place place;
  Client().back_up(place, source.path());
  const TreeFacts before = facts_of(source.path());
  TempTree target;
  restore(place, "latest", target.path());
  CHECK(differences(before, facts_of(target.path())) == Lines{});
  for (const char* name : {"locked", "locked/deeper"}) target.set_mode(name, 0755);
  target.remove("locked/file");
  target.remove("locked/deeper/file");
  for (const char* name : {"locked/deeper", "locked"}) target.set_mode(name, 0100);
  const Restored restored = restore(place, "latest", target.path());
  CHECK(restored.report.failed == 0);
  CHECK(differences(before, facts_of(target.path())) == Lines{});
}

// --- parts

TEST_CASE("a path restores what it names under its last component") {
  Saved f;
  TempTree target;
  restore(f.place, "latest:docs/old", target.path());
  CHECK(names_below(target.path()) == Names{"old", "old/c.txt", "old/c.log"});
  restore(f.place, "latest:" + (f.source / "docs/b.txt"), target.path());
  CHECK(target.read("b.txt") == "text of b");
  CHECK_THROWS_AS(restore(f.place, "latest:docs/ol", target.path()), Error);
  CHECK_THROWS_AS(restore(f.place, "latest:docs/b.txt/x", target.path()), Error);
}

TEST_CASE("patterns choose what is restored") {
  Saved f;
  TempTree target;
  RestoreOptions options = into(target / "new");
  SECTION("exclude") {
    options.exclude = {"*.log", "/pictures/"};
    restore(f.place, "latest", options);
    CHECK(names_below(options.target) == Names{"a.txt", "docs", "docs/b.txt", "docs/old", "docs/old/c.txt"});
  }
  SECTION("include makes only the parents it needs") {
    options.include = {"c.txt"};
    restore(f.place, "latest", options);
    CHECK(names_below(options.target) == Names{"docs", "docs/old", "docs/old/c.txt"});
  }
  SECTION("include of a directory takes all below it") {
    options.include = {"/pictures"};
    options.exclude = {"*.jpg"};
    restore(f.place, "latest", options);
    CHECK(names_below(options.target) == Names{"pictures", "pictures/none"});
  }
  SECTION("both below a path") {
    options.path = "docs";
    options.include = {"*.txt"};
    options.exclude = {"b.*"};
    restore(f.place, "latest", options);
    CHECK(names_below(options.target) == Names{"docs", "docs/old", "docs/old/c.txt"});
  }
}

TEST_CASE("the first name of a hard-link group may be left out") {
  TempTree source;
  source.write("one", "linked");
  source.hardlink("one", "three");
  source.hardlink("one", "two");
  Place place;
  Client().back_up(place, source.path());
  TempTree target;
  RestoreOptions options = into(target.path());
  options.exclude = {"one"};
  restore(place, "latest", options);
  const TreeFacts facts = facts_of(target.path());
  CHECK(names_below(target.path()) == Names{"three", "two"});
  CHECK(facts.at("two").text.ends_with(" is three"));
}

TEST_CASE("a group's other names are made where the first is kept as it was") {
  TempTree source;
  source.write("one", "linked");
  source.hardlink("one", "three");
  source.hardlink("one", "two");
  Place place;
  Client().back_up(place, source.path());
  TempTree target;
  target.write("one", "mine");
  restore(place, "latest", target.path());
  CHECK(target.read("one") == "mine");
  CHECK(target.read("two") == "linked");
  CHECK(target.read("three") == "linked");
}

TEST_CASE("a dry run tells what would be made and makes nothing") {
  Saved f;
  TempTree target;
  target.write("a.txt", "mine");
  RestoreOptions options = into(target.path());
  options.dry_run = true;
  const Restored restored = restore(f.place, "latest", options);
  CHECK(names_below(target.path()) == Names{"a.txt"});
  CHECK(restored.report.files_restored == 4);
  CHECK(restored.report.files_kept == 1);
  options.target = target / "not/there";
  CHECK(restore(f.place, "latest", options).report.files_restored == 5);
  CHECK(names_below(target.path()) == Names{"a.txt"});
}

TEST_CASE("what is written can be read back from disk at once") {
  Saved f;
  TempDir target;
  RestoreOptions options = into(target.path());
  options.verify = true;
  const Restored restored = restore(f.place, "latest", options);
  CHECK(restored.report.failed == 0);
  CHECK(differences(facts_of(f.source.path()), facts_of(target.path())) == Lines{});
}

TEST_CASE("zeros become holes on request, and not without it") {
  TempTree source;
  source.write("zeros", std::string(1'000'000, '\0') + "end");
  Place place;
  Client().back_up(place, source.path());
  TempDir plain, sparse;
  restore(place, "latest", plain.path());
  RestoreOptions options = into(sparse.path());
  options.sparse = true;
  restore(place, "latest", options);
  CHECK(facts_of(plain.path()).at("zeros").blocks >= 1900);
  CHECK(facts_of(sparse.path()).at("zeros").blocks < 100);
  CHECK(read_file(sparse / "zeros") == source.read("zeros"));
}

// --- damage

/// The object file that holds `content`.
std::string object_of(const Place& place, const std::string& content) {
  return place.path() + "/" + object_path({hash_bytes(DigestKind::md5, content).digest, std::nullopt});
}

TEST_CASE("a damaged file is named and left out, and everything else is restored") {
  Saved f;
  const std::string object = object_of(f.place, "text of b");
  fs::permissions(object, fs::perms::owner_write, fs::perm_options::add);
  SECTION("a flipped byte") { write_file(object, "text of B"); }
  SECTION("cut off") { write_file(object, "text"); }
  SECTION("too long") { write_file(object, "text of b and more"); }
  SECTION("empty") { write_file(object, ""); }
  SECTION("gone") { fs::remove(object); }
  TempTree target;
  const Restored restored = restore(f.place, "latest", target.path());
  CHECK(restored.report.damaged == 1);
  CHECK(restored.report.files_restored == 4);
  REQUIRE(restored.observer->problems.size() == 1);
  CHECK(restored.observer->problems[0].path == "docs/b.txt");
  CHECK(names_below(target.path()) == Names{"a.txt", "docs", "docs/old", "docs/old/c.txt", "docs/old/c.log",
                                            "pictures", "pictures/none", "pictures/p.jpg"});
  target.write("docs/b.txt", "what I still have");
  RestoreOptions options = into(target.path());
  options.overwrite = Overwrite::always;
  CHECK(restore(f.place, "latest", options).report.damaged == 1);
  CHECK(target.read("docs/b.txt") == "what I still have");
}

TEST_CASE("every name of a hard-link group with damaged content is counted, and none is made") {
  TempTree source;
  source.write("one", "linked");
  source.hardlink("one", "two");
  Place place;
  Client().back_up(place, source.path());
  fs::remove(object_of(place, "linked"));
  TempTree target;
  CHECK(restore(place, "latest", target.path()).report.damaged == 2);
  CHECK(names_below(target.path()).empty());
}

TEST_CASE("an object that gc has taken out is restored from the trash, and from among the bad where it is good") {
  Saved f;
  const std::string object = object_of(f.place, "text of b");
  const auto directory = GENERATE(as<std::string>(), "trash/0123", "bad");
  fs::create_directories(f.place.path() + "/" + directory);
  fs::rename(object, f.place.path() + "/" + directory + "/" + fs::path(object).filename().string());
  TempTree target;
  CHECK(restore(f.place, "latest", target.path()).report.damaged == 0);
  CHECK(target.read("docs/b.txt") == "text of b");
}

TEST_CASE("a target that is a file is an error, and stays") {
  Saved f;
  TempTree target;
  target.write("file", "mine");
  CHECK_THROWS_AS(restore(f.place, "latest", target / "file"), Error);
  CHECK_THROWS_AS(restore(f.place, "latest", target / "file/below"), Error);
  CHECK(target.read("file") == "mine");
}

TEST_CASE("a full disk ends the restore", "[root]") {
  TempTree source;
  source.write("a", std::string(3'000'000, 'a'));
  source.write("b", std::string(3'000'000, 'b'));
  Place place;
  Client().back_up(place, source.path());
  TempTree target;
  target.make_dir("disk");
  REQUIRE(::mount("none", (target / "disk").c_str(), "tmpfs", 0, "size=4m") == 0);
  std::optional<ErrorKind> kind;
  try {
    restore(place, "latest", target / "disk");
  } catch (const Error& error) {
    kind = error.kind();
  }
  const Names names = names_below(target / "disk");
  CHECK(::umount((target / "disk").c_str()) == 0);
  CHECK(kind == ErrorKind::no_space);
  CHECK(names.size() <= 1);  // one of the files at most, and no temporary
}

}  // namespace
}  // namespace reverse
