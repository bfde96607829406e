#include <catch2/catch.hpp>

#include "libcore/backend/sftp/child_link.h"
#include "libcore/backend/sftp/sftp_backend.h"
#include "libcore/base/stop.h"
#include "tests/backend/ssh_fixture.h"
#include "tests/engine/client.h"
#include "tests/engine/tree_facts.h"
#include "tests/support/links.h"
#include "tests/support/stride.h"
#include "tests/support/temp_tree.h"

// Backups over connections that break, at any packet.

namespace reverse {
namespace {

using Lines = std::vector<std::string>;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kGreeting = 2;  // packets: before them there is no connection to lose

std::unique_ptr<sftp::Link> server_link() {
  return std::make_unique<sftp::ChildLink>(Lines{"/usr/lib/openssh/sftp-server"},
                                           Lines{"sh", "-c"});
}

/// A place on a server; connections to it break as told.
class CutPlace {
 public:
  /// A backend whose connections break one after the other at these cuts; those after them hold.
  std::unique_ptr<Backend> connect(std::vector<sftp::Cut> cuts, bool retries = true) {
    connections_ = 0;
    auto open = [this, cuts]() -> std::unique_ptr<sftp::Link> {
      const std::size_t number = connections_++;
      if (number >= cuts.size()) return server_link();
      return std::make_unique<sftp::CutLink>(server_link(), cuts[number]);
    };
    sftp::PoolOptions options;
    options.retry_for = seconds(retries ? 60 : 0);
    options.first_pause = milliseconds(1);
    return sftp::open_sftp_backend(std::make_unique<sftp::Pool>("server", open, options),
                                   directory_ / "repository",
                                   {.durability = Durability::barrier, .run_commands = false});
  }
  /// The place seen by those on the server.
  std::unique_ptr<Backend> look() const {
    return open_local_backend(directory_ / "repository", Durability::none);
  }
  std::string path() const { return directory_ / "repository"; }
  /// Made since the last `connect`.
  std::size_t connections() const { return connections_; }

 private:
  ScratchDir directory_;
  std::size_t connections_ = 0;
};

/// A machine that has backed up before to a place on a server: it knows what is there.
struct Scene {
  CutPlace place;
  Client client;
  TempTree source;

