#include "libcore/store/object_writer.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <future>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/pipeline.h"
#include "tests/store/forwarding_backend.h"
#include "tests/store/sample.h"
#include "tests/support/fixtures.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Limits = ObjectWriter::Limits;

/// A writer with its committing thread.
class Writing {
 public:
  explicit Writing(Backend& backend, Limits limits = {})
      : writer(
            backend, DigestKind::md5,
            [this](const ObjectName& name, const Sums&) {
              std::lock_guard lock(mutex_);
              committed_.push_back(to_string(name));
            },
            limits),
        pipeline_(std::stop_token()) {
    pipeline_.start([this] { writer.commit_loop(pipeline_.stop_token()); });
  }
  bool put(const std::string& content) {
    Sums sums = hash_bytes(DigestKind::md5, content);
    auto claim = writer.claim({sums.digest, std::nullopt}, sums);
    if (!claim) return false;
    put(std::move(*claim), content);
    return true;
  }
  void put(ObjectWriter::Claim claim, const std::string& content) {
    std::unique_ptr<Upload> upload = writer.create();
    upload->write(content);
    writer.put(std::move(claim), std::move(upload));
  }
  /// Ends the writer; throws what the committing thread threw.
  void finish() {
    writer.close();
    pipeline_.wait();
  }
  std::vector<std::string> committed() {
    std::lock_guard lock(mutex_);
    return committed_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> committed_;

 public:
  ObjectWriter writer;

 private:
  Pipeline pipeline_;
};

std::string path_of(const SampleRepository& sample, const std::string& content) {
  return sample.path() + "/" +
         object_path({hash_bytes(DigestKind::md5, content).digest, std::nullopt});
}

std::size_t temporaries(const SampleRepository& sample) {
  return std::size_t(std::distance(fs::directory_iterator(sample.path() + "/tmp"), {}));
}

/// Counts groups, and fails or waits before them if told.
class WatchedBackend : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  std::vector<MoveResult> publish(std::span<const Publication> publications) override {
    sizes.push_back(publications.size());
    if (fails) fail(ErrorKind::no_space, "disk full");
    return ForwardingBackend::publish(publications);
  }
  void barrier(std::span<const RepoPath> directories) override {
    made_durable.insert(made_durable.end(), directories.begin(), directories.end());
    ForwardingBackend::barrier(directories);
  }
  std::vector<std::size_t> sizes;
  std::vector<RepoPath> made_durable;
  std::atomic<bool> fails = false;
};

TEST_CASE("objects get their names in groups", "[store][objects]") {
  SampleRepository sample;
  WatchedBackend backend(sample.backend());
  {
    Writing writing(backend, {.objects = 100, .linger = std::chrono::hours(1)});
    for (int i = 0; i < 250; ++i) CHECK(writing.put(std::to_string(i)));
    writing.writer.flush();
    CHECK(writing.committed().size() == 250);
    CHECK(writing.writer.new_objects() == 250);
    CHECK(writing.writer.new_bytes() == 10 + 180 + 450);
    writing.finish();
  }
  CHECK(backend.sizes.size() >= 3);
  CHECK(backend.sizes.size() <= 5);
  for (int i = 0; i < 250; ++i)
    CHECK(read_file(path_of(sample, std::to_string(i))) == std::to_string(i));
  CHECK(fs::status(path_of(sample, "1")).permissions() ==
        (fs::perms::owner_read | (fs::status(path_of(sample, "1")).permissions() &
                                  (fs::perms::group_read | fs::perms::others_read))));
  CHECK(temporaries(sample) == 0);
}

TEST_CASE("a group is limited in bytes, but one object always fits", "[store][objects]") {
  SampleRepository sample;
  WatchedBackend backend(sample.backend());
  Writing writing(backend, {.bytes = 1000, .linger = std::chrono::hours(1)});
  for (int i = 0; i < 10; ++i) writing.put(std::string(400, char('a' + i)));
  writing.put(std::string(5000, 'z'));
  writing.writer.flush();
  writing.finish();
  CHECK(*std::max_element(backend.sizes.begin(), backend.sizes.end()) <= 2);
  CHECK(fs::exists(path_of(sample, std::string(5000, 'z'))));
}

TEST_CASE("the same content is stored once", "[store][objects]") {
  SampleRepository sample;
  Writing writing(sample.backend(), {.linger = std::chrono::hours(1)});
  CHECK(writing.put("a"));
  CHECK_FALSE(writing.put("a"));
  writing.writer.flush();
  CHECK(writing.put(
      "a"));  // no longer in flight: the caller knows it to be present, the writer does not
  writing.finish();
  CHECK(writing.writer.new_objects() == 1);
  CHECK(temporaries(sample) == 0);
}

