#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "libcore/engine/revisions.h"
#include "tests/engine/client.h"
#include "tests/engine/test_clock.h"
#include "tests/engine/tree_facts.h"
#include "tests/support/temp_tree.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;

constexpr int kTrusted = 10;  // seconds after which a file's times are believed

void make_tree(TempTree& tree) {
  for (int i = 0; i < 300; ++i)
    tree.write("d" + std::to_string(i % 7) + "/f" + std::to_string(i), "content " + std::to_string(i));
  tree.write("large", std::string(3'000'000, 'l'));
  tree.hardlink("large", "d1/large too");
  tree.write("d2/with", "attributes");
  tree.set_xattr("d2/with", "user.k", "v");
  tree.symlink("large", "link");
  tree.make_fifo("fifo");
  tree.make_dir("empty");
}

/// A tree that was backed up once, long enough after it was made.
struct BackedUp {
  BackedUp() {
    make_tree(source);
    advance_clock(kTrusted);
    first = client.back_up(place, source.path());
  }
  TempTree source;
  Place place;
  Client client;
  BackupReport first;
};

TEST_CASE("what did not change is neither read nor stored a second time") {
  BackedUp f;
  CHECK(f.first.bytes_read > 3'000'000);
  CHECK(f.first.files_new == f.first.head.files);
  const std::size_t objects = f.place.objects();
  const BackupReport second = f.client.back_up(f.place, f.source.path());
  CHECK(second.published);
  CHECK(second.bytes_read == 0);
  CHECK(second.files_unmodified == f.first.head.files);
  CHECK(second.files_new + second.files_changed + second.files_moved + second.files_gone == 0);
  CHECK(second.dirs_unmodified == 9);
  CHECK(second.dirs_new + second.dirs_changed == 0);
  CHECK(second.data_added == 0);
  CHECK(second.head.new_objects == 0);
  CHECK(second.head.tree == f.first.head.tree);
  CHECK(second.head.previous == f.first.head.id);
  CHECK(f.place.objects() == objects);
}

TEST_CASE("a revision of an unchanged tree adds one file of at most 4 kB to the repository") {
  BackedUp f;
  const auto before = f.place.files();
  const BackupReport second = f.client.back_up(f.place, f.source.path());
  const auto after = f.place.files();
  CHECK(after.size() == before.size() + 1);
  for (const auto& [path, content] : before) CHECK(after.at(path) == content);
  CHECK(after.at("manifests/" + second.head.revision() + ".yaml").size() <= 4096);
}

TEST_CASE("an unchanged run opens nothing of the repository but a handful of files") {
  BackedUp f;
  const auto backend = f.place.connect();
  f.client.back_up(*backend, Client::options(f.source.path()));
  CHECK(backend->calls("write") == 1);   // the head
  CHECK(backend->calls("create") == 1);
  CHECK(backend->calls() < 40);
}

TEST_CASE("an unchanged run writes no row of the catalog") {
  BackedUp f;
  f.client.back_up(f.place, f.source.path());
  const std::string before = read_file(f.client.catalog_file());
  f.client.back_up(f.place, f.source.path());
  const std::string after = read_file(f.client.catalog_file());
  CHECK(after.size() == before.size());
  std::size_t pages = 0;
  for (std::size_t at = 0; at < after.size(); at += 4096)
    pages += after.compare(at, 4096, before, at, 4096) != 0;
  CHECK(pages <= 3);  // what was seen of the source, and the file's own counters
}

TEST_CASE("a second repository gets what it lacks, and then nothing is read for it either") {
  BackedUp f;
  Place other;
  const BackupReport second = f.client.back_up(other, f.source.path());
  CHECK(second.bytes_read == f.first.bytes_read);  // every byte must be uploaded
  CHECK(second.head.tree == f.first.head.tree);
  CHECK(defects(other).empty());
  CHECK(f.client.back_up(other, f.source.path()).bytes_read == 0);
  CHECK(f.client.back_up(f.place, f.source.path()).bytes_read == 0);

  f.source.write("added", "only this is read");
  advance_clock(kTrusted);
  CHECK(f.client.back_up(f.place, f.source.path()).bytes_read == 17);
  CHECK(f.client.back_up(other, f.source.path()).bytes_read == 17);  // to be uploaded
}

TEST_CASE("digests of one kind do not stand in for the other kind") {
  BackedUp f;
  Place other;
  Repository::create(*other.connect(), DigestKind::sha256);
  const BackupReport second = f.client.back_up(other, f.source.path());
  CHECK(second.bytes_read == f.first.bytes_read);
  CHECK(f.client.back_up(f.place, f.source.path()).bytes_read == 0);
  CHECK(f.client.back_up(other, f.source.path()).bytes_read == 0);
  CHECK(defects(other).empty());
}

TEST_CASE("without its catalog a client reads again, stores nothing and writes the same tree") {
  BackedUp f;
  const std::size_t objects = f.place.objects();
  f.client.forget();
  const BackupReport second = f.client.back_up(f.place, f.source.path());
  CHECK(second.bytes_read == f.first.bytes_read);
  CHECK(second.data_added == 0);
  CHECK(second.head.tree == f.first.head.tree);
  CHECK(f.place.objects() == objects);
  CHECK(f.client.back_up(f.place, f.source.path()).bytes_read == 0);
}

