#include <catch2/catch.hpp>

#include "libcore/base/fd.h"
#include "libcore/hash/hasher.h"
#include "tests/engine/client.h"
#include "tests/engine/test_clock.h"
#include "tests/support/fixtures.h"
#include "tests/support/temp_tree.h"

// Two contents with one MD5: whoever comes first, each is restored as what it was.

namespace reverse {
namespace {

using Lines = std::vector<std::string>;

/// Both members of the pair, `tail` behind each: MD5 goes on to be the same.
struct Pair {
  explicit Pair(const std::string& tail)
      : a(read_file(fixture("md5-collision/a.bin")) + tail), b(read_file(fixture("md5-collision/b.bin")) + tail) {
    REQUIRE(a != b);
    REQUIRE(hash_bytes(DigestKind::md5, a).digest == hash_bytes(DigestKind::md5, b).digest);
  }
  std::string a, b;
};

/// A small file and one that is streamed take different ways through the pipeline.
Pair any_pair() {
  return Pair(std::string(GENERATE(0, 2'000'000), 't'));
}

std::string restored_file(const Place& place, const std::string& revision, const std::string& name) {
  TempDir target;
  CHECK(restore(place, revision, target.path()).report.damaged == 0);
  return read_file(target / name);
}

TEST_CASE("a pair with one MD5 in one tree is kept apart in either order") {
  const Pair pair = any_pair();
  for (const bool reversed : {false, true}) {
    TempTree source;
    source.write("1", reversed ? pair.b : pair.a);
    source.write("2", reversed ? pair.a : pair.b);
    source.write("far/3", reversed ? pair.b : pair.a);
    advance_clock(10);
    Place place;
    Client client;
    for (int run = 0; run < 3; ++run) {
      if (run == 2) client.forget();
      client.back_up(place, source.path());
      CHECK(restored_file(place, "latest", "1") == source.read("1"));
      CHECK(restored_file(place, "latest", "2") == source.read("2"));
      CHECK(restored_file(place, "latest", "far/3") == source.read("1"));
    }
    CHECK(heads_of(place)[1].new_objects == 0);
    CHECK(heads_of(place)[2].new_objects == 0);
    CHECK(place.objects() == 3);  // both contents and one page
    CHECK(defects(place) == Lines{});
  }
}

TEST_CASE("a pair with one MD5 from two clients is kept apart, whoever comes first") {
  const Pair pair = any_pair();
  Place place;
  TempTree one, two;
  one.write("file", pair.a);
  two.write("file", pair.b);
  advance_clock(10);
  Client first, second;
  first.back_up(place, one.path());
  second.back_up(place, two.path());
  first.back_up(place, one.path());
  const std::string set_of_one = "desk/" + Client::options(one.path()).label;
  const std::string set_of_two = "desk/" + Client::options(two.path()).label;
  CHECK(restored_file(place, set_of_one, "file") == pair.a);
  CHECK(restored_file(place, set_of_two, "file") == pair.b);

  // Each then gets the other's content too.
  one.write("file", pair.b);
  two.write("file", pair.a);
  first.back_up(place, one.path());
  second.back_up(place, two.path());
  CHECK(restored_file(place, set_of_one, "file") == pair.b);
  CHECK(restored_file(place, set_of_two, "file") == pair.a);
  CHECK(restored_file(place, set_of_one + "~1", "file") == pair.a);
  CHECK(defects(place) == Lines{});
}

TEST_CASE("a file that becomes its twin is noticed by the client that knows the first") {
  const Pair pair = any_pair();
  Place place;
  TempTree source;
  Client client;
  source.write("file", pair.a);
  client.back_up(place, source.path());
  source.write("file", pair.b);
  advance_clock(10);
  const BackupReport report = client.back_up(place, source.path());
  CHECK(report.files_changed == 1);
  CHECK(restored_file(place, "latest", "file") == pair.b);
  CHECK(restored_file(place, "latest~1", "file") == pair.a);
}

TEST_CASE("a file that becomes its twin is noticed by a client that has lost its catalog") {
  const Pair pair = any_pair();
  Place place;
  TempTree source;
  Client client;
  for (const std::string& content : {pair.a, pair.b, pair.a}) {
    source.write("file", content);
    advance_clock(10);
    client.forget();
    client.back_up(place, source.path());
    CHECK(restored_file(place, "latest", "file") == content);
  }
  CHECK(restored_file(place, "latest~1", "file") == pair.b);
  CHECK(defects(place) == Lines{});
}

TEST_CASE("a SHA-256 repository needs no second name for the pair") {
  const Pair pair{""};
  Place place;
  Repository::create(*place.connect(), DigestKind::sha256);
  TempTree source;
  source.write("1", pair.a);
  source.write("2", pair.b);
  Client().back_up(place, source.path());
  CHECK(restored_file(place, "latest", "1") == pair.a);
  CHECK(restored_file(place, "latest", "2") == pair.b);
}

}  // namespace
}  // namespace reverse
