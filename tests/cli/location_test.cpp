#include "libcore/cli/location.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/error.h"
#include "tests/support/temp_tree.h"

using namespace reverse;
using Catch::Matchers::Contains;

namespace {

/// Makes a tree the working directory for as long as it lives.
class WorkIn {
 public:
  explicit WorkIn(const std::string& path) : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(path);
  }
  ~WorkIn() { std::filesystem::current_path(before_); }

 private:
  std::filesystem::path before_;
};

std::string refusal(const std::string& text) {
  try {
    parse_location(text);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("local paths become absolute without idle parts", "[cli]") {
  TempTree tree;
  const WorkIn here(tree.path());
  const std::string cwd = std::filesystem::current_path();
  CHECK(parse_location("/a//b/./c/").path == "/a/b/c");
  CHECK(parse_location("/").path == "/");
  CHECK(parse_location("//").path == "/");
  CHECK(parse_location("./x").path == cwd + "/x");
  CHECK(parse_location("x/y").path == cwd + "/x/y");
  CHECK(parse_location(".").path == cwd);
  CHECK(parse_location("..").path == std::filesystem::path(cwd).parent_path());
  CHECK_FALSE(parse_location("/a").is_remote());
}

TEST_CASE("two dots go where the kernel would go, through symlinks", "[cli]") {
  TempTree tree;
  tree.make_dir("far/deep");
  tree.symlink("far/deep", "link");
  const std::string root = std::filesystem::canonical(tree.path());
  CHECK(absolute_path(tree / "link/../x") == root + "/far/x");
  CHECK(absolute_path(tree / "far/deep/..") == root + "/far");
  CHECK_THROWS_AS(absolute_path(tree / "none/../x"), Error);
}

TEST_CASE("names that only look like dots are names", "[cli]") {
  CHECK(parse_location("/a/..b/...").path == "/a/..b/...");
}

TEST_CASE("a symlink itself keeps its name", "[cli]") {
  TempTree tree;
  tree.make_dir("real");
  tree.symlink("real", "link");
  CHECK(parse_source(tree / "link") == tree / "link");
}

TEST_CASE("a bare word is a path only where there is such a file", "[cli]") {
  TempTree tree;
  const WorkIn here(tree.path());
  CHECK_THAT(refusal("nas"), Contains("./nas") && Contains("nas:"));
  CHECK_THAT(refusal("[b,c]"), Contains("./[b,c]"));
  tree.make_dir("nas");
  tree.make_dir("[b,c]");
  tree.symlink("nowhere", "dangling");
  CHECK(parse_location("nas").path == std::filesystem::current_path() / "nas");
  CHECK(parse_location("[b,c]").path == std::filesystem::current_path() / "[b,c]");
  CHECK(parse_location("dangling").path == std::filesystem::current_path() / "dangling");
}

TEST_CASE("an empty location is refused", "[cli]") {
  CHECK_THAT(refusal(""), Contains("empty"));
}

TEST_CASE("a colon before the first slash means a host", "[cli]") {
  CHECK(parse_location("nas:/srv/b") == Location{"nas", "", 0, "/srv/b"});
  CHECK(parse_location("joe@nas:b//c/") == Location{"nas", "joe", 0, "b/c"});
  CHECK(parse_location("nas:") == Location{"nas", "", 0, ""});
  CHECK(parse_location("nas:~") == Location{"nas", "", 0, ""});
  CHECK(parse_location("nas:~/b") == Location{"nas", "", 0, "b"});
  CHECK(parse_location("[::1]:/b") == Location{"::1", "", 0, "/b"});
  CHECK(parse_location("joe@[fe80::1%eth0]:b") == Location{"fe80::1%eth0", "joe", 0, "b"});
  CHECK(parse_location("nas:/a:b@c") == Location{"nas", "", 0, "/a:b@c"});
  CHECK(parse_location("nas:a%20b") == Location{"nas", "", 0, "a%20b"});
  CHECK_FALSE(parse_location("./nas:x").is_remote());
}

TEST_CASE("a colon names a host even where a file is called so", "[cli]") {
  TempTree tree;
  tree.write("nas:x", "");
  const WorkIn here(tree.path());
  CHECK(parse_location("nas:x").is_remote());
}

TEST_CASE("URLs have absolute paths, ports and escapes", "[cli]") {
  CHECK(parse_location("sftp://nas") == Location{"nas", "", 0, "/"});
  CHECK(parse_location("sftp://joe@nas:2222/srv/b%20c") ==
        Location{"nas", "joe", 2222, "/srv/b c"});
  CHECK(parse_location("sftp://nas/~/b") == Location{"nas", "", 0, "b"});
  CHECK(parse_location("sftp://nas/~") == Location{"nas", "", 0, ""});
  CHECK(parse_location("sftp://[::1]:22/b") == Location{"::1", "", 22, "/b"});
}

TEST_CASE("what ssh could misread, and passwords, are refused", "[cli]") {
  CHECK_THAT(refusal("-oProxyCommand=x:/b"), Contains("begins with '-'"));
  CHECK_THAT(refusal("-l@nas:/b"), Contains("begins with '-'"));
  CHECK_THAT(refusal("nas:-b"), Contains("begins with '-'"));
  CHECK_THAT(refusal("sftp://-x/b"), Contains("begins with '-'"));
  CHECK_THAT(refusal("sftp://%2Dx/b"), Contains("begins with '-'"));
  CHECK_THAT(refusal("sftp://joe:secret@nas/b"), Contains("password"));
  CHECK_THAT(refusal("sftp://joe:secret@nas/b"), !Contains("secret"));
}

TEST_CASE("malformed hosts, ports, escapes and schemes are refused", "[cli]") {
  CHECK_THAT(refusal(":/b"), Contains("empty"));
  CHECK_THAT(refusal("@nas:/b"), Contains("empty"));
  CHECK_THAT(refusal("sftp:///b"), Contains("empty"));
  CHECK_THAT(refusal("[::1:"), Contains("lacks a ']'"));
  CHECK_THAT(refusal("sftp://nas:0/b"), Contains("port"));
  CHECK_THAT(refusal("sftp://nas:65536/b"), Contains("port"));
  CHECK_THAT(refusal("sftp://nas:x/b"), Contains("port"));
  CHECK_THAT(refusal("sftp://nas/%zz"), Contains("escape"));
  CHECK_THAT(refusal("sftp://nas/%2"), Contains("escape"));
  CHECK_THAT(refusal("sftp://nas/%00"), Contains("NUL"));
  CHECK_THAT(refusal("https://nas/b"), Contains("sftp://"));
  CHECK_THAT(refusal("n as:/b"), Contains("not a host"));
  CHECK_THAT(refusal("nas:~joe/b"), Contains("~/"));
}

TEST_CASE("a location's text reads back as the same location", "[cli]") {
  for (const char* text : {"/srv/b", "nas:/b", "nas:b", "nas:", "joe@[::1]:/b",
                           "sftp://joe@nas:2222/b%20c", "sftp://nas:22/~/b", "nas:a b"}) {
    const Location location = parse_location(text);
    CHECK(parse_location(location.text()) == location);
  }
  CHECK(parse_location("sftp://nas/b").text() == "nas:/b");
}

TEST_CASE("a source on another machine is refused", "[cli]") {
  CHECK_THROWS_WITH(parse_source("nas:/home"), Contains("run the backup there"));
}

TEST_CASE("a remote repository has one name, however it is written", "[cli]") {
  CHECK(repository_name(parse_location("sftp://joe@nas/b//c/")) == "joe@nas:/b/c");
  CHECK(repository_name(parse_location("nas:~/b")) == "nas:b");
}

TEST_CASE("a local repository has one name, whichever symlink leads to it", "[cli]") {
  TempTree tree;
  tree.make_dir("disk");
  tree.symlink("disk", "link");
  const std::string real = std::filesystem::canonical(tree / "disk");
  CHECK(repository_name(parse_location(tree / "link/")) == real);
  CHECK(repository_name(parse_location(tree / "link/new/repo")) == real + "/new/repo");
}
