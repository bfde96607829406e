// libcore/store/recovery/restore.sh, run by every shell at hand on repositories made here.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "tests/store/sample.h"
#include "tests/support/skip.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

struct Said {
  int status = -1;
  std::string out;  // stdout and stderr
};

/// A way to run the script: a shell, and the directory where it finds its commands.
struct Shell {
  std::string name;
  std::vector<std::string> command;
  std::string path;
};

/// Runs `command` in `directory` and collects what it says.
Said run(const std::vector<std::string>& command, const std::string& path,
         const std::string& directory, const std::string& log) {
  pid_t child = ::fork();
  if (child == 0) {
    UniqueFd out(::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    ::dup2(out.get(), 1);
    ::dup2(out.get(), 2);
    ::setenv("PATH", path.c_str(), 1);
    std::vector<char*> argv;
    for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    if (::chdir(directory.c_str()) == 0) ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(log)};
}

/// The shells of this machine; busybox with nothing but its own commands.
std::vector<Shell> shells(const SampleRepository& sample) {
  constexpr const char* kPath = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
  std::vector<Shell> found;
  for (const char* name : {"dash", "bash", "busybox"}) {
    bool is_busybox = name == std::string("busybox");
    std::string log = sample.scratch("log");
    std::string path = kPath;
    Said probe = run({name, is_busybox ? "true" : "-c", ":"}, path, "/", log);
    if (probe.status != 0) {
      skip_loudly(std::string("restore.sh is not run by ") + name + ": not installed");
      continue;
    }
    std::vector<std::string> command = {name};
    if (is_busybox) {  // links named by its commands; "sh" is one
      path = sample.scratch("busybox-bin");
      fs::create_directories(path);
      run({name, "--install", "-s", path}, kPath, "/", log);
      command = {"sh"};
    }
    found.push_back({name, command, path});
  }
  return found;
}

Said restore(const SampleRepository& sample, const Shell& shell,
             const std::vector<std::string>& arguments) {
  std::vector<std::string> command = shell.command;
  command.push_back(sample.path() + "/restore.sh");
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run(command, shell.path, sample.scratch(""), sample.scratch("log"));
}

void sort(std::vector<Entry>& entries) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return compare_paths(a.path, b.path) < 0; });
}

/// A tree with everything that is hard to restore; `contents` are to be stored.
std::vector<Entry> odd_tree(std::vector<std::string>& contents, DigestKind kind) {
  std::vector<Entry> entries = {make_directory("")};
  auto add_file = [&](const std::string& path, const std::string& content) -> Entry& {
    contents.push_back(content);
    entries.push_back(make_file(path, content, kind));
    return entries.back();
  };
  entries.push_back(make_directory("bytes"));
  for (int byte = 1; byte < 256; ++byte)
    if (byte != '/') add_file(std::string("bytes/x") + char(byte) + "y", std::to_string(byte));
  entries.push_back(make_directory("-rf"));
  add_file("-rf/--help", "help");
  add_file("$(touch escaped)`id` 'a' \"b\" \\ * ;&|", "quoted");
  add_file("\n", "newline");
  add_file(" ", "blank");
  add_file("%41", "percent");
  add_file(std::string(255, 'n'), "long");
  add_file("null bytes", std::string(1 << 20, '\0') + "end");
  add_file("empty", "");
  add_file("set-id", "x").mode = 04755;
  add_file("secret", "same").mode = 0600;
  add_file("same", "same");
  add_file("before 1970", "t").mtime = {-2, 500000000};
  add_file("far ahead", "t").mtime = {4102444800, 1};
  Entry linked = add_file("linked 1", "linked");
  linked.hardlink = entries.back().hardlink = 0x0123456789abcdefu;
  linked.path = "linked 2";
  entries.push_back(linked);
  for (const char* target : {"-n", "../outside", "/etc/passwd", "a'b\nc", "\xff%", "same", "."})
    entries.push_back(make_symlink("link to " + std::to_string(entries.size()), target));
  entries.push_back(make_directory("closed"));
  entries.back().mode = 0500;
  add_file("closed/inside", "inside");
  entries.push_back(make_directory("closed/empty"));
  entries.back().mode = 01777;
  entries.push_back(make_entry(FileType::fifo, "fifo"));
  entries.push_back(make_entry(FileType::socket, "socket"));
  entries.push_back(make_entry(FileType::character_device, "device"));
  entries.push_back(make_entry(FileType::repository, "nested"));
  entries.back().repository_id = kSecondId;
  entries.back().mtime = {};
  for (int i = 0; i < 60; ++i) add_file(fmt::format("many {}", i), std::to_string(i % 40));
  sort(entries);
  return entries;
}

