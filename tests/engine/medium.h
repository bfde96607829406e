#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/engine/client.h"
#include "tests/support/backends/memory_backend.h"

namespace reverse {

/// A repository's medium in memory: for tests that make very many calls, or many copies.
class Medium final : public Site {
 public:
  Medium() : Medium(std::make_shared<MemoryStorage>()) {}
  Medium copy() const { return Medium(storage_->copy()); }

  MemoryStorage& storage() const { return *storage_; }
  std::unique_ptr<FaultBackend> connect() const override;

  /// Names of all revisions, sorted.
  std::vector<std::string> revisions() const;

 private:
  explicit Medium(std::shared_ptr<MemoryStorage> storage) : storage_(std::move(storage)) {}

  std::shared_ptr<MemoryStorage> storage_;
};

/// Every file of a repository below `directory`, by path, with its size.
std::map<RepoPath, std::uint64_t> files_of(Backend& backend, const RepoPath& directory = "");

}  // namespace reverse
