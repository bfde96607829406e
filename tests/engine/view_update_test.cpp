#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "libcore/engine/view.h"
#include "libcore/engine/view_site.h"
#include "tests/engine/client.h"
#include "tests/support/descriptor_limit.h"
#include "tests/support/temp_tree.h"

// Updates of views here: what threads do directory by directory.

namespace reverse {
namespace {

namespace fs = std::filesystem;

constexpr int kDirectories = 700;  // more than an update keeps open
constexpr int kWide = 150;
constexpr rlim_t kDescriptors = 600;

/// By path: all that a view shows of a name, except for the view itself.
std::map<std::string, std::string> shown_by(const std::string& view) {
  std::map<std::string, std::string> names;
  for (const auto& name : fs::recursive_directory_iterator(view)) {
    struct stat status;
    REQUIRE(::lstat(name.path().c_str(), &status) == 0);
    std::string& shown = names[fs::relative(name.path(), view)];
    shown = fmt::format("{:o} {}.{}", status.st_mode, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    if (name.is_symlink()) shown += " to " + fs::read_symlink(name.path()).string();
    else if (name.is_regular_file())  // without its time: empty ones are new in each view
      shown = fmt::format("{:o} {}", status.st_mode, read_file(name.path()));
  }
  return names;
}

std::string directory_of(int i) { return fmt::format("above-{}/{}", i % 7, i); }

/// A directory whose own files come between those of the directories in it.
void write_wide(TempTree& source, const std::string& text) {
  for (int i = 0; i < kWide; ++i) {
    source.write(fmt::format("wide/{:03}", i), fmt::format("{} {}", text, i));
    source.write(fmt::format("wide/{:03}-below/file", i), fmt::format("{} below {}", text, i));
  }
}

void write_first(TempTree& source) {
  for (int i = 0; i < kDirectories; ++i) {
    source.write(directory_of(i) + "/changes", fmt::format("before {}", i));
    source.write(directory_of(i) + "/stays", "stays");
  }
  write_wide(source, "before");
  for (int i = 0; i < 20; ++i) source.write(fmt::format("goes/{}/below/file", i), "goes");
  source.write("is-file", "file");
  source.write("is-directory/below/file", "file");
  source.write("at-root", "before");
  source.write("goes-from-root", "");
  source.symlink("before", "above-0/link");
}

void write_second(TempTree& source) {
  for (int i = 0; i < kDirectories; ++i) {
    source.write(directory_of(i) + "/changes", fmt::format("afterwards {}", i));
    // Every other directory has another time: a name came.
    if (i % 2 == 0) source.write(directory_of(i) + "/empty", "");
    if (i % 50 == 0) source.write(directory_of(i) + "/new/deep/file", "new");
  }
  write_wide(source, "afterwards");
  for (const char* name : {"goes", "is-file", "is-directory", "goes-from-root", "above-0/link"})
    source.remove(name);
  source.write("is-file/below/file", "is a directory now");
  source.write("is-directory", "is a file now");
  source.write("at-root", "afterwards");
  source.write("comes-to-root", "new");
  source.symlink("afterwards", "above-0/link");
  source.set_mtime("above-3", {1'000'000'000, 7});
}

}  // namespace

TEST_CASE("an update in more directories than may be open makes what a new view shows", "[view]") {
  TempTree source;
  Place place;
  Client client;
  const auto backend = place.connect();
  write_first(source);
  const Head first = client.back_up(*backend, Client::options(source.path())).head;
  write_second(source);
  const Head second = client.back_up(*backend, Client::options(source.path())).head;
  const Repository repository = Repository::open(*backend, false);
  const auto site = open_local_views(place.path());
  const ViewSource views{repository, *site};
  const ViewProblem none = [](const std::string& path, const std::string& what) { FAIL(path << what); };

  ScratchDir directory;
  const std::string updated = directory / "updated", made = directory / "made";
  make_view(views, first, updated, 0700, none, {});
  make_view(views, second, made, 0700, none, {});
  const auto of_first = shown_by(updated), of_second = shown_by(made);
  {
    DescriptorLimit limit(kDescriptors);
    const ViewReport report = update_view(views, second, updated, none, {});
    CHECK(report.files ==
          kDirectories + kDirectories / 2 + kDirectories / 50 + 2 * kWide + 4);
    CHECK(report.directories == 2 * kDirectories / 50 + 2);
  }
  CHECK(shown_by(updated) == of_second);
  {
    DescriptorLimit limit(kDescriptors);
    update_view(views, first, updated, none, {});
  }
  CHECK(shown_by(updated) == of_first);
  remove_view(*site, updated);
  remove_view(*site, made);
}

}  // namespace reverse
