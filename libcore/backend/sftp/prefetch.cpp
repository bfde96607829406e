#include "libcore/backend/sftp/prefetch.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace reverse::sftp {

namespace {

constexpr std::uint64_t kMostBytes = 32 << 20;    // kept and under way
constexpr std::uint64_t kLargest = 1 << 20;       // larger files are read when they are asked for
constexpr std::uint64_t kUnknownSize = 64 << 10;  // counted where a size is not known
constexpr std::uint64_t kOverhead = 8 << 10;      // of each
constexpr std::size_t kMostKept = 1600;           // servers allow only so many open files
constexpr std::uint32_t kChunk = 32 << 10;        // what every server gives
constexpr std::size_t kListsUnderWay = 4;  // of one directory
constexpr std::size_t kFew = 16;           // more things at a time keep the line busy by themselves
constexpr std::size_t kNamesAtOnce = 100;  // that servers give in one reply
constexpr std::size_t kEndReply = 256;     // bytes that tell that there are no more names
constexpr std::size_t kMany = 64;          // things at a time: from then on all connections share them

}  // namespace

/// One file or directory; lives until its last reply came.
class Prefetch::Fetch : public std::enable_shared_from_this<Fetch> {
 public:
  /// `size`: of a file, where it is known. `lists`: replies of a directory that are asked for at
  /// once.
  Fetch(Client& client, bool is_directory, std::optional<std::uint64_t> size, std::size_t lists)
      : client_(client), is_directory_(is_directory), lists_(lists), size_(size) {}

  void begin(const std::string& full) {
    full_ = full;
    const bool examines = !is_directory_ && !size_;
    under_way_ = examines ? 2 : 1;
    if (examines) send(lstat_request(full), &Fetch::examined);
    send(is_directory_ ? open_directory_request(full) : open_request(full, kRead), &Fetch::opened);
  }

  bool is_over() {
    std::lock_guard lock(mutex_);
    return under_way_ == 0;
  }
  std::optional<Found> wait() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return under_way_ == 0; });
    const bool is_known = found_.failure || is_directory_ || was_read_;
    if (!is_usable_ || !is_known) return std::nullopt;
    return std::move(found_);
  }

 private:
  using Step = void (Fetch::*)(Reply&&, std::size_t);

  void send(Request request, Step step, std::size_t number = 0) {
    client_.submit(std::move(request), [self = shared_from_this(), step, number](Reply&& reply) {
      {
        std::lock_guard lock(self->mutex_);
        if (reply.lost) self->is_usable_ = false;
        (self.get()->*step)(std::move(reply), number);
      }
      self->go_on();
    });
  }

  // Each with the lock.
  void examined(Reply&& reply, std::size_t) {
    --under_way_;
    if (reply.type != PacketType::attrs) return;  // opening it tells why
    const Attributes& found = reply.attributes;
    const bool is_plain = found.mode && S_ISREG(*found.mode) && found.size;
    if (is_plain && *found.size <= kLargest)
      size_ = found.size;
    else
      is_usable_ = false;  // large, or no file: for the usual way
  }
  void opened(Reply&& reply, std::size_t) {
    --under_way_;
    must_look_ = is_directory_ && is_absent(reply);  // or no directory
    if (reply.type == PacketType::handle)
      handle_ = std::move(reply.handle);
    else if (!reply.lost)
      found_.failure = std::move(reply);
  }
  void looked(Reply&& reply, std::size_t) {
    --under_way_;
    is_usable_ &= is_absent(reply);
  }
  void read(Reply&& reply, std::size_t number) {
    --under_way_;
    const std::uint64_t begin = std::uint64_t{number} * kChunk;
    const std::uint64_t expected = std::min<std::uint64_t>(kChunk, *size_ - begin);
    if (expected == 0 ? !has_ended(reply) : reply.data.size() != expected)
      is_usable_ = false;  // it has changed, or the server gives less at a time
    else
      found_.data.replace(begin, expected, reply.data);
  }
  void listed(Reply&& reply, std::size_t) {
    --under_way_;
    has_ended_ |= has_ended(reply);
    looks_last_ = is_done(reply) && reply.names.size() < kNamesAtOnce;
    if (!is_done(reply) && !has_ended(reply)) is_usable_ = false;
    std::move(reply.names.begin(), reply.names.end(), std::back_inserter(found_.names));
  }

  /// The next step, once it is known what that is.
  void go_on() {
    std::unique_lock lock(mutex_);
    std::vector<Request> requests;
    if (!handle_.empty() && !is_closed_) requests = is_directory_ ? next_lists() : next_reads();
    Step step = is_directory_ ? &Fetch::listed : &Fetch::read;
    if (std::exchange(must_look_, false)) {
      requests.push_back(stat_request(full_));
      step = &Fetch::looked;
    }
    const bool closes =
        !handle_.empty() && !is_closed_ && (is_directory_ ? is_over_ : under_way_ == 0);
    const Request close = close_request(handle_);
    is_closed_ |= closes;
    under_way_ += requests.size();
    if (under_way_ == 0) ended_.notify_all();
    lock.unlock();
    std::size_t number = 0;
    for (Request& request : requests) send(std::move(request), step, number++);
    if (closes) client_.submit(close, [](Reply&&) {});
  }

  std::vector<Request> next_lists() {
    std::vector<Request> requests;
    is_over_ = has_ended_ || found_.failure || !is_usable_;
    // A short reply is mostly the last one: those under way will say so, and more need not be asked.
    const bool waits = looks_last_ && under_way_ > 0;
    while (!is_over_ && !waits && under_way_ + requests.size() < lists_) {
      requests.push_back(read_directory_request(handle_));
      if (looks_last_) requests.back().reply_bytes = kEndReply;
    }
    is_over_ &= under_way_ == 0;
    return requests;
  }
  /// All of the file, and a byte more: it shows the end. No longer answers are asked for, since
  /// those count against what may be under way.
  std::vector<Request> next_reads() {
    std::vector<Request> requests;
    if (under_way_ > 0 || !size_ || !is_usable_) return requests;
    found_.data.resize(*size_);
    was_read_ = true;
    for (std::uint64_t offset = 0; offset <= *size_; offset += kChunk)
      requests.push_back(read_request(
          handle_, offset,
          static_cast<std::uint32_t>(std::min<std::uint64_t>(kChunk, *size_ - offset + 1))));
    return requests;
  }

  Client& client_;
  const bool is_directory_;
  const std::size_t lists_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable ended_;
  std::size_t under_way_ = 0;
  std::string full_, handle_;
  std::optional<std::uint64_t> size_;
  bool must_look_ = false;
  bool was_read_ = false, has_ended_ = false, looks_last_ = false;
  bool is_over_ = false, is_closed_ = false;
  bool is_usable_ = true;
  Found found_;
};

