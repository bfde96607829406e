#include "libcore/engine/verify_remote.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <random>

#include "libcore/backend/sftp/child_link.h"
#include "libcore/base/fd.h"
#include "libcore/engine/sums_service.h"
#include "libcore/hash/hasher.h"
#include "tests/backend/ssh_fixture.h"
#include "tests/engine/verify_scene.h"
#include "tests/support/fixtures.h"
#include "tests/support/links.h"

// Verification of repositories on servers: who hashes, what that proves, what crosses the link.

using Catch::Matchers::Contains;

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

constexpr const char* kByVerify = "hashed on the server by its reverse-verify";
constexpr const char* kByMd5sum = "hashed on the server by its md5sum";
constexpr const char* kByReading = "read and hashed on this machine";

/// Some revisions that share contents.
struct Scene : Versions {
  explicit Scene(DigestKind kind = DigestKind::md5) {
    if (kind != DigestKind::md5) Repository::create(*place.connect(), kind);
    back_up(0);
    for (int i = 0; i < 40; ++i)
      source.write("many/f" + std::to_string(i), "content " + std::to_string(i / 2));
    source.write("large", ssh::pattern(2'500'000));
    back_up(1);
  }
};

/// A directory of programs that a server's commands are looked for in.
class Programs {
 public:
  Programs() { fs::permissions(directory_.path(), fs::perms{0755}); }
  void link(const std::string& name) {
    for (const char* directory : {"/usr/bin/", "/bin/"})
      if (fs::exists(directory + name))
        return fs::create_symlink(directory + name, directory_ / name);
    FAIL("no " << name);
  }
  void add(const std::string& name, const std::string& text) {
    write_file(directory_ / name, text, 0755);
    fs::permissions(directory_ / name, fs::perms{0755});
  }
  /// The commands of this project, as if installed.
  void add_reverse_verify() {
    fs::copy_file(REVERSE_VERIFY_PROGRAM, directory_ / "reverse-verify");
    fs::permissions(directory_ / "reverse-verify", fs::perms{0755});
  }
  std::string path() const { return directory_.path(); }

 private:
  TempDir directory_;
};

/// A line for sshd: commands are looked for here alone, or here first.
std::string only_in(const Programs& programs) {
  return "SetEnv PATH=" + programs.path();
}
std::string first_in(const Programs& programs) {
  return "SetEnv PATH=" + programs.path() + ":/usr/bin:/bin";
}

using Connect = std::function<std::unique_ptr<Backend>()>;

/// Puts copies of a repository where a server shows them, with bits flipped in some objects, and
/// compares what verification tells with what walking all trees does.
void finds_what_was_flipped(const Scene& scene, const std::string& folder, const Connect& connect,
                            const std::string& manner, ProveWhere where = ProveWhere::automatic) {
  const auto needs = needs_of_objects(scene.place);
  for (unsigned seed = 0; seed < 2; ++seed) {
    CAPTURE(seed);
    fs::remove_all(folder);
    copy_to(folder, scene.place);
    std::mt19937_64 random(seed);
    std::vector<std::string> objects = objects_of(scene.place, true);
    std::shuffle(objects.begin(), objects.end(), random);
    objects.resize(seed == 0 ? 0 : 1 + random() % (objects.size() / 2));
    Names wanted, kinds;
    for (const std::string& object : objects) {
      flip_bit(folder + object.substr(scene.place.path().size()), random());
      kinds.insert("digest " + base_name(object));
      wanted.insert(needs.at(object).begin(), needs.at(object).end());
    }
    const auto backend = connect();
    const Verified verified = verify(*backend, {}, "", where);
    CHECK(verified.paths() == wanted);
    CHECK(verified.kinds() == kinds);
    CHECK_THAT(verified.manner, Contains(manner));
    CHECK(verified.where == (manner == kByReading ? "client" : "server"));
    CHECK(verified.report.objects_verified == scene.place.objects() - objects.size());
    CHECK(verified.report.not_verified == 0);
    CHECK(verified.observer->warnings.empty());
  }
}

/// Likewise in the home of a server's account.
void finds_what_was_flipped(const TestServer& server, const std::string& manner,
                            DigestKind kind = DigestKind::md5,
                            ProveWhere where = ProveWhere::automatic) {
  finds_what_was_flipped(
      Scene(kind), server.home() + "/repo", [&] { return ssh::backend_in(server, "repo"); }, manner,
      where);
}

