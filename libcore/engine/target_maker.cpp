#include "libcore/engine/target_maker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <utility>

#include "libcore/base/random.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/object_copies.h"

namespace reverse {

Sums sums_of(const Entry& entry) { return {entry.digest.value_or(Digest()), entry.check, entry.size}; }

namespace {

/// A temporary name beside the final one; removed unless it was given away.
class TemporaryName {
 public:
  explicit TemporaryName(int directory) : directory_(directory), name_(".reverse-" + random_hex(8)) {}
  ~TemporaryName() {
    if (armed_) ::unlinkat(directory_, name_.c_str(), 0);
  }
  TemporaryName(const TemporaryName&) = delete;
  TemporaryName& operator=(const TemporaryName&) = delete;

  const char* c_str() const { return name_.c_str(); }
  void arm() { armed_ = true; }

  /// Renames it to `job`'s name; over an existing file only if `replace`.
  void give(const Job& job, bool replace) {
    unsigned flags = replace ? 0 : RENAME_NOREPLACE;
    if (::renameat2(directory_, name_.c_str(), directory_, job.name.c_str(), flags) != 0) {
      // A file system without RENAME_NOREPLACE: link does not replace either.
      bool linked = errno == EINVAL && flags != 0 &&
                    ::linkat(directory_, name_.c_str(), directory_, job.name.c_str(), 0) == 0;
      if (!linked) throw_errno(errno, fmt::format("name '{}'", printable(job.display)));
      return;  // the destructor takes the temporary name away
    }
    armed_ = false;
  }

 private:
  int directory_;
  std::string name_;
  bool armed_ = false;
};

/// Keeps an error of the target apart from those of the repository.
class TargetSink : public ByteSink {
 public:
  explicit TargetSink(FileSink& file) : file_(file) {}
  void write(ByteView bytes) override {
    try {
      file_.write(bytes);
    } catch (...) {
      failed_ = true;
      throw;
    }
  }
  bool failed() const { return failed_; }

 private:
  FileSink& file_;
  bool failed_ = false;
};


/// What ends the run rather than one file of it.
bool is_fatal(const Error& error) {
  return error.kind() == ErrorKind::no_space || error.kind() == ErrorKind::network;
}

std::string read_link(int directory, const std::string& name) {
  char target[PATH_MAX];
  ssize_t size = ::readlinkat(directory, name.c_str(), target, sizeof target);
  return size < 0 ? std::string() : std::string(target, static_cast<std::size_t>(size));
}

}  // namespace

// --- hard links

LinkGroup::LinkGroup(std::shared_ptr<TargetDirectory> in, std::string as, const Entry& entry)
    : directory(std::move(in)),
      name(std::move(as)),
      type_(entry.type),
      sums_(sums_of(entry)),
      target_(entry.target),
      device_(entry.device_major, entry.device_minor) {}

bool LinkGroup::fits(const Entry& entry) const {
  return entry.type == type_ && sums_of(entry) == sums_ && entry.target == target_ &&
         std::pair(entry.device_major, entry.device_minor) == device_;
}

void LinkGroup::settle(bool made) {
  std::lock_guard lock(mutex_);
  settled_ = true;
  made_ = made;
  changed_.notify_all();
}

bool LinkGroup::wait_made(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait(lock, stop, [&] { return settled_; })) throw Cancelled();
  return made_;
}

// --- making names

TargetMaker::TargetMaker(const Repository& repository, const RestoreOptions& options,
                         MetadataWriter& metadata)
    : repository_(repository), options_(options), metadata_(metadata) {}

MadeResult TargetMaker::make(Job& job, const std::stop_token& stop) {
  MadeResult result{Made::failed, "stopped"};
  try {
    TargetDirectory::Handle directory;
    if (job.directory) directory = job.directory->open();
    Verdict verdict = job.directory ? judge(directory.fd, job.name, job.entry)
                                    : judge(AT_FDCWD, job.display, job.entry);
    if (verdict == Verdict::keep) {
      result = {Made::kept, "something different has this name"};
    } else if (verdict == Verdict::skip) {
      result = {Made::skipped, ""};
    } else if (options_.dry_run) {
      result = {Made::made, ""};
    } else {
      result = make_here(directory.fd, job, verdict == Verdict::replace, stop);
    }
  } catch (const Error& error) {
    if (job.first_of_group) job.group->settle(false);
    if (is_fatal(error)) throw;
    return {Made::failed, error.what()};
  }
  if (job.first_of_group)
    job.group->settle(result.made == Made::made || result.made == Made::skipped);
  return result;
}

