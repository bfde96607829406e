#pragma once

#include <memory>
#include <string>

#include "libcore/backend/backend.h"
#include "libcore/backend/sftp/server.h"

namespace reverse::sftp {

/// A new file on the server. Bytes are sent as they come and not waited for: `close` sends the
/// rest, waits for no reply either, and `finish` tells how it all went. One thread at a time.
class SftpUpload final : public Upload {
 public:
  /// `handle`: of the file, newly made and open for writing. `sync`: made durable before it is
  /// closed.
  SftpUpload(std::shared_ptr<const Server> server, std::string path, const std::string& handle,
             bool sync);
  ~SftpUpload() override;

  void write(ByteView bytes) override;
  void close() override;

  const std::string& path() const { return path_; }
  /// Waits until the server has taken, synced and closed the file. Throws the first failure, each
  /// time it is called.
  void finish();
  /// The name was given away: nothing is removed on destruction.
  void set_published() { is_published_ = true; }

 private:
  class Transfer;
  void send_buffer();

  const std::shared_ptr<const Server> server_;
  const std::string path_;
  const std::size_t chunk_;
  std::shared_ptr<Transfer> transfer_;
  std::string buffer_;
  std::uint64_t offset_ = 0;  // where `buffer_` belongs
  bool ends_in_hole_ = false;
  bool is_closed_ = false;
  bool is_published_ = false;
};

}  // namespace reverse::sftp
