#pragma once

#include <memory>

#include "libcore/backend/backend.h"
#include "tests/support/backends/memory_storage.h"

namespace reverse {

/// A repository in memory that keeps all promises of `Backend`, and no more than those: see
/// `MemoryStorage::power_cut`. The root is absent until `make_directory("")`.
class MemoryBackend final : public Backend {
 public:
  /// Backends on one storage see the same files; each has barriers of its own.
  explicit MemoryBackend(
      std::shared_ptr<MemoryStorage> storage = std::make_shared<MemoryStorage>());

  MemoryStorage& storage() { return *storage_; }

  const BackendTraits& traits() const override { return traits_; }
  std::string display(const RepoPath& path) const override;

  std::optional<FileStat> stat(const RepoPath& path) override;
  void list(const RepoPath& directory,
            const std::function<void(const ListedFile&)>& visit) override;
  std::uint64_t read(const RepoPath& path, ByteSink& sink) override;

  std::unique_ptr<Upload> create(const RepoPath& path, std::uint32_t mode) override;
  std::vector<MoveResult> publish(std::span<const Publication> publications) override;
  void replace(Upload& upload, const RepoPath& target) override;
  MoveResult move(const RepoPath& from, const RepoPath& to) override;
  bool remove(const RepoPath& path) override;
  bool make_directory(const RepoPath& path) override;
  bool remove_directory(const RepoPath& path) override;
  void barrier(std::span<const RepoPath> directories) override;
  std::optional<std::uint64_t> free_bytes() override { return std::nullopt; }

 private:
  bool remove_node(const RepoPath& path, FileType type);

  std::shared_ptr<MemoryStorage> storage_;
  BackendTraits traits_;
};

}  // namespace reverse
