// Format 1 is frozen: what was written once must stay readable, and be written in the same way
// again.

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "libcore/base/fd.h"
#include "libcore/store/small_files.h"
#include "tests/store/format_v1_tree.h"
#include "tests/support/fixtures.h"
#include "tests/support/skip.h"

namespace reverse {
namespace {

namespace fs = std::filesystem;

constexpr DigestKind kKinds[] = {DigestKind::md5, DigestKind::sha256};

/// The frozen repository with this digest.
struct Frozen {
  explicit Frozen(DigestKind kind)
      : path(fixture("format_v1/" + std::string(to_string(kind)))),
        backend(open_local_backend(path, Durability::none)),
        repository(Repository::open(*backend, false)) {}

  std::string path;
  std::unique_ptr<Backend> backend;
  Repository repository;
};

TEST_CASE("a frozen repository is read", "[store][format]") {
  for (DigestKind kind : kKinds) {
    Frozen frozen(kind);
    CHECK(frozen.repository.info().digest == kind);
    REQUIRE(frozen.repository.sets() == std::vector<std::string>{"desk/home"});
    Head head = frozen.repository.read_head(kFormatV1Revision);
    CHECK(head.revision() == kFormatV1Revision);
    CHECK(head.id == kFirstId);
    CHECK(head.previous == kSecondId);
    CHECK(head.outcome == Outcome::incomplete);
    CHECK(head.repositories == std::vector<NestedRepository>{{kSecondId, "vault", 3, 0}});
    TreeReader reader = frozen.repository.tree(head);
    CHECK(read_all(reader) == FormatV1Tree(kind).entries);
  }
}

TEST_CASE("the contents of a frozen repository are read", "[store][format]") {
  for (DigestKind kind : kKinds) {
    Frozen frozen(kind);
    for (const std::string& content : FormatV1Tree(kind).contents)
      CHECK(frozen.repository.read_object(hash_bytes(kind, content)) == content);
  }
}

TEST_CASE("the frozen revision is written again byte for byte", "[store][format]") {
  for (DigestKind kind : kKinds) {
    Frozen frozen(kind);
    Head head = frozen.repository.read_head(kFormatV1Revision);
    MemoryPages pages;
    CHECK(write_tree(FormatV1Tree(kind).entries, pages.sink(), kind) == head.tree);
    for (const auto& [digest, text] : pages.texts)
      CHECK(read_small_file(*frozen.backend, object_path({digest, std::nullopt}), 1 << 20) == text);
    CHECK(format_head(head) ==
          read_small_file(*frozen.backend, layout::head(kFormatV1Revision), 1 << 20));
    CHECK(format_repository_info(frozen.repository.info()) ==
          read_small_file(*frozen.backend, "repository.yaml", 1 << 20));
  }
}

// Trees of several levels are too large for a fixture; their root's digest covers all pages.
TEST_CASE("large trees are cut into the same pages as ever", "[store][format]") {
  std::vector<Entry> entries = {make_directory("")};
  for (int i = 0; i < 30000; ++i) entries.push_back(make_file(fmt::format("file-{:05}", i), ""));
  MemoryPages pages;
  PageRef root = write_tree(entries, pages.sink());
  CHECK(root.level == 3);
  CHECK(pages.texts.size() == 1033);
  CHECK(root.page.hex() == "5c7537f418e0dd92d2ad78adae21fa1b");
}

TEST_CASE("another YAML parser reads heads and pages alike", "[store][format]") {
  if (std::system("python3 -c 'import yaml' 2>/dev/null") != 0)
    SKIP_LOUDLY("heads and pages are not read by another YAML parser: no python3-yaml");
  TempDir directory;
  std::vector<Entry> entries = {make_directory("")};
  for (int byte = 1; byte < 256; ++byte)
    if (byte != '/') entries.push_back(make_file(std::string("x") + char(byte) + "y: 'z' #", ""));
  for (const char* name : {"y\xc2\x85", "y\xe2\x80\xa8", "y\xef\xbf\xbd", "y\xf0\x9f\x98\x80"})
    entries.push_back(make_file(name, ""));
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return compare_paths(a.path, b.path) < 0; });
  int files = 0;
  auto write = [&](const PageRef&, const std::string& text) {
    write_file(directory / fmt::format("page-{}", files++), text);
  };
  PageRef tree = write_tree(entries, write);
  Head head = make_head(kFirstId, tree);
  head.source = "/srv/\xff: #";
  head.problems = {{"a: b", "open", "c, d} # \"e\""}};
  head.problem_count = 1;
  write_file(directory / "head", format_head(head));
  for (DigestKind kind : kKinds)
    write_file(directory / fmt::format("frozen-{}", to_string(kind)),
               read_small_file(*Frozen(kind).backend, layout::head(kFormatV1Revision), 1 << 20));
  write_file(directory / "check.py", R"(
import glob, json, sys, yaml
def same(text):
    data = yaml.safe_load(text)
    if isinstance(data, list):
        return data == [json.loads(line[2:]) for line in text.split('\n')[1:-1]]
    for line in text.split('\n'):
        key, _, value = line.partition(': ')
        if value and not key.startswith('- ') and data[key] != json.loads(value):
            return False
    return data['reverse-manifest'] == 1 and data['end']['lines'] == len(text.split('\n')) - 2
for name in glob.glob(sys.argv[1] + '/[pfh]*'):
    if not same(open(name, encoding='utf-8', newline='').read()):
        sys.exit(name)
)");
  std::string command = fmt::format("python3 '{}' '{}'", directory / "check.py", directory.path());
  CHECK(std::system(command.c_str()) == 0);
}

}  // namespace
}  // namespace reverse
