#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "libcore/base/bytes.h"

namespace reverse::sftp {

/// A duplex stream of bytes over a `Link`: an SFTP subsystem, or a command's standard input and output. Never waits; one thread at a
/// time, the thread of its link. Destroying it closes it.
class Stream {
 public:
  virtual ~Stream() = default;

  /// Sends as many leading bytes as can go now; their number, which may be 0. Throws `network` where the stream is broken.
  virtual std::size_t try_write(ByteView bytes) = 0;
  /// No more bytes will be written: a command sees the end of its input.
  virtual void end_input() = 0;
  /// Receives what has come, up to `room`; 0 where nothing has come yet, nullopt after the last byte. Throws `network`.
  virtual std::optional<std::size_t> try_read(std::span<char> room) = 0;
  /// How the other side ended: 0, or a command's exit code, or 128 + a signal; nullopt while it runs, or if it never told.
  virtual std::optional<int> exit_code() = 0;
  /// What it said beside the stream so far (standard error): the last 4 KiB.
  virtual std::string last_words() = 0;
};

/// A way to a server, over which streams are opened. All calls but `wake` come from one thread, those of its streams included: an SSH
/// session allows no other. Streams must be destroyed before their link.
class Link {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~Link() = default;

  /// Opens the server's SFTP subsystem. Throws `network`; `permission` where the server refuses it for good.
  virtual std::unique_ptr<Stream> open_sftp() = 0;
  /// Starts a command in the server's shell. Throws `usage` where this link or its server runs none.
  virtual std::unique_ptr<Stream> run(const std::string& command) = 0;

  /// Waits until one of the streams may have something to read or may take bytes (`to_write`), until `wake`, or until `deadline`.
  /// May return early. Throws `network` where the link is broken, also after 60 s in which a probe got no answer.
  virtual void wait(bool to_write, Clock::time_point deadline) = 0;
  /// Ends the `wait` under way, or the next one. For any thread.
  virtual void wake() = 0;

  /// How long the server may say nothing while something is wanted of it, where `wait` does not find out itself that the link is
  /// broken; nullopt where it does.
  virtual std::optional<std::chrono::milliseconds> patience() const { return std::nullopt; }
  /// Bytes of one write that fit the way best: a stream is handed up to so much at once.
  virtual std::size_t best_write() const { return 256 << 10; }
  /// What the server's program calls itself before SFTP begins ("SSH-2.0-OpenSSH_9.2p1"); empty where that is not known.
  virtual std::string banner() const { return {}; }
  /// True where the server is known to take requests before it has answered the greeting.
  virtual bool takes_early_requests() const { return false; }
  /// Bytes of replies that may be under way without either side waiting for the other.
  virtual std::size_t reply_window() const { return 1 << 20; }
};

}  // namespace reverse::sftp