/// Counts what crosses a link to a server that is a child process.
class CountingLink : public sftp::LinkDecorator {
 public:
  CountingLink(std::unique_ptr<Link> inner, std::atomic<std::uint64_t>& bytes)
      : LinkDecorator(std::move(inner)), bytes_(bytes) {}
  std::unique_ptr<sftp::Stream> open_sftp() override { return count(inner().open_sftp()); }
  std::unique_ptr<sftp::Stream> run(const std::string& command) override {
    bytes_ += command.size();
    return count(inner().run(command));
  }

 private:
  struct Counted : sftp::Stream {
    Counted(std::unique_ptr<Stream> stream, std::atomic<std::uint64_t>& sum)
        : inner(std::move(stream)), bytes(sum) {}
    std::size_t try_write(ByteView data) override {
      const std::size_t size = inner->try_write(data);
      bytes += size;
      return size;
    }
    void end_input() override { inner->end_input(); }
    std::optional<std::size_t> try_read(std::span<char> room) override {
      const std::optional<std::size_t> size = inner->try_read(room);
      bytes += size.value_or(0);
      return size;
    }
    std::optional<int> exit_code() override { return inner->exit_code(); }
    std::string last_words() override { return inner->last_words(); }

    std::unique_ptr<Stream> inner;
    std::atomic<std::uint64_t>& bytes;
  };
  std::unique_ptr<sftp::Stream> count(std::unique_ptr<sftp::Stream> stream) {
    return std::make_unique<Counted>(std::move(stream), bytes_);
  }
  std::atomic<std::uint64_t>& bytes_;
};

/// A repository in a local directory, through OpenSSH's sftp-server and a shell as children.
struct Pipes {
  std::string path;  ///< where commands are looked for; "": where ours are
  std::string shell = "/bin/sh";
  std::atomic<std::uint64_t> bytes = 0;

  std::unique_ptr<Backend> connect(const std::string& folder, bool may_run = true) {
    std::vector<std::string> run = {shell, "-c"};
    if (!path.empty()) run.insert(run.begin(), {"/usr/bin/env", "PATH=" + path});
    const auto open = [this, run] {
      return std::make_unique<CountingLink>(
          std::make_unique<sftp::ChildLink>(
              std::vector<std::string>{"/usr/lib/openssh/sftp-server"}, run),
          bytes);
    };
    return sftp::open_sftp_backend(std::make_unique<sftp::Pool>("pipes", open, sftp::PoolOptions{}),
                                   folder, {.run_commands = may_run});
  }
};

}  // namespace

// --- every way, every server

TEST_CASE("damage on sshd is found by its md5sum", "[verify][servers]") {
  NEEDS_SERVER(SshServer);
  finds_what_was_flipped(SshServer(), kByMd5sum);
}

TEST_CASE("damage on sshd is found by its sha256sum where names are SHA-256", "[verify][servers]") {
  NEEDS_SERVER(SshServer);
  finds_what_was_flipped(SshServer(),
                         "hashed on the server by its sha256sum, which proves the SHA-256",
                         DigestKind::sha256);
}

TEST_CASE("damage on sshd is found by its reverse-verify", "[verify][servers]") {
  NEEDS_SERVER(SshServer);
  Programs programs;
  programs.add_reverse_verify();
  const DigestKind kind = GENERATE(DigestKind::md5, DigestKind::sha256);
  finds_what_was_flipped(SshServer({.config = first_in(programs)}), kByVerify, kind);
}

TEST_CASE("damage on sshd is found by its openssl where there is nothing else",
          "[verify][servers]") {
  NEEDS_SERVER(SshServer);
  Programs programs;
  for (const char* name : {"sh", "nice", "xargs", "openssl"}) programs.link(name);
  finds_what_was_flipped(SshServer({.config = only_in(programs)}),
                         "hashed on the server by its openssl md5 -r");
}

TEST_CASE("damage on sshd is found by reading where that is asked for", "[verify][servers]") {
  NEEDS_SERVER(SshServer);
  finds_what_was_flipped(SshServer(), kByReading, DigestKind::md5, ProveWhere::client);
}

