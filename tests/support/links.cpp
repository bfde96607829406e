#include "tests/support/links.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>

#include "libcore/base/error.h"

namespace reverse::sftp {

namespace {

using Time = Link::Clock::time_point;

class StreamDecorator : public Stream {
 public:
  explicit StreamDecorator(std::unique_ptr<Stream> inner) : inner_(std::move(inner)) {}

  std::size_t try_write(ByteView bytes) override { return inner_->try_write(bytes); }
  void end_input() override { inner_->end_input(); }
  std::optional<std::size_t> try_read(std::span<char> room) override {
    return inner_->try_read(room);
  }
  std::optional<int> exit_code() override { return inner_->exit_code(); }
  std::string last_words() override { return inner_->last_words(); }

 protected:
  Stream& inner() { return *inner_; }

 private:
  std::unique_ptr<Stream> inner_;
};

/// Bytes on their way, each run with the time of its arrival.
class Travelling {
 public:
  void push(ByteView bytes, Time arrival) { runs_.push_back({arrival, std::string(bytes)}); }
  /// The bytes at the front that have arrived by now.
  ByteView arrived() const {
    if (runs_.empty() || runs_.front().arrival > Link::Clock::now()) return {};
    return ByteView(runs_.front().bytes).substr(taken_);
  }
  void take(std::size_t size) {
    taken_ += size;
    if (taken_ < runs_.front().bytes.size()) return;
    runs_.pop_front();
    taken_ = 0;
  }
  bool empty() const { return runs_.empty(); }
  Time next_arrival() const { return runs_.empty() ? Time::max() : runs_.front().arrival; }

 private:
  struct Run {
    Time arrival;
    std::string bytes;
  };
  std::deque<Run> runs_;
  std::size_t taken_ = 0;  ///< of the first
};

}  // namespace

class DelayLink::Delayed : public StreamDecorator {
 public:
  Delayed(DelayLink& link, std::unique_ptr<Stream> inner)
      : StreamDecorator(std::move(inner)), link_(link) {
    link_.streams_.push_back(this);
  }
  ~Delayed() override { std::erase(link_.streams_, this); }

  std::size_t try_write(ByteView bytes) override {
    const Time now = Clock::now();
    for (; !credits_.empty() && credits_.front().first <= now; credits_.pop_front())
      unacknowledged_ -= credits_.front().second;
    bytes = bytes.substr(0, link_.window_ - unacknowledged_);
    if (bytes.empty()) return 0;
    out_.push(bytes, now + link_.round_trip_ / 2);
    unacknowledged_ += bytes.size();
    credits_.emplace_back(now + link_.round_trip_, bytes.size());
    return bytes.size();
  }
  void end_input() override { input_end_ = Clock::now() + link_.round_trip_ / 2; }
  std::optional<std::size_t> try_read(std::span<char> room) override {
    move();
    const ByteView bytes = in_.arrived().substr(0, room.size());
    if (bytes.empty())
      return in_.empty() && output_end_ <= Clock::now() ? std::nullopt
                                                        : std::optional<std::size_t>(0);
    std::memcpy(room.data(), bytes.data(), bytes.size());
    in_.take(bytes.size());
    return bytes.size();
  }

  /// Hands on what has arrived, and sends off what the server says.
  void move() {
    blocked_ = false;
    for (ByteView bytes; !blocked_ && !(bytes = out_.arrived()).empty();) {
      const std::size_t size = inner().try_write(bytes);
      blocked_ = size < bytes.size();
      if (size > 0) out_.take(size);
    }
    if (out_.empty() && input_end_ <= Clock::now()) {
      inner().end_input();
      input_end_ = Time::max();
    }
    char chunk[64 << 10];
    while (output_end_ == Time::max()) {
      const std::optional<std::size_t> size = inner().try_read(chunk);
      const Time arrival = Clock::now() + link_.round_trip_ / 2;
      if (!size) output_end_ = arrival;
      if (!size || *size == 0) return;
      in_.push({chunk, *size}, arrival);
    }
  }
  /// When this side has something to do next.
  Time next_event(bool to_write) const {
    Time next = std::min({in_.next_arrival(), input_end_, output_end_});
    if (!blocked_) next = std::min(next, out_.next_arrival());
    if (to_write && !credits_.empty()) next = std::min(next, credits_.front().first);
    return next;
  }
  /// True if the server takes no more at the moment.
  bool blocked() const { return blocked_; }

