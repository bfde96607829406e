#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>

#include <sys/stat.h>
#include <unistd.h>

#include "libcore/backend/sftp/wire.h"
#include "libcore/base/fd.h"
#include "libcore/engine/gc.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/append_only.h"
#include "libcore/store/gate.h"
#include "libcore/store/layout.h"
#include "tests/backend/ssh_fixture.h"
#include "tests/engine/client.h"
#include "tests/engine/tree_facts.h"
#include "tests/support/temp_tree.h"

// An account to which sshd leaves no more than to add files (schema/FORMAT.md, "Append-only
// accounts"): it backs up, and whatever else it sends, nothing that was published changes.

namespace reverse {
namespace {

namespace fs = std::filesystem;
using sftp::PacketType;
using sftp::Reply;
using sftp::Request;

using Lines = std::vector<std::string>;

constexpr gid_t kNobody = 65534;  // whose account the server for tests has, where root runs it
constexpr const char* kAppendOnly =
    "ForceCommand internal-sftp -u 0007 "
    "-P remove,rmdir,rename,posix-rename,setstat,fsetstat,lsetstat,symlink";

/// A repository that belongs to root, and a server whose account may only add to it.
struct Scene {
  explicit Scene(const char* force = kAppendOnly) : server(SshServer::Options{.config = force}) {
    fs::permissions(above.path(), fs::perms{0711});
    fs::create_directory(root());
    REQUIRE(::chown(root().c_str(), 0, kNobody) == 0);
    fs::permissions(root(), fs::perms{02750});
    owner = open_local_backend(root(), Durability::none);
    prepare_append_only(*owner);
    Repository::create(*owner, DigestKind::md5);
  }

  std::string root() const { return above / "repository"; }
  std::unique_ptr<Backend> connect() const {
    return ssh::backend_in(server, root(), {.connections = 2});
  }
  GcReport collect(const GcOptions& options = {}) const {
    RecordingObserver observer;
    return run_gc(Repository::open(*owner, true), options, observer, {});
  }