TEST_CASE("damage on a server that knows md5sum with names alone is found", "[verify][servers]") {
  NEEDS_SERVER(SshServer);
  const std::string which = GENERATE("\"$@\"", "\"${@: -1}\"");  // all of them; the last
  CAPTURE(which);
  Programs programs;
  programs.add("menu",
               "#!/bin/bash\n"
               "set -f -- $SSH_ORIGINAL_COMMAND\n"
               "[ \"$1\" = internal-sftp ] && exec /usr/lib/openssh/sftp-server\n"
               "[ \"$1\" = md5sum ] || { echo 'Command not found.'; exit 8; }\n"
               "shift\n"
               "exec md5sum " +
                   which + "\n");
  const SshServer server(
      {.config = "Subsystem sftp internal-sftp\nForceCommand " + programs.path() + "/menu"});
  finds_what_was_flipped(server, kByMd5sum);
}

TEST_CASE("damage on Dropbear is found by its md5sum", "[verify][servers]") {
  NEEDS_SERVER(DropbearServer);
  finds_what_was_flipped(DropbearServer(), kByMd5sum);
}

TEST_CASE("damage on ProFTPD, which runs nothing, is found by reading", "[verify][servers]") {
  NEEDS_SERVER(ProftpdServer);
  finds_what_was_flipped(ProftpdServer(), kByReading);
}

TEST_CASE("damage on rclone is found", "[verify][servers]") {
  NEEDS_SERVER(RcloneServer);
  finds_what_was_flipped(RcloneServer(), kByMd5sum);
}

TEST_CASE("damage in a chroot for SFTP alone is found by reading", "[verify][servers][root]") {
  NEEDS_SERVER(SshServer);
  const SshServer server({.config = "ForceCommand internal-sftp", .chroot = true});
  finds_what_was_flipped(
      Scene(), server.chroot() + "/home/repo",
      [&] { return ssh::backend_in(server, "/home/repo"); }, kByReading);
}

TEST_CASE("damage behind OpenSSH's server over pipes is found whatever the directory's name",
          "[verify]") {
  const std::string name = GENERATE("plain", "it's \"$(touch odd)\" `x` !1 %s \\ *", "-rf; ls");
  CAPTURE(name);
  const ScratchDir directory;
  Pipes pipes;
  const std::string folder = directory / name;
  finds_what_was_flipped(
      Scene(), folder, [&] { return pipes.connect(folder); }, kByMd5sum);
}

// --- what is proven, and by whom

TEST_CASE("two contents with one MD5 are told apart by reverse-verify, not by md5sum", "[verify]") {
  Versions versions;
  const std::string one = read_file(fixture("md5-collision/a.bin"));
  versions.source.write("one", one);
  versions.back_up(0);
  const std::string object = versions.place.path() + "/" + object_of(one);
  replace_file(object, read_file(fixture("md5-collision/b.bin")));
  ::chmod(object.c_str(), 0444);
  Pipes pipes;
  const Verified by_md5sum =
      verify(*pipes.connect(versions.place.path()), {}, "", ProveWhere::automatic);
  CHECK(by_md5sum.damages.empty());
  CHECK_THAT(by_md5sum.manner, Contains("not the second checksum"));
  Programs programs;
  programs.add_reverse_verify();
  pipes.path = programs.path() + ":/usr/bin:/bin";
  const Verified by_verify =
      verify(*pipes.connect(versions.place.path()), {}, "", ProveWhere::automatic);
  CHECK(by_verify.kinds() == Names{"check " + base_name(object)});
  CHECK_THAT(by_verify.manner, Contains("the MD5 and the second checksum"));
}

TEST_CASE("who forbids commands has the objects read, or is refused", "[verify]") {
  const Scene scene;
  Pipes pipes;
  const auto backend = pipes.connect(scene.place.path(), false);
  CHECK_THAT(verify(*backend, {}, "", ProveWhere::automatic).manner, Contains(kByReading));
  const auto asked = [&](Backend& at) {
    return ssh::error_of([&] { verify(at, {}, "", ProveWhere::server); });
  };
  CHECK(asked(*backend).kind() == ErrorKind::usage);
  CHECK(ssh::says(asked(*backend), "--no-remote-exec"));
  Programs nothing;
  nothing.link("sh");
  pipes.path = nothing.path();
  const auto poor = pipes.connect(scene.place.path());
  CHECK(asked(*poor).kind() == ErrorKind::unsupported);
  CHECK(ssh::says(asked(*poor), "neither reverse-verify nor md5sum, md5 or openssl"));
}

