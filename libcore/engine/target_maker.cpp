#include "libcore/engine/target_maker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <utility>

#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/engine/new_file.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/object_copies.h"
#include "libcore/store/object_places.h"

namespace reverse {

Sums sums_of(const Entry& entry) { return {entry.digest.value_or(Digest()), entry.check, entry.size}; }

namespace {

constexpr std::size_t kBlock = 1 << 20;  // read at a time

/// Others wait for what `job` makes, or not.
void settle(const Job& job, bool made) {
  if (job.first_of_group) job.group->settle(made);
  if (job.is_first_copy) job.copy->settle(made);
}

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

// --- what others wait for

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

void Awaited::settle(bool made) {
  std::lock_guard lock(mutex_);
  settled_ = true;
  made_ = made;
  changed_.notify_all();
}

bool Awaited::wait_made(const std::stop_token& stop) {
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
    settle(job, false);
    if (is_fatal(error)) throw;
    return {Made::failed, error.what()};
  }
  settle(job, result.made == Made::made || result.made == Made::skipped);
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
  return is_file ? make_file(directory, job, replace, stop) : make_special(directory, job, replace);
}

/// False where the name must be made from its content after all.
bool TargetMaker::link(int directory, Job& job, bool replace, const std::stop_token& stop) {
  if (!job.group->fits(job.entry) || !job.group->wait_made(stop)) return false;
  TargetDirectory::Handle first = job.group->directory->open();
  TemporaryName temporary(directory);
  if (::linkat(first.fd, job.group->name.c_str(), directory, temporary.c_str(), 0) != 0) return false;
  temporary.arm();
  temporary.give({directory, job.name, job.display}, replace);
  return true;
}

bool TargetMaker::has_unnamed_files(int directory) {
  std::call_once(tried_, [&] { unnamed_files_ = can_name_files(directory); });
  return unnamed_files_;
}

MadeResult TargetMaker::make_file(int directory, const Job& job, bool replace,
                                  const std::stop_token& stop) {
  NewFile file({directory, job.name, job.display}, has_unnamed_files(directory));
  MadeResult fetched = fetch(file.fd(), job, stop);
  if (fetched.made == Made::damaged && options_.salvage)
    fetched.is_salvaged = salvage(directory, job);
  if (fetched.made != Made::made) return fetched;
  metadata_.apply(file.fd(), job.entry, job.display);
  if (options_.verify) verify_written(file, job);
  file.give(replace);
  return {};
}

MadeResult TargetMaker::fetch(int fd, const Job& job, const std::stop_token& stop) {
  FileSink file(fd, options_.sparse || job.entry.sparse, job.display);
  if (job.copy && !job.is_first_copy && copy_first(job, file, stop)) return {};
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

/// False where the content must be fetched after all: whoever the file belongs to may have changed it.
bool TargetMaker::copy_first(const Job& job, FileSink& file, const std::stop_token& stop) const {
  if (!job.copy->wait_made(stop)) return false;
  const UniqueFd from(
      ::open(job.copy->path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!from || ::fstat(from.get(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  HashingSink sink(job.entry.digest->kind(), file);
  std::string block(std::min<std::uint64_t>(kBlock, job.entry.size + 1), '\0');
  try {
    while (std::size_t n = read_full(from.get(), block.data(), block.size(), job.copy->path))
      sink.write({block.data(), n});
  } catch (const Error& error) {
    if (is_fatal(error)) throw;
    file.restart();
    return false;
  }
  if (sink.finish() != sums_of(job.entry)) {
    file.restart();
    return false;
  }
  file.finish();
  return true;
}

/// What there is of damaged content gets a name that nobody takes for the file's. False if there is
/// nothing, or that name is taken.
bool TargetMaker::salvage(int directory, const Job& job) {
  const std::string name = job.name + ".damaged", display = job.display + ".damaged";
  NewFile damaged({directory, name, display}, has_unnamed_files(directory));
  FileSink file(damaged.fd(), false, display);
  try {
    read_damaged_object(repository_, sums_of(job.entry), file);
    file.finish();
    damaged.give(false);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::exists) throw;
    return false;
  }
  return true;
}

void TargetMaker::verify_written(const NewFile& file, const Job& job) const {
  const UniqueFd fd = file.open_again();
  // Past the page cache: what is checked is what the disk holds.
  if (::fdatasync(fd.get()) != 0) throw_errno(errno, fmt::format("sync '{}'", printable(job.display)));
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  Hasher hasher(job.entry.digest->kind());
  std::string block(kBlock, '\0');
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
  temporary.give({directory, job.name, job.display}, replace);
  return {};
}

}  // namespace reverse