Timestamp mtime_of(const struct stat& status) {
  return {status.st_mtim.tv_sec, std::uint32_t(status.st_mtim.tv_nsec)};
}

void check_restored(const Entry& entry, const std::string& target) {
  INFO(entry.path);
  std::string path = entry.path.empty() ? target : target + "/" + entry.path;
  struct stat status {};
  bool is_there = ::lstat(path.c_str(), &status) == 0;
  if (entry.type == FileType::socket || entry.type == FileType::character_device) {
    CHECK_FALSE(is_there);
    return;
  }
  REQUIRE(is_there);
  CHECK((status.st_mode & S_IFMT) == mode_of_file_type(entry.type));
  if (entry.type != FileType::repository) CHECK(mtime_of(status) == entry.mtime);
  if (entry.type == FileType::symlink) {
    CHECK(fs::read_symlink(path) == entry.target);
    return;
  }
  CHECK((status.st_mode & 07777) ==
        (entry.type == FileType::file ? entry.mode & 0777 : entry.mode));
  if (entry.type == FileType::file)
    CHECK(hash_bytes(entry.digest->kind(), read_file(path)).digest == entry.digest);
}

/// busybox touch knows no fractions of a second.
void round_times(std::vector<Entry>& entries) {
  for (Entry& entry : entries) entry.mtime.nanoseconds = 0;
}

void make_removable(const std::string& target) {
  fs::permissions(target, fs::perms::owner_all, fs::perm_options::add);
  if (fs::exists(target + "/closed"))
    fs::permissions(target + "/closed", fs::perms::owner_all, fs::perm_options::add);
}

/// Stores a page as it is, whatever it says, and publishes it as a revision's only page.
std::string publish_page(SampleRepository& sample, const std::vector<Entry>& entries,
                         const std::string& from, const std::string& to) {
  std::string text = "# reverse page 1\n";
  for (const Entry& entry : entries) append_entry(text, entry);
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  sample.store({text});
  Sums sums = hash_bytes(sample.kind(), text);
  Head head = make_head(kFirstId, {sums.digest, sums.check, sums.size, 0, entries.size(), ""});
  std::string path = sample.path() + "/" + layout::head(head.revision());
  fs::create_directories(fs::path(path).parent_path());
  write_file(path, format_head(head));
  return head.revision();
}

TEST_CASE("restore.sh brings back a whole tree under every shell", "[store][restore.sh]") {
  for (DigestKind kind : {DigestKind::md5, DigestKind::sha256}) {
    SampleRepository sample(kind);
    std::vector<std::string> contents;
    std::vector<Entry> entries = odd_tree(contents, kind);
    sample.store(contents);
    std::string revision = sample.publish(entries, kFirstId);
    for (const Shell& shell : shells(sample)) {
      if (kind == DigestKind::sha256 && shell.name != "dash") continue;  // saves time
      std::string target = sample.scratch("to-" + shell.name);
      Said result = restore(sample, shell, {revision, target});
      INFO(shell.name << ": " << result.out);
      CHECK(result.status == 0);
      CHECK_THAT(result.out, Contains("left out (socket): ./socket") &&
                                 Contains("left out (char 0:0): ./device") &&
                                 Contains("left out (set-id bits): ./set-id") &&
                                 Contains("./nested"));
      std::vector<Entry> expected = entries;
      if (shell.name == "busybox") round_times(expected);
      for (const Entry& entry : expected) check_restored(entry, target);
      CHECK(fs::equivalent(target + "/linked 1", target + "/linked 2"));
      CHECK_FALSE(fs::exists(sample.scratch("escaped")));
      std::size_t names = 0;
      for ([[maybe_unused]] const auto& name : fs::recursive_directory_iterator(target)) ++names;
      CHECK(names == entries.size() - 3);  // the root, a socket, a device
      make_removable(target);
    }
  }
}

TEST_CASE("restore.sh without arguments lists the revisions", "[store][restore.sh]") {
  SampleRepository sample;
  sample.publish({make_directory("")}, kFirstId);
  for (const Shell& shell : shells(sample)) {
    Said result = restore(sample, shell, {});
    CHECK(result.status == 0);
    CHECK(result.out == "desk/home/20140125T100000Z-6f0c2a7e  complete  1 entries of /home\n");
    CHECK(restore(sample, shell, {"desk/home/20140125T100000Z-6f0c2a7e"}).status == 2);
    CHECK(restore(sample, shell, {"desk/home/none", sample.scratch("to")}).status == 1);
  }
}

