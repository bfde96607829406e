#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/backends/fault_backend.h"
#include "tests/support/backends/memory_backend.h"

namespace reverse {

/// A repository's medium in memory, and connections to it: for tests that make very many calls, or
/// many copies.
class Medium {
 public:
  Medium() : Medium(std::make_shared<MemoryStorage>()) {}
  Medium copy() const { return Medium(storage_->copy()); }

  MemoryStorage& storage() const { return *storage_; }
  std::unique_ptr<FaultBackend> connect() const;

  /// Names of all revisions, sorted.
  std::vector<std::string> revisions() const;

 private:
  explicit Medium(std::shared_ptr<MemoryStorage> storage) : storage_(std::move(storage)) {}

  std::shared_ptr<MemoryStorage> storage_;
};

/// Every file of a repository, by path, with its size.
std::map<RepoPath, std::uint64_t> files_of(Backend& backend);
/// As `defects` of a place.
std::vector<std::string> defects(const Medium& medium);

}  // namespace reverse
