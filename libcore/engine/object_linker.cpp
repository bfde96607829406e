#include "libcore/engine/object_linker.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/engine/stored_sizes.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr unsigned kFileMode = 0444;
constexpr std::uint64_t kWorthListing = 1024;  // files
constexpr std::uint64_t kListedPerFile = 16;   // objects: a name in a listing costs so much less than a look

/// The names that the content may have as an object, the surer one first.
std::vector<std::string> names_of(const Entry& entry) {
  std::vector<std::string> names;
  if (entry.check) names.push_back(to_string(ObjectName{*entry.digest, entry.check}));
  names.push_back(to_string(ObjectName{*entry.digest, std::nullopt}));
  return names;
}

std::string in_objects(const std::string& name) { return "objects/" + name.substr(0, 2) + "/" + name; }

UniqueFd create_file(int directory, const std::string& name, unsigned mode) {
  UniqueFd fd(::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (fd.get() < 0) throw_errno(errno, fmt::format("create '{}'", printable(name)));
  return fd;
}

/// True if a file of the repository can be cloned into the view: by trying, with one that has no name.
bool can_clone(int root, int view) {
  const UniqueFd from(::openat(root, layout::kRepositoryFile.c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd to(::openat(view, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  return from && to && ::ioctl(to.get(), FICLONE, from.get()) == 0;
}

}  // namespace

ObjectLinker::ObjectLinker(const Repository& repository, const std::string& root, int view)
    : repository_(repository),
      root_(open_file(root, O_PATH | O_DIRECTORY)),
      view_(view),
      metadata_(options_),
      clones_(can_clone(root_.get(), view)) {}

/// Next to no object has a name beside that of its digest: looking for one costs each file a tenth of
/// what its link does.
void ObjectLinker::expect(std::uint64_t files) {
  if (files < kWorthListing || repository_.info().digest != DigestKind::md5) return;
  if (count_roughly(repository_) > kListedPerFile * files) return;
  variants_.emplace();
  const auto note = [this](std::string_view name) {
    const std::optional<ObjectName> object = parse_object_name(name);
    if (object && object->variant) variants_->emplace(name);
    return false;
  };
  for (int index = 0; index < layout::kShards; ++index)
    list_wanted_if_there(repository_.backend(), layout::shard(index), note,
                         [](const ListedFile&) {});
}

/// False if the listing of objects/ says that it holds no such one.
bool ObjectLinker::may_be_there(const std::string& object) const {
  const bool is_variant = object.find('-') != std::string::npos;
  return !is_variant || !variants_ || variants_->contains(object);
}

void ObjectLinker::make(int directory, const std::string& name, const Entry& entry) {
  if (entry.size == 0) {  // links to it may be needed up to the file system's limit, and save nothing
    UniqueFd fd = create_file(directory, name, kFileMode);
    if (clones()) metadata_.apply(fd.get(), entry, entry.path);
    return;
  }
  const std::optional<std::string> copy = copy_of(entry);
  if (copy && ::linkat(view_, copy->c_str(), directory, name.c_str(), 0) == 0) return;
  if (copy || !try_places(directory, name, entry)) make_copy(directory, name, entry);
}

std::optional<std::string> ObjectLinker::copy_of(const Entry& entry) const {
  std::lock_guard lock(mutex_);
  const auto copy = copies_.find(ContentKey::of(*entry.digest, entry.check));
  return copy == copies_.end() ? std::nullopt : std::optional(copy->second);
}

void ObjectLinker::note_copy(const Entry& entry, const std::string& path) {
  std::lock_guard lock(mutex_);
  copies_[ContentKey::of(*entry.digest, entry.check)] = path;
}

/// Where readers look, in their order. False: found, but no more links can be made to it.
bool ObjectLinker::try_places(int directory, const std::string& name, const Entry& entry) {
  for (const std::string& object : names_of(entry))
    if (may_be_there(object) && make_from(in_objects(object), directory, name, entry)) return true;
  if (has_no_room(entry)) return false;
  std::vector<std::string> places;
  repository_.backend().list(layout::kTrash, [&](const ListedFile& run) {
    if (run.stat.type == FileType::directory) places.push_back("trash/" + run.name + "/");
  });
  places.push_back("bad/");
  for (const std::string& place : places)
    for (const std::string& object : names_of(entry))
      if (make_from(place + object, directory, name, entry)) return true;
  for (const std::string& object : names_of(entry))
    if (make_from(in_objects(object), directory, name, entry)) return true;
  if (has_no_room(entry)) return false;
  fail(ErrorKind::not_found, "object {} is missing", entry.digest->hex());
}

/// False if there is no such object; or no room for links, and then `copies_` has a place for it.
bool ObjectLinker::make_from(const std::string& object, int directory, const std::string& name,
                             const Entry& entry) {
  if (clones_) {
    UniqueFd from(::openat(root_.get(), object.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (from.get() < 0 && errno == ENOENT) return false;
    if (from.get() < 0) throw_errno(errno, fmt::format("open '{}'", object));
    UniqueFd to = create_file(directory, name, 0600);
    if (::ioctl(to.get(), FICLONE, from.get()) != 0) {
      const int error = errno;
      ::unlinkat(directory, name.c_str(), 0);
      throw_errno(error, fmt::format("clone '{}'", object));
    }
    check_size(directory, name, entry);
    metadata_.apply(to.get(), entry, entry.path);
    return true;
  }
  return try_link(object, directory, name, entry);
}

bool ObjectLinker::try_link(const std::string& object, int directory, const std::string& name,
                            const Entry& entry) {
  if (::linkat(root_.get(), object.c_str(), directory, name.c_str(), 0) == 0) {
    check_size(directory, name, entry);
    return true;
  }
  switch (errno) {
    case ENOENT:
      return false;
    case EMLINK:
      note_copy(entry, "");
      return false;
    case EXDEV:
      fail(ErrorKind::unsupported,
           "a view is made of hard links, and must be on the repository's file system (elsewhere "
           "'reverse restore' makes copies)");
    case EPERM:
    case EOPNOTSUPP:
      fail(ErrorKind::unsupported,
           "hard links to objects cannot be made here, by this user or on this file system "
           "('reverse restore' makes copies)");
    default:
      throw_errno(errno, fmt::format("link '{}' to '{}'", printable(name), object));
  }
}

/// The size is compared always; the bytes are verify's to read.
void ObjectLinker::check_size(int directory, const std::string& name, const Entry& entry) const {
  struct stat status;
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    throw_errno(errno, fmt::format("stat '{}'", printable(name)));
  if (S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) == entry.size) return;
  ::unlinkat(directory, name.c_str(), 0);
  fail(ErrorKind::corrupt, "object {} has {} bytes instead of {}", entry.digest->hex(),
       status.st_size, entry.size);
}

/// A file of its own, which what has the same content is linked to from now on.
void ObjectLinker::make_copy(int directory, const std::string& name, const Entry& entry) {
  {
    UniqueFd fd = create_file(directory, name, 0600);
    try {
      FileSink sink(fd.get(), false, entry.path);
      repository_.read_object({*entry.digest, entry.check, entry.size}, sink);
      sink.finish();
    } catch (...) {
      ::unlinkat(directory, name.c_str(), 0);
      throw;
    }
    if (::fchmod(fd.get(), kFileMode) != 0)
      throw_errno(errno, fmt::format("chmod '{}'", printable(name)));
  }
  note_copy(entry, entry.path);
  ++copied_;
}

}  // namespace reverse
