#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "tests/tools/workplace.h"

using Catch::Matchers::Contains;

namespace reverse {
namespace {

namespace fs = std::filesystem;

struct stat status_of(const std::string& path) {
  struct stat status {};
  INFO(path);
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status;
}

/// Two revisions of "desk/home", and a place beside the repository for views.
struct Viewed : Workplace {
  Viewed() {
    write_small_tree();
    source.write("empty", "");
    source.write("deep/er/gone", "golf\n");
    source.symlink("docs/a.txt", "link");
    source.make_fifo("pipe");
    source.set_mode("docs/b.txt", 0600);
    source.set_mtime("docs", {1390644000, 5});
    REQUIRE(backup({"-q", "--label", "home", "--time", "2014-01-05"}).code == 0);
    source.remove("deep");
    source.write("docs/a.txt", "another\n");
    source.rename("c.txt", "new/c.txt");
    source.remove("link");
    source.write("link", "a file now\n");
    REQUIRE(backup({"-q", "--label", "home", "--time", "2014-02-05"}).code == 0);
  }
  /// Read-only directories would outlive the test.
  ~Viewed() {
    for (const char* name : {"view", "other"})
      if (fs::exists(harness / name))
        for (const auto& file : fs::recursive_directory_iterator(harness / name))
          if (file.is_directory() && !file.is_symlink())
            fs::permissions(file.path(), fs::perms::owner_write, fs::perm_options::add);
  }
  std::string place() const { return harness / "view"; }
  ToolRun view(Words words) {
    words.insert(words.begin(), "view");
    return reverse(words);
  }
  /// "PATH CONTENT" of all that lies below `directory`; of a directory "PATH/ MODE".
  static Words tree_of(const std::string& directory) {
    Words lines;
    for (const fs::directory_entry& file : fs::recursive_directory_iterator(directory)) {
      std::string path = file.path().lexically_relative(directory).string();
      if (file.is_symlink())
        lines.push_back(path + " -> " + fs::read_symlink(file.path()).string());
      else if (file.is_directory())
        lines.push_back(fmt::format("{}/ {:o}", path, status_of(file.path()).st_mode & 07777));
      else
        lines.push_back(path + " " + read_file(file.path()));
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }
};

const Words kFirst{"c.txt gamma\n",  "deep/ 555",           "deep/er/ 555", "deep/er/gone golf\n",
                   "docs/ 555",        "docs/a.txt alpha\n",  "docs/b.txt beta\n",
                   "empty ",           "link -> docs/a.txt"};

}  // namespace

TEST_CASE("a view is the revision, read-only, its files the repository's objects", "[tools]") {
  Viewed work;
  const ToolRun run = work.view({work.repo(), "desk/home~1", work.place()});
  CHECK(run.code == 0);
  CHECK_THAT(run.err, Contains("1 name left out"));
  CHECK(Viewed::tree_of(work.place()) == kFirst);
  CHECK((status_of(work.place()).st_mode & 07777) == 0700);
  const struct stat file = status_of(work.place() + "/docs/b.txt");
  CHECK((file.st_mode & 07777) == 0444);
  CHECK(file.st_nlink == 2);
  CHECK(status_of(work.place() + "/empty").st_nlink == 1);
  const struct stat docs = status_of(work.place() + "/docs");
  CHECK(docs.st_mtim.tv_sec == 1390644000);
  CHECK(docs.st_mtim.tv_nsec == 5);
}

TEST_CASE("view --update makes of one revision's view another's", "[tools]") {
  Viewed work;
  const std::string other = work.harness / "other";
  REQUIRE(work.view({"-q", work.repo(), "desk/home~1", work.place()}).code == 0);
  REQUIRE(work.view({"-q", work.repo(), "desk/home", other}).code == 0);
  const auto kept = status_of(work.place() + "/docs/b.txt").st_ino;
  const ToolRun run = work.view({"--update", work.repo(), "desk/home", work.place()});
  CHECK(run.code == 0);
  CHECK_THAT(run.out, Contains("3 files made"));
  CHECK(Viewed::tree_of(work.place()) == Viewed::tree_of(other));
  for (const char* directory : {"docs", "new"})
    CHECK(status_of(work.place() + "/" + directory).st_mtim.tv_nsec ==
          status_of(other + "/" + directory).st_mtim.tv_nsec);
  CHECK(status_of(work.place() + "/docs/b.txt").st_ino == kept);
  REQUIRE(work.view({"-q", "--update", work.repo(), "desk/home~1", work.place()}).code == 0);
  CHECK(Viewed::tree_of(work.place()).size() == kFirst.size());
  CHECK(work.view({"--update", work.repo(), "desk/home", work.target()}).code == 1);
}

TEST_CASE("views are made and removed only where they may be", "[tools]") {
  Viewed work;
  fs::create_directory(work.place());
  CHECK(work.view({work.repo(), "desk/home", work.place()}).code == 1);
  CHECK(work.view({"--remove", work.place()}).code == 1);
  CHECK(fs::exists(work.place()));
  fs::remove(work.place());
  CHECK(work.view({work.repo(), "desk/home", work.repo() + "/view"}).code == 2);
  fs::create_directory_symlink(work.repo() + "/objects", work.harness / "link");
  CHECK(work.view({work.repo(), "desk/home", work.harness / "link" + "/view"}).code == 2);
  CHECK(work.view({"--all", work.repo(), work.repo() + "/views"}).code == 2);
  CHECK(!fs::exists(work.repo() + "/views"));
  const ToolRun nowhere = work.view({work.repo(), "desk/home", work.harness / "none/view"});
  CHECK(nowhere.code == 1);
  CHECK_THAT(nowhere.err, Contains("there is no directory '" + (work.harness / "none") + "' to make"));
  CHECK(work.view({work.repo(), "desk/home"}).code == 2);
  CHECK(work.view({work.repo(), "desk/home:docs", work.place()}).code == 2);
  CHECK(work.view({"--all", "--update", work.repo(), work.place()}).code == 2);
  const ToolRun far = work.view({work.repo(), "desk/home", "nas:/views/x"});
  CHECK(far.code != 0);
  CHECK_THAT(far.err, Contains("reverse restore"));

  REQUIRE(work.view({"-q", work.repo(), "desk/home", work.place()}).code == 0);
  const ToolRun again = work.view({work.repo(), "desk/home", work.place()});
  CHECK(again.code == 1);
  CHECK_THAT(again.err, Contains("--update"));
  const std::string object = work.place() + "/docs/b.txt";
  fs::create_hard_link(object, work.harness / "witness");
  CHECK(work.view({"-q", "--remove", work.place()}).code == 0);
  CHECK(!fs::exists(work.place()));
  CHECK((status_of(work.harness / "witness").st_mode & 07777) == 0444);
  CHECK(work.reverse({"verify", "-q", work.repo()}).code == 0);
}

TEST_CASE("view --mode is the directory's own, and leaves its owner all", "[tools]") {
  Viewed work;
  for (const char* mode : {"0455", "1755", "abc", ""})
    CHECK(work.view({"--mode", mode, work.repo(), "desk/home", work.place()}).code == 2);
  CHECK(work.view({"-q", "--mode", "755", work.repo(), "desk/home", work.place()}).code == 0);
  CHECK((status_of(work.place()).st_mode & 07777) == 0755);
  CHECK(work.view({"-q", "--update", work.repo(), "desk/home~1", work.place()}).code == 0);
  CHECK((status_of(work.place()).st_mode & 07777) == 0755);
}

TEST_CASE("a view that another process works at is left alone: code 75", "[tools]") {
  Viewed work;
  REQUIRE(work.view({"-q", work.repo(), "desk/home", work.place()}).code == 0);
  const UniqueFd marker = open_file(work.harness / ".view.reverse-view", O_RDONLY);
  REQUIRE(::flock(marker.get(), LOCK_EX) == 0);
  for (const Words& call : {Words{"--update", work.repo(), "desk/home~1", work.place()},
                            {"--remove", work.place()},
                            {work.repo(), "desk/home", work.place()}}) {
    const ToolRun run = work.view(call);
    CHECK(run.code == 75);
    CHECK_THAT(run.err, Contains("another process is working at the view"));
  }
  CHECK(read_file(work.place() + "/docs/a.txt") == "another\n");
}

TEST_CASE("a view leaves out what is missing, says so, and is made whole later", "[tools]") {
  Viewed work;
  const std::string object =
      work.repo() + "/objects/9f/9f9f90dbe3e5ee1218c86b8839db1995";  // "alpha\n"
  const std::string away = work.harness / "away";
  fs::rename(object, away);
  const ToolRun run = work.view({work.repo(), "desk/home~1", work.place()});
  CHECK(run.code == 4);
  CHECK_THAT(run.err, Contains("docs/a.txt") && Contains("missing"));
  CHECK(fs::exists(work.place() + "/docs/b.txt"));
  CHECK(!fs::exists(work.place() + "/docs/a.txt"));
  fs::create_directories(work.repo() + "/trash/0123456789abcdef0123456789abcdef");
  fs::rename(away, work.repo() + "/trash/0123456789abcdef0123456789abcdef/" +
                       fs::path(object).filename().string());
  CHECK(work.view({"-q", work.repo(), "desk/home~1", work.place()}).code == 0);
  CHECK(read_file(work.place() + "/docs/a.txt") == "alpha\n");
}

TEST_CASE("view --all keeps a view for each revision, and the latest", "[tools]") {
  Viewed work;
  const std::string set = work.place() + "/desk/home";
  CHECK(work.view({"-q", "--all", work.repo(), work.place()}).code == 0);
  Words views;
  for (const auto& file : fs::directory_iterator(set))
    if (!file.path().filename().string().starts_with('.'))
      views.push_back(file.path().filename().string());
  std::sort(views.begin(), views.end());
  REQUIRE(views.size() == 3);
  CHECK(fs::read_symlink(set + "/latest") == views[1]);
  CHECK(read_file(set + "/latest/docs/a.txt") == "another\n");
  REQUIRE(work.reverse({"forget", "-q", work.repo(), "desk/home~1"}).code == 0);
  const ToolRun second = work.view({"--all", work.repo(), work.place()});
  CHECK(second.code == 0);
  CHECK_THAT(second.out, Contains("0 files made"));
  CHECK(!fs::exists(set + "/" + views[0]));
  CHECK(fs::exists(set + "/" + views[1]));
}

}  // namespace reverse
