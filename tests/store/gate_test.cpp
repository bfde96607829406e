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
  PublishResult publish() { return publish_through(*backend); }
  PublishResult publish_through(Backend& through) {
    std::unique_ptr<Upload> upload = open_head(through, token, head.id);
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
  std::unique_ptr<Upload> upload = open_head(*ready.backend, ready.token, ready.head.id);
  ready.close_gate();
  CHECK(publish_head(*ready.backend, *upload, ready.head) == PublishResult::closed);
  CHECK_FALSE(ready.is_there());
  CHECK_FALSE(open_head(*ready.backend, ready.token, ready.head.id));
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

TEST_CASE("a lost reply is settled by looking", "[store][gate]") {
  Ready done;
  LosingBackend after(*done.backend, true);
  CHECK(done.publish_through(after) == PublishResult::published);
  Ready not_done;
  LosingBackend before(*not_done.backend, false);
  CHECK(not_done.publish_through(before) == PublishResult::closed);
  CHECK_FALSE(not_done.is_there());
  CHECK(not_done.gate_is_empty());
}

TEST_CASE("an abandoned head leaves nothing", "[store][gate]") {
  Ready ready;
  open_head(*ready.backend, ready.token, ready.head.id).reset();
  CHECK(ready.gate_is_empty());
}

}  // namespace
}  // namespace reverse