TEST_CASE("without its catalog a client reads no object to learn what the last revision says of it") {
  BackedUp f;
  f.client.forget();
  const auto backend = f.place.connect();
  const BackupReport second = f.client.back_up(*backend, Client::options(f.source.path()));
  CHECK(second.head.tree == f.first.head.tree);
  CHECK(backend->calls("read") < 30);  // pages and heads; there are 300 objects of files
  CHECK(backend->calls("create") < 5);  // and nothing is uploaded only to be dropped
}

TEST_CASE("without its catalog a client stores what is new, large files too") {
  BackedUp f;
  f.client.forget();
  for (int i = 0; i < 20; ++i)
    f.source.write("new" + std::to_string(i), std::string(2'000'000, static_cast<char>('a' + i % 15)));
  f.source.write("d1/small", "new as well");
  advance_clock(kTrusted);
  const BackupReport second = f.client.back_up(f.place, f.source.path());
  CHECK(second.bytes_read == f.first.bytes_read + 20 * 2'000'000 + 11);
  CHECK(second.data_added > 15 * 2'000'000);
  CHECK(defects(f.place).empty());
}

TEST_CASE("a catalog full of rubbish is set aside, said once, and the tree is the same") {
  BackedUp f;
  const auto rubbish = GENERATE(as<std::string>(), "", "not a database at all", std::string(100'000, '\xee'));
  write_file(f.client.catalog_file(), rubbish);
  fs::remove(f.client.catalog_file() + "-wal");
  const BackupReport second = f.client.back_up(f.place, f.source.path());
  CHECK(second.head.tree == f.first.head.tree);
  CHECK(f.client.observer->warnings.size() == 1);
  CHECK(f.client.back_up(f.place, f.source.path()).bytes_read == 0);
}

TEST_CASE("only what changed is read, and the rest of the tree keeps its pages") {
  BackedUp f;
  f.source.write("d3/f10", "other content");
  advance_clock(kTrusted);
  const BackupReport second = f.client.back_up(f.place, f.source.path());
  CHECK(second.bytes_read == 13);
  CHECK(second.files_changed == 1);
  CHECK(second.files_unmodified == f.first.head.files - 1);
  CHECK(second.head.new_objects < 8);  // the content, and the pages from its entry to the root
  f.source.remove("d3/f10");
  const BackupReport third = f.client.back_up(f.place, f.source.path());
  CHECK(third.files_gone == 1);
  CHECK(third.bytes_read == 0);
}

TEST_CASE("reread reads everything and finds nothing new") {
  BackedUp f;
  BackupOptions options = Client::options(f.source.path());
  options.reread = true;
  const BackupReport second = f.client.back_up(f.place, options);
  CHECK(second.bytes_read == f.first.bytes_read);
  CHECK(second.data_added == 0);
  CHECK(second.head.tree == f.first.head.tree);
}

TEST_CASE("a digest of the other kind is not believed any more once the content proved to be another") {
  Place md5, sha256;
  Repository::create(*sha256.connect(), DigestKind::sha256);
  TempTree source;
  Client client;
  source.write("file", "first");
  source.set_mtime("file", {1000, 0});
  advance_clock(kTrusted);
  client.back_up(md5, source.path());
  client.back_up(sha256, source.path());
  source.write("file", "other");
  source.set_mtime("file", {1000, 0});
  BackupOptions options = Client::options(source.path());
  options.ignore_ctime = options.reread = true;
  client.back_up(md5, options);
  client.back_up(sha256, source.path());
  TempDir target;
  restore(sha256, "latest", target.path());
  CHECK(read_file(target / "file") == "other");
}

TEST_CASE("an unchanged tree gives no second revision where that was asked for") {
  BackedUp f;
  BackupOptions options = Client::options(f.source.path());
  options.skip_if_unchanged = true;
  CHECK_FALSE(f.client.back_up(f.place, options).published);
  CHECK(heads_of(f.place).size() == 1);
  f.source.write("new", "x");
  CHECK(f.client.back_up(f.place, options).published);
}

TEST_CASE("a dry run names what the next run reads, and leaves repository and catalog alone") {
  BackedUp f;
  f.source.write("d0/new", "twelve bytes");
  advance_clock(kTrusted);
  const auto before = f.place.files();
  BackupOptions options = Client::options(f.source.path());
  options.dry_run = true;
  const BackupReport plan = f.client.back_up(f.place, options);
  CHECK_FALSE(plan.published);
  CHECK(plan.bytes_read == 12);
  CHECK(plan.files_new == 1);
  CHECK(f.client.observer->actions.at("d0/new") == ItemAction::created);
  CHECK(f.place.files() == before);
  const BackupReport real = f.client.back_up(f.place, f.source.path());
  CHECK(real.bytes_read == plan.bytes_read);
  CHECK(real.head.files == plan.head.files);
}

TEST_CASE("a source within a source shares what was read") {
  BackedUp f;
  const BackupReport part = f.client.back_up(f.place, f.source / "d3");
  CHECK(part.bytes_read == 0);
  CHECK(part.head.set() != f.first.head.set());
  CHECK(f.client.back_up(f.place, f.source.path()).bytes_read == 0);
}

}  // namespace
}  // namespace reverse