  Scene() {
    source.write("known", "since the first backup");
    client.back_up(*place.look(), Client::options(source.path()));
    source.write("d/one", "1");
    source.write("d/two", std::string(60'000, '2'));
    source.write("three", "3");
  }
  BackupReport back_up(Backend& backend) {
    return client.back_up(backend, Client::options(source.path()));
  }
  void check_restores(const Head& head) const {
    const auto backend = place.look();
    CHECK(defects(*backend) == Lines{});
    TempDir target;
    restore(*backend, head.revision(), target.path());
    CHECK(differences(facts_of(source.path()), facts_of(target.path())) == Lines{});
  }
};

/// Calls `body(scene, cut)` with a cut after each packet, by the stride, until it returns false: nothing was cut.
void for_every_cut(bool replies_arrive,
                   const std::function<bool(Scene&, const sftp::Cut&)>& body) {
  std::uint64_t packets = kGreeting;
  bool was_cut = true;
  for (Stride stride; was_cut; ++packets) {
    if (stride.skips()) continue;
    INFO("cut after packet " << packets << ", replies arrive: " << replies_arrive);
    Scene scene;
    was_cut = body(scene, {.packets = packets, .replies_arrive = replies_arrive});
  }
  CHECK(packets > 30);
}

TEST_CASE("a backup whose connection breaks at any packet goes on by itself (F12)", "[sftp]") {
  for_every_cut(GENERATE(false, true), [](Scene& scene, const sftp::Cut& cut) {
    const BackupReport report = scene.back_up(*scene.place.connect({cut}));
    REQUIRE(report.head.outcome == Outcome::complete);
    scene.check_restores(report.head);
    return scene.place.connections() > 1;
  });
}

TEST_CASE("a backup that gives up when its connection breaks leaves whole objects only",
          "[sftp]") {
  for_every_cut(false, [](Scene& scene, const sftp::Cut& cut) {
    try {
      scene.back_up(*scene.place.connect({cut}, false));
      return false;
    } catch (const Error& error) {
      REQUIRE(error.kind() == ErrorKind::network);
    }
    REQUIRE(defects(*scene.place.look()) == Lines{});
    scene.check_restores(scene.back_up(*scene.place.connect({})).head);
    return true;
  });
}

TEST_CASE("a repository is made over connections that break one after the other", "[sftp]") {
  CutPlace place;
  std::vector<sftp::Cut> cuts;
  for (std::uint64_t packets = 10; packets < 900; packets += 97)
    cuts.push_back({.packets = packets, .replies_arrive = packets % 2 == 0});
  const auto backend = place.connect(cuts);
  const Repository made = Repository::create(*backend, DigestKind::md5);
  CHECK(place.connections() > 5);
  CHECK(Repository::open(*place.look(), true).info().id == made.info().id);
}

TEST_CASE("a stream whose connection breaks is stored whole or not at all", "[sftp]") {
  for_every_cut(false, [](Scene& scene, const sftp::Cut& cut) {
    const std::string bytes(60'000, 's');
    MemorySource stream(bytes);
    BackupOptions options = Client::options("/stream");
    options.stream = StreamSource{"dump", &stream};
    const auto backend = scene.place.connect({cut});
    try {
      const BackupReport report = scene.client.back_up(*backend, options);
      TempDir target;
      restore(*scene.place.look(), report.head.revision(), target.path());
      REQUIRE(read_file(target / "dump") == bytes);
    } catch (const Error& error) {
      REQUIRE(error.kind() == ErrorKind::busy);
    }
    return scene.place.connections() > 1;
  });
}

/// A backend on a server that is lost in the middle of a backup; all later connections fail so.
std::unique_ptr<Backend> lost_for_good(const std::string& root, ErrorKind later,
                                       sftp::PoolOptions options) {
  auto is_first = std::make_shared<std::atomic<bool>>(true);
  auto open = [is_first, later]() -> std::unique_ptr<sftp::Link> {
    if (!is_first->exchange(false)) fail(later, "no way there");
    return std::make_unique<sftp::CutLink>(server_link(), sftp::Cut{.packets = 30});
  };
  return sftp::open_sftp_backend(std::make_unique<sftp::Pool>("server", open, options), root);
}

TEST_CASE("a connection that does not come back is given up when its time is over", "[sftp]") {
  Scene scene;
  const auto backend =
      lost_for_good(scene.place.path(), ErrorKind::network,
                    {.retry_for = seconds(1), .first_pause = milliseconds(100)});
  const Error error = ssh::error_of([&] { scene.back_up(*backend); });
  CHECK(error.kind() == ErrorKind::network);
  INFO(error.what());
  // Whichever thread comes first tells; the place, why, and that it was tried are told by each.
  CHECK(ssh::says(error, "'server:" + scene.place.path()));
  CHECK(ssh::says(error, "lost: "));
  CHECK(std::string(error.what()).ends_with("; given up after 1.0 s"));
}

TEST_CASE("a login that is refused after a lost connection ends a backup at once", "[sftp]") {
  Scene scene;
  const auto backend =
      lost_for_good(scene.place.path(), ErrorKind::permission,
                    {.retry_for = seconds(600), .first_pause = milliseconds(1)});
  const Error error = ssh::error_of([&] { scene.back_up(*backend); });
  CHECK(error.kind() == ErrorKind::permission);
}

TEST_CASE("a stop ends waiting for a connection", "[sftp]") {
  Scene scene;
  std::stop_source stop;
  const auto backend = lost_for_good(
      scene.place.path(), ErrorKind::network,
      {.retry_for = seconds(600),
       .first_pause = seconds(60),
       .stop = stop.get_token(),
       .notice = [&](const std::string&) { stop.request_stop(); }});
  CHECK_THROWS_AS(scene.client.back_up(*backend, Client::options(scene.source.path()),
                                       stop.get_token()),
                  Cancelled);
  CHECK(defects(*scene.place.look()) == Lines{});
}

}  // namespace
}  // namespace reverse
