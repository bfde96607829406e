#include "tests/support/backends/memory_backend.h"

#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {

/// A file of a `MemoryStorage` under its temporary name.
class MemoryUpload final : public Upload {
 public:
  MemoryUpload(MemoryStorage& storage, RepoPath path, MemoryStorage::NodePtr node)
      : storage_(storage),
        path_(std::move(path)),
        node_(std::move(node)),
        power_cuts_(storage.power_cuts_) {}
  ~MemoryUpload() override;

  void write(ByteView bytes) override;
  void close() override { closed_ = true; }

  /// Makes the bytes durable. To be called with the storage's mutex held.
  void make_durable();
  /// The place of the temporary name; without a node if that name has gone. Mutex held.
  MemoryStorage::Place place() const;
  const MemoryStorage::NodePtr& node() const { return node_; }
  void set_published() { published_ = true; }

 private:
  bool is_alive() const { return power_cuts_ == storage_.power_cuts_; }

  MemoryStorage& storage_;
  const RepoPath path_;
  const MemoryStorage::NodePtr node_;
  const std::uint64_t power_cuts_;
  bool closed_ = false;
  bool published_ = false;
};

MemoryUpload::~MemoryUpload() {
  std::lock_guard lock(storage_.mutex_);
  if (published_ || !is_alive()) return;
  MemoryStorage::Place at = place();
  if (at.node) storage_.apply(nullptr, {{at.directory, at.name, nullptr}});
}

void MemoryUpload::write(ByteView bytes) {
  std::lock_guard lock(storage_.mutex_);
  if (closed_ || !is_alive()) fail(ErrorKind::internal, "write '{}': closed", path_);
  node_->bytes.append(bytes);
  node_->stat.size = node_->bytes.size();
  node_->stat.mtime = storage_.clock_();
}

void MemoryUpload::make_durable() {
  if (!closed_ || published_ || !is_alive())
    fail(ErrorKind::internal, "upload '{}': calls out of order", path_);
  node_->durable_bytes = true;
}

MemoryStorage::Place MemoryUpload::place() const {
  MemoryStorage::Place at = storage_.find(path_);
  return at.node == node_ ? at : MemoryStorage::Place{};
}

namespace {

MemoryUpload& own(Upload* upload) {
  return dynamic_cast<MemoryUpload&>(*upload);
}

}  // namespace

MemoryBackend::MemoryBackend(std::shared_ptr<MemoryStorage> storage)
    : storage_(std::move(storage)),
      traits_{.cheap_stat = true,
              .reliable_listing = true,
              .durable = true,
              .connections = 1} {}

std::string MemoryBackend::display(const RepoPath& path) const {
  return fmt::format("'{}:/{}'", storage_->name(), printable(path));
}

std::optional<FileStat> MemoryBackend::stat(const RepoPath& path) {
  std::lock_guard lock(storage_->mutex_);
  MemoryStorage::Place at = storage_->find(path);
  return at.node ? std::optional(at.node->stat) : std::nullopt;
}

void MemoryBackend::list(const RepoPath& directory,
                         const std::function<void(const ListedFile&)>& visit) {
  std::vector<ListedFile> files;
  {
    std::lock_guard lock(storage_->mutex_);
    MemoryStorage::Place at = storage_->find(directory);
    if (!at.node) fail(ErrorKind::not_found, "list {}: not there", display(directory));
    if (at.node->stat.type != FileType::directory)
      fail(ErrorKind::io, "list {}: not a directory", display(directory));
    for (const auto& [name, node] : at.node->entries) files.push_back({name, node->stat});
  }
  for (const ListedFile& file : files) visit(file);
}

std::uint64_t MemoryBackend::read(const RepoPath& path, ByteSink& sink) {
  std::string bytes;
  {
    std::lock_guard lock(storage_->mutex_);
    MemoryStorage::Place at = storage_->find(path);
    if (!at.node) fail(ErrorKind::not_found, "open {}: not there", display(path));
    if (at.node->stat.type != FileType::file)
      fail(ErrorKind::io, "read {}: not a regular file", display(path));
    bytes = at.node->bytes;
  }
  if (!bytes.empty()) sink.write(bytes);
  return bytes.size();
}

