#include <catch2/catch.hpp>

#include <filesystem>

#include "libcore/backend/sftp/child_link.h"
#include "libcore/backend/sftp/sftp_backend.h"
#include "libcore/engine/revisions.h"
#include "libcore/engine/view.h"
#include "libcore/engine/view_site.h"
#include "libcore/store/marks.h"
#include "libcore/store/seen_heads.h"
#include "tests/engine/client.h"
#include "tests/engine/gc_scene.h"
#include "tests/engine/sync_scene.h"
#include "tests/support/links.h"
#include "tests/support/temp_tree.h"

// How many round trips the work takes, over a line with a delay: counted, not timed.

namespace reverse {
namespace {

using Lines = std::vector<std::string>;
using std::chrono::milliseconds;

constexpr milliseconds kRoundTrip{150};  // far more than what a server needs for a request, or a busy machine

/// As libssh has it: who is at the other end is known before SFTP begins.
class KnownServerLink : public sftp::LinkDecorator {
 public:
  using LinkDecorator::LinkDecorator;
  bool takes_early_requests() const override { return true; }
};

enum class Kind {
  openssh,
  other,  ///< of which nothing is known, and which may do later requests before earlier ones
};

/// A place on a distant server.
class FarPlace {
 public:
  explicit FarPlace(Kind kind) : kind_(kind) {}

  /// A connection of its own. It must not outlive `this`.
  std::unique_ptr<Backend> connect(milliseconds round_trip = kRoundTrip) {
    auto open = [this, round_trip]() -> std::unique_ptr<sftp::Link> {
      Lines server{"/usr/lib/openssh/sftp-server"};
      if (kind_ == Kind::other) server.insert(server.end(), {"-P", "lsetstat"});
      auto far = std::make_unique<sftp::DelayLink>(
          std::make_unique<sftp::ChildLink>(server, Lines{"sh", "-c"}), round_trip);
      if (kind_ == Kind::other) return far;
      return std::make_unique<KnownServerLink>(std::move(far));
    };
    auto pool = std::make_unique<sftp::Pool>("far", open, sftp::PoolOptions{});
    pool_ = pool.get();
    return sftp::open_sftp_backend(std::move(pool), directory_ / "repository");
  }
  /// Of the newest connection, which must be there.
  std::uint64_t flights() const { return pool_->flights(); }
  std::string path() const { return directory_ / "repository"; }

