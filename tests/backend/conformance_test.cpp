#include "tests/backend/conformance.h"

#include <catch2/catch.hpp>
#include <set>
#include <thread>

namespace reverse {
namespace {

using Names = std::vector<std::string>;

TEST_CASE("a name can be created once", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  auto first = upload(backend, "a", "first");
  CHECK(error_kind([&] { backend.create("a", 0444)->confirm(); }) == ErrorKind::exists);
  CHECK(content(backend, "a") == "first");
}

TEST_CASE("creating below what is no directory is not_found", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  put(backend, "file", "x");
  CHECK(error_kind([&] { backend.create("missing/a", 0444)->confirm(); }) == ErrorKind::not_found);
  CHECK(error_kind([&] { backend.create("file/a", 0444)->confirm(); }) == subject.below_file);
}

TEST_CASE("an upload that is given up leaves no name", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  { auto given_up = upload(backend, "closed", "bytes"); }
  { auto given_up = backend.create("open", 0444); }
  CHECK(names(backend, "").empty());
}

TEST_CASE("what is published is read back", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  auto size = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{131072}, std::size_t{3145729});
  std::string bytes;
  while (bytes.size() < size) bytes += static_cast<char>(bytes.size() * 7 + bytes.size() / 251);
  auto chunk = GENERATE(std::size_t{1000}, std::size_t{1} << 20);
  auto temporary = backend.create("part", 0444);
  for (std::size_t at = 0; at < size; at += chunk)
    temporary->write(ByteView(bytes).substr(at, chunk));
  temporary->close();
  CHECK(publish(backend, *temporary, "whole") == MoveResult::done);
  CHECK(content(backend, "whole") == bytes);
  StringSink sink;
  CHECK(backend.read("whole", sink) == size);
  CHECK(backend.stat("whole")->size == size);
  temporary.reset();
  CHECK(names(backend, "") == Names{"whole"});
}

TEST_CASE("publishing never replaces a file", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  put(backend, "name", "first");
  auto second = upload(backend, "part", "second");
  CHECK(publish(backend, *second, "name") == MoveResult::exists);
  CHECK(content(backend, "name") == "first");
  CHECK(backend.stat("part"));
  second.reset();
  CHECK(names(backend, "") == Names{"name"});
}

TEST_CASE("publishing into a missing directory loses nothing", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  auto temporary = upload(backend, "part", "bytes");
  CHECK(publish(backend, *temporary, "missing/name") == MoveResult::gone);
  CHECK(content(backend, "part") == "bytes");
  CHECK(publish(backend, *temporary, "name") == MoveResult::done);
  CHECK(content(backend, "name") == "bytes");
}

TEST_CASE("a batch says for each file what became of it", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  put(backend, "taken", "old");
  auto one = upload(backend, "1", "one");
  auto two = upload(backend, "2", "two");
  auto three = upload(backend, "3", "three");
  std::vector<Publication> batch{{one.get(), "taken"}, {two.get(), "d/x"}, {three.get(), "free"}};
  CHECK(backend.publish(batch) ==
        std::vector{MoveResult::exists, MoveResult::gone, MoveResult::done});
  CHECK(content(backend, "taken") == "old");
  CHECK(content(backend, "free") == "three");
}

TEST_CASE("a head whose gate was closed is not published", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  for (const char* name : {"manifests", "writing", "writing/T"}) backend.make_directory(name);
  auto head = upload(backend, "writing/T/u.yaml", "head");
  SECTION("between close and publish") {
    CHECK(backend.move("writing", "writing.RUN") == MoveResult::done);
    CHECK(publish(backend, *head, "manifests/r.yaml") == MoveResult::gone);
    CHECK(content(backend, "writing.RUN/T/u.yaml") == "head");
  }
  SECTION("and swept, and a new gate opened") {
    CHECK(backend.move("writing", "writing.RUN") == MoveResult::done);
    CHECK(backend.remove("writing.RUN/T/u.yaml"));
    CHECK(backend.remove_directory("writing.RUN/T"));
    CHECK(backend.remove_directory("writing.RUN"));
    CHECK(backend.make_directory("writing"));
    CHECK(publish(backend, *head, "manifests/r.yaml") == MoveResult::gone);
  }
  CHECK(names(backend, "manifests").empty());
}

TEST_CASE("replace takes the place of a file, or a free name", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  for (const char* bytes : {"old", "new"}) {
    auto temporary = upload(backend, "part", bytes);
    backend.replace(*temporary, "name");
    CHECK(content(backend, "name") == bytes);
  }
  CHECK(names(backend, "") == Names{"name"});
}

TEST_CASE("move renames files and directories without replacing", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  backend.make_directory("from");
  backend.make_directory("to");
  put(backend, "from/file", "bytes");
  put(backend, "other", "other");
  CHECK(backend.move("from/file", "other") == MoveResult::exists);
  CHECK(backend.move("from", "to") == MoveResult::exists);
  CHECK(backend.move("absent", "new") == MoveResult::gone);
  CHECK(backend.move("other", "absent/new") == MoveResult::gone);
  CHECK(content(backend, "other") == "other");
  CHECK(backend.move("from", "to/sub") == MoveResult::done);
  CHECK(backend.move("to/sub/file", "name") == MoveResult::done);
  CHECK(content(backend, "name") == "bytes");
  CHECK(names(backend, "") == Names{"name", "other", "to"});
  put(backend, "third", "third");
  const std::vector<Move> moves{{"other", "to/a"}, {"absent", "to/b"}, {"third", "name"}};
  CHECK(backend.move_all(moves) ==
        std::vector{MoveResult::done, MoveResult::gone, MoveResult::exists});
  CHECK(content(backend, "to/a") == "other");
  CHECK(content(backend, "name") == "bytes");
  CHECK(names(backend, "") == Names{"name", "third", "to"});
  CHECK(backend.move_all({}).empty());
}

TEST_CASE("removing tells whether there was something", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  backend.make_directory("d");
  put(backend, "d/file", "x");
  CHECK_FALSE(backend.remove("absent"));
  if (subject.below_file == ErrorKind::not_found) CHECK_FALSE(backend.remove("d/file/below"));
  CHECK_FALSE(backend.remove_directory("absent"));
  CHECK_FALSE(backend.remove_directory("d"));
  CHECK_THROWS_AS(backend.remove("d"), Error);
  CHECK_THROWS_AS(backend.remove_directory("d/file"), Error);
  CHECK(backend.remove("d/file"));
  put(backend, "d/one", "x");
  put(backend, "d/two", "x");
  const std::vector<RepoPath> paths{"d/one", "absent", "d/two"};
  CHECK(backend.remove_all(paths) == std::vector{true, false, true});
  CHECK(backend.remove_directory("d"));
  CHECK(names(backend, "").empty());
}

TEST_CASE("make_directory tells whether the name was free", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  put(backend, "file", "x");
  CHECK_FALSE(backend.make_directory(""));
  CHECK(backend.make_directory("d"));
  CHECK_FALSE(backend.make_directory("d"));
  CHECK_FALSE(backend.make_directory("file"));
  CHECK(error_kind([&] { backend.make_directory("absent/d"); }) == ErrorKind::not_found);
  CHECK(backend.stat("d")->type == FileType::directory);
}

TEST_CASE("of many directories those that are missing are made", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  backend.make_directory("b");
  put(backend, "b/kept", "x");
  std::vector<RepoPath> paths = {"a", "b", "c"};
  backend.make_directories(paths);
  for (const RepoPath& path : paths) CHECK(backend.stat(path)->type == FileType::directory);
  CHECK(backend.stat("a")->mode == backend.stat("b")->mode);
  CHECK(content(backend, "b/kept") == "x");
  paths = {"absent/d"};
  CHECK(error_kind([&] { backend.make_directories(paths); }) == ErrorKind::not_found);
}

TEST_CASE("directories are made in those that come before them, the root first", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  put(backend, "kept", "x");
  const std::vector<RepoPath> paths = {"", "a", "a/b"};
  backend.make_directories(paths);
  for (const RepoPath& path : paths) CHECK(backend.stat(path)->type == FileType::directory);
  CHECK(backend.stat("a/b")->mode == backend.stat("a")->mode);
  CHECK(content(backend, "kept") == "x");
}

TEST_CASE("what is expected is read as it is, whatever size was said", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  const std::string text(40000, 'x');
  put(backend, "small", "text");
  put(backend, "large", text);
  for (std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{4}, std::uint64_t{32768}, std::uint64_t{40000}}) {
    const std::vector<Expected> soon = {
        {"small", false, size}, {"large", false, size}, {"absent", false, size}};
    backend.expect(soon);
    CHECK(content(backend, "small") == "text");
    CHECK(content(backend, "large") == text);
    CHECK(error_kind([&] { content(backend, "absent"); }) == ErrorKind::not_found);
  }
}

