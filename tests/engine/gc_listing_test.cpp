#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/fd.h"
#include "tests/engine/gc_scene.h"
#include "tests/store/forwarding_backend.h"

// Servers whose listings may be cut short without an error (F10), and names in the gate that are no
// token (F11).

namespace reverse {
namespace {

namespace fs = std::filesystem;

/// A server that makes no promise of complete listings, and keeps names to itself.
class HidingBackend final : public ForwardingBackend {
 public:
  /// `listing`: 1 for the first of all.
  using Hides =
      std::function<bool(const RepoPath& directory, const std::string& name, int listing)>;

  HidingBackend(Backend& inner, Hides hides) : ForwardingBackend(inner), hides_(std::move(hides)) {
    traits_ = inner.traits();
    traits_.reliable_listing = false;
  }

  const BackendTraits& traits() const override { return traits_; }
  void list(const RepoPath& directory,
            const std::function<void(const ListedFile&)>& visit) override {
    ++listings;
    ForwardingBackend::list(directory, [&](const ListedFile& file) {
      if (!hides_(directory, file.name, listings)) visit(file);
    });
  }

  int listings = 0;

 private:
  BackendTraits traits_;
  const Hides hides_;
};

/// Something to expire, something to put back, something to delete.
template <typename S>
struct SceneAt : VersionsAt<S> {
  SceneAt() {
    old = this->back_up(0);
    kept = this->back_up(1);
    forget(this->place, old);
    for (const char* content : {"shared 1", "version 1 file 1"})
      put_into_trash(this->place, std::string(32, 'a'), content);
  }
  std::string old, kept;
};
using Scene = SceneAt<Place>;

TEST_CASE("a listing that is cut short once never costs an object (F10)") {
  const SceneAt<Medium> scene;
  int listings = 0;
  {
    TrialInMemory rehearsal(scene);
    const auto backend = rehearsal.place.connect();
    HidingBackend honest(*backend, [](const RepoPath&, const std::string&, int) { return false; });
    collect(honest, at_once());
    listings = honest.listings;
  }
  for (int n = 1; n <= listings; ++n)
    for (bool all : {true, false}) {  // all names, or every second one
      CAPTURE(n, all);
      TrialInMemory trial(scene);
      const auto backend = trial.place.connect();
      HidingBackend server(*backend, [&](const RepoPath&, const std::string& name, int listing) {
        return listing == n && (all || name.back() % 2 == 0);
      });
      try {
        collect(server, at_once());
      } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::corrupt);
      }
      CHECK(defects(trial.place).empty());
      CHECK(heads_of(trial.place).back().revision() == scene.kept);
    }
}

TEST_CASE("a revision that is published while gc runs is seen though one listing leaves it out (F10)") {
  Scene scene;
  scene.write(0);  // what it refers to has been taken out by then
  const auto backend = scene.place.connect();
  backend->set_hook([&](std::string_view call, const RepoPath& path, std::uint64_t) {
    if (call == "move" && path == "writing" && scene.expected.size() == 2) scene.back_up(0);
  });
  int hidden = 0;
  HidingBackend server(*backend, [&](const RepoPath& directory, const std::string& name, int) {
    const std::string revision = name.substr(0, name.find(".yaml"));
    const bool is_new = directory.starts_with("manifests/") && name.ends_with(".yaml") &&
                        !scene.old.ends_with(revision) && !scene.kept.ends_with(revision);
    return is_new && ++hidden == 1;
  });
  CHECK(collect(server, at_once()).put_back > 2);
  CHECK(hidden == 2);
  scene.check_all_restore();
}

TEST_CASE("a set that is listed as empty for good stops gc with nothing moved (F10)") {
  Scene scene;
  const RepoPath set = "manifests/" + scene.kept.substr(0, scene.kept.rfind('/'));
  const auto backend = scene.place.connect();
  HidingBackend server(*backend, [&](const RepoPath& directory, const std::string&, int) {
    return directory == set;
  });
  const auto before = scene.place.files();
  CHECK_THROWS_AS(collect(server, at_once()), Error);
  CHECK(scene.place.files() == before);
}

TEST_CASE("a revision that an earlier gc saw and nobody removed is missed (F10)") {
  Scene scene;
  const auto backend = scene.place.connect();
  const auto honest = [](const RepoPath&, const std::string&, int) { return false; };
  HidingBackend server(*backend, honest);
  collect(server, at_once());
  const std::string newer = scene.back_up(2);
  HidingBackend liar(*backend, [&](const RepoPath&, const std::string& name, int) {
    return scene.kept.ends_with("/" + name.substr(0, name.find(".yaml")));
  });
  const auto before = scene.place.files();
  try {
    collect(liar, at_once());
    FAIL("gc went on");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt);
    CHECK_THAT(error.what(), Catch::Matchers::Contains(scene.kept));
  }
  CHECK(scene.place.files() == before);
  HidingBackend again(*backend, honest);
  CHECK(collect(again, at_once()).revisions == 2);
  scene.check_all_restore();
}

TEST_CASE("a directory of a set that writers made and left is no reason to stop") {
  Scene scene;
  fs::create_directories(scene.place.path() + "/manifests/laptop/home");
  const auto backend = scene.place.connect();
  const bool reliable = GENERATE(true, false);
  HidingBackend server(*backend, [](const RepoPath&, const std::string&, int) { return false; });
  CHECK(collect(reliable ? static_cast<Backend&>(*backend) : server, at_once()).revisions == 1);
  scene.check_all_restore();
}

TEST_CASE("what lies in the gate and is no token is not taken for one, and gc clears it (F11)") {
  Scene scene;
  const std::string gate = scene.place.path() + "/writing";
  fs::remove_all(gate);
  fs::create_directories(gate + "/" + std::string(31, 'a'));
  write_file(gate + "/" + std::string(32, 'b'), "");
  scene.client.forget();
  const std::string revision = scene.back_up(2);
  for (const Head& head : heads_of(scene.place))
    if (head.revision() == revision) CHECK(fs::exists(gate + "/" + head.token));
  CHECK(collect(scene.place, at_once()).gate_closed);
  CHECK_FALSE(fs::exists(gate + "/" + std::string(31, 'a')));
  CHECK_FALSE(fs::exists(gate + "/" + std::string(32, 'b')));
  scene.back_up(3);
  scene.check_all_restore();
}

}  // namespace
}  // namespace reverse