TEST_CASE("whoever meets a claimed content waits for what becomes of it", "[store][objects]") {
  SampleRepository sample;
  Writing writing(sample.backend());
  Sums sums = hash_bytes(DigestKind::md5, "a");
  ObjectName name{sums.digest, std::nullopt};
  auto first = writing.writer.claim(name, sums);
  REQUIRE(first);
  auto second = std::async(std::launch::async, [&] { return writing.put("a"); });
  CHECK(second.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
  first.reset();  // given up: the second must store it
  CHECK(second.get());
  auto third = std::async(std::launch::async, [&] { return writing.put("a"); });
  third.get();
  writing.finish();
  CHECK(read_file(path_of(sample, "a")) == "a");
}

TEST_CASE("two contents with one digest in flight get two names", "[store][objects]") {
  SampleRepository sample;
  Writing writing(sample.backend(), {.linger = std::chrono::hours(1)});
  Sums one = hash_bytes(DigestKind::md5, "one");
  Sums other = hash_bytes(DigestKind::md5, "two");
  other.digest = one.digest;  // as if they collided
  auto first = writing.writer.claim({one.digest, std::nullopt}, one);
  auto second = writing.writer.claim({one.digest, std::nullopt}, other);
  REQUIRE(first);
  REQUIRE(second);
  CHECK_FALSE(first->name().variant);
  CHECK(second->name().variant == other.check);
  writing.put(std::move(*second), "two");
  writing.put(std::move(*first), "one");
  writing.finish();
  CHECK(read_file(path_of(sample, "one")) == "one");
  CHECK(read_file(path_of(sample, "one") + "-" + other.check->hex()) == "two");
}

TEST_CASE("an object that somebody else has stored meanwhile is kept and made durable",
          "[store][objects]") {
  SampleRepository sample;
  write_file(path_of(sample, "content"), "content", 0444);
  auto before = fs::last_write_time(path_of(sample, "content"));
  WatchedBackend backend(sample.backend());
  Writing writing(backend);
  writing.put("content");
  writing.put("ours");
  writing.finish();
  CHECK(fs::last_write_time(path_of(sample, "content")) == before);
  CHECK(writing.writer.new_objects() == 1);
  CHECK(writing.committed().size() == 2);
  CHECK(temporaries(sample) == 0);
  std::string digest = hash_bytes(DigestKind::md5, "content").digest.hex();
  CHECK(backend.made_durable == std::vector<RepoPath>{"objects/" + digest.substr(0, 2)});
}

TEST_CASE("a damaged object is replaced", "[store][objects]") {
  SampleRepository sample;
  Writing writing(sample.backend());
  for (const char* damaged : {"", "cont", "cantent", "contents"}) {
    std::string content = std::string("content ") + damaged;
    write_file(path_of(sample, content), damaged, 0444);
    writing.put(content);
    writing.writer.flush();
    CHECK(read_file(path_of(sample, content)) == content);
  }
  writing.finish();
  CHECK(writing.writer.new_objects() == 4);
  CHECK(temporaries(sample) == 0);
}

// As if "ours" had the digest of "stored": the writer believes the sums that it is given.
TEST_CASE("another content under the name of ours gets a name of its own", "[store][objects]") {
  SampleRepository sample;
  Sums stored = hash_bytes(DigestKind::md5, "stored");
  Sums ours = hash_bytes(DigestKind::md5, "ours");
  ours.digest = stored.digest;
  sample.store({"stored"});
  Writing writing(sample.backend());
  auto claim = writing.writer.claim({ours.digest, std::nullopt}, ours);
  REQUIRE(claim);
  writing.put(std::move(*claim), "ours");
  writing.finish();
  CHECK(read_file(path_of(sample, "stored")) == "stored");
  CHECK(read_file(path_of(sample, "stored") + "-" + ours.check->hex()) == "ours");
  CHECK(writing.committed() ==
        std::vector<std::string>{ours.digest.hex() + "-" + ours.check->hex()});
}

TEST_CASE("two real contents with one MD5 are both stored and read", "[store][objects]") {
  std::string one = read_file(fixture("md5-collision/a.bin"));
  std::string other = read_file(fixture("md5-collision/b.bin"));
  REQUIRE(one != other);
  SampleRepository sample;
  sample.store({one, other});
  sample.store({other});  // and again: nothing changes
  for (const std::string& content : {one, other})
    CHECK(sample.repository().read_object(hash_bytes(DigestKind::md5, content)) == content);
  std::size_t objects = 0;
  for (const auto& file : fs::recursive_directory_iterator(sample.path() + "/objects"))
    objects += file.is_regular_file();
  CHECK(objects == 2);
}

TEST_CASE("an error of the repository stops everybody", "[store][objects]") {
  SampleRepository sample;
  WatchedBackend backend(sample.backend());
  backend.fails = true;
  Writing writing(backend, {.objects = 2, .linger = std::chrono::milliseconds(1)});
  CHECK_THROWS_AS(
      [&] {
        for (int i = 0; i < 10; ++i) writing.put(std::to_string(i));
        writing.writer.flush();
      }(),
      Cancelled);
  CHECK_THROWS_AS(writing.writer.flush(), Cancelled);
  CHECK_THROWS_AS(writing.put("more"), Cancelled);
  CHECK_THROWS_AS(writing.finish(), Error);
}

TEST_CASE("temporaries cleared by hand stop the run, cleared before it do not",
          "[store][objects]") {
  SampleRepository sample;
  fs::remove_all(sample.path() + "/tmp");
  Writing writing(sample.backend(), {.linger = std::chrono::hours(1)});
  writing.put("a");
  writing.writer.flush();
  CHECK(fs::exists(path_of(sample, "a")));
  writing.put("b");
  fs::remove_all(sample.path() + "/tmp");
  CHECK_THROWS_AS(writing.writer.flush(), Cancelled);
  CHECK_THROWS_AS(writing.finish(), Error);
}

TEST_CASE("many threads store many contents, some of them the same", "[store][objects]") {
  SampleRepository sample;
  Writing writing(sample.backend(), {.objects = 16, .linger = std::chrono::milliseconds(1)});
  Pipeline workers{std::stop_token()};
  for (int worker = 0; worker < 4; ++worker)
    workers.start([&, worker] {
      for (int i = 0; i < 200; ++i) writing.put(std::to_string((i * (worker + 1)) % 150));
    });
  workers.wait();
  writing.finish();
  for (int i = 0; i < 150; ++i)
    CHECK(read_file(path_of(sample, std::to_string(i))) == std::to_string(i));
  CHECK(writing.writer.new_objects() == 150);
  CHECK(temporaries(sample) == 0);
}

}  // namespace
}  // namespace reverse