TEST_CASE("restore.sh restores chosen paths, with the directories above them",
          "[store][restore.sh]") {
  SampleRepository sample;
  std::vector<std::string> contents;
  sample.publish(odd_tree(contents, DigestKind::md5), kFirstId);
  sample.store(contents);
  for (const Shell& shell : shells(sample)) {
    std::string target = sample.scratch("to-" + shell.name);
    Said result = restore(sample, shell,
                          {"manifests/desk/home/20140125T100000Z-6f0c2a7e.yaml", target,
                           "closed/inside", "-rf/", "./\n", "bytes/x\xffy"});
    INFO(shell.name << ": " << result.out);
    CHECK(result.status == 0);
    for (const char* path : {"closed/inside", "-rf/--help", "\n", "bytes/x\xffy"})
      CHECK(fs::exists(target + "/" + path));
    for (const char* path : {"closed/empty", "same", "bytes/xay"})
      CHECK_FALSE(fs::exists(target + "/" + path));
    make_removable(target);
    result = restore(
        sample, shell,
        {"desk/home/20140125T100000Z-6f0c2a7e", sample.scratch("none-" + shell.name), "nothing"});
    CHECK(result.status == 1);
    CHECK_THAT(result.out, Contains("not in this revision: nothing"));
  }
}

TEST_CASE("restore.sh reads a repository that cannot be written", "[store][restore.sh]") {
  SampleRepository sample;
  sample.store({"content"});
  std::string revision = sample.publish({make_directory(""), make_file("f", "content")}, kFirstId);
  auto set_writable = [&](bool writable) {
    auto how = writable ? fs::perm_options::add : fs::perm_options::remove;
    std::vector<fs::path> all = {sample.path()};
    for (const auto& entry : fs::recursive_directory_iterator(sample.path())) all.push_back(entry);
    for (const fs::path& path : all) fs::permissions(path, fs::perms::owner_write, how);
  };
  for (const Shell& shell : shells(sample)) {
    set_writable(false);
    std::string target = sample.scratch("to-" + shell.name);
    Said result = restore(sample, shell, {revision, target});
    set_writable(true);
    INFO(shell.name << ": " << result.out);
    CHECK(result.status == 0);
    CHECK(read_file(target + "/f") == "content");
  }
}

TEST_CASE("restore.sh never gives a damaged content its name", "[store][restore.sh]") {
  SampleRepository sample;
  sample.store({"good", "damaged", "missing", "in trash", "in bad"});
  std::vector<Entry> entries = {make_directory("")};
  for (const char* name : {"damaged", "good", "in bad", "in trash", "missing"})
    entries.push_back(make_file(name, name));
  entries.push_back(make_file("unread", ""));
  entries.back().digest.reset();
  entries.back().check.reset();
  entries.back().error = "open: Permission denied";
  std::string revision = sample.publish(entries, kFirstId);
  auto object = [&](const std::string& content) {
    return sample.path() + "/" +
           object_path({hash_bytes(DigestKind::md5, content).digest, std::nullopt});
  };
  fs::permissions(object("damaged"), fs::perms::owner_all);
  write_file(object("damaged"), "damagEd");
  fs::remove(object("missing"));
  fs::create_directories(sample.path() + "/trash/run");
  fs::rename(object("in trash"),
             sample.path() + "/trash/run/" + fs::path(object("in trash")).filename().string());
  fs::rename(object("in bad"),
             sample.path() + "/bad/" + fs::path(object("in bad")).filename().string());
  for (const Shell& shell : shells(sample)) {
    std::string target = sample.scratch("to-" + shell.name);
    Said result = restore(sample, shell, {revision, target});
    INFO(shell.name << ": " << result.out);
    CHECK(result.status == 1);
    CHECK_THAT(result.out, Contains("is damaged") && Contains("not restored: ./damaged") &&
                               Contains("is missing") && Contains("not restored: ./missing") &&
                               Contains("could not be read when it was backed up: ./unread"));
    for (const char* name : {"good", "in trash", "in bad"})
      CHECK(read_file(target + "/" + name) == name);
    for (const char* name : {"damaged", "missing", "unread"})
      CHECK_FALSE(fs::exists(target + "/" + name));
    CHECK(std::distance(fs::directory_iterator(target), {}) == 3);
  }
}

TEST_CASE("restore.sh takes the content whose check is meant", "[store][restore.sh]") {
  SampleRepository sample;
  sample.store({"one"});
  Entry one = make_file("one", "one");
  Entry other = one;  // as if it collided: the same content under another check
  other.path = "other";
  other.check = hash_bytes(DigestKind::md5, "other").check;
  Entry third = other;
  third.path = "third";
  write_file(sample.path() + "/" + object_path({*other.digest, other.check}), "one");
  fs::remove(sample.path() + "/" + object_path({*one.digest, std::nullopt}));
  std::string revision = sample.publish({make_directory(""), one, other, third}, kFirstId);
  for (const Shell& shell : shells(sample)) {
    std::string target = sample.scratch("to-" + shell.name);
    Said result = restore(sample, shell, {revision, target});
    INFO(shell.name << ": " << result.out);
    CHECK(result.status == 1);
    CHECK_FALSE(fs::exists(target + "/one"));
    CHECK(fs::exists(target + "/other"));
    CHECK(fs::exists(target + "/third"));
  }
}