TEST_CASE("a listing is complete", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  backend.make_directory("d");
  std::set<std::string> expected;
  std::vector<std::unique_ptr<Upload>> uploads;
  for (int i = 0; i < 3000; ++i) {
    std::string name = fmt::format("{:04}-{}", i, std::string(40, 'x'));
    expected.insert(name);
    uploads.push_back(upload(backend, "d/" + name, ""));
  }
  for (const auto& one : uploads) one->confirm();  // the listing may go over another connection
  auto found = names(backend, "d");
  CHECK(found.size() == expected.size());
  CHECK(std::set(found.begin(), found.end()) == expected);
}

TEST_CASE("names are any bytes", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  Names odd{"\x01",        " ",   "-rf", "...", "a\nb", "name \xff\xfe", std::string(255, 'n'),
            "\x1b[31mred", "%41", "~",   "'",   "\""};
  for (const std::string& name : odd) put(backend, name.substr(0, 250), name);
  for (std::string& name : odd) name.resize(std::min<std::size_t>(name.size(), 250));
  std::sort(odd.begin(), odd.end());
  CHECK(names(backend, "") == odd);
  CHECK(content(backend, "a\nb") == "a\nb");
}

TEST_CASE("a listing describes what it names", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  backend.make_directory("directory");
  put(backend, "file", "12345");
  backend.list("", [&](const ListedFile& file) {
    bool is_file = file.name == "file";
    CHECK(file.stat.type == (is_file ? FileType::file : FileType::directory));
    auto stat = backend.stat(file.name);
    REQUIRE(stat);
    CHECK(stat->mode == (is_file ? 0444 : 0700));
    CHECK(stat->mode == file.stat.mode);
    CHECK(stat->size == file.stat.size);
    CHECK(stat->mtime == file.stat.mtime);
    if (is_file) CHECK(stat->size == 5);
  });
}

