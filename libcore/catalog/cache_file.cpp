#include "libcore/catalog/cache_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <thread>

#include "libcore/base/timestamp.h"

namespace reverse {
namespace {

using Clock = std::chrono::steady_clock;

/// Files up to this size are checked whole when they are opened; in larger ones damage shows in
/// use.
constexpr off_t kCheckedBytes = 1 << 20;

/// Makes `path` and what is missing above it, for the owner alone whatever the umask.
void make_private_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0) {
    if (errno == EEXIST) return;
    const std::size_t slash = path.rfind('/');
    if (errno != ENOENT || slash == std::string::npos || slash == 0)
      throw_errno(errno, fmt::format("create directory '{}'", path));
    make_private_directory(path.substr(0, slash));
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
      throw_errno(errno, fmt::format("create directory '{}'", path));
  }
  if (::chmod(path.c_str(), 0700) != 0) throw_errno(errno, fmt::format("chmod '{}'", path));
}

/// Opens `path`, making it if need be, for the owner alone whatever the umask.
UniqueFd open_private(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd && errno == EEXIST && (flags & O_EXCL) == 0) return open_file(path, O_RDWR);
  if (!fd) throw_errno(errno, fmt::format("create '{}'", path));
  if (::fchmod(fd.get(), 0600) != 0) throw_errno(errno, fmt::format("chmod '{}'", path));
  return fd;
}

void rename_file(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    throw_errno(errno, fmt::format("rename '{}' to '{}'", from, to));
}

bool exists(const std::string& path) {
  struct stat status;
  return ::lstat(path.c_str(), &status) == 0;
}

/// A name for `path` to be kept under that nothing has yet.
std::string name_aside(const std::string& path) {
  for (Timestamp time = now();; time = plus_seconds(time, 1)) {
    std::string name = fmt::format("{}.damaged-{}", path, to_compact_utc(time));
    if (!exists(name)) return name;
  }
}

std::int64_t integer_of(sqlite3* db, std::string_view query) {
  sql::Statement statement(db, query);
  sql::Rows rows = statement.query();
  return rows.next() ? rows.integer(0) : 0;
}

/// Throws `corrupt` with the first thing that is wrong in the file's structure.
void check_whole(sqlite3* db) {
  sql::Statement quick_check(db, "PRAGMA quick_check(1)");
  sql::Rows rows = quick_check.query();
  if (!rows.next() || rows.bytes(0) == "ok") return;
  const std::string_view finding = rows.bytes(0);  // what is wrong is told by its last line
  fail(ErrorKind::corrupt, "{}", finding.substr(finding.rfind('\n') + 1));
}

}  // namespace

