#include "libcore/catalog/verified_set.h"

#include <catch2/catch.hpp>

#include "libcore/base/temp_dir.h"
#include "tests/catalog/cache_files.h"
#include "tests/catalog/process.h"
#include "tests/catalog/rows.h"

using namespace reverse;

namespace {

using Known = std::map<std::string, std::int64_t>;

struct Fixture {
  std::unique_ptr<VerifiedSet> open() {
    return VerifiedSet::open(home.path(), "id-1", warnings.sink());
  }
  static Known all(VerifiedSet& set) {
    Known known;
    for (unsigned shard = 0; shard < 256; ++shard)
      set.visit_shard(shard, [&](std::string_view name, std::int64_t verified) {
        CHECK(static_cast<unsigned char>(name[0]) == shard);
        known.emplace(name, verified);
      });
    return known;
  }

  TempDir home;
  Warnings warnings;
};

/// Names that begin with every byte there is.
std::string name_of(unsigned i) {
  return std::string(1, static_cast<char>(i % 256)) + std::to_string(i) + "-padding-1234";
}

}  // namespace

TEST_CASE("what was verified is known later, the last time counts, and what is forgotten is gone",
          "[catalog]") {
  Fixture f;
  {
    const auto set = f.open();
    for (unsigned i = 0; i < 1000; ++i) set->note(name_of(i), 100 + i);
    set->note(name_of(255), 9000);
    set->note(std::string(32, '\xff'), 7);
    set->forget(name_of(3));
    CHECK(Fixture::all(*set).size() == 1000);
    set->save();
  }
  const Known known = Fixture::all(*f.open());
  CHECK(known.size() == 1000);
  CHECK(known.at(name_of(255)) == 9000);
  CHECK(known.at(std::string(32, '\xff')) == 7);
  CHECK(known.count(name_of(3)) == 0);
}

TEST_CASE("the minutes count every object once", "[catalog]") {
  Fixture f;
  const auto set = f.open();
  for (unsigned i = 0; i < 10; ++i) set->note(name_of(i), 600 + (i < 7 ? i : 60 + i));
  CHECK(set->minutes() == std::map<std::int64_t, std::uint64_t>{{10, 7}, {11, 3}});
}

TEST_CASE("a process that is killed has remembered all but the last few objects", "[catalog]") {
  Fixture f;
  f.open();
  Signal noted;
  Child child([&] {
    const auto set = f.open();
    for (unsigned i = 0; i < 5000; ++i) set->note(name_of(i), 1);
    noted.give();
    ::pause();
  });
  noted.await();
  child.kill();
  CHECK(Fixture::all(*f.open()).size() >= 4096);
}

TEST_CASE("a damaged memory of verified objects is set aside, and said so", "[catalog]") {
  Fixture f;
  { f.open()->note(name_of(1), 1); }
  scribble(f.home / "verified-id-1-1.sqlite", 0, 4096);
  CHECK(Fixture::all(*f.open()).empty());
  CHECK(f.warnings.texts.size() == 1);
}

TEST_CASE("a repository's id that is no UUID names no file", "[catalog]") {
  Fixture f;
  CHECK_THROWS_AS(VerifiedSet::open(f.home.path(), "../x", f.warnings.sink()), Error);
}