TEST_CASE("of a listing only what is wanted is visited", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  backend.make_directory("d");
  put(backend, "d/one", "1");
  put(backend, "d/two", "22");
  Names asked, visited;
  backend.list_wanted(
      "d",
      [&](std::string_view name) {
        asked.emplace_back(name);
        return name == "two";
      },
      [&](const ListedFile& file) {
        visited.push_back(file.name);
        CHECK(file.stat.size == 2);
      });
  std::sort(asked.begin(), asked.end());
  CHECK(asked == Names{"one", "two"});
  CHECK(visited == Names{"two"});
}

TEST_CASE("absent is told from not readable that way", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  put(backend, "file", "x");
  backend.make_directory("d");
  StringSink sink;
  auto read = [&](const char* path) { return error_kind([&] { backend.read(path, sink); }); };
  auto list = [&](const char* path) { return error_kind([&] { names(backend, path); }); };
  for (const char* path : {"absent", "absent/below"}) {
    CHECK_FALSE(backend.stat(path));
    CHECK(read(path) == ErrorKind::not_found);
    CHECK(list(path) == ErrorKind::not_found);
  }
  CHECK(read("file/below") == subject.below_file);
  if (subject.below_file == ErrorKind::not_found) {
    CHECK_FALSE(backend.stat("file/below"));
    CHECK(list("file/below") == ErrorKind::not_found);
  }
  CHECK(read("d") == ErrorKind::io);
  CHECK(list("file") == ErrorKind::io);
  CHECK(sink.bytes.empty());
}