std::shared_ptr<CacheFile> CacheFile::open(const std::string& path, const CacheKind& kind,
                                           const Warn& warn, const Prepare& prepare) {
  std::shared_ptr<CacheFile> file(new CacheFile(path, kind));
  return with_context(kind.title, [&] {
    make_private_directory(path.substr(0, path.rfind('/')));
    file->lock_ = open_private(path + ".lock", 0);
    const auto deadline = Clock::now() + std::chrono::milliseconds(sql::kBusyTimeout);
    // Each turn asks for both locks, since whoever holds one may be making the file anew, or using
    // what he made.
    while (!file->try_lock(LOCK_SH) || file->connect(prepare)) {
      if (file->try_lock(LOCK_EX)) {
        file->mend(warn, prepare);
      } else if (Clock::now() > deadline) {
        fail(ErrorKind::busy, "'{}' must be made anew, and another process is using it", path);
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    }
    return file;
  });
}

/// Takes the lock in place of the one held. If it is not to be had, none is held afterwards.
bool CacheFile::try_lock(int operation) {
  if (::flock(lock_.get(), operation | LOCK_NB) == 0) return true;
  if (errno != EWOULDBLOCK && errno != EINTR)
    throw_errno(errno, fmt::format("lock '{}.lock'", path_));
  ::flock(lock_.get(), LOCK_UN);
  return false;
}

/// With the lock held exclusively: sees to it that the file is fit for use.
void CacheFile::mend(const Warn& warn, const Prepare& prepare) {
  std::optional<std::string> defect = connect(prepare);
  if (!defect) return;  // another process was faster
  replace(*defect, warn);
  if ((defect = connect(prepare)))
    fail(ErrorKind::internal, "'{}' was just created and yet {}", path_, *defect);
}

/// Opens the file and prepares the statements. Returns why the file is not fit for use, if so.
std::optional<std::string> CacheFile::connect(const Prepare& prepare) {
  struct stat mark, status;
  if (::fstat(lock_.get(), &mark) != 0) throw_errno(errno, fmt::format("stat '{}.lock'", path_));
  if (::stat(path_.c_str(), &status) != 0) {
    if (errno == ENOENT) return "does not exist";
    throw_errno(errno, fmt::format("stat '{}'", path_));
  }
  if (mark.st_size > 0) return "was found damaged in use";
  if (!S_ISREG(status.st_mode)) return "is not a regular file";
  if (status.st_size == 0) return "is empty";
  try {
    sql::UniqueDb db = sql::open(path_, sql::Access::read_write);
    if (auto defect = defect_of(db.get())) return defect;
    if (status.st_size <= kCheckedBytes) check_whole(db.get());
    prepare(db.get());
    db_ = std::move(db);
    return std::nullopt;
  } catch (const Error& error) {
    // `internal`: a statement does not fit the schema.
    if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::internal) throw;
    return fmt::format("is damaged: {}", error.what());
  }
}

std::optional<std::string> CacheFile::defect_of(sqlite3* db) const {
  if (integer_of(db, "PRAGMA application_id") != kind_.application_id)
    return "belongs to another program";
  const std::int64_t version = integer_of(db, "PRAGMA user_version");
  if (version != kind_.version)
    return fmt::format("has version {} instead of {}", version, kind_.version);
  return std::nullopt;
}

/// Moves what is there aside, and makes a fresh file.
void CacheFile::replace(const std::string& defect, const Warn& warn) {
  if (exists(path_)) {
    const std::string aside = name_aside(path_);
    rename_file(path_, aside);
    // The log belongs to the old file and would be played into the new one.
    if (exists(path_ + "-wal")) rename_file(path_ + "-wal", aside + "-wal");
    warn(fmt::format("{} '{}' {}; kept as '{}', a new one is made", kind_.title, path_, defect,
                     aside));
  }
  std::remove((path_ + "-shm").c_str());
  std::remove((path_ + "-wal").c_str());
  std::remove((path_ + "-journal").c_str());
  create();
  if (::ftruncate(lock_.get(), 0) != 0)
    throw_errno(errno, fmt::format("truncate '{}.lock'", path_));
}

/// Makes the file under another name first, so that it is never seen half made.
void CacheFile::create() {
  const std::string draft = path_ + ".new";
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) std::remove((draft + suffix).c_str());
  open_private(draft, O_EXCL);
  {
    sql::UniqueDb db = sql::open(draft, sql::Access::read_write);
    sql::Transaction transaction(db.get(), sql::Begin::immediate);
    sql::execute(db.get(), std::string(kind_.schema));
    transaction.commit();
    sql::execute(db.get(), "PRAGMA journal_mode = WAL");
  }
  rename_file(draft, path_);
}

void CacheFile::throw_damaged(const Error& error) {
  // One byte is enough; where not even that can be written, the next open meets the damage by
  // itself.
  [[maybe_unused]] ssize_t written = ::pwrite(lock_.get(), "!", 1, 0);
  fail(ErrorKind::corrupt, "{}: {}; it will be set aside when it is next opened", kind_.title,
       error.what());
}

}  // namespace reverse