 private:
  const Kind kind_;
  ScratchDir directory_;
  sftp::Pool* pool_ = nullptr;
};

void make_files(TempTree& tree, int count) {
  for (int i = 0; i < count; ++i)
    tree.write(fmt::format("d{}/f{}", i % 10, i), fmt::format("content {}", i));
}

/// Makes the tree known by a backup whose flights nobody counts: nothing waits for the line.
void make_known(FarPlace& place, Client& client, const TempTree& source) {
  client.back_up(*place.connect(milliseconds(0)), Client::options(source.path()));
}

/// Flights of a backup by `client` of a tree that is known.
std::uint64_t flights_of_next(FarPlace& place, Client& client, const TempTree& source) {
  const auto backend = place.connect();
  const BackupReport report = client.back_up(*backend, Client::options(source.path()));
  CHECK(report.head.outcome == Outcome::complete);
  return place.flights();
}

TEST_CASE("with nothing changed a backup to OpenSSH takes four flights, however many files there are",
          "[flights]") {
  FarPlace place(Kind::openssh);
  TempTree source;
  make_files(source, 300);
  Client client;
  make_known(place, client, source);
  CHECK(flights_of_next(place, client, source) <= 4);
  CHECK(flights_of_next(place, client, source) <= 4);
}

TEST_CASE("with nothing changed a backup to another server takes eight flights", "[flights]") {
  FarPlace place(Kind::other);
  TempTree source;
  make_files(source, 30);
  Client client;
  make_known(place, client, source);
  CHECK(flights_of_next(place, client, source) <= 8);
}

TEST_CASE("a first backup takes few flights, however many files there are", "[flights]") {
  TempTree few, many;
  make_files(few, 3);
  make_files(many, 300);
  std::vector<std::uint64_t> flights;
  for (const TempTree* source : {&few, &many}) {
    FarPlace place(Kind::openssh);
    Client client;
    flights.push_back(flights_of_next(place, client, *source));
  }
  CHECK(flights[0] <= 18);  // three more than it takes on a busy machine
  CHECK(flights[1] <= flights[0] + 6);
}

TEST_CASE("files that are new since the last backup add three flights, none of them for looking",
          "[flights]") {
  FarPlace place(Kind::openssh);
  TempTree source;
  make_files(source, 300);
  Client client;
  make_known(place, client, source);
  for (int i = 0; i < 10; ++i) source.write(fmt::format("d1/new{}", i), fmt::format("new {}", i));
  CHECK(flights_of_next(place, client, source) <= 8);  // one more than it takes
}

TEST_CASE("a machine that knows nothing of a repository lists it, reads what it finds, and uploads nothing",
          "[flights]") {
  FarPlace place(Kind::openssh);
  TempTree source;
  make_files(source, 300);
  Client first, other;
  make_known(place, first, source);
  // A torn object, of another size than it should have: it must not be relied on.
  const auto look = open_local_backend(place.path(), Durability::none);
  std::vector<RepoPath> objects;
  for (const auto& shard : std::filesystem::directory_iterator(place.path() + "/objects"))
    for (const auto& file : std::filesystem::directory_iterator(shard.path()))
      if (std::filesystem::file_size(file) == std::string("content 10").size())
        objects.push_back(file.path());
  REQUIRE(!objects.empty());
  std::filesystem::permissions(objects[0], std::filesystem::perms::owner_write,
                               std::filesystem::perm_options::add);
  std::filesystem::resize_file(objects[0], 1);

  const auto backend = place.connect();
  BackupOptions options = Client::options(source.path());
  options.label = "again";
  const BackupReport report = other.back_up(*backend, options);
  CHECK(report.head.new_objects <= 1 + 3);  // that one, and pages of another set
  CHECK(place.flights() <= 90);
  CHECK(defects(*look) == Lines{});
}

TEST_CASE("heads are read together, however many revisions and sets there are", "[flights]") {
  std::vector<std::uint64_t> flights;
  for (int sets : {1, 4}) {
    FarPlace place(Kind::openssh);
    TempTree source;
    make_files(source, 3);
    Client client;
    const auto near = open_local_backend(place.path(), Durability::none);
    BackupOptions options = Client::options(source.path());
    for (int set = 0; set < sets; ++set) {
      options.label = fmt::format("set{}", set);
      for (int i = 0; i < sets; ++i) client.back_up(*near, options);
    }
    const auto far = place.connect();
    const Repository repository = Repository::open(*far, false);
    int heads = 0;
    visit_heads(repository, {}, [&](const Head&) { ++heads; }, [](auto&, auto&) { FAIL(); });
    CHECK(heads == sets * sets);
    flights.push_back(place.flights());
  }
  CHECK(flights[0] <= 10);
  CHECK(flights[1] == flights[0]);
}

TEST_CASE("a view of a distant revision takes few flights, however many files there are, and so does its update",
          "[flights]") {
  std::vector<std::uint64_t> made, updated;
  for (int count : {30, 1500}) {
    FarPlace place(Kind::openssh);
    TempTree source;
    make_files(source, count);
    Client client;
    const auto near = open_local_backend(place.path(), Durability::none);
    const Head first = client.back_up(*near, Client::options(source.path())).head;
    for (int i = 0; i < count; i += 10)
      source.write(fmt::format("d{}/f{}", i % 10, i), fmt::format("changed content {}", i));
    const Head second = client.back_up(*near, Client::options(source.path())).head;
    const std::string view = place.path() + "-view";
    for (const Head& head : {first, second}) {
      const auto far = place.connect();
      const Repository repository = Repository::open(*far, false);
      const auto site = open_remote_views(*far);
      const bool is_first = head.id == first.id;
      const ViewReport report =
          is_first ? make_view({repository, *site}, head, view, 0700, {}, {})
                   : update_view({repository, *site}, head, view, {}, {});
      CHECK(report.files == static_cast<std::uint64_t>(is_first ? count : (count + 9) / 10));
      (is_first ? made : updated).push_back(place.flights());
    }
    remove_view(*open_local_views(""), view);
  }
  CHECK(made[0] <= 20);
  CHECK(made[1] <= made[0] + 8);
  CHECK(updated[0] <= 28);
  CHECK(updated[1] <= updated[0] + 4);
}

TEST_CASE("what gc takes out and deletes costs no round trip of its own", "[flights]") {
  std::vector<std::uint64_t> flights;
  for (int count : {3, 300}) {
    FarPlace place(Kind::openssh);
    TempTree source;
    Client client;
    const auto near = open_local_backend(place.path(), Durability::none);
    BackupOptions options = Client::options(source.path());
    make_files(source, count);
    const std::string old = client.back_up(*near, options).head.revision();
    for (int i = 0; i < count; ++i)
      source.write(fmt::format("d{}/f{}", i % 10, i), fmt::format("another content {}", i));
    client.back_up(*near, options);
    make_marks(*near, {old});
    const auto far = place.connect();
    CHECK(collect(*far, at_once()).deleted >= static_cast<std::uint64_t>(count));
    flights.push_back(place.flights());
    CHECK(defects(*near) == Lines{});
  }
  CHECK(flights[1] <= flights[0] + 8);
}

// --- from repository to repository

/// A repository of a machine, and a distant one that it is synced with.
struct FarCopy {
  FarCopy() {
    make_files(source, 300);
    back_up();
  }
  void back_up() { client.back_up(near, source.path()); }
  /// A sync to the distant one whose flights nobody counts.
  void sync_there() {
    const auto there = far.connect(milliseconds(0));
    last = sync(*near.connect(), *there, client).report;
  }
  /// Flights of a sync to the distant one.
  std::uint64_t flights_there() {
    const auto there = far.connect();
    last = sync(*near.connect(), *there, client).report;
    return far.flights();
  }