  TempDir above;
  const SshServer server;
  std::unique_ptr<Backend> owner;
};

/// Every file, link and directory but those being uploaded: kind, mode and content by path.
std::map<std::string, std::string> published(const std::string& root) {
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string path = entry.path().string().substr(root.size() + 1);
    if (path.starts_with("tmp/") || path.starts_with("writing/")) continue;
    found[path] =
        fmt::format("{:o} {}", static_cast<unsigned>(entry.symlink_status().permissions()),
                    entry.is_regular_file() ? read_file(entry.path()) : "");
  }
  return found;
}

std::size_t files_in(const std::string& directory) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

TEST_CASE("an account that may only add backs up again and again", "[servers][root]") {
  NEEDS_SERVER(SshServer);
  const Scene scene;
  TempTree source;
  for (int i = 0; i < 40; ++i) source.write(fmt::format("d/f{}", i), fmt::format("content {}", i));
  Client client;
  const BackupReport first = client.back_up(*scene.connect(), Client::options(source.path()));
  CHECK(first.head.outcome == Outcome::complete);
  CHECK(client.observer->warnings == Lines{});
  source.write("d/f0", "changed");
  source.write("new", "new");
  const BackupReport second = client.back_up(*scene.connect(), Client::options(source.path()));
  CHECK(second.head.previous == first.head.id);
  CHECK(second.head.new_objects < 10);
  CHECK(defects(*scene.owner) == Lines{});

  SECTION("the owner's gc sweeps what it has to leave, at once") {
    CHECK(files_in(scene.root() + "/tmp") > 40);
    CHECK(scene.collect().temporaries > 40);
    CHECK(files_in(scene.root() + "/tmp") < 8);  // what was tried, not published: it keeps for a week
  }
  SECTION("the owner's gc removes its revisions, and closes the gate on what it left there (F7)") {
    GcOptions options;
    options.grace = std::chrono::seconds(0);
    options.forget = {first.head.revision()};
    const GcReport report = scene.collect(options);
    CHECK(report.expired == Lines{first.head.revision()});
    CHECK(report.gate_closed);
    const std::string gate = find_gate(*scene.owner).value();
    CHECK(files_in(scene.root() + "/writing/" + gate) == 0);
    client.back_up(*scene.connect(), Client::options(source.path()));
  }
  CHECK(defects(*scene.owner) == Lines{});
  TempDir target;
  restore(*scene.connect(), "latest", target.path());
  CHECK(differences(facts_of(source.path()), facts_of(target.path())) == Lines{});
}

TEST_CASE("where no gate is open an account that may only add comes back later",
          "[servers][root]") {
  NEEDS_SERVER(SshServer);
  const Scene scene;
  fs::remove_all(scene.root() + "/writing");
  TempTree source;
  source.write("f", "content");
  Client client;
  const Error error =
      ssh::error_of([&] { client.back_up(*scene.connect(), Client::options(source.path())); });
  CHECK(error.kind() == ErrorKind::busy);
  CHECK(ssh::says(error, "run reverse-gc there"));
  scene.collect();
  client.back_up(*scene.connect(), Client::options(source.path()));
  CHECK(defects(*scene.owner) == Lines{});
}

TEST_CASE("an account that may only add publishes nothing through a closed gate",
          "[servers][root]") {
  NEEDS_SERVER(SshServer);
  const Scene scene;
  const auto backend = scene.connect();
  const std::string token = find_gate(*scene.owner).value();
  const auto head = open_head(*backend, token);
  REQUIRE(head);
  head->upload->write("text");
  head->upload->close();
  close_gate(*scene.owner, std::string(32, '0'));
  const Publication one{head->upload.get(), "manifests/head.yaml"};
  CHECK(backend->publish({&one, 1}).front() == MoveResult::gone);
  CHECK_FALSE(scene.owner->stat("manifests/head.yaml"));
}

TEST_CASE(
    "an account that may only add uploads anew what lies in the trash, and beside what is damaged",
    "[servers][root]") {
  NEEDS_SERVER(SshServer);
  const Scene scene;
  TempTree source;
  source.write("f", "content");
  Client client;
  client.back_up(*scene.connect(), Client::options(source.path()));
  const RepoPath object =
      object_path({hash_bytes(DigestKind::md5, "content").digest, std::nullopt});
  const std::string run = "trash/" + std::string(32, '0');
  if (GENERATE(true, false)) {
    scene.owner->make_directory(run);
    scene.owner->move(object, run + "/object");
    fs::rename(scene.root() + "/" + run + "/object",
               scene.root() + "/" + run + "/" + object.substr(object.rfind('/') + 1));
  } else {
    fs::permissions(scene.root() + "/" + object, fs::perms{0644});
    std::ofstream(scene.root() + "/" + object) << "CONTENT";
  }
  // Another set: nothing is known of what its revisions hold, so what is stored is read first.
  client.forget();
  BackupOptions other = Client::options(source.path());
  other.label = "other";
  client.back_up(*scene.connect(), other);
  TempDir target;
  restore(*scene.connect(), "desk/other", target.path());
  CHECK(read_file(target / "f") == "content");
}

// --- a hostile client

std::string text(std::string_view bytes) {
  std::string field;
  sftp::append_string(field, bytes);
  return field;
}

std::string number(std::uint32_t value) {
  std::string field;
  sftp::append_u32(field, value);
  return field;
}

std::string big_number(std::uint64_t value) {
  std::string field;
  sftp::append_u64(field, value);
  return field;
}

Request raw(PacketType type, const std::string& body) {
  return {.type = type, .body = body};
}

/// What a hostile account may send to change `victim`, a published file; `own` is a file that it
/// has made.
std::vector<Request> attacks(const std::string& victim, const std::string& own,
                             const std::string& read_handle) {
  const std::string mode = number(4) + number(0666), size = number(1) + big_number(0);
  const std::string times = number(8) + number(0) + number(0);
  std::vector<Request> all;
  for (std::uint32_t flags :
       {sftp::kWrite + 0U, sftp::kWrite | sftp::kTruncate, sftp::kWrite | sftp::kCreate,
        sftp::kRead | sftp::kWrite, sftp::kWrite | sftp::kCreate | sftp::kTruncate,
        sftp::kWrite | sftp::kAppend, sftp::kRead | sftp::kTruncate})
    all.push_back(sftp::open_request(victim, flags, 0666));
  for (const std::string& attributes : {mode, size, times}) {
    all.push_back(raw(PacketType::setstat, text(victim) + attributes));
    all.push_back(raw(PacketType::fsetstat, text(read_handle) + attributes));
    all.push_back(
        raw(PacketType::extended, text("lsetstat@openssh.com") + text(victim) + attributes));
  }
  all.push_back(sftp::write_request(read_handle, 0, "hostile"));
  all.push_back(raw(PacketType::extended, text("copy-data") + text(read_handle) + big_number(0) +
                                              big_number(4) + text(read_handle) + big_number(1)));
  all.push_back(sftp::remove_request(victim));
  all.push_back(sftp::remove_directory_request(victim.substr(0, victim.rfind('/'))));
  all.push_back(sftp::rename_request(victim, own + ".moved"));
  all.push_back(sftp::rename_request(own, victim));
  all.push_back(sftp::posix_rename_request(victim, own + ".moved"));
  all.push_back(sftp::posix_rename_request(own, victim));
  all.push_back(sftp::hard_link_request(own, victim));
  all.push_back(raw(PacketType::symlink, text(own) + text(victim)));
  all.push_back(raw(PacketType::symlink, text(victim) + text(own + ".link")));
  all.push_back(sftp::make_directory_request(victim, 0777));
  return all;
}

TEST_CASE("a hostile account that may only add changes nothing that was published",
          "[servers][root]") {
  NEEDS_SERVER(SshServer);
  const Scene scene;
  TempTree source;
  source.write("f", "content");
  Client client;
  client.back_up(*scene.connect(), Client::options(source.path()));
  const auto before = published(scene.root());
  REQUIRE(before.size() > 270);

  sftp::Client hostile(TestServer::kName, ssh::opener(scene.server));
  const std::string own = scene.root() + "/tmp/hostile";
  const auto make = [&](const std::string& path) {
    return hostile.call(
        sftp::open_request(path, sftp::kWrite | sftp::kCreate | sftp::kExclusive, 0666));
  };
  REQUIRE(make(own).type == PacketType::handle);
  for (const auto& [path, content] : before) {
    const std::string victim = scene.root() + "/" + path;
    if (!fs::is_regular_file(victim)) continue;
    const Reply opened = hostile.call(sftp::open_request(victim, sftp::kRead));
    for (const Request& attack : attacks(victim, own, opened.handle)) {
      const Reply reply = hostile.call(attack);
      INFO(path << ", request of type " << static_cast<int>(attack.type));
      CHECK((reply.type == PacketType::status && reply.status != sftp::Status::ok));
    }
    hostile.call(sftp::close_request(opened.handle));
  }
  for (const char* directory :
       {"", "forgotten", "trash", "bad", "gc", "gc/heads", "features", "writing"}) {
    INFO(directory);
    const std::string name = scene.root() + "/" + directory;
    CHECK(make(name + "/hostile").type == PacketType::status);
    CHECK(hostile.call(sftp::make_directory_request(name + "/hostile", 0777)).status !=
          sftp::Status::ok);
    CHECK(hostile.call(sftp::hard_link_request(own, name + "/hostile")).status != sftp::Status::ok);
  }
  CHECK(published(scene.root()) == before);
  CHECK(defects(*scene.owner) == Lines{});
}

}  // namespace
}  // namespace reverse
