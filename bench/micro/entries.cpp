// What an entry costs where a backup cannot go by known pages: its line in a page, written and read, its row in the
// catalog, and whether its content is known to be present. Prints the machine, then a line a case: its name and
// entries for each second of processor time, the best of some rounds on one core.
// `--quick`: one short round, which shows that everything works.

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/micro/micro.h"
#include "libcore/base/temp_dir.h"
#include "libcore/catalog/catalog.h"
#include "libcore/catalog/present_set.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/tree.h"

namespace reverse {
namespace {

constexpr std::size_t kFilesPerDirectory = 8;
constexpr std::size_t kRowsTogether = 1000;  // rows of one transaction, as a backup writes them
constexpr const char* kSource = "/home/somebody";

/// A tree in the format's order.
std::vector<Entry> make_entries(std::size_t count) {
  std::vector<Entry> entries(1);
  entries[0].type = FileType::directory;
  for (std::size_t i = 0; entries.size() < count; ++i) {
    Entry entry;
    entry.mode = 0644;
    entry.owner = "somebody:users";
    entry.uid = entry.gid = 1000;
    entry.mtime = {1'700'000'000 + static_cast<std::int64_t>(i), 123456789};
    const std::string directory = fmt::format("directory-{:07}", i / kFilesPerDirectory);
    if (i % kFilesPerDirectory == 0) {
      entries.push_back(entry);
      entries.back().type = FileType::directory;
      entries.back().path = directory;
    }
    entry.path = fmt::format("{}/some-file-{:07}.txt", directory, i);
    const Sums sums = hash_bytes(DigestKind::md5, entry.path);
    entry.size = i;
    entry.digest = sums.digest;
    entry.check = sums.check;
    entries.push_back(std::move(entry));
  }
  return entries;
}

FileRow row_of(const Entry& entry, std::uint64_t inode) {
  FileRow row;
  row.path = entry.path.empty() ? kSource : fmt::format("{}/{}", kSource, entry.path);
  row.device = 1;
  row.inode = inode;
  row.size = entry.size;
  row.mtime = row.ctime = entry.mtime;
  row.md5 = entry.digest;
  row.check = entry.check;
  return row;
}

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

class Bench {
 public:
  explicit Bench(bool is_quick)
      : rounds_(is_quick ? 1 : 5), entries_(make_entries(is_quick ? 3000 : 100'000)) {}

  void pages() {
    std::map<Digest, std::string> pages;
    PageRef root;
    print("pages written", [&] {
      pages.clear();
      TreeWriter writer(DigestKind::md5);
      const PageSink keep = [&](const PageRef& ref, std::string text) {
        pages.insert_or_assign(ref.page, std::move(text));
      };
      for (const Entry& entry : entries_) writer.add(entry, keep);
      root = writer.finish(keep);
    });
    print("pages read", [&] {
      const PageFetcher fetch = [&](const PageRef& ref) { return pages.at(ref.page); };
      TreeReader reader(DigestKind::md5, fetch, root);
      std::size_t count = 0;
      while (reader.next()) ++count;
      if (count != entries_.size()) give_up("entries are missing");
    });
  }

  void catalog() {
    TempDir directory;
    auto catalog = Catalog::open(directory.path(), give_up);
    print("catalog, rows written", [&] { put_rows(*catalog); });
    print("catalog, merged with names", [&] { merge(*catalog); });
    std::vector<std::uint64_t> inodes;
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (entries_[i].digest) inodes.push_back(i);
    std::shuffle(inodes.begin(), inodes.end(), std::mt19937(1));
    print("catalog, found by inode", [&] {
      for (std::uint64_t inode : inodes)
        if (!catalog->find_by_inode(1, inode)) give_up("a row is missing");
    });
  }

  void present() {
    TempDir directory;
    auto present = PresentSet::open(directory.path(), "bench", give_up);
    present->begin("token", false);
    print("present set, objects added", [&] {
      for (const Entry& entry : entries_)
        if (entry.digest) present->add(entry.digest->bytes(), entry.size, entry.check);
      present->save();
    });
    print("present set, objects looked up", [&] {
      for (const Entry& entry : entries_)
        if (entry.digest && !present->find(entry.digest->bytes())) give_up("an object is missing");
    });
  }

 private:
  void put_rows(Catalog& catalog) {
    std::vector<FileRow> rows;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      rows.push_back(row_of(entries_[i], i));
      if (rows.size() < kRowsTogether && i + 1 < entries_.size()) continue;
      catalog.put_files(rows);
      rows.clear();
    }
  }

  void merge(Catalog& catalog) {
    auto cursor = catalog.files_below(kSource);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const FileRow* row = cursor->next();
      if (row == nullptr || row->inode != i) give_up("rows come out of order");
    }
  }

  void print(const std::string& name, const std::function<void()>& body) {
    const double rate = best_rate(rounds_, [&] {
      body();
      return static_cast<double>(entries_.size());
    });
    std::printf("%-40s %6.2f million/s\n", name.c_str(), rate / 1e6);
  }

  const int rounds_;
  const std::vector<Entry> entries_;
};

void run_all(bool is_quick) {
  Bench bench(is_quick);
  bench.pages();
  bench.catalog();
  bench.present();
}

}  // namespace
}  // namespace reverse

int main(int argc, char** argv) {
  return reverse::run_micro(argc, argv, reverse::run_all);
}