TEST_CASE("objects that the server cannot read are read, or not verified, and never whole",
          "[verify]") {
  const Scene scene;
  const bool by_verify = GENERATE(true, false);
  CAPTURE(by_verify);
  Pipes pipes;
  Programs programs;
  if (by_verify) programs.add_reverse_verify();
  // A server on which one object is out of md5sum's reach, not of SFTP's, and one is gone for both.
  programs.add("md5sum", "#!/bin/bash\nseen=()\nfor name; do\n  case $name in *" +
                             base_name(object_of("shared 1")) +
                             ") ;; *) seen+=(\"$name\") ;; esac\ndone\n"
                             "[ ${#seen[@]} = 0 ] || exec /usr/bin/md5sum \"${seen[@]}\"\n");
  pipes.path = programs.path() + ":/usr/bin:/bin";
  Trial trial(scene);
  fs::remove(trial.place.path() + "/" + object_of("shared 2"));
  const Verified verified =
      verify(*pipes.connect(trial.place.path()), {}, "", ProveWhere::automatic);
  CHECK(verified.kinds() == Names{"missing " + base_name(object_of("shared 2"))});
  CHECK(verified.report.not_verified == 0);
  const Verified strict = verify(*pipes.connect(trial.place.path()), {}, "", ProveWhere::server);
  CHECK(strict.kinds() == Names{"missing " + base_name(object_of("shared 2"))});
  CHECK(strict.report.not_verified == (by_verify ? 0u : 1u));
}

// --- hostile and broken tools

TEST_CASE("what a lying md5sum prints never makes an object whole or damaged", "[verify]") {
  const Scene scene;
  const auto [what, act] = GENERATE(table<std::string, std::string>({
      {"lines twice", "md5sum \"$@\"; md5sum \"$@\""},
      {"some lines twice", "md5sum \"$@\"; md5sum \"$1\" \"$3\""},
      {"names of others",
       "md5sum \"$@\" | { read -r d n; while read -r e m; do echo \"$d  $m\"; d=$e; done; }"},
      {"lines missing", "md5sum \"$@\" | sed -n '1~3p'"},
      {"junk", "echo Welcome; head -c 300000 /dev/urandom; echo; md5sum \"$@\" | sed 's/$/\\r/'"},
      {"escapes", "md5sum \"$@\" | sed 's/^/\\\\/'"},
      {"other names", "md5sum \"$@\" | sed 's/objects/..\\/objects/'"},
      {"capitals and blanks", "md5sum \"$@\" | tr a-f A-F; md5sum \"$@\" | sed 's/ /   /'"},
      {"cut lines", "md5sum \"$@\" | cut -c 1-60"},
      {"nothing", "exit 0"},
      {"failure", "echo no >&2; exit 3"},
      {"death", "kill -9 $$"},
      {"no end", "exec yes"},
      {"one long line", "exec head -c 100000000 /dev/zero"},
  }));
  CAPTURE(what);
  Programs programs;
  programs.add(
      "md5sum",
      "#!/bin/bash\nPATH=/usr/bin:/bin\ncase \"$*\" in *RECOVER*) exec md5sum \"$@\";; esac\n" +
          act + "\n");
  Pipes pipes;
  pipes.path = programs.path() + ":/usr/bin:/bin";
  Trial trial(scene);
  const std::string flipped = trial.place.path() + "/" + object_of("shared 1");
  flip_bit(flipped, 5);
  const auto backend = pipes.connect(trial.place.path());
  const Verified verified = verify(*backend, {}, "", ProveWhere::automatic);
  CHECK_THAT(verified.manner, Contains(kByMd5sum));
  CHECK(verified.kinds() == Names{"digest " + base_name(flipped)});
  CHECK(verified.report.not_verified == 0);
  // Wrong sums are looked at again over the link; their objects are due again next time.
  const bool is_wrong = what == "names of others";
  CHECK((verified.report.objects_verified == trial.place.objects() - 1) == !is_wrong);

  const Verified strict = verify(*backend, {}, "", ProveWhere::server);
  for (const std::string& kind : strict.kinds()) CHECK(kind == "digest " + base_name(flipped));
  CHECK(strict.report.not_verified + strict.report.objects_verified +
            strict.report.objects_damaged <=
        trial.place.objects());
  CHECK((strict.report.not_verified > 0) == (what != "junk"));
}

