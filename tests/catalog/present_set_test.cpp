#include "libcore/catalog/present_set.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "libcore/base/fd.h"
#include "libcore/base/temp_dir.h"
#include "tests/catalog/cache_files.h"
#include "tests/catalog/process.h"
#include "tests/catalog/rows.h"

using namespace reverse;

namespace {

/// A cache directory that several runs use, each as a process of its own would.
struct Fixture {
  std::unique_ptr<PresentSet> open() {
    return PresentSet::open(home.path(), "id-1", warnings.sink());
  }
  std::unique_ptr<PresentSet> begin(const std::string& token, bool keep) {
    auto set = open();
    set->begin(token, keep);
    return set;
  }
  /// A whole run under `token` that adds `name` and publishes.
  void run(const std::string& token, const std::string& name) {
    auto set = begin(token, true);
    set->add(name, 10, std::nullopt);
    set->publish("host/label/" + name);
  }

  TempDir home;
  Warnings warnings;
  std::string file = home / "present-id-1-1.sqlite";
};

enum class Known { no, hint, trusted };

Known known(PresentSet& set, std::string_view name) {
  const auto object = set.find(name);
  if (!object) return Known::no;
  return object->trusted ? Known::trusted : Known::hint;
}

}  // namespace

TEST_CASE("what a published run added is trusted by the next one", "[present]") {
  Fixture f;
  {
    auto set = f.open();
    CHECK_FALSE(set->basis());
    set->begin("t", false);
    CHECK_FALSE(set->find("a"));
    set->add("a", 5, check_of("a"));
    set->add(std::string_view("b\0\xff", 3), 1ull << 60, std::nullopt);
    CHECK(known(*set, "a") == Known::trusted);  // in this run at once
    set->save();
    CHECK(known(*set, "a") == Known::trusted);
    set->publish("host/label/one");
  }
  auto set = f.open();
  REQUIRE(set->basis());
  CHECK(set->basis()->token == "t");
  CHECK(set->basis()->revision == "host/label/one");
  set->begin("t", true);
  const auto a = set->find("a");
  REQUIRE(a);
  CHECK(a->trusted);
  CHECK(a->size == 5);
  CHECK(a->check == check_of("a"));
  const auto b = set->find(std::string_view("b\0\xff", 3));
  REQUIRE(b);
  CHECK(b->size == 1ull << 60);
  CHECK_FALSE(b->check);
  CHECK_FALSE(set->find("b"));
}

TEST_CASE("what a killed run had saved is a hint to the next one, and stays one", "[present]") {
  Fixture f;
  f.run("t", "published");
  Signal saved;
  Child child([&] {
    auto set = f.begin("t", true);
    set->add("killed", 7, check_of("x"));
    set->save();
    saved.give();
    ::pause();
  });
  saved.await();
  child.kill();

  for (int next = 0; next < 2; ++next) {
    auto set = f.begin("t", true);
    CHECK(known(*set, "published") == Known::trusted);
    CHECK(known(*set, "killed") == Known::hint);
    CHECK(set->find("killed")->size == 7);
    CHECK(set->basis()->revision == "host/label/published");
    set->publish("host/label/published");
  }
  auto set = f.begin("t", true);
  set->add("killed", 7, std::nullopt);  // confirmed
  CHECK(known(*set, "killed") == Known::trusted);
  set->publish("host/label/later");
  set->begin("t", true);
  CHECK(known(*set, "killed") == Known::trusted);
  CHECK(set->find("killed")->check == check_of("x"));  // still what is known of it
}

TEST_CASE("another token, or a revision that is missing, makes hints of all that was known",
          "[present]") {
  Fixture f;
  f.run("t1", "a");
  SECTION("another token, though it was to be kept") {
    auto set = f.begin("t2", true);
    CHECK(known(*set, "a") == Known::hint);
    CHECK(set->find("a")->size == 10);
    CHECK(set->basis()->token == "t2");
    CHECK(set->basis()->revision.empty());
  }
  SECTION("the same token, not to be kept") {
    auto set = f.begin("t1", false);
    CHECK(known(*set, "a") == Known::hint);
    CHECK(set->basis()->revision.empty());
  }
}

