#include "tests/engine/tree_facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/text.h"
#include "libcore/base/timestamp.h"
#include "libcore/hash/hasher.h"

namespace reverse {
namespace {

// Written without the project's own walk: it is what is being judged.

struct Collector {
  TreeFacts facts;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names;
};

std::vector<std::string> names_in(int fd) {
  const auto close_dir = [](DIR* dir) { ::closedir(dir); };
  const int own = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return {"(unreadable)"};
  std::unique_ptr<DIR, decltype(close_dir)> dir(::fdopendir(own), close_dir);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string content_of(int directory, const std::string& name) {
  const UniqueFd fd(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return "unreadable";
  Hasher hasher(DigestKind::md5);
  std::string block(1 << 20, '\0');
  while (const std::size_t n = read_full(fd.get(), block.data(), block.size(), name))
    hasher.update({block.data(), n});
  return hasher.finish().digest.hex();
}

std::string xattrs_of(int directory, const std::string& name) {
  const std::string path = fmt::format("/proc/self/fd/{}/{}", directory, name);
  std::string list(65536, '\0');
  const ssize_t size = ::llistxattr(path.c_str(), list.data(), list.size());
  if (size <= 0) return "";
  std::vector<std::string> texts;
  for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
    const std::string key = list.c_str() + at;
    at += key.size() + 1;
    std::string value(65536, '\0');
    const ssize_t length = ::lgetxattr(path.c_str(), key.c_str(), value.data(), value.size());
    if (length >= 0) texts.push_back(fmt::format(" {}={}", key, percent_encode(value.substr(0, std::size_t(length)))));
  }
  std::sort(texts.begin(), texts.end());
  std::string all;
  for (const std::string& text : texts) all += text;
  return all;
}

std::string specifics(int directory, const std::string& name, const struct stat& st) {
  switch (st.st_mode & S_IFMT) {
    case S_IFREG: return fmt::format("file {} bytes {}", st.st_size, content_of(directory, name));
    case S_IFLNK: {
      std::string target(65536, '\0');
      const ssize_t n = ::readlinkat(directory, name.c_str(), target.data(), target.size());
      return fmt::format("symlink to {}", target.substr(0, std::size_t(std::max<ssize_t>(n, 0))));
    }
    case S_IFCHR:
    case S_IFBLK: return fmt::format("device {}:{}", major(st.st_rdev), minor(st.st_rdev));
    default: return "plain";
  }
}

void collect(int directory, const std::string& name, const std::string& path, Collector& to) {
  struct stat st {};
  if (::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) throw_errno(errno, path);
  std::string link;
  if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
    link = " is " + to.first_names.try_emplace({st.st_dev, st.st_ino}, path).first->second;
  to.facts[path] = {fmt::format("{:o} {}:{} {} {}{}{}", st.st_mode, st.st_uid, st.st_gid,
                                to_decimal(to_timestamp(st.st_mtim)), specifics(directory, name, st),
                                xattrs_of(directory, name), link),
                    static_cast<unsigned long long>(st.st_blocks)};
  if (!S_ISDIR(st.st_mode)) return;
  const UniqueFd fd(::openat(directory, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) throw_errno(errno, path);
  for (const std::string& child : names_in(fd.get()))
    if (child != "(unreadable)") collect(fd.get(), child, path.empty() ? child : path + "/" + child, to);
}

}  // namespace

TreeFacts facts_of(const std::string& root) {
  Collector collector;
  collect(AT_FDCWD, root, "", collector);
  return std::move(collector.facts);
}

std::vector<std::string> differences(const TreeFacts& source, const TreeFacts& copy) {
  std::vector<std::string> lines;
  for (const auto& [path, facts] : source) {
    const auto at = copy.find(path);
    if (at == copy.end())
      lines.push_back(fmt::format("{}: missing", printable(path)));
    else if (at->second.text != facts.text)
      lines.push_back(fmt::format("{}: {} became {}", printable(path), printable(facts.text),
                                  printable(at->second.text)));
    else if (at->second.blocks > facts.blocks && facts.text.find(" file ") != std::string::npos)
      lines.push_back(fmt::format("{}: {} blocks became {}", printable(path), facts.blocks, at->second.blocks));
  }
  for (const auto& [path, facts] : copy)
    if (source.count(path) == 0) lines.push_back(fmt::format("{}: added", printable(path)));
  return lines;
}

}  // namespace reverse
