#include "libcore/store/gate.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/error.h"
#include "libcore/base/temp_dir.h"
#include "libcore/store/layout.h"
#include "libcore/store/small_files.h"
#include "tests/store/forwarding_backend.h"
#include "tests/store/sample.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;

const std::string kRun = "00112233445566778899aabbccddeeff";

/// As much of a repository as a gate needs, and a head that could go through it.
struct Ready {
  TempDir directory;
  std::unique_ptr<Backend> backend = open_local_backend(directory.path(), Durability::none);
  std::string token;
  Head head;

  Ready() {
    backend->make_directory(layout::kManifests);
    token = find_or_open_gate(*backend);
    MemoryPages pages;
    head = make_head(kFirstId, write_tree({make_directory("")}, pages.sink()));
    head.token = token;
  }
  /// As an earlier revision of the set has left it.
  void make_set_directory() {
    backend->make_directory(layout::set_directory(head.host));
    backend->make_directory(layout::set_directory(head.set()));
  }
  PublishResult publish() { return publish_through(*backend); }
  PublishResult publish_through(Backend& through) {
    std::unique_ptr<HeadUpload> upload = open_head(through, token);
    REQUIRE(upload);
    return publish_head(through, *upload, head);
  }
  std::string published_text() {
    return read_small_file(*backend, layout::head(head.revision()), kMaxHeadBytes);
  }
  bool is_there() { return backend->stat(layout::head(head.revision())).has_value(); }
  bool gate_is_empty() { return fs::is_empty(directory / layout::gate(token)); }
  /// What gc does before it deletes.
  void close_gate() { fs::remove_all(directory / layout::kWriting); }
};

/// Loses the reply of `publish`, after or instead of doing it.
class LosingBackend : public ForwardingBackend {
 public:
  LosingBackend(Backend& inner, bool does_it) : ForwardingBackend(inner), does_it_(does_it) {}
  std::vector<MoveResult> publish(std::span<const Publication> publications) override {
    if (does_it_) ForwardingBackend::publish(publications);
    fail(ErrorKind::network, "connection lost");
  }

 private:
  bool does_it_;
};

TEST_CASE("a gate that is open is found, and one is opened where there is none", "[store][gate]") {
  Ready ready;
  CHECK(find_gate(*ready.backend) == ready.token);
  CHECK(find_or_open_gate(*ready.backend) == ready.token);
  ready.close_gate();
  CHECK_FALSE(find_gate(*ready.backend));
  std::string opened = find_or_open_gate(*ready.backend);
  CHECK(opened != ready.token);
  ready.backend->make_directory("writing/not-a-token");
  CHECK(find_gate(*ready.backend) == opened);
}

TEST_CASE("a head goes through the gate to its place", "[store][gate]") {
  Ready ready;
  CHECK(ready.publish() == PublishResult::published);
  CHECK(ready.published_text() == format_head(ready.head));
  CHECK(ready.gate_is_empty());
}

TEST_CASE("nothing comes through a gate that was closed", "[store][gate]") {
  Ready ready;
  std::unique_ptr<HeadUpload> upload = open_head(*ready.backend, ready.token);
  ready.close_gate();
  CHECK(publish_head(*ready.backend, *upload, ready.head) == PublishResult::closed);
  CHECK_FALSE(ready.is_there());
  CHECK_FALSE(open_head(*ready.backend, ready.token));
}

TEST_CASE("two heads of one name: the first stays, the second is told", "[store][gate]") {
  Ready ready;
  CHECK(ready.publish() == PublishResult::published);
  Head first = ready.head;
  ready.head.id.back() = '2';
  CHECK(ready.publish() == PublishResult::exists);
  CHECK(ready.published_text() == format_head(first));
  ready.head.started = "2014-01-25T11:00:01+01:00";
  CHECK(ready.publish() == PublishResult::published);
}