TEST_CASE("holes are read back as zeros", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  ByteView hole = zero_block();
  auto temporary = backend.create("part", 0444);
  std::string expected;
  for (ByteView chunk : {hole, ByteView("data"), hole.substr(0, 100), ByteView("more"), hole}) {
    temporary->write(chunk);
    expected += chunk;
  }
  temporary->close();
  CHECK(publish(backend, *temporary, "sparse") == MoveResult::done);
  CHECK(content(backend, "sparse") == expected);
}

TEST_CASE("files that are made at the same time keep their own bytes", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  constexpr int kFiles = 150;
  const auto bytes_of = [](int i) { return std::string(300'000 + i, static_cast<char>(i)); };
  std::vector<std::unique_ptr<Upload>> uploads;
  std::vector<Publication> publications;
  for (int i = 0; i < kFiles; ++i) {
    uploads.push_back(upload(backend, fmt::format("{}.part", i), bytes_of(i)));
    publications.push_back({uploads.back().get(), fmt::format("{}", i)});
  }
  for (MoveResult result : backend.publish(publications)) CHECK(result == MoveResult::done);
  for (int i = 0; i < kFiles; ++i) CHECK((content(backend, fmt::format("{}", i)) == bytes_of(i)));
}

TEST_CASE("several threads publish batches of small files", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  constexpr int kThreads = 4;
  constexpr int kBatches = 5;
  constexpr int kFiles = 150;
  backend.make_directory("tmp");
  backend.make_directory("objects");
  std::atomic<int> done = 0;
  auto work = [&](int thread) {
    for (int batch = 0; batch < kBatches; ++batch) {
      std::vector<std::unique_ptr<Upload>> uploads;
      std::vector<Publication> publications;
      for (int i = 0; i < kFiles; ++i) {
        std::string name = fmt::format("{}.{}.{}", thread, batch, i);
        uploads.push_back(upload(backend, "tmp/" + name, name));
        publications.push_back({uploads.back().get(), "objects/" + name});
      }
      for (MoveResult result : backend.publish(publications)) done += result == MoveResult::done;
      backend.barrier({});
    }
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) threads.emplace_back(work, thread);
  for (std::thread& thread : threads) thread.join();
  CHECK(done == kThreads * kBatches * kFiles);
  CHECK(names(backend, "tmp").empty());
  auto found = names(backend, "objects");
  CHECK(found.size() == kThreads * kBatches * kFiles);
  for (std::size_t i = 0; i < found.size(); i += 97)
    CHECK(content(backend, "objects/" + found[i]) == found[i]);
}

TEST_CASE("one of two threads gets the name", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  for (int round = 0; round < 100; ++round) {
    std::string name = fmt::format("name{}", round);
    std::atomic<int> winners = 0;
    auto contend = [&](const std::string& who) {
      auto temporary = upload(backend, name + who, who);
      if (publish(backend, *temporary, name) == MoveResult::done) ++winners;
    };
    std::thread other(contend, "a");
    contend("b");
    other.join();
    CHECK(winners == 1);
  }
  CHECK(names(backend, "").size() == 100);
}

TEST_CASE("a barrier passes over directories that are gone", "[backend]") {
  Subject subject = any_subject();
  Backend& backend = *subject.backend;
  backend.barrier({});
  backend.make_directory("d");
  put(backend, "d/file", "x");
  backend.remove("d/file");
  backend.remove_directory("d");
  std::vector<RepoPath> given{"d", "never", ""};
  CHECK_NOTHROW(backend.barrier(given));
  for (int i = 0; i < 100; ++i) given.push_back(fmt::format("none{}", i));
  CHECK_NOTHROW(backend.barrier(given));
}

}  // namespace
}  // namespace reverse
