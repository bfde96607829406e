#include <catch2/catch.hpp>

#include <filesystem>

#include "libcore/backend/sftp/child_link.h"
#include "libcore/backend/sftp/sftp_backend.h"
#include "libcore/base/fd.h"
#include "libcore/engine/view.h"
#include "libcore/engine/view_site.h"
#include "libcore/hash/hasher.h"
#include "tests/engine/client.h"
#include "tests/support/fixtures.h"
#include "tests/support/temp_tree.h"

// Views of so many files that the repository's objects are listed first.

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

constexpr int kFiles = 1200;

std::unique_ptr<Backend> connect(const Place& place) {
  auto open = [] {
    return std::make_unique<sftp::ChildLink>(Lines{"/usr/lib/openssh/sftp-server"},
                                             Lines{"sh", "-c"});
  };
  auto pool = std::make_unique<sftp::Pool>("far", open, sftp::PoolOptions{});
  return sftp::open_sftp_backend(std::move(pool), place.path());
}

std::string object_of(const Place& place, const std::string& content) {
  const std::string hex = hash_bytes(DigestKind::md5, content).digest.hex();
  return place.path() + "/objects/" + hex.substr(0, 2) + "/" + hex;
}

/// By path: what each file of the tree holds.
std::map<std::string, std::string> contents_of(const fs::path& tree) {
  std::map<std::string, std::string> contents;
  for (const auto& file : fs::recursive_directory_iterator(tree))
    if (file.is_regular_file())
      contents[fs::relative(file.path(), tree)] = read_file(file.path());
  return contents;
}

TEST_CASE("a large view shows each file as it was, and no damaged one, here and over SFTP") {
  const bool is_far = GENERATE(true, false);
  TempTree source;
  for (int i = 0; i < kFiles; ++i)
    source.write(fmt::format("d{}/f{}", i % 10, i), fmt::format("content {}", i));
  source.write("empty", "");
  source.write("pair/a", read_file(fixture("md5-collision/a.bin")));
  source.write("pair/b", read_file(fixture("md5-collision/b.bin")));
  Place place;
  Client client;
  const auto near = place.connect();
  const Head head = client.back_up(*near, Client::options(source.path())).head;
  auto wanted = contents_of(source.path());

  // In the trash, no longer whole, and gone.
  fs::create_directories(place.path() + "/trash/20200101T000000Z-00000000");
  const std::string trashed = object_of(place, "content 7");
  fs::rename(trashed, place.path() + "/trash/20200101T000000Z-00000000/" +
                          trashed.substr(trashed.rfind('/') + 1));
  fs::permissions(object_of(place, "content 8"), fs::perms(0600));
  fs::resize_file(object_of(place, "content 8"), 3);
  fs::remove(object_of(place, "content 9"));
  wanted.erase("d8/f8");
  wanted.erase("d9/f9");

  ScratchDir views;
  Lines damaged;
  const std::unique_ptr<Backend> backend = is_far ? connect(place) : place.connect();
  const Repository repository = Repository::open(*backend, false);
  const auto site = is_far ? open_remote_views(*backend) : open_local_views(place.path());
  const ViewReport report = make_view(
      {repository, *site}, head, views / "view", 0700,
      [&](const std::string& path, const std::string&) { damaged.push_back(path); }, {});
  std::sort(damaged.begin(), damaged.end());
  CHECK(damaged == Lines{"d8/f8", "d9/f9"});
  CHECK(report.files == wanted.size());
  CHECK(contents_of(views / "view") == wanted);
  CHECK(fs::equivalent(views / "view/d1/f1", object_of(place, "content 1")));
  remove_view(*site, views / "view");
}

}  // namespace
}  // namespace reverse