 private:
  using Clock = Link::Clock;

  DelayLink& link_;
  Travelling out_, in_;
  std::deque<std::pair<Time, std::size_t>> credits_;  ///< when so many bytes are acknowledged
  std::size_t unacknowledged_ = 0;
  bool blocked_ = false;
  Time input_end_ = Time::max();   ///< when the server sees the end of its input
  Time output_end_ = Time::max();  ///< when this side sees the end of the server's output
};

DelayLink::DelayLink(std::unique_ptr<Link> inner, std::chrono::nanoseconds round_trip,
                     std::size_t window)
    : LinkDecorator(std::move(inner)), round_trip_(round_trip), window_(window) {}

DelayLink::~DelayLink() = default;

std::unique_ptr<Stream> DelayLink::open_sftp() {
  return wrap(inner().open_sftp());
}
std::unique_ptr<Stream> DelayLink::run(const std::string& command) {
  return wrap(inner().run(command));
}
std::unique_ptr<Stream> DelayLink::wrap(std::unique_ptr<Stream> stream) {
  return std::make_unique<Delayed>(*this, std::move(stream));
}

void DelayLink::wait(bool to_write, Clock::time_point deadline) {
  bool blocked = false;
  for (Delayed* stream : streams_) {
    stream->move();
    blocked |= stream->blocked();
    deadline = std::min(deadline, stream->next_event(to_write));
  }
  inner().wait(blocked, deadline);
  for (Delayed* stream : streams_) stream->move();
}

namespace {

class Chopped : public StreamDecorator {
 public:
  Chopped(std::unique_ptr<Stream> inner, std::size_t read_size, std::size_t write_size)
      : StreamDecorator(std::move(inner)), read_size_(read_size), write_size_(write_size) {}
  std::size_t try_write(ByteView bytes) override {
    return inner().try_write(bytes.substr(0, write_size_));
  }
  std::optional<std::size_t> try_read(std::span<char> room) override {
    return inner().try_read(room.first(std::min(room.size(), read_size_)));
  }

 private:
  const std::size_t read_size_, write_size_;
};

}  // namespace

std::unique_ptr<Stream> ChopLink::open_sftp() {
  return std::make_unique<Chopped>(inner().open_sftp(), read_size_, write_size_);
}
std::unique_ptr<Stream> ChopLink::run(const std::string& command) {
  return std::make_unique<Chopped>(inner().run(command), read_size_, write_size_);
}

namespace {

/// Counts the packets in a stream of bytes.
class PacketCounter {
 public:
  std::uint64_t whole() const { return whole_; }
  /// Bytes of `bytes` up to the end of packet number `last`.
  std::size_t up_to(std::uint64_t last, ByteView bytes) const {
    PacketCounter counter = *this;
    std::size_t size = 0;
    while (size < bytes.size() && counter.whole_ < last) size += counter.step(bytes.substr(size));
    return size;
  }
  void count(ByteView bytes) {
    while (!bytes.empty()) bytes.remove_prefix(step(bytes));
  }

 private:
  /// Takes a byte of a length, or as much of a packet as there is.
  std::size_t step(ByteView bytes) {
    std::size_t size = 1;
    if (length_bytes_ < 4) {
      left_ = left_ << 8 | static_cast<unsigned char>(bytes[0]);
      ++length_bytes_;
    } else {
      size = std::min<std::size_t>(left_, bytes.size());
      left_ -= static_cast<std::uint32_t>(size);
    }
    if (length_bytes_ == 4 && left_ == 0) {
      ++whole_;
      length_bytes_ = 0;
    }
    return size;
  }

