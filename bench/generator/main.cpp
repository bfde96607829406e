#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/gate.h"
#include "libcore/store/repository.h"
#include "libcore/store/tree.h"

// bench-repository DIR FILES REVISIONS CHANGED [SAME]
//
// Makes a repository as large as one of years, in seconds: REVISIONS of a tree with FILES files, of
// which CHANGED have another content in each revision, and each of them SAME times more with
// nothing changed. Heads and pages are real; the contents of files are objects without a byte under
// random names, which is all that gc sees of them. The same arguments give the same repository, but
// for its ids.

namespace reverse {
namespace {

constexpr std::size_t kFilesPerDirectory = 30;
constexpr std::int64_t kBegin = 1'390'644'000;  // of the first revision; one an hour

class Generator {
 public:
  Generator(const std::string& directory, std::size_t files)
      : directory_(directory),
        backend_(open_local_backend(directory, Durability::none)),
        repository_(Repository::create(*backend_, DigestKind::md5)) {
    write_first_tree(files);
  }

  void publish();
  /// Gives so many files another content.
  void change(std::size_t files);

 private:
  /// A page as it is now, and where its first item is among all of the level below.
  struct Node {
    PageRef ref;
    std::string text;
    std::size_t begin = 0;
  };
  /// What is to be written over in a page, by the text that stands there.
  using Edits = std::map<std::string, std::string>;

  void write_first_tree(std::size_t files);
  Entry file_entry(std::string path);
  std::string random_bytes(std::size_t count);
  void store(const Digest& digest, std::string_view bytes);
  std::size_t node_of(std::size_t level, std::size_t item) const;
  std::string sums_text(const Digest& digest, const Check& check, const char* key) const;
  Edits change_file(const Node& node, std::size_t entry);
  Edits rewrite(Node& node, const Edits& edits);

  const std::string directory_;
  std::unique_ptr<Backend> backend_;
  Repository repository_;
  std::mt19937_64 random_{1};  // NOLINT(cert-msc51-cpp): the same in each run
  std::vector<std::vector<Node>> levels_;
  std::uint64_t published_ = 0;
};

std::string Generator::random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random_());
  return bytes;
}

void Generator::store(const Digest& digest, std::string_view bytes) {
  write_file(directory_ + "/" + object_path({digest, std::nullopt}), bytes, 0444);
}

Entry Generator::file_entry(std::string path) {
  Entry entry;
  entry.path = std::move(path);
  entry.mode = 0644;
  entry.uid = entry.gid = 1000;
  entry.owner = "joe:users";
  entry.mtime = {kBegin, 123456789};
  entry.size = 4096;
  entry.digest = Digest::from_bytes(random_bytes(16));
  entry.check = Check::from_bytes(random_bytes(16));
  return entry;
}

void Generator::write_first_tree(std::size_t files) {
  std::vector<std::size_t> items;  // so far, by level
  auto keep = [&](const PageRef& ref, std::string text) {
    store(ref.page, text);
    if (ref.level >= levels_.size()) {
      levels_.resize(ref.level + 1);
      items.resize(ref.level + 1);
    }
    auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    levels_[ref.level].push_back({ref, std::move(text), items[ref.level]});
    items[ref.level] += lines - 1;
  };
  TreeWriter writer(DigestKind::md5);
  Entry directory = file_entry("");
  directory.type = FileType::directory;
  writer.add(directory, keep);
  for (std::size_t i = 0; i < files; ++i) {
    std::size_t number = i / kFilesPerDirectory;
    if (i % kFilesPerDirectory == 0) {
      directory.path = fmt::format("directory-{:06}", number);
      writer.add(directory, keep);
    }
    Entry entry = file_entry(fmt::format("directory-{:06}/file-{:08}.txt", number, i));
    store(*entry.digest, {});
    writer.add(entry, keep);
  }
  writer.finish(keep);
}