TEST_CASE("a head that is there already is published", "[store][gate]") {
  Ready ready;
  CHECK(ready.publish() == PublishResult::published);
  CHECK(ready.publish() == PublishResult::published);
}

TEST_CASE("a lost reply is settled by looking, once nothing can come of the request any more (F12)",
          "[store][gate]") {
  Ready done;
  done.make_set_directory();
  LosingBackend after(*done.backend, true);
  CHECK(done.publish_through(after) == PublishResult::published);
  Ready not_done;
  not_done.make_set_directory();
  LosingBackend before(*not_done.backend, false);
  CHECK(not_done.publish_through(before) == PublishResult::closed);
  CHECK_FALSE(not_done.is_there());
  CHECK(not_done.gate_is_empty());
}

TEST_CASE("closing removes the heads that were on their way, and opens another gate",
          "[store][gate]") {
  Ready ready;
  std::unique_ptr<HeadUpload> upload = open_head(*ready.backend, ready.token);
  close_gate(*ready.backend, kRun);
  CHECK(publish_head(*ready.backend, *upload, ready.head) == PublishResult::closed);
  CHECK_FALSE(ready.is_there());
  std::optional<std::string> token = find_gate(*ready.backend);
  REQUIRE(token);
  CHECK(*token != ready.token);
  CHECK_FALSE(fs::exists(ready.directory / ("writing." + kRun)));
}

TEST_CASE("closing finishes what a run was killed at, and copes with a gate that is gone",
          "[store][gate]") {
  Ready ready;
  std::unique_ptr<HeadUpload> upload = open_head(*ready.backend, ready.token);
  ready.backend->move("writing", "writing.ffffffffffffffffffffffffffffffff");
  close_gate(*ready.backend, kRun);
  CHECK_FALSE(fs::exists(ready.directory / "writing.ffffffffffffffffffffffffffffffff"));
  CHECK(find_gate(*ready.backend));
  CHECK(publish_head(*ready.backend, *upload, ready.head) == PublishResult::closed);
}

/// A server on which a writer keeps creating heads in a gate that is being closed, for a while.
class BusyBackend : public ForwardingBackend {
 public:
  BusyBackend(Backend& inner, int heads) : ForwardingBackend(inner), heads_(heads) {}
  bool remove_directory(const RepoPath& path) override {
    if (path.find('/') != RepoPath::npos && heads_ > 0) {
      std::unique_ptr<Upload> upload = create(path + "/late" + std::to_string(heads_--), 0444);
      upload->close();
      Publication aside{upload.get(), path + "/stays" + std::to_string(heads_)};
      publish({&aside, 1});
    }
    return ForwardingBackend::remove_directory(path);
  }

 private:
  int heads_;
};

TEST_CASE("a gate is closed only when its directory is gone", "[store][gate]") {
  Ready ready;
  BusyBackend busy(*ready.backend, 7);
  close_gate(busy, kRun);
  CHECK_FALSE(fs::exists(ready.directory / ("writing." + kRun)));
  BusyBackend hopeless(*ready.backend, 1000);
  CHECK_THROWS_AS(close_gate(hopeless, kRun), Error);
}

/// Takes writing/ away, as gc does, just before something is made in it.
class ClosingBackend : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  bool make_directory(const RepoPath& path) override {
    if (path.starts_with("writing/") && closings_-- > 0)
      ForwardingBackend::remove_directory("writing");
    return ForwardingBackend::make_directory(path);
  }

 private:
  int closings_ = 3;
};

TEST_CASE("a gate can be opened while gc closes others", "[store][gate]") {
  Ready ready;
  ready.close_gate();
  ClosingBackend closing(*ready.backend);
  std::string token = find_or_open_gate(closing);
  CHECK(find_gate(*ready.backend) == token);
}

TEST_CASE("an abandoned head leaves nothing", "[store][gate]") {
  Ready ready;
  open_head(*ready.backend, ready.token).reset();
  CHECK(ready.gate_is_empty());
}

}  // namespace
}  // namespace reverse
