#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "tests/engine/client.h"
#include "tests/engine/tree_facts.h"
#include "tests/store/sample.h"
#include "tests/support/temp_tree.h"

// Nothing is ever written outside the target: not by revisions that lie, and not through what
// somebody has put in the way.

namespace reverse {
namespace {

using Lines = std::vector<std::string>;

/// A place outside the target that must stay as it is, and the target beside it.
struct Arena {
  Arena() {
    tree.write("outside/precious", "precious");
    tree.make_dir("outside/directory");
    tree.make_dir("target");
    before = facts_of(tree / "outside");
  }
  ~Arena() { CHECK(differences(before, facts_of(tree / "outside")) == Lines{}); }
  std::string target() const { return tree / "target"; }

  TempTree tree;
  TreeFacts before;
};

Restored restore_sample(const SampleRepository& sample, const std::string& revision, RestoreOptions options) {
  Restored restored{{}, std::make_unique<RecordingObserver>()};
  const Head head = sample.repository().read_head(revision);
  restored.report = run_restore(sample.repository(), head, options, *restored.observer, {});
  return restored;
}

/// A revision whose one page consists of exactly these lines, in a repository that holds "content".
std::string publish_lines(SampleRepository& sample, const std::vector<Entry>& entries) {
  std::string page = "# reverse page 1\n";
  for (const Entry& entry : entries) append_entry(page, entry);
  sample.store({page, "content"});
  const Sums sums = hash_bytes(DigestKind::md5, page);
  PageRef tree;
  tree.page = sums.digest;
  tree.check = sums.check;
  tree.size = sums.size;
  tree.entries = entries.size();
  Head head = make_head(kFirstId, tree);
  head.repository = sample.repository().info().id;
  head.token = find_or_open_gate(sample.backend());
  const std::unique_ptr<HeadUpload> upload = open_head(sample.backend(), head.token);
  REQUIRE(publish_head(sample.backend(), *upload, head) == PublishResult::published);
  return head.revision();
}

TEST_CASE("a revision that leads through its own symlink is refused before anything is written through it") {
  Arena arena;
  SampleRepository sample;
  const std::string revision =
      publish_lines(sample, {make_directory(""), make_symlink("link", arena.tree / "outside"),
                             make_file("link/planted", "content")});
  RestoreOptions options;
  options.target = arena.target();
  options.overwrite = Overwrite::always;
  try {
    restore_sample(sample, revision, options);
    FAIL("was restored");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt);
  }
}

TEST_CASE("a revision that names one thing twice is refused") {
  Arena arena;
  SampleRepository sample;
  const std::string revision =
      publish_lines(sample, {make_directory(""), make_symlink("name", arena.tree / "outside/precious"),
                             make_file("name", "content")});
  RestoreOptions options;
  options.target = arena.target();
  options.overwrite = Overwrite::always;
  CHECK_THROWS_AS(restore_sample(sample, revision, options), Error);
}

TEST_CASE("symlinks of a revision point where they like, and nothing follows them") {
  Arena arena;
  SampleRepository sample;
  sample.store({"content"});
  Entry group_symlink = make_symlink("a", arena.tree / "outside/precious");
  Entry group_file = make_file("b", "content");
  group_symlink.hardlink = group_file.hardlink = 7;  // a lie: one is no link of the other
  const std::string revision = sample.publish({make_directory(""), group_symlink, group_file}, kFirstId);
  RestoreOptions options;
  options.target = arena.target();
  for (int round = 0; round < 2; ++round) {
    const Restored restored = restore_sample(sample, revision, options);
    CHECK(restored.report.failed == 0);
    CHECK(arena.tree.read("target/b") == "content");
    CHECK(facts_of(arena.target()).at("b").text.starts_with("100644 "));
    options.overwrite = Overwrite::always;
  }
}

TEST_CASE("names that are no links of each other, whatever the revision says, get their own contents") {
  Arena arena;
  SampleRepository sample;
  sample.store({"content", "another"});
  Entry first = make_file("a", "content"), second = make_file("b", "another"), third = make_file("c", "content");
  first.hardlink = second.hardlink = third.hardlink = 7;
  const std::string revision = sample.publish({make_directory(""), first, second, third}, kFirstId);
  RestoreOptions options;
  options.target = arena.target();
  restore_sample(sample, revision, options);
  CHECK(arena.tree.read("target/a") == "content");
  CHECK(arena.tree.read("target/b") == "another");
  CHECK(facts_of(arena.target()).at("c").text.ends_with(" is a"));
}

TEST_CASE("a symlink in the target never leads out of it") {
  Arena arena;
  SampleRepository sample;
  sample.store({"content"});
  const std::string revision = sample.publish(
      {make_directory(""), make_directory("d"), make_directory("d/directory"),
       make_file("d/directory/f", "content"), make_file("d/precious", "content"), make_file("f", "content")},
      kFirstId);
  RestoreOptions options;
  options.target = arena.target();
  options.overwrite =
      GENERATE(Overwrite::never, Overwrite::if_newer, Overwrite::if_changed, Overwrite::always);
  SECTION("where a directory is meant") { arena.tree.symlink("../outside", "target/d"); }
  SECTION("where a directory below is meant") { arena.tree.symlink("../../outside/directory", "target/d/directory"); }
  SECTION("where a file is meant") {
    arena.tree.symlink("../outside/precious", "target/f");
    arena.tree.symlink(arena.tree / "outside/precious", "target/d/precious");
  }
  SECTION("as a further name of a file outside") {
    arena.tree.hardlink("outside/precious", "target/f");
    arena.before = facts_of(arena.tree / "outside");
  }
  SECTION("a FIFO where a file and a directory are meant") {
    arena.tree.make_fifo("target/f");
    arena.tree.make_fifo("target/d");
  }
  const Restored restored = restore_sample(sample, revision, options);
  if (options.overwrite == Overwrite::always) {
    CHECK(restored.report.failed == 0);
    CHECK(arena.tree.read("target/d/directory/f") == "content");
    CHECK(arena.tree.read("target/d/precious") == "content");
    CHECK(arena.tree.read("target/f") == "content");
  }
  arena.tree.remove("target/f");  // gives the file outside its one name back
  if (arena.before.at("precious").text.find(" is ") != std::string::npos)
    arena.before = facts_of(arena.tree / "outside");
  CHECK(arena.tree.read("outside/precious") == "precious");
}

TEST_CASE("a symlink swapped for a directory under the restore's feet never leads out of the target") {
  Arena arena;
  SampleRepository sample;
  sample.store({"content"});
  std::vector<Entry> entries = {make_directory(""), make_directory("d")};
  for (int i = 100; i < 400; ++i) {
    const std::string name = "d/" + std::to_string(i);
    entries.push_back(make_directory(name));
    entries.push_back(make_file(name + "/f", "content"));
  }
  const std::string revision = sample.publish(entries, kFirstId);
  arena.tree.make_dir("target/d");
  arena.tree.symlink("../outside", "target/x");
  std::atomic<bool> done{false};
  std::thread swapper([&] {
    const std::string d = arena.target() + "/d", x = arena.target() + "/x";
    while (!done) ::renameat2(AT_FDCWD, d.c_str(), AT_FDCWD, x.c_str(), RENAME_EXCHANGE);
  });
  RestoreOptions options;
  options.target = arena.target();
  for (int round = 0; round < 10; ++round) restore_sample(sample, revision, options);
  done = true;
  swapper.join();
}

TEST_CASE("set-id bits of a revision are not given unless asked for") {
  Arena arena;
  SampleRepository sample;
  sample.store({"content"});
  Entry file = make_file("f", "content");
  file.mode = 06755;
  const std::string revision = sample.publish({make_directory(""), file}, kFirstId);
  RestoreOptions options;
  options.target = arena.target();
  CHECK(restore_sample(sample, revision, options).report.special_left_out == 1);
  CHECK(facts_of(arena.target()).at("f").text.starts_with("100755 "));
}

TEST_CASE("a page that was changed in the repository stops the restore before it writes what it says") {
  Arena arena;
  SampleRepository sample;
  sample.store({"content"});
  const std::string revision = sample.publish({make_directory(""), make_file("f", "content")}, kFirstId);
  const Head head = sample.repository().read_head(revision);
  const std::string page = sample.path() + "/" + object_path({head.tree.page, std::nullopt});
  std::string text = read_file(page);
  text.replace(text.find("\"path\": \"f\""), 11, "\"path\": \"g\"");
  REQUIRE(::chmod(page.c_str(), 0644) == 0);
  write_file(page, text);
  RestoreOptions options;
  options.target = arena.target();
  CHECK_THROWS_AS(restore_sample(sample, revision, options), Error);
  CHECK_FALSE(arena.tree.exists("target/g"));
}

}  // namespace
}  // namespace reverse