void Generator::publish() {
  const PageRef& tree = levels_.back().front().ref;
  Head head;
  head.id = fmt::format("{:08x}-0000-4000-8000-{:012x}", published_, published_);
  head.repository = repository_.info().id;
  head.token = find_or_open_gate(*backend_);
  head.host = "desk";
  head.label = "home";
  head.source = "/home";
  head.started = head.finished =
      to_rfc3339_local({kBegin + 3600 * static_cast<std::int64_t>(published_), 0});
  head.tool = "bench";
  head.entries = tree.entries;
  head.tree = tree;
  const std::unique_ptr<HeadUpload> upload = open_head(*backend_, head.token);
  if (publish_head(*backend_, *upload, head) != PublishResult::published)
    fail(ErrorKind::internal, "revision {} was not published", published_);
  ++published_;
}

std::size_t Generator::node_of(std::size_t level, std::size_t item) const {
  const std::vector<Node>& nodes = levels_[level];
  auto after = std::upper_bound(nodes.begin(), nodes.end(), item,
                                [](std::size_t at, const Node& node) { return at < node.begin; });
  return static_cast<std::size_t>(after - nodes.begin()) - 1;
}

std::string Generator::sums_text(const Digest& digest, const Check& check, const char* key) const {
  return fmt::format("\"{}\": \"{}\", \"check\": \"{}\"", key, digest.hex(), check.hex());
}

/// Where entry `entry` is a file, what its sums are and shall be; nothing for a directory.
Generator::Edits Generator::change_file(const Node& node, std::size_t entry) {
  std::size_t line = node.text.find('\n') + 1;
  for (std::size_t i = node.begin; i < entry; ++i) line = node.text.find('\n', line) + 1;
  constexpr std::string_view kKey = "\"md5\": \"";
  std::size_t begin = node.text.find(kKey, line);
  if (begin > node.text.find('\n', line)) return {};
  Entry changed = file_entry("");
  store(*changed.digest, {});
  std::string after = sums_text(*changed.digest, *changed.check, "md5");
  return {{node.text.substr(begin, after.size()), after}};
}

/// Writes a page anew; returns what that changes in the page above.
Generator::Edits Generator::rewrite(Node& node, const Edits& edits) {
  for (const auto& [before, after] : edits)
    node.text.replace(node.text.find(before), before.size(), after);
  std::string before = sums_text(node.ref.page, *node.ref.check, "page");
  Sums sums = hash_bytes(DigestKind::md5, node.text);
  node.ref.page = sums.digest;
  node.ref.check = sums.check;
  store(sums.digest, node.text);
  return {{before, sums_text(sums.digest, *sums.check, "page")}};
}

void Generator::change(std::size_t files) {
  std::uniform_int_distribution<std::size_t> any(0, levels_.back().front().ref.entries - 1);
  std::map<std::size_t, Edits> edits;  // by page of the level at hand
  for (std::size_t done = 0; done < files;) {
    std::size_t entry = any(random_);
    std::size_t page = node_of(0, entry);
    Edits edit = change_file(levels_[0][page], entry);
    done += edit.size();
    edits[page].merge(edit);
  }
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    std::map<std::size_t, Edits> above;
    for (const auto& [page, changes] : edits) {
      Edits reference = rewrite(levels_[level][page], changes);
      if (level + 1 < levels_.size()) above[node_of(level + 1, page)].merge(reference);
    }
    edits = std::move(above);
  }
}

int generate(int argc, char** argv) {
  auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 10); };
  Generator generator(argv[1], number(2));
  const std::uint64_t revisions = number(3), changed = number(4), same = argc > 5 ? number(5) : 0;
  for (std::uint64_t i = 0; i < revisions; ++i) {
    if (i > 0) generator.change(changed);
    for (std::uint64_t j = 0; j <= same; ++j) generator.publish();
  }
  return 0;
}

}  // namespace
}  // namespace reverse

int main(int argc, char** argv) {
  if (argc < 5 || argc > 6) {
    std::fputs("usage: bench-repository DIR FILES REVISIONS CHANGED [SAME]\n", stderr);
    return 2;
  }
  try {
    return reverse::generate(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench-repository: %s\n", error.what());
    return 1;
  }
}