  FarPlace far{Kind::openssh};
  TempTree source;
  Place near;
  Client client;
  SyncReport last;
};

TEST_CASE("a sync with nothing new asks a distant target or source in eight flights at most", "[flights][sync]") {
  FarCopy f;
  f.sync_there();
  for (int i = 0; i < 3; ++i) {
    f.source.write("again", std::to_string(i));
    f.back_up();
  }
  f.sync_there();
  REQUIRE(f.last.copied == 3);
  CHECK(f.flights_there() <= 8);
  CHECK(f.last == SyncReport{.present = 4});
  SECTION("what gc noted there takes no more") {
    const auto there = open_local_backend(f.far.path(), Durability::none);
    SeenHeads seen = SeenHeads::read(*there);
    seen.set_present(revisions_of(f.near));
    seen.write(*there);
    CHECK(f.flights_there() <= 8);
  }
  SECTION("from there") {
    const auto there = f.far.connect();
    const Synced back = sync(*there, *f.near.connect(), f.client);
    CHECK(back.report == SyncReport{.present = 4});
    CHECK(f.far.flights() <= 8);
  }
}

TEST_CASE("a new revision reaches a distant target in few flights, however many files are new", "[flights][sync]") {
  FarCopy f;
  f.sync_there();
  std::vector<std::uint64_t> flights;
  for (int count : {1, 100}) {
    for (int i = 0; i < count; ++i)
      f.source.write(fmt::format("d{}/new{}", i % 10, i), fmt::format("new {} {}", count, i));
    f.back_up();
    flights.push_back(f.flights_there());
    CHECK(f.last.copied == 1);
  }
  CHECK(flights[0] <= 16);
  CHECK(flights[1] <= flights[0] + 2);
}

}  // namespace
}  // namespace reverse
