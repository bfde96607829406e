#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>
#include <utility>

#include "libcore/backend/sftp/child_link.h"
#include "libcore/backend/sftp/sftp_backend.h"
#include "libcore/base/fd.h"
#include "libcore/base/stop.h"
#include "libcore/catalog/upload_journal.h"
#include "libcore/store/layout.h"
#include "tests/backend/ssh_fixture.h"
#include "tests/engine/client.h"
#include "tests/engine/sync_scene.h"
#include "tests/support/links.h"
#include "tests/support/temp_tree.h"

// Large files whose upload an earlier run had begun.

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kSize = 48 * kMiB + 5, kCutAt = 24 * kMiB;
constexpr std::uint64_t kOnTheWay = 8 * kMiB;  // at most, and not confirmed when a connection breaks
constexpr std::uint64_t kRest = kMiB;          // what a backup sends besides

/// A machine that has backed up before to a place on a server, and has a large file since.
struct Scene {
  ScratchDir directory;
  Client client;
  TempTree source;
  sftp::Traffic traffic;
  Lines server{"/usr/lib/openssh/sftp-server"};
  std::string bytes = ssh::pattern(kSize);

  Scene() {
    source.write("known", "since the first backup");
    client.back_up(*look(), Client::options(source.path()));
    write_large();
  }
  void write_large() {
    source.write("d/large", bytes);
    source.set_mtime("d/large", {1390644000, 5});
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // else it may have changed while it is read
  }
  std::unique_ptr<Backend> look() const {
    return open_local_backend(directory / "repository", Durability::none);
  }
  std::unique_ptr<Backend> connect(sftp::Cut cut = {}) {
    traffic.up = traffic.down = 0;
    auto open = [this, cut]() -> std::unique_ptr<sftp::Link> {
      auto link = std::make_unique<sftp::ChildLink>(server, Lines{"sh", "-c"});
      return std::make_unique<sftp::CountingLink>(
          std::make_unique<sftp::CutLink>(std::move(link), cut), traffic);
    };
    return sftp::open_sftp_backend(std::make_unique<sftp::Pool>("server", open, sftp::PoolOptions{}),
                                   directory / "repository", {.run_commands = false});
  }
  BackupReport back_up() {
    return client.back_up(*connect(), Client::options(source.path()));
  }
  /// A run that ends when so much of the file is there, by such an error.
  void break_off(sftp::Cut cut = {.bytes = kCutAt}, ErrorKind kind = ErrorKind::network) {
    const auto backend = connect(cut);
    const Error error =
        ssh::error_of([&] { client.back_up(*backend, Client::options(source.path())); });
    REQUIRE(error.kind() == kind);
  }
  /// The only temporary.
  std::string temporary() const {
    Lines found;
    for (const auto& file : fs::directory_iterator(directory / "repository/tmp"))
      found.push_back(file.path());
    REQUIRE(found.size() == 1);
    fs::permissions(found[0], fs::perms::owner_write, fs::perm_options::add);
    return found[0];
  }
  bool has_temporaries() const { return !fs::is_empty(directory / "repository/tmp"); }
  std::unique_ptr<UploadJournal> journal() const {
    const auto backend = look();
    return UploadJournal::open(client.cache(), Repository::open(*backend, false).info().id,
                               [](const std::string& warning) { FAIL(warning); });
  }
  std::string set() const {
    const BackupOptions options = Client::options(source.path());
    return options.host + "/" + options.label;
  }
  void check(const BackupReport& report) const {
    REQUIRE(report.head.outcome == Outcome::complete);
    CHECK_FALSE(has_temporaries());
    CHECK(journal()->take_all(set()).empty());
    const auto backend = look();
    CHECK(defects(*backend) == Lines{});
    TempDir target;
    restore(*backend, report.head.revision(), target.path());
    CHECK(read_file(target / "d/large") == bytes);
  }
};

TEST_CASE("a large file goes on in the next run where the last one had to stop", "[sftp]") {
  Scene scene;
  scene.break_off({.bytes = kCutAt, .replies_arrive = GENERATE(false, true)});
  const BackupReport report = scene.back_up();
  CHECK(report.went_on.files == 1);
  CHECK(report.went_on.bytes >= kCutAt - kOnTheWay);
  CHECK(report.went_on.bytes <= kCutAt);
  CHECK(report.went_on.of_bytes == kSize);
  CHECK(scene.traffic.up <= kSize - report.went_on.bytes + kRest);
  scene.check(report);
}

TEST_CASE("a large file goes on however often its upload is broken off", "[sftp]") {
  Scene scene;
  scene.break_off();
  scene.break_off();
  const BackupReport report = scene.back_up();
  CHECK(report.went_on.bytes > kCutAt);
  scene.check(report);
}

TEST_CASE("a large file that was sent whole and got no name is not sent again", "[sftp]") {
  Scene scene;
  const Lines server = std::exchange(
      scene.server, Lines{"/usr/lib/openssh/sftp-server", "-P", "rename,posix-rename,hardlink"});
  scene.break_off({}, ErrorKind::permission);
  scene.server = server;
  const BackupReport report = scene.back_up();
  CHECK(report.went_on.bytes >= kSize - kOnTheWay);
  CHECK(scene.traffic.up <= kOnTheWay + kRest);
  scene.check(report);
}

TEST_CASE("a stop keeps what was sent of a large file", "[sftp]") {
  Scene scene;
  std::stop_source stop;
  {
    const auto backend = scene.connect();
    std::jthread stopper([&] {
      while (scene.traffic.up < kCutAt) std::this_thread::yield();
      stop.request_stop();
    });
    CHECK_THROWS_AS(scene.client.back_up(*backend, Client::options(scene.source.path()),
                                         stop.get_token()),
                    Cancelled);
  }
  const BackupReport report = scene.back_up();
  CHECK(report.went_on.bytes >= kCutAt - kOnTheWay);
  scene.check(report);
}