TEST_CASE("publishing one of two runs leaves the other's objects hints", "[present]") {
  Fixture f;
  auto one = f.begin("t", true);
  auto two = f.begin("t", true);
  one->add("a", 1, std::nullopt);
  two->add("b", 2, std::nullopt);
  one->save();
  two->save();
  CHECK(known(*one, "b") == Known::hint);
  CHECK(known(*two, "a") == Known::hint);

  one->publish("host/label/one");
  auto three = f.begin("t", true);
  CHECK(known(*three, "a") == Known::trusted);
  CHECK(known(*three, "b") == Known::hint);
  CHECK(known(*two, "a") == Known::hint);  // learnt after it began: not its evidence
  CHECK(known(*two, "b") == Known::trusted);

  two->publish("host/label/two");
  three->begin("t", true);
  CHECK(known(*three, "b") == Known::trusted);
  CHECK(three->basis()->revision == "host/label/two");
}

TEST_CASE("a run under a token that was replaced meanwhile publishes nothing", "[present]") {
  Fixture f;
  auto old = f.begin("t1", true);
  old->add("a", 1, std::nullopt);
  old->save();
  CHECK(known(*old, "a") == Known::trusted);
  auto fresh = f.begin("t2", false);
  CHECK(old->basis()->token == "t2");
  fresh->add("c", 3, std::nullopt);
  fresh->save();
  old->add("b", 2, std::nullopt);
  old->publish("host/label/old");
  fresh->publish("host/label/fresh");

  auto set = f.open();
  REQUIRE(set->basis());
  CHECK(set->basis()->token == "t2");
  CHECK(set->basis()->revision == "host/label/fresh");
  set->begin("t2", true);
  CHECK(known(*set, "a") == Known::hint);
  CHECK(known(*set, "b") == Known::hint);
  CHECK(known(*set, "c") == Known::trusted);
}

TEST_CASE("a run that fails takes nothing away from what is trusted", "[present]") {
  Fixture f;
  f.run("t", "a");
  auto failing = f.begin("t", true);
  failing->add("a", 10, check_of("a"));
  failing->save();
  failing.reset();

  auto set = f.begin("t", true);
  CHECK(known(*set, "a") == Known::trusted);
  CHECK(set->find("a")->check == check_of("a"));
}

TEST_CASE("an object seen with another size is a hint until that run publishes", "[present]") {
  Fixture f;
  f.run("t", "a");
  auto failing = f.begin("t", true);
  failing->add("a", 11, check_of("healed"));
  failing->save();
  failing.reset();

  auto set = f.begin("t", true);
  CHECK(known(*set, "a") == Known::hint);
  CHECK(set->find("a")->size == 11);
}

TEST_CASE("beginning again forgets what was added under the closed gate", "[present]") {
  Fixture f;
  auto set = f.begin("t1", true);
  set->add("a", 1, std::nullopt);
  set->begin("t2", false);
  CHECK(known(*set, "a") == Known::no);
  set->add("b", 1, std::nullopt);
  set->publish("host/label/r");
  set->begin("t2", true);
  CHECK(known(*set, "a") == Known::no);
  CHECK(known(*set, "b") == Known::trusted);
}

TEST_CASE("a run goes on after a revision; what it adds then waits for the next one", "[present]") {
  Fixture f;
  CHECK(error_of([&] { f.open()->add("a", 1, std::nullopt); }) == ErrorKind::internal);
  {
    auto set = f.begin("t", true);
    set->add("a", 1, std::nullopt);
    set->publish("host/label/checkpoint");
    set->add("b", 1, std::nullopt);
    CHECK(known(*set, "a") == Known::trusted);
    CHECK(known(*set, "b") == Known::trusted);
    set->save();
  }
  auto set = f.begin("t", true);
  CHECK(known(*set, "a") == Known::trusted);
  CHECK(known(*set, "b") == Known::hint);
}

