#include "libcore/store/gate.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "libcore/base/error.h"
#include "tests/store/forwarding_backend.h"
#include "tests/store/sample.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;

/// A repository with an open gate and a head that could go through it.
struct Ready {
  SampleRepository sample;
  std::string token = find_or_open_gate(sample.backend());
  Head head;

  explicit Ready(const char* id = kFirstId) {
    MemoryPages pages;
    head = make_head(id, write_tree({make_directory("")}, pages.sink()));
    head.token = token;
  }
  PublishResult publish() { return publish_through(sample.backend()); }
  PublishResult publish_through(Backend& backend) {
    std::unique_ptr<Upload> upload = open_head(backend, token, head.id);
    REQUIRE(upload);
    return publish_head(backend, *upload, head);
  }
  bool is_there() { return sample.backend().stat(layout::head(head.revision())).has_value(); }
  /// What gc does before it deletes.
  void close_gate() { fs::remove_all(sample.path() + "/writing"); }
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
  SampleRepository sample;
  std::optional<std::string> token = find_gate(sample.backend());
  REQUIRE(token);
  CHECK(find_or_open_gate(sample.backend()) == *token);
  fs::remove_all(sample.path() + "/writing");
  CHECK_FALSE(find_gate(sample.backend()));
  std::string opened = find_or_open_gate(sample.backend());
  CHECK(opened != *token);
  CHECK(find_gate(sample.backend()) == opened);
  fs::create_directories(sample.path() + "/writing/not-a-token");
  CHECK(find_gate(sample.backend()) == opened);
}

TEST_CASE("a head goes through the gate to its place", "[store][gate]") {
  Ready ready;
  CHECK(ready.publish() == PublishResult::published);
  CHECK(ready.sample.repository().read_head(ready.head.revision()) == ready.head);
  CHECK(fs::is_empty(ready.sample.path() + "/writing/" + ready.token));
}

TEST_CASE("nothing comes through a gate that was closed", "[store][gate]") {
  Ready ready;
  std::unique_ptr<Upload> upload = open_head(ready.sample.backend(), ready.token, ready.head.id);
  ready.close_gate();
  CHECK(publish_head(ready.sample.backend(), *upload, ready.head) == PublishResult::closed);
  CHECK_FALSE(ready.is_there());
  CHECK_FALSE(open_head(ready.sample.backend(), ready.token, ready.head.id));
}

TEST_CASE("two heads of one name: the first stays, the second is told", "[store][gate]") {
  Ready ready;
  CHECK(ready.publish() == PublishResult::published);
  Head first = ready.head;
  ready.head.id.back() = '2';
  CHECK(ready.publish() == PublishResult::exists);
  CHECK(ready.sample.repository().read_head(first.revision()) == first);
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
  LosingBackend after(done.sample.backend(), true);
  CHECK(done.publish_through(after) == PublishResult::published);
  Ready not_done;
  LosingBackend before(not_done.sample.backend(), false);
  CHECK(not_done.publish_through(before) == PublishResult::closed);
  CHECK_FALSE(not_done.is_there());
  CHECK(fs::is_empty(not_done.sample.path() + "/writing/" + not_done.token));
}

TEST_CASE("an abandoned head leaves nothing", "[store][gate]") {
  Ready ready;
  open_head(ready.sample.backend(), ready.token, ready.head.id).reset();
  CHECK(fs::is_empty(ready.sample.path() + "/writing/" + ready.token));
}

}  // namespace
}  // namespace reverse