std::unique_ptr<Upload> MemoryBackend::create(const RepoPath& path, std::uint32_t mode) {
  std::lock_guard lock(storage_->mutex_);
  MemoryStorage::Place at = storage_->find(path);
  if (at.node) fail(ErrorKind::exists, "create {}: exists", display(path));
  if (!at.directory) fail(ErrorKind::not_found, "create {}: no such directory", display(path));
  at.node = storage_->make_node(FileType::file, mode);
  storage_->apply(nullptr, {{at.directory, at.name, at.node}});
  return std::make_unique<MemoryUpload>(*storage_, path, at.node);
}

std::vector<MoveResult> MemoryBackend::publish(std::span<const Publication> publications) {
  std::lock_guard lock(storage_->mutex_);
  for (const Publication& publication : publications) own(publication.upload).make_durable();
  std::vector<MoveResult> results;
  for (const Publication& publication : publications) {
    MemoryUpload& upload = own(publication.upload);
    MemoryStorage::Place from = upload.place();
    MemoryStorage::Place to = storage_->find(publication.target);
    results.push_back(!from.node || !to.directory ? MoveResult::gone
                      : to.node                   ? MoveResult::exists
                                                  : MoveResult::done);
    if (results.back() != MoveResult::done) continue;
    storage_->apply(this,
                    {{from.directory, from.name, nullptr}, {to.directory, to.name, upload.node()}});
    upload.set_published();
  }
  return results;
}

void MemoryBackend::replace(Upload& upload, const RepoPath& target) {
  std::lock_guard lock(storage_->mutex_);
  own(&upload).make_durable();
  MemoryStorage::Place from = own(&upload).place();
  MemoryStorage::Place to = storage_->find(target);
  if (!from.node || !to.directory)
    fail(ErrorKind::not_found, "replace {}: not there", display(target));
  storage_->apply(this, {{from.directory, from.name, nullptr}, {to.directory, to.name, from.node}});
  own(&upload).set_published();
}

MoveResult MemoryBackend::move(const RepoPath& from, const RepoPath& to) {
  std::lock_guard lock(storage_->mutex_);
  MemoryStorage::Place source = storage_->find(from);
  MemoryStorage::Place target = storage_->find(to);
  if (!source.node || !target.directory) return MoveResult::gone;
  if (target.node) return MoveResult::exists;
  storage_->apply(this, {{source.directory, source.name, nullptr},
                         {target.directory, target.name, source.node}});
  return MoveResult::done;
}

bool MemoryBackend::remove_node(const RepoPath& path, FileType type) {
  std::lock_guard lock(storage_->mutex_);
  MemoryStorage::Place at = storage_->find(path);
  if (!at.node) return false;
  if (at.node->stat.type != type) fail(ErrorKind::io, "remove {}: wrong type", display(path));
  if (!at.node->entries.empty()) return false;
  storage_->apply(this, {{at.directory, at.name, nullptr}});
  return true;
}

bool MemoryBackend::remove(const RepoPath& path) {
  return remove_node(path, FileType::file);
}

bool MemoryBackend::remove_directory(const RepoPath& path) {
  return remove_node(path, FileType::directory);
}

bool MemoryBackend::make_directory(const RepoPath& path) {
  std::lock_guard lock(storage_->mutex_);
  MemoryStorage::Place at = storage_->find(path);
  if (at.node) return false;
  if (!at.directory)
    fail(ErrorKind::not_found, "make directory {}: no such directory", display(path));
  at.node = storage_->make_node(FileType::directory, 0700);
  storage_->apply(this, {{at.directory, at.name, at.node}});
  return true;
}

void MemoryBackend::barrier(std::span<const RepoPath> directories) {
  std::lock_guard lock(storage_->mutex_);
  std::set<MemoryStorage::NodePtr> covered;
  for (const RepoPath& directory : directories) covered.insert(storage_->find(directory).node);
  storage_->make_durable([&](const MemoryStorage::Change& change) {
    if (change.owner == this) return true;
    for (const MemoryStorage::Edit& edit : change.edits)
      if (covered.contains(edit.directory)) return true;
    return false;
  });
}

}  // namespace reverse