TEST_CASE("many objects are saved by and by, without being asked", "[present]") {
  Fixture f;
  auto set = f.begin("t", true);
  auto name = [](int i) { return fmt::format("{:032}", i * 7919 % 10'000); };
  for (int i = 0; i < 10'000; ++i) set->add(name(i), static_cast<std::uint64_t>(i), std::nullopt);

  auto other = f.begin("t", true);
  int hints = 0, own = 0;
  for (int i = 0; i < 10'000; ++i) {
    hints += known(*other, name(i)) == Known::hint;
    own += known(*set, name(i)) == Known::trusted &&
           set->find(name(i))->size == static_cast<std::uint64_t>(i);
  }
  CHECK(hints >= 8'000);
  CHECK(own == 10'000);
}

TEST_CASE("looking up and adding hold up no other process", "[present]") {
  Fixture f;
  auto one = f.begin("t", true);
  auto two = f.begin("t", true);
  one->find("x");
  one->add("a", 1, std::nullopt);
  two->find("x");
  two->add("b", 1, std::nullopt);
  two->save();
  one->save();  // after another's write, with a look-up before it
  two->publish("host/label/two");
  one->publish("host/label/one");
  two->begin("t", true);
  CHECK(known(*two, "a") == Known::trusted);
  CHECK(known(*two, "b") == Known::trusted);
}

TEST_CASE("two processes fill one present set at once", "[present]") {
  Fixture f;
  f.begin("t", false);
  auto fill = [&](const std::string& prefix) {
    auto set = f.begin("t", true);
    for (int i = 0; i < 9'000; ++i) set->add(fmt::format("{}{}", prefix, i), 1, std::nullopt);
    set->publish("host/label/" + prefix);
  };
  Child one([&] { fill("one"); });
  Child two([&] { fill("two"); });
  CHECK(one.exit_code() == 0);
  CHECK(two.exit_code() == 0);

  auto set = f.begin("t", true);
  int trusted = 0;
  for (int i = 0; i < 9'000; ++i)
    for (const char* prefix : {"one", "two"})
      trusted += known(*set, fmt::format("{}{}", prefix, i)) == Known::trusted;
  CHECK(trusted == 18'000);
}

TEST_CASE("a run that adds nothing and publishes nothing leaves the file as it was", "[present]") {
  Fixture f;
  f.run("t", "a");
  const std::string before = read_file(f.file);
  {
    auto set = f.begin("t", true);
    CHECK(known(*set, "a") == Known::trusted);
    set->save();
  }
  CHECK(read_file(f.file) == before);
}

TEST_CASE("a damaged present set is set aside, told once, and made anew", "[present]") {
  Fixture f;
  f.run("t", "a");
  SECTION("noise") {
    scribble(f.file, 3000, 6000);
  }
  SECTION("a text") {
    write_file(f.file, "no database");
  }
  SECTION("a catalog") {
    Catalog::open(f.home.path(), f.warnings.sink());
    std::filesystem::copy_file(f.home / "catalog-1.sqlite", f.file,
                               std::filesystem::copy_options::overwrite_existing);
  }
  auto set = f.open();
  CHECK(f.warnings.texts.size() == 1);
  CHECK_FALSE(set->basis());
  set->begin("t", true);
  CHECK(known(*set, "a") == Known::no);
  set->add("a", 10, std::nullopt);
  set->publish("host/label/r");
  set.reset();
  CHECK(known(*f.begin("t", true), "a") == Known::trusted);
  CHECK(f.warnings.texts.size() == 1);
}

TEST_CASE("a repository's id cannot name a file elsewhere", "[present]") {
  TempDir home;
  for (const char* id : {"", "../x", "a/b", ".", "a b", "x\n"})
    CHECK(error_of([&] { PresentSet::open(home / "cache", id, [](const std::string&) {}); }) ==
          ErrorKind::corrupt);
}

// --- pages

namespace {

KnownPage page_at(const std::string& first, const std::string& text) {
  return {first, check_of("seen " + text), hash_bytes(DigestKind::md5, text), 17};
}

/// What the set knows of the pages of `source`: those that are trusted with their values, the firsts of the others.
struct Pages {
  std::vector<KnownPage> trusted;
  std::vector<std::string> others;
};
Pages pages_of(PresentSet& set, const std::string& source) {
  Pages pages;
  const auto cursor = set.pages_of(source);
  while (const KnownPage* page = cursor->next())
    cursor->is_trusted() ? pages.trusted.push_back(*page) : pages.others.push_back(page->first);
  return pages;
}

}  // namespace

TEST_CASE("pages come back in the format's order, of their source only", "[present]") {
  Fixture f;
  const KnownPage root = page_at("", "1"), below = page_at("a/b", "2"), behind = page_at("a-b", "3");
  {
    auto set = f.begin("t", true);
    for (const KnownPage& page : {behind, root, page_at("a/b", "old"), below}) set->add_page("/s", page);
    set->add_page("/s/a", page_at("x", "4"));
    set->add_page("/s", page_at("gone", "5"));
    set->drop_page("/s", "gone");
    set->publish("host/label/one");
  }
  auto set = f.begin("t", true);
  CHECK(pages_of(*set, "/s").trusted == std::vector{root, below, behind});
  set->drop_page("/s", "a/b");
  set->save();
  CHECK(pages_of(*set, "/s").trusted == std::vector{root, behind});
}

TEST_CASE("pages are found from any path on, back and forth, and dropped by the stretch", "[present]") {
  Fixture f;
  const auto path = [](int i) { return "d" + std::to_string(100 + i / 10) + "/f" + std::to_string(i % 10); };
  {
    auto set = f.begin("t", true);
    for (int i = 0; i < 3000; ++i) set->add_page("/s", page_at(path(i), std::to_string(i)));
    set->add_page("/s-other", page_at(path(700), "of another source"));
    set->publish("host/label/one");
  }
  auto set = f.begin("t", true);
  const auto cursor = set->pages_of("/s");
  for (const int from : {2000, 5, 2999, 0}) {
    cursor->seek(path(from));
    for (int i = from; i < std::min(from + 1200, 3000); ++i) REQUIRE(*cursor->next() == page_at(path(i), std::to_string(i)));
  }
  cursor->seek("d200");  // a directory: what lies in it comes first
  CHECK(cursor->next()->first == path(1000));
  cursor->seek("e");
  CHECK(cursor->next() == nullptr);

  set->drop_pages("/s", path(10), path(1995));
  set->drop_pages("/s", path(2010), std::nullopt);
  set->add_page("/s", page_at(path(20), "new"));
  set->save();
  const std::vector<KnownPage> left = pages_of(*set, "/s").trusted;
  REQUIRE(left.size() == 25);
  CHECK(left[9].first == path(9));
  CHECK(left[10].first == path(1995));
  CHECK(left[24].first == path(2009));
  CHECK(pages_of(*set, "/s").others == std::vector{path(20)});
  CHECK(pages_of(*set, "/s-other").trusted.size() == 1);
}

TEST_CASE("pages are trusted as objects are: of published runs, under their token", "[present]") {
  Fixture f;
  {
    auto set = f.begin("t", true);
    set->add_page("/s", page_at("a", "1"));
    set->publish("host/label/one");
    set->add_page("/s", page_at("b", "2"));
    set->save();  // and ends without a revision
  }
  {
    auto set = f.begin("t", true);
    const Pages pages = pages_of(*set, "/s");
    CHECK(pages.trusted == std::vector{page_at("a", "1")});
    CHECK(pages.others == std::vector<std::string>{"b"});
  }
  for (const auto& [token, trust] : {std::pair("other", true), std::pair("other", false)}) {
    auto set = f.begin(token, trust);
    CHECK(pages_of(*set, "/s").trusted.empty());
    CHECK(pages_of(*set, "/s").others.size() == 2);
  }
}