TEST_CASE("restore.sh writes nothing outside its target, whatever a page says",
          "[store][restore.sh][hostile]") {
  Entry root = make_directory("");
  struct Attack {
    std::vector<Entry> entries;
    std::string from, to;
  };
  std::vector<Attack> attacks = {
      {{root, make_file("XXX", "x")}, "\"XXX\"", "\"../escaped\""},
      {{root, make_file("XXX", "x")}, "\"XXX\"", "\"a/../../escaped\""},
      {{root, make_file("XXX", "x")}, "\"path\": \"XXX\"", "\"pathx\": \"%2E%2E/escaped\""},
      {{root, make_file("XXX", "x")}, "\"XXX\"", "\"/tmp/escaped\""},
      {{root, make_symlink("d", "../outside"), make_file("d/escaped", "x")}, "", ""},
      {{root, make_symlink("d", "../outside"), make_directory("d"), make_file("d/escaped", "x")},
       "",
       ""},
      {{root, make_directory("d"), make_symlink("d", "../outside"), make_file("d/escaped", "x")},
       "",
       ""},
      {{root, make_symlink("d", "../outside"), make_symlink("d", "escaped")}, "", ""},
      {{root, make_file("XXX", "x")}, "\"XXX\"", "\"a\\u0027b\""},
      {{root, make_file("XXX", "x")},
       "\"mode\": \"0644\"",
       "\"mode\": \"0644 ../x; touch ../escaped\""},
      {{root, make_file("XXX", "x")},
       "\"mtime\": \"1390644000.123456789\"",
       "\"mtime\": \"$(touch ../escaped)\""},
      {{root, make_file("XXX", "x")}, "\"uid\": 1000", "\"uid\": $(touch ../escaped)"},
      {{root, make_file("XXX", "x")}, "\"md5\": \"", "\"md5\": \"$(touch ../escaped)"},
      {{root, make_entry(FileType::fifo, "XXX")}, "\"fifo\"", "\"'; touch ../escaped; '\""},
      {{root, make_file("XXX", "x")}, "\"check\": \"", "\"check\": \"../../"},
  };
  SampleRepository sample;
  sample.store({"x"});
  std::string outside = sample.scratch("outside");
  fs::create_directories(outside);
  for (const Shell& shell : shells(sample)) {
    int number = 0;
    for (const Attack& attack : attacks) {
      std::string from = attack.from.empty() ? "\n\n" : attack.from;
      std::string revision = publish_page(sample, attack.entries, from, attack.to);
      fs::remove(sample.scratch("escaped"));
      std::string target = sample.scratch(fmt::format("to-{}-{}", shell.name, ++number));
      Said result = restore(sample, shell, {revision, target});
      INFO(shell.name << " " << number << ": " << result.out);
      CHECK(fs::is_empty(outside));
      CHECK_FALSE(fs::exists(sample.scratch("escaped")));
      CHECK_FALSE(fs::exists("/tmp/escaped"));
      fs::remove(sample.path() + "/" + layout::head(revision));
    }
  }
}

TEST_CASE("restore.sh refuses a damaged head and a target that is not empty",
          "[store][restore.sh]") {
  SampleRepository sample;
  std::string revision = sample.publish({make_directory("")}, kFirstId);
  std::string head = sample.path() + "/" + layout::head(revision);
  std::string text = read_file(head);
  for (const Shell& shell : shells(sample)) {
    std::string target = sample.scratch("to-" + shell.name);
    fs::create_directories(target + "/mine");
    CHECK(restore(sample, shell, {revision, target}).status == 2);
    fs::remove(target + "/mine");
    for (const std::string& damaged :
         {text.substr(0, text.size() / 2), text.substr(0, text.rfind("end:")),
          std::string(text).replace(text.find("desk"), 4, "dask")}) {
      fs::permissions(head, fs::perms::owner_all);
      write_file(head, damaged);
      Said result = restore(sample, shell, {revision, target});
      INFO(shell.name << ": " << result.out);
      CHECK(result.status == 1);
      CHECK(fs::is_empty(target));
    }
    write_file(head, text);
    CHECK(restore(sample, shell, {revision, target}).status == 0);
  }
}

}  // namespace
}  // namespace reverse
