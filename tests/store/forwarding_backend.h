#pragma once

#include <memory>
#include <vector>

#include "libcore/backend/backend.h"

namespace reverse {

/// A backend that hands every call on; tests override the calls that they disturb.
class ForwardingBackend : public Backend {
 public:
  explicit ForwardingBackend(Backend& inner) : inner_(inner) {}

  const BackendTraits& traits() const override { return inner_.traits(); }
  std::string display(const RepoPath& path) const override { return inner_.display(path); }
  std::optional<FileStat> stat(const RepoPath& path) override { return inner_.stat(path); }
  void list(const RepoPath& directory,
            const std::function<void(const ListedFile&)>& visit) override {
    inner_.list(directory, visit);
  }
  std::uint64_t read(const RepoPath& path, ByteSink& sink) override {
    return inner_.read(path, sink);
  }
  std::unique_ptr<Upload> create(const RepoPath& path, std::uint32_t mode) override {
    return inner_.create(path, mode);
  }
  std::vector<MoveResult> publish(std::span<const Publication> publications) override {
    return inner_.publish(publications);
  }
  void replace(Upload& upload, const RepoPath& target) override { inner_.replace(upload, target); }
  MoveResult move(const RepoPath& from, const RepoPath& to) override {
    return inner_.move(from, to);
  }
  bool remove(const RepoPath& path) override { return inner_.remove(path); }
  bool make_directory(const RepoPath& path) override { return inner_.make_directory(path); }
  bool remove_directory(const RepoPath& path) override { return inner_.remove_directory(path); }
  void barrier(std::span<const RepoPath> directories) override { inner_.barrier(directories); }
  std::optional<std::uint64_t> free_bytes() override { return inner_.free_bytes(); }

 private:
  Backend& inner_;
};

}  // namespace reverse