TargetMaker::Verdict TargetMaker::judge(int directory, const std::string& name,
                                        const Entry& entry) const {
  struct stat there {};
  if (::fstatat(directory, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return Verdict::make;
    throw_errno(errno, fmt::format("look at '{}'", printable(name)));
  }
  bool same_type = (there.st_mode & S_IFMT) == mode_of_file_type(entry.type);
  Timestamp mtime = to_timestamp(there.st_mtim);
  bool same = same_type;
  if (entry.type == FileType::file)
    same = same && static_cast<std::uint64_t>(there.st_size) == entry.size && mtime == entry.mtime;
  if (entry.type == FileType::symlink) same = same && read_link(directory, name) == entry.target;
  switch (options_.overwrite) {
    case Overwrite::never: return same ? Verdict::skip : Verdict::keep;
    case Overwrite::if_newer: return entry.mtime > mtime ? Verdict::replace : Verdict::skip;
    case Overwrite::if_changed: return same ? Verdict::skip : Verdict::replace;
    case Overwrite::always: return Verdict::replace;
  }
  return Verdict::keep;
}

MadeResult TargetMaker::make_here(int directory, Job& job, bool replace,
                                  const std::stop_token& stop) {
  bool is_file = job.entry.type == FileType::file;
  if (is_file && !job.entry.digest)
    return {Made::damaged, "was unreadable when it was backed up: " + job.entry.error};
  if (job.group && !job.first_of_group && link(directory, job, replace, stop)) return {};
  return is_file ? make_file(directory, job, replace) : make_special(directory, job, replace);
}

/// False where the name must be made from its content after all.
bool TargetMaker::link(int directory, Job& job, bool replace, const std::stop_token& stop) {
  if (!job.group->fits(job.entry) || !job.group->wait_made(stop)) return false;
  TargetDirectory::Handle first = job.group->directory->open();
  TemporaryName temporary(directory);
  if (::linkat(first.fd, job.group->name.c_str(), directory, temporary.c_str(), 0) != 0) return false;
  temporary.arm();
  temporary.give(job, replace);
  return true;
}

MadeResult TargetMaker::make_file(int directory, const Job& job, bool replace) {
  TemporaryName temporary(directory);
  UniqueFd fd(::openat(directory, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) throw_errno(errno, fmt::format("create '{}'", printable(job.display)));
  temporary.arm();
  MadeResult fetched = fetch(fd.get(), job);
  if (fetched.made == Made::damaged && options_.salvage)
    fetched.is_salvaged = salvage(directory, job);
  if (fetched.made != Made::made) return fetched;
  metadata_.apply(fd.get(), job.entry, job.display);
  if (::close(fd.release()) != 0) throw_errno(errno, fmt::format("close '{}'", printable(job.display)));
  if (options_.verify) verify_written(directory, temporary.c_str(), job);
  temporary.give(job, replace);
  return {};
}

MadeResult TargetMaker::fetch(int fd, const Job& job) {
  FileSink file(fd, options_.sparse || job.entry.sparse, job.display);
  TargetSink sink(file);
  try {
    read_whole_copy(repository_, sums_of(job.entry), sink, [&file] { file.restart(); });
  } catch (const Error& error) {
    if (sink.failed() || is_fatal(error)) throw;
    return {Made::damaged, error.what()};
  }
  file.finish();
  return {};
}

/// What there is of damaged content gets a name that nobody takes for the file's. False if there is
/// nothing, or that name is taken.
bool TargetMaker::salvage(int directory, const Job& job) {
  Job damaged{.entry = {},
              .directory = nullptr,
              .name = job.name + ".damaged",
              .display = job.display + ".damaged",
              .group = nullptr,
              .ahead = {}};
  TemporaryName temporary(directory);
  UniqueFd fd(::openat(directory, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) throw_errno(errno, fmt::format("create '{}'", printable(damaged.display)));
  temporary.arm();
  FileSink file(fd.get(), false, damaged.display);
  try {
    read_damaged_object(repository_, sums_of(job.entry), file);
    file.finish();
    temporary.give(damaged, false);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::exists) throw;
    return false;
  }
  return true;
}

void TargetMaker::verify_written(int directory, const std::string& name, const Job& job) const {
  UniqueFd fd(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) throw_errno(errno, fmt::format("read back '{}'", printable(job.display)));
  // Past the page cache: what is checked is what the disk holds.
  if (::fdatasync(fd.get()) != 0) throw_errno(errno, fmt::format("sync '{}'", printable(job.display)));
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  Hasher hasher(job.entry.digest->kind());
  std::string block(1 << 20, '\0');
  while (std::size_t n = read_full(fd.get(), block.data(), block.size(), job.display))
    hasher.update({block.data(), n});
  if (hasher.finish() != sums_of(job.entry))
    fail(ErrorKind::io, "'{}' does not read back from disk as it was written", printable(job.display));
}

MadeResult TargetMaker::make_special(int directory, const Job& job, bool replace) {
  const Entry& entry = job.entry;
  bool is_device = entry.type == FileType::character_device || entry.type == FileType::block_device;
  if (is_device && !options_.special) {
    metadata_.leave_out_special();
    return {Made::left_out, ""};
  }
  TemporaryName temporary(directory);
  int made = entry.type == FileType::symlink
                 ? ::symlinkat(entry.target.c_str(), directory, temporary.c_str())
                 : ::mknodat(directory, temporary.c_str(), mode_of_file_type(entry.type) | 0600,
                             makedev(entry.device_major, entry.device_minor));
  if (made != 0) throw_errno(errno, fmt::format("make '{}'", printable(job.display)));
  temporary.arm();
  metadata_.apply_to_name(directory, temporary.c_str(), entry, job.display);
  temporary.give(job, replace);
  return {};
}

}  // namespace reverse
