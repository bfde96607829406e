#pragma once

#include <atomic>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "libcore/backend/backend.h"
#include "libcore/backend/sftp/server.h"

namespace reverse::sftp {

/// How many uploads have a file open on the server, or are about to, and how many bytes wait for
/// theirs to be opened. Thread-safe.
class OpenUploads {
 public:
  OpenUploads() = default;
  /// Waits for removals under way, so that a run leaves nothing that it gave up.
  ~OpenUploads();
  OpenUploads(const OpenUploads&) = delete;
  OpenUploads& operator=(const OpenUploads&) = delete;

  /// Waits until there is room for another of `most`.
  void enter(std::size_t most);
  void note_open();
  void leave(bool was_open);
  /// One that entered could not open its file. Where others have theirs open there may be no room for
  /// more: then no more than those enter from now on. False if there are none.
  bool make_do();
  void begin_waiting(std::size_t bytes);
  void end_waiting(std::size_t bytes);
  /// Removes a file that was given up; its reply is not waited for here.
  void remove(Client& client, const std::string& path);

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  std::size_t count_ = 0, open_ = 0, waiting_bytes_ = 0, removals_ = 0;
  std::size_t most_ = std::numeric_limits<std::size_t>::max();  // that the server bears, as far as was seen
};

/// A new file on the server. Nothing is waited for: the file is made, its bytes are sent and it is
/// closed while the caller goes on; `finish` tells how it all went. Bytes are kept until they are
/// confirmed: when a connection is lost, a file of `stripe_from` bytes or more goes on over the next
/// one, and is to be read back; so is one that an earlier run began. One thread at a time.
class SftpUpload final : public Upload {
 public:
  /// A file that is there and open, whose first bytes need not be sent.
  struct Begun {
    std::string handle;
    std::uint64_t there;  ///< bytes
  };
  /// Asks for the file over `client`, or goes on with one that is `begun`. `sync`: it is made durable
  /// before it is closed. Once it has `stripe_from` bytes the other connections carry it as well. The
  /// others must outlive it.
  SftpUpload(const Server& server, Client& client, OpenUploads& open, std::string path,
             std::uint32_t mode, bool sync, std::uint64_t stripe_from,
             std::optional<Begun> begun = {});
  ~SftpUpload() override;

  /// Opens a file that is there, and has this mode before and after: the answer to that.
  static Reply open_again(const Server& server, Client& client, const std::string& path,
                          std::uint32_t mode);

  void write(ByteView bytes) override;
  void confirm() override;
  void close() override;
  bool read_back(ByteSink& sink) override;
  std::uint64_t confirmed() override;
  void keep() override { is_kept_ = true; }
  void discard() override { is_kept_ = false; }

  const std::string& path() const { return path_; }
  /// Once it is finished.
  bool is_synced() const;
  /// It is finished, and synced as far as can be had here.
  void set_settled() { is_settled_ = true; }
  bool is_settled() const { return is_settled_; }
  /// Of the pool, when this was begun.
  unsigned generation() const { return generation_; }
  /// Waits until the server has taken, synced and closed the file. Throws the first failure, each
  /// time it is called.
  void finish();
  /// The name was given away: nothing is removed on destruction.
  void set_published() { is_published_ = true; }

 private:
  class Transfer;
  void send_buffer();
  void widen();
  bool may_resume() const { return offset_ >= stripe_from_; }
  void resume();
  [[noreturn]] void throw_failure(const char* act, const Reply& failure) const;

  const Server& server_;
  const std::string path_;
  const std::uint32_t mode_;
  const bool sync_;
  unsigned generation_;
  const std::size_t chunk_;
  const std::shared_ptr<Transfer> transfer_;
  std::string buffer_;
  std::uint64_t offset_ = 0;  // where `buffer_` belongs
  std::uint64_t there_ = 0;   // up to here nothing is sent
  const std::uint64_t stripe_from_;
  std::uint64_t resumed_at_ = 0;  // the last time
  std::uint64_t widen_at_;    // when `offset_` has come so far
  bool ends_in_hole_ = false;
  bool is_closed_ = false;
  bool is_in_doubt_ = false;  // it was resumed, and not read back since
  bool is_kept_ = false;
  bool is_settled_ = false;
  bool is_published_ = false;
};

}  // namespace reverse::sftp
