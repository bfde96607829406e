#include "tests/engine/odd_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"

namespace reverse {
namespace {

constexpr std::uint64_t kSparseSize = 64 << 20;

void make_plain(TempTree& tree) {
  tree.write("plain/a.txt", "hello\n");
  tree.write("plain/empty", "");
  tree.write("plain/one-page", std::string(4096, 'x'));
  tree.write("plain/zeros", std::string(300'000, '\0'));  // not sparse
  std::string mixed(1'500'001, 'q');
  for (std::size_t i = 0; i < mixed.size(); i += 7) mixed[i] = static_cast<char>(i * 31);
  tree.write("plain/large", mixed);
  tree.make_dir("plain/empty-dir");
  tree.write("plain/a/b/c/d", "deep\n");
  tree.write("plain/a.b", "between a and a/b\n");
  tree.write("plain/a-b", "before a/b in bytes, behind it in the order\n");
}

void make_links(TempTree& tree) {
  tree.symlink("../plain/a.txt", "links/relative");
  tree.symlink("/", "links/absolute");
  tree.symlink("nowhere at all", "links/broken");
  tree.symlink("self", "links/self");
  tree.symlink(std::string(4095, 'l'), "links/long");
  tree.symlink("new\nline \x1b[31m \xff\xfe", "links/odd-target");
  tree.symlink("../plain", "links/to-directory");
  tree.write("links/hard", "several names\n");
  tree.hardlink("links/hard", "links/hard-again");
  tree.hardlink("links/hard", "links/z/elsewhere");
  tree.hardlink("links/hard", "a-first-name");
  tree.write("links/big-hard", std::string(1'200'000, 'h'));
  tree.hardlink("links/big-hard", "links/z/big-elsewhere");
  tree.write("links/empty-hard", "");
  tree.hardlink("links/empty-hard", "links/z/empty-elsewhere");
  if (::linkat(AT_FDCWD, (tree / "links/broken").c_str(), AT_FDCWD, (tree / "links/broken-again").c_str(), 0) != 0)
    throw_errno(errno, "link of a symlink");
}

void make_sparse(TempTree& tree) {
  tree.make_sparse("sparse/all-hole", kSparseSize);
  tree.make_sparse("sparse/few-blocks", kSparseSize);
  const UniqueFd fd = open_file(tree / "sparse/few-blocks", O_WRONLY);
  for (const off_t at : {off_t{0}, off_t{1'000'000}, off_t{50 << 20}})
    if (::pwrite(fd.get(), "block", 5, at) != 5) throw_errno(errno, "pwrite");
  tree.make_sparse("sparse/small", 100'000);
  const UniqueFd small = open_file(tree / "sparse/small", O_WRONLY);
  if (::pwrite(small.get(), "end", 3, 99'997) != 3) throw_errno(errno, "pwrite");
  tree.make_sparse("sparse/hole-at-the-end", 2'000'003);
  const UniqueFd begun = open_file(tree / "sparse/hole-at-the-end", O_WRONLY);
  if (::pwrite(begun.get(), "begin", 5, 0) != 5) throw_errno(errno, "pwrite");
}

void make_special(TempTree& tree) {
  tree.make_fifo("special/fifo");
  tree.set_mode("special/fifo", 0622);
  tree.make_socket("special/socket");
}

void make_attributes(TempTree& tree) {
  tree.write("attributes/file", "with attributes\n");
  tree.set_xattr("attributes/file", "user.comment", "what it is");
  tree.set_xattr("attributes/file", "user.binary", std::string("\0\1\xff\n", 4));
  tree.set_xattr("attributes/file", "user.empty", "");
  tree.write("attributes/read-only", "and attributes\n");
  tree.set_xattr("attributes/read-only", "user.comment", "x");
  tree.set_mode("attributes/read-only", 0400);
  tree.write("attributes/large", std::string(1'100'000, 'a'));
  tree.set_xattr("attributes/large", "user.odd name %=\"", std::string(2000, 'v'));
  tree.make_dir("attributes/directory");
  tree.set_xattr("attributes/directory", "user.comment", "of a directory");
  tree.set_mode("attributes/directory", 0555);
}

void make_modes(TempTree& tree) {
  for (const unsigned mode : {0400u, 0444u, 0600u, 0640u, 0644u, 0664u, 0666u, 0700u, 0755u, 0777u, 01644u})
    tree.write(fmt::format("modes/{:04o}", mode), fmt::format("{:o}", mode), mode);
  for (const unsigned mode : {0500u, 0555u, 0700u, 0711u, 0755u, 0777u, 01777u}) {
    const std::string name = fmt::format("modes/dir-{:04o}", mode);
    tree.write(name + "/inside", "kept\n");
    tree.set_mode(name, mode);
  }
}

void make_times(TempTree& tree) {
  const std::vector<Timestamp> times = {
      {0, 0},           {0, 1},           {1'390'644'000, 123'456'789}, {1'390'644'000, 999'999'999},
      {-1, 500'000'000}, {-2'000'000'000, 1}, {13'569'465'600, 7},  // the year 2400
      {253'402'300'799, 999'999'999},                                 // the end of 9999
  };
  int number = 0;
  for (const Timestamp time : times) {
    const std::string name = fmt::format("times/{}", number++);
    tree.write(name, name);
    tree.set_mtime(name, time);
  }
  tree.symlink("target", "times/symlink");
  tree.set_mtime("times/symlink", {-5, 5});
  tree.make_fifo("times/fifo");
  tree.set_mtime("times/fifo", {1, 2});
  tree.make_dir("times/dir");
  tree.write("times/dir/file", "");
  tree.set_mtime("times/dir", {-7, 7});
}

void make_names(TempTree& tree) {
  const std::vector<std::string> names = {
      "new\nline", "esc\x1b[31mred", "quote\"", "apostrophe'", "back\\slash", "per%cent", "%41",
      "-rf",       "--",             " ",       "tab\t",       "*?[a]",       "$(id)",    "#hash",
      "~",         "{brace: [",      "\xff\xfe", "caf\xc3\xa9", "cut\xc3", "\xe2\x80\xa8", "\xc2\x85",
      "\x01",      "\x7f",           "...",     ".hidden",     "a:b",         "null",     std::string(255, 'n'),
      std::string(254, '\xff') + "x"};
  for (const std::string& name : names) tree.write("names/" + name, "content of " + name);
  for (const std::string name : {"dir\nline", "\x80", "%", "-"}) {
    tree.write("names/d/" + name + "/inside", "x");
    tree.symlink(name, "names/d/" + name + "/link");
  }
}

}  // namespace

void make_deep_chain(const std::string& root, int levels) {
  UniqueFd fd = open_file(root, O_RDONLY | O_DIRECTORY);
  for (int level = 0; level < levels; ++level) {
    const std::string name = fmt::format("level-{:03}-{}", level, std::string(80, 'd'));
    if (::mkdirat(fd.get(), name.c_str(), 0755) != 0) throw_errno(errno, "mkdirat");
    fd = UniqueFd(::openat(fd.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) throw_errno(errno, "openat");
  }
  const UniqueFd end(::openat(fd.get(), "end", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  write_full(end.get(), "the end", "end");
}

void make_odd_tree(TempTree& tree) {
  make_plain(tree);
  make_links(tree);
  make_sparse(tree);
  make_special(tree);
  make_attributes(tree);
  make_modes(tree);
  make_times(tree);
  make_names(tree);
  tree.make_dir("chain");
  make_deep_chain(tree / "chain", 300);
}

}  // namespace reverse
