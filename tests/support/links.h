#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "libcore/backend/sftp/link.h"

namespace reverse::sftp {

/// Hands everything on to another link. Base of those below, which bend what passes.
class LinkDecorator : public Link {
 public:
  explicit LinkDecorator(std::unique_ptr<Link> inner) : inner_(std::move(inner)) {}

  std::unique_ptr<Stream> open_sftp() override { return inner_->open_sftp(); }
  std::unique_ptr<Stream> run(const std::string& command) override { return inner_->run(command); }
  void wait(bool to_write, Clock::time_point deadline) override {
    inner_->wait(to_write, deadline);
  }
  void wake() override { inner_->wake(); }
  std::size_t best_write() const override { return inner_->best_write(); }
  std::size_t reply_window() const override { return inner_->reply_window(); }

 protected:
  Link& inner() { return *inner_; }

 private:
  std::unique_ptr<Link> inner_;
};

/// A distant server: every byte takes half a round trip, each way, however many are on the way.
/// Opening streams takes no time. `window`: bytes of one stream that may be on the way to the
/// server and not acknowledged, as SSH bounds them.
class DelayLink : public LinkDecorator {
 public:
  DelayLink(std::unique_ptr<Link> inner, std::chrono::nanoseconds round_trip,
            std::size_t window = 2 << 20);
  ~DelayLink() override;

  std::unique_ptr<Stream> open_sftp() override;
  std::unique_ptr<Stream> run(const std::string& command) override;
  void wait(bool to_write, Clock::time_point deadline) override;

 private:
  class Delayed;
  std::unique_ptr<Stream> wrap(std::unique_ptr<Stream> stream);

  const std::chrono::nanoseconds round_trip_;
  const std::size_t window_;
  std::vector<Delayed*> streams_;  ///< those that live; they sign off
};

/// Lets through only a few bytes at a time.
class ChopLink : public LinkDecorator {
 public:
  explicit ChopLink(std::unique_ptr<Link> inner, std::size_t read_size = 1,
                    std::size_t write_size = 7)
      : LinkDecorator(std::move(inner)), read_size_(read_size), write_size_(write_size) {}

  std::unique_ptr<Stream> open_sftp() override;
  std::unique_ptr<Stream> run(const std::string& command) override;

 private:
  const std::size_t read_size_, write_size_;
};

/// When a connection breaks.
struct Cut {
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t packets =
      kNever;  ///< so many SFTP packets get through to the server, the greeting's is the first
  std::uint64_t bytes = kNever;  ///< so many bytes get through, if this is reached before
  /// True: the replies to what got through come back, the connection breaks then. False: it breaks
  /// at once, and what the server did is unknown on this side; it has done it all before the stream
  /// is destroyed.
  bool replies_arrive = false;
};

/// A connection that breaks: later bytes vanish, all streams end. For links to well-behaved
/// servers, which answer each packet by one.
class CutLink : public LinkDecorator {
 public:
  CutLink(std::unique_ptr<Link> inner, Cut cut) : LinkDecorator(std::move(inner)), cut_(cut) {}

  std::unique_ptr<Stream> open_sftp() override;
  std::unique_ptr<Stream> run(const std::string& command) override;
  void wait(bool to_write, Clock::time_point deadline) override;

 private:
  class Breaking;
  class BreakingCommand;

  const Cut cut_;
  bool broken_ = false;
};

/// Bytes that went over connections.
struct Traffic {
  std::atomic<std::uint64_t> up = 0, down = 0;
};

/// Counts what goes over its SFTP streams. `traffic` outlives it.
class CountingLink : public LinkDecorator {
 public:
  CountingLink(std::unique_ptr<Link> inner, Traffic& traffic)
      : LinkDecorator(std::move(inner)), traffic_(traffic) {}

  std::unique_ptr<Stream> open_sftp() override;

 private:
  Traffic& traffic_;
};

}  // namespace reverse::sftp