Prefetch::~Prefetch() {
  for (auto& [name, kept] : kept_) kept.fetch->wait();
}

/// With the lock.
bool Prefetch::make_room(std::uint64_t weight) {
  while ((weight_ + weight > kMostBytes || kept_.size() >= kMostKept) && !order_.empty()) {
    auto oldest = kept_.find(order_.front());
    if (oldest != kept_.end()) {
      if (!oldest->second.fetch->is_over()) return false;
      weight_ -= oldest->second.weight;
      kept_.erase(oldest);
    }
    order_.pop_front();
  }
  return true;
}

void Prefetch::begin(const std::string& full, bool is_directory, std::uint64_t size) {
  if (size > kLargest) return;
  Client& front = server_.pool().front();
  const std::uint64_t weight = kOverhead + (size > 0 ? size : kUnknownSize);
  std::lock_guard lock(mutex_);
  while (!order_.empty() && kept_.count(order_.front()) == 0) order_.pop_front();
  if (kept_.count(full) > 0 || !make_room(weight)) return;
  const bool is_one_of_many = kept_.size() >= kMany;
  if (is_one_of_many) server_.pool().grow_fully();
  Client& client = is_one_of_many ? server_.pool().next() : front;
  auto fetch =
      std::make_shared<Fetch>(client, is_directory, size > 0 ? std::optional(size) : std::nullopt,
                              kept_.size() < kFew ? kListsUnderWay : 1);
  kept_[full] = {fetch, weight};
  order_.push_back(full);
  weight_ += weight;
  fetch->begin(full);
}

std::optional<Prefetch::Found> Prefetch::take(const std::string& full) {
  std::unique_lock lock(mutex_);
  auto place = kept_.find(full);
  if (place == kept_.end()) return std::nullopt;
  const Kept kept = place->second;
  kept_.erase(place);
  weight_ -= kept.weight;
  lock.unlock();
  return kept.fetch->wait();
}

}  // namespace reverse::sftp
