#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/store/sample.h"

namespace reverse {

/// The tree of the revision in tests/fixtures/format_v1/{md5,sha256}. Frozen with them.
struct FormatV1Tree {
  std::vector<Entry> entries;
  std::vector<std::string> contents;  // of the files, in the order of entries

  explicit FormatV1Tree(DigestKind kind) : kind_(kind) {
    add(make_directory(""));
    add(make_directory("docs"));
    for (int i = 0; i < 300; ++i)
      file(fmt::format("docs/{:03}.txt", i), "text " + std::to_string(i % 7) + "\n");
    file("docs/\xff%\n\"\\", "odd\n").xattrs = {{"user.a", std::string("\0\x01", 2)},
                                                {"user.b%", ""}};
    file("docs-", "sorted behind docs/\n").mode = 04755;
    file("empty", "");
    Entry& changed = file("log", "grew while it was read\n");
    changed.changed = changed.sparse = true;
    Entry& unread = file("secret", "");
    unread.error = "open 'secret': Permission denied";
    unread.digest.reset();
    unread.check.reset();
    file("linked a", "linked\n").hardlink = 0x0123456789abcdefu;
    file("linked b", "linked\n").hardlink = 0x0123456789abcdefu;
    file("times", "").mtime = {-2, 500000000};
    add(make_symlink("link", "docs/000.txt"));
    add(make_symlink("link\x01", "\xff"));
    add(make_entry(FileType::fifo, "pipe"));
    add(make_entry(FileType::socket, "socket"));
    add(make_entry(FileType::character_device, "tty")).device_major = 5;
    add(make_entry(FileType::block_device, "disk")).device_minor = 255;
    Entry& nested = add(make_entry(FileType::repository, "vault"));
    nested.repository_id = kSecondId;
    nested.mtime = {};
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return compare_paths(a.path, b.path) < 0; });
  }

 private:
  Entry& add(Entry entry) {
    entries.push_back(std::move(entry));
    return entries.back();
  }
  Entry& file(const std::string& path, const std::string& content) {
    contents.push_back(content);
    return add(make_file(path, content, kind_));
  }
  DigestKind kind_;
};

inline constexpr const char* kFormatV1Revision = "desk/home/20140125T100000Z-6f0c2a7e";

}  // namespace reverse