  std::uint64_t whole_ = 0;
  std::uint32_t left_ = 0;
  int length_bytes_ = 0;
};

}  // namespace

class CutLink::Breaking : public StreamDecorator {
 public:
  Breaking(CutLink& link, std::unique_ptr<Stream> inner)
      : StreamDecorator(std::move(inner)), link_(link) {}

  /// What got through is done before anybody connects again.
  ~Breaking() override {
    try {
      if (link_.broken_) drain();
    } catch (const Error&) {
      // The server is gone: nothing more will be done.
    }
  }

  std::size_t try_write(ByteView bytes) override {
    if (full()) return bytes.size();
    ByteView passing = bytes.substr(0, sent_.up_to(link_.cut_.packets, bytes));
    passing = passing.substr(0, std::min<std::uint64_t>(passing.size(), link_.cut_.bytes - bytes_));
    const std::size_t size = inner().try_write(passing);
    sent_.count(passing.substr(0, size));
    bytes_ += size;
    return size;
  }
  std::optional<std::size_t> try_read(std::span<char> room) override {
    if (broken()) return std::nullopt;
    const std::optional<std::size_t> size = inner().try_read(room);
    if (size) received_.count({room.data(), *size});
    return size;
  }
  /// As `ssh` ends where its connection does.
  std::optional<int> exit_code() override {
    return link_.broken_ ? std::optional<int>(255) : inner().exit_code();
  }

 private:
  bool full() const { return sent_.whole() >= link_.cut_.packets || bytes_ >= link_.cut_.bytes; }
  bool broken() {
    link_.broken_ |= full() && (!link_.cut_.replies_arrive || received_.whole() >= sent_.whole());
    return link_.broken_;
  }
  void drain() {
    inner().end_input();
    char chunk[64 << 10];
    const Time deadline = Link::Clock::now() + std::chrono::seconds(10);
    while (Link::Clock::now() < deadline) {
      const std::optional<std::size_t> size = inner().try_read(chunk);
      if (!size) return;
      if (*size == 0) link_.inner().wait(false, deadline);
    }
  }

  CutLink& link_;
  PacketCounter sent_, received_;
  std::uint64_t bytes_ = 0;
};

class CutLink::BreakingCommand : public StreamDecorator {
 public:
  BreakingCommand(CutLink& link, std::unique_ptr<Stream> inner)
      : StreamDecorator(std::move(inner)), link_(link) {}
  std::optional<std::size_t> try_read(std::span<char> room) override {
    if (link_.broken_) fail(ErrorKind::network, "the connection was cut");
    return inner().try_read(room);
  }

 private:
  CutLink& link_;
};

std::unique_ptr<Stream> CutLink::open_sftp() {
  return std::make_unique<Breaking>(*this, inner().open_sftp());
}

std::unique_ptr<Stream> CutLink::run(const std::string& command) {
  if (broken_) fail(ErrorKind::network, "the connection was cut");
  return std::make_unique<BreakingCommand>(*this, inner().run(command));
}

void CutLink::wait(bool to_write, Clock::time_point deadline) {
  if (!broken_) inner().wait(to_write, deadline);
}

// --- counting

namespace {

class CountingStream final : public StreamDecorator {
 public:
  CountingStream(std::unique_ptr<Stream> inner, Traffic& traffic)
      : StreamDecorator(std::move(inner)), traffic_(traffic) {}
  std::size_t try_write(ByteView bytes) override {
    const std::size_t size = inner().try_write(bytes);
    traffic_.up += size;
    return size;
  }
  std::optional<std::size_t> try_read(std::span<char> room) override {
    const std::optional<std::size_t> size = inner().try_read(room);
    traffic_.down += size.value_or(0);
    return size;
  }

 private:
  Traffic& traffic_;
};

}  // namespace

std::unique_ptr<Stream> CountingLink::open_sftp() {
  return std::make_unique<CountingStream>(inner().open_sftp(), traffic_);
}

}  // namespace reverse::sftp