TEST_CASE("a large file that has changed since is begun anew, and what was sent of it removed",
          "[sftp]") {
  Scene scene;
  scene.break_off();
  scene.bytes[7] = 'x';
  scene.write_large();
  const BackupReport report = scene.back_up();
  CHECK(report.went_on.files == 0);
  scene.check(report);
}

TEST_CASE("what was sent of a large file that is gone is removed", "[sftp]") {
  Scene scene;
  scene.break_off();
  fs::remove(scene.source / "d/large");
  scene.source.write("d/other", std::string(16 * kMiB, 'o'));
  CHECK(scene.back_up().head.outcome == Outcome::complete);
  CHECK_FALSE(scene.has_temporaries());
}

TEST_CASE("a large file is begun anew where its temporary is gone, too long or too old", "[sftp]") {
  Scene scene;
  scene.break_off();
  SECTION("gone") { fs::remove(scene.temporary()); }
  SECTION("longer than the file") { fs::resize_file(scene.temporary(), kSize + 1); }
  SECTION("empty") { fs::resize_file(scene.temporary(), 0); }
  SECTION("about to be swept by gc") {
    JournaledUpload old = scene.journal()->find(scene.set(), scene.source / "d/large").value();
    old.noted -= 7 * 24 * 3600;
    scene.journal()->put(scene.set(), old);
  }
  const BackupReport report = scene.back_up();
  CHECK(report.went_on.files == 0);
  CHECK(scene.traffic.up >= kSize);
  scene.check(report);
}

TEST_CASE("where a server has lost the end of what it had, a large file goes on before that", "[sftp]") {
  Scene scene;
  scene.break_off();
  fs::resize_file(scene.temporary(), 9 * kMiB);
  const BackupReport report = scene.back_up();
  CHECK(report.went_on.bytes == 9 * kMiB);
  scene.check(report);
}

TEST_CASE("a large file whose first part was damaged on the server is sent again", "[sftp]") {
  Scene scene;
  scene.break_off();
  std::string damaged = read_file(scene.temporary());
  damaged[3 * kMiB] ^= 1;
  write_file(scene.temporary(), damaged);
  const BackupReport report = scene.back_up();
  CHECK(report.went_on.files == 0);
  CHECK(scene.traffic.up >= kSize + kSize - kCutAt);
  scene.check(report);
}

TEST_CASE("an account that renames nothing sends a large file anew", "[sftp]") {
  Scene scene;
  scene.break_off();
  scene.server.insert(scene.server.end(), {"-P", "rename,posix-rename,setstat,fsetstat"});
  const BackupReport report = scene.back_up();
  CHECK(report.went_on.files == 0);
  CHECK(scene.traffic.up >= kSize);
  scene.check(report);
}

/// The same file in a repository of this machine's, from which it is copied to the server.
struct CopyScene : Scene {
  Place from;

  CopyScene() { Client().back_up(from, source.path()); }
  Synced copy(sftp::Cut cut = {}) { return sync(*from.connect(), *connect(cut), client); }
  void break_off() {
    CHECK(ssh::error_of([&] { copy({.bytes = kCutAt}); }).kind() == ErrorKind::network);
  }
  /// Pages of the run that was broken off are left to gc.
  bool has_large_temporaries() const {
    const auto files = fs::directory_iterator(directory / "repository/tmp");
    return std::any_of(begin(files), end(files),
                       [](const auto& file) { return file.file_size() > kMiB; });
  }
  std::string from_id() const { return Repository::open(*from.connect(), false).info().id; }
};

TEST_CASE("a copy of a large content goes on in the next run where the last one had to stop",
          "[sftp][sync]") {
  CopyScene scene;
  scene.break_off();
  const Synced synced = scene.copy();
  CHECK(synced.report.copied == 1);
  CHECK(synced.report.went_on.files == 1);
  CHECK(synced.report.went_on.bytes >= kCutAt - kOnTheWay);
  CHECK(synced.report.went_on.of_bytes == kSize);
  CHECK(scene.traffic.up <= kSize - synced.report.went_on.bytes + kRest);
  CHECK_FALSE(scene.has_large_temporaries());
  CHECK(scene.journal()->take_all(scene.from_id()).empty());
  CHECK(defects(*scene.look()) == Lines{});
  TempDir target;
  restore(*scene.look(), synced.revisions.at(0).head.revision(), target.path());
  CHECK(read_file(target / "d/large") == scene.bytes);
}

TEST_CASE("a copy that turns out to be damaged is no copy, and leaves nothing on its way",
          "[sftp][sync]") {
  CopyScene scene;
  scene.break_off();
  for (const auto& file : fs::recursive_directory_iterator(scene.from.path() + "/objects"))
    if (file.is_regular_file() && file.file_size() == kSize) {
      fs::permissions(file, fs::perms::owner_write, fs::perm_options::add);
      std::string bytes = read_file(file.path());
      bytes[kSize - 1] ^= 1;
      write_file(file.path(), bytes);
    }
  CHECK(scene.copy().report.damaged == 1);
  CHECK_FALSE(scene.has_large_temporaries());
  CHECK(defects(*scene.look()) == Lines{});
}

TEST_CASE("only the set that began an upload goes on with it", "[sftp]") {
  Scene scene;
  scene.break_off();
  BackupOptions options = Client::options(scene.source.path());
  options.label = "other";
  const BackupReport other = scene.client.back_up(*scene.connect(), options);
  CHECK(other.went_on.files == 0);
  CHECK(scene.has_temporaries());
}

}  // namespace
}  // namespace reverse