TEST_CASE("an md5sum that hangs is given up", "[verify]") {
  const Scene scene;
  Programs programs;
  for (const char* name : {"sh", "nice", "xargs", "sleep"}) programs.link(name);
  programs.add("md5sum", "#!/bin/sh\nsleep 100\nexec /usr/bin/md5sum \"$@\"\n");
  Pipes pipes;
  pipes.path = programs.path();
  const auto backend = pipes.connect(scene.place.path());
  const RemoteHasher::Known known = {
      "repository.yaml",
      hash_bytes(DigestKind::md5, read_file(scene.place.path() + "/repository.yaml"))};
  const auto limit = std::chrono::milliseconds(100);
  CHECK(RemoteHasher::find(*backend->shell(), {&known, 1}, {}, limit) == nullptr);
}

TEST_CASE("an md5sum that tells wrong sums at once is not used", "[verify]") {
  const Scene scene;
  Programs programs;
  for (const char* name : {"sh", "nice", "xargs"}) programs.link(name);
  programs.add("md5sum", "#!/bin/sh\necho d41d8cd98f00b204e9800998ecf8427e  \"$1\"\n");
  Pipes pipes;
  pipes.path = programs.path();
  const Verified verified =
      verify(*pipes.connect(scene.place.path()), {}, "", ProveWhere::automatic);
  CHECK_THAT(verified.manner, Contains(kByReading));
  CHECK(verified.damages.empty());
}

TEST_CASE("an answer of reverse-verify that is cut short, or of another version, is none",
          "[verify]") {
  const std::vector<ProofTask> tasks = {{"repository.yaml", 0}, {"b", 0}};
  const std::string sums = hash_bytes(DigestKind::md5, "x").digest.hex();
  const std::string line = "0 1 " + sums + " " + check_of("x").hex();
  const auto read = [&](const std::vector<std::string>& lines) {
    SumsAnswer answer(DigestKind::md5);
    std::size_t told = 0;
    for (const std::string& text : lines)
      if (answer.take(text)) ++told;
    return std::pair(told, answer.is_whole());
  };
  using Result = std::pair<std::size_t, bool>;
  CHECK(read({"reverse-sums 1", line, "1 absent", "end 2"}) == Result(2, true));
  CHECK(read({"reverse-sums 1", line, "1 absent"}) == Result(2, false));
  CHECK(read({"reverse-sums 1", line, "end 2"}) == Result(1, false));
  CHECK(read({"reverse-sums 2", line, "end 1"}) == Result(0, false));
  CHECK(read({"reverse-sums 1", "0 1 " + sums, "end 1"}) == Result(0, true));
  CHECK(read({"reverse-sums 1", "0 1 x y", "x absent", "", "0", "end 1"}) == Result(0, true));
}

// --- what crosses the link

TEST_CASE("only names, sizes and sums cross the link, however large the objects are", "[verify]") {
  const bool by_verify = GENERATE(true, false);
  Programs programs;
  if (by_verify) programs.add_reverse_verify();
  std::vector<std::uint64_t> crossed;
  for (const std::size_t size : {std::size_t{1000}, std::size_t{1} << 20}) {
    constexpr std::size_t kFiles = 100;
    Versions versions;
    const std::string pattern = ssh::pattern(size + kFiles);
    for (std::size_t i = 0; i < kFiles; ++i)
      versions.source.write(fmt::format("f{}", i), pattern.substr(i, size));
    versions.back_up(0);
    Pipes pipes;
    pipes.path = programs.path() + ":/usr/bin:/bin";
    const Verified verified =
        verify(*pipes.connect(versions.place.path()), {}, "", ProveWhere::automatic);
    CHECK(verified.report.objects_verified == versions.place.objects());
    CHECK_THAT(verified.manner, Contains(by_verify ? kByVerify : kByMd5sum));
    crossed.push_back(pipes.bytes);
    CHECK(pipes.bytes < (1u << 20) + 300 * versions.place.objects());
  }
  CHECK(crossed[1] < crossed[0] + 2000);
}

}  // namespace reverse
