#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libcore/backend/remote_trees.h"
#include "libcore/backend/sftp/prefetch.h"
#include "libcore/backend/sftp/server.h"

namespace reverse::sftp {

/// Trees on a server, over the front connection.
class SftpTrees : public RemoteTrees {
 public:
  /// `create`, `keep`: of the backend's uploads, by the server's names.
  using Create = std::function<std::unique_ptr<Upload>(const std::string& name, std::uint32_t mode)>;
  using Keep = std::function<void(Upload& upload)>;
  SftpTrees(const Server& server, Create create, Keep keep)
      : server_(server), create_(std::move(create)), keep_(std::move(keep)), prefetch_(server) {}

  std::string full(const RepoPath& path) const override { return server_.full(path); }
  std::string quote(const std::string& path) const override { return server_.quote(path); }
  std::vector<RemoteAnswer> run(std::span<const Stage> stages) override;
  std::vector<std::vector<ListedFile>> list(std::span<const std::string> directories) override;
  std::vector<std::optional<std::string>> read(std::span<const std::string> paths) override;
  std::unique_ptr<Upload> create(const std::string& path, std::uint32_t mode) override {
    return create_(path, mode);
  }
  void keep(Upload& upload) override { keep_(upload); }

 private:
  std::optional<Request> request_of(const RemoteStep& step) const;

  const Server& server_;
  const Create create_;
  const Keep keep_;
  Prefetch prefetch_;
};

}  // namespace reverse::sftp
