#include "libcore/store/object_writer.h"

#include <future>
#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/random.h"
#include "libcore/base/stop.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::uint32_t kObjectMode = 0444;
constexpr int kAttempts = 3;

/// False where this account may not: a name of its own, which readers look for first, will do.
bool replace(Backend& backend, Upload& upload, const RepoPath& target) {
  try {
    backend.replace(upload, target);
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::permission && error.kind() != ErrorKind::unsupported) throw;
    return false;
  }
}

}  // namespace

ObjectWriter::ObjectWriter(Backend& backend, DigestKind kind, Committed committed)
    : ObjectWriter(backend, kind, std::move(committed), Limits()) {}

ObjectWriter::ObjectWriter(Backend& backend, DigestKind kind, Committed committed, Limits limits)
    : backend_(backend),
      kind_(kind),
      committed_(std::move(committed)),
      limits_(limits),
      run_(random_hex(16)) {}

// --- workers

ObjectWriter::Claim::~Claim() {
  if (writer_ != nullptr) writer_->release(name_);
}

std::unique_ptr<Upload> ObjectWriter::create() {
  return create(fmt::format("{}.{}", run_, created_++));
}

std::unique_ptr<Upload> ObjectWriter::create(const std::string& name) {
  return create_temporary(backend_, name, kObjectMode);
}

std::unique_ptr<Upload> ObjectWriter::take_over(const LeftUpload& left, const std::string& name) {
  return backend_.take_over(left, layout::kTemporaries + "/" + name, kObjectMode);
}

std::optional<ObjectWriter::Claim> ObjectWriter::claim(const ObjectName& wanted, const Sums& sums) {
  ObjectName name = wanted;
  std::unique_lock lock(mutex_);
  while (true) {
    if (ended_) throw Cancelled();
    auto [place, is_free] = in_flight_.try_emplace(name, InFlight{sums.check});
    if (is_free) return Claim(this, name, sums);
    if (place->second.check != sums.check) {
      name.variant = sums.check;
    } else if (place->second.is_put) {
      return std::nullopt;
    } else {
      changed_.wait(lock);
    }
  }
}

void ObjectWriter::release(const ObjectName& name) {
  std::lock_guard lock(mutex_);
  in_flight_.erase(name);
  changed_.notify_all();
}

bool ObjectWriter::has_room(std::uint64_t bytes) const {
  return pending_.empty() ||
         (pending_.size() < limits_.objects && pending_bytes_ + bytes <= limits_.bytes);
}

/// Waits for `condition`, and has the pending group committed meanwhile without waiting for more.
void ObjectWriter::wait(std::unique_lock<std::mutex>& lock,
                        const std::function<bool()>& condition) {
  if (!ended_ && !condition()) {
    ++hurried_by_;
    committable_.notify_one();
    changed_.wait(lock, [&] { return ended_ || condition(); });
    --hurried_by_;
  }
  if (ended_) throw Cancelled();
}

void ObjectWriter::put(Claim claim, std::unique_ptr<Upload> upload) {
  upload->close();
  std::unique_lock lock(mutex_);
  wait(lock, [&] { return has_room(claim.sums().size); });
  in_flight_.at(claim.name()).is_put = true;
  claim.writer_ = nullptr;
  pending_bytes_ += claim.sums().size;
  pending_.push_back({claim.name(), claim.sums(), std::move(upload)});
  ++put_;
  changed_.notify_all();
  if (pending_.size() == 1 || !has_room(0)) committable_.notify_one();
}

void ObjectWriter::flush() {
  std::unique_lock lock(mutex_);
  wait(lock, [this, target = put_] { return done_ >= target; });
}

void ObjectWriter::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  committable_.notify_one();
}

// --- the committing thread

void ObjectWriter::commit_loop(const std::stop_token& stop) {
  try {
    commit_groups(stop);
  } catch (...) {
    end_early();
    throw;
  }
}

void ObjectWriter::end_early() {
  std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
  committable_.notify_one();
}

/// Where the two can be had apart, names are given while the next group is made durable.
void ObjectWriter::commit_groups(const std::stop_token& stop) {
  std::future<void> naming;  // of the group before
  const auto finish_naming = [&naming] {
    if (naming.valid()) naming.get();
  };
  try {
    for (Group group; next_group(group, stop);) {
      const bool is_durable = make_durable(group);
      finish_naming();
      if (is_durable)
        naming = std::async(std::launch::async, &ObjectWriter::name_apart, this,
                            std::exchange(group, {}));
      else
        name(group);
    }
  } catch (const Cancelled&) {
    finish_naming();  // what went wrong there may be why
    throw;
  }
  finish_naming();
}

/// Nobody looks at the outcome before there is another group.
void ObjectWriter::name_apart(Group group) {
  try {
    name(group);
  } catch (...) {
    end_early();
    throw;
  }
}

bool ObjectWriter::next_group(Group& group, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  committable_.wait(lock, stop, [this] { return closed_ || ended_ || !pending_.empty(); });
  committable_.wait_for(lock, stop, limits_.linger,
                        [this] { return closed_ || ended_ || hurried_by_ > 0 || !has_room(0); });
  throw_if_stopped(stop);
  group = std::exchange(pending_, {});
  pending_bytes_ = 0;
  changed_.notify_all();
  return !group.empty();
}

/// What may have been damaged since it was sent, over a connection that was lost or by an earlier run,
/// is compared with what is wanted. An error of the network: it is sent again.
void ObjectWriter::check_survivor(Pending& pending) {
  HashSink sink(kind_);
  if (!pending.upload->read_back(sink) || sink.finish() == pending.sums) return;
  pending.upload->discard();
  fail(ErrorKind::network, "{}: what was sent before the connection was lost did not survive",
       backend_.display(object_path(pending.name)));
}

bool ObjectWriter::make_durable(Group& group) {
  std::vector<Upload*> uploads;
  for (Pending& pending : group) {
    check_survivor(pending);
    uploads.push_back(pending.upload.get());
  }
  return backend_.make_durable(uploads);
}

void ObjectWriter::name(Group& group) {
  std::vector<Publication> publications;
  publications.reserve(group.size());
  for (Pending& pending : group)
    publications.push_back({pending.upload.get(), object_path(pending.name)});
  std::vector<MoveResult> results = backend_.publish(publications);
  std::vector<ObjectName> claimed;  // names may change below
  std::vector<RepoPath> others;     // directories with names that somebody else gave
  claimed.reserve(group.size());
  for (std::size_t i = 0; i < group.size(); ++i) {
    Pending& pending = group[i];
    claimed.push_back(pending.name);
    if (results[i] == MoveResult::gone)
      fail(ErrorKind::busy,
           "{}: its temporary file or its directory was removed meanwhile; run again",
           backend_.display(publications[i].target));
    if (results[i] == MoveResult::done)
      count(pending);
    else
      settle_taken_name(pending, others);
    committed_(pending.name, pending.sums);
  }
  if (!others.empty()) backend_.barrier(others);
  std::uint64_t size = group.size();
  for (Pending& pending : group) pending.upload->discard();
  group.clear();  // removes the temporaries that were not needed
  std::lock_guard lock(mutex_);
  for (const ObjectName& name : claimed) in_flight_.erase(name);
  done_ += size;
  changed_.notify_all();
}

/// The name is taken, so somebody has uploaded something there since it was looked for. What it is
/// decides: ours already, damaged, or another content with the same digest.
void ObjectWriter::settle_taken_name(Pending& pending, std::vector<RepoPath>& others) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::optional<Sums> stored = sums_of_stored(pending.name);
    if (stored == pending.sums) {
      RepoPath path = object_path(pending.name);
      others.push_back(path.substr(0, path.rfind('/')));
      return;
    }
    bool is_damaged = stored && stored->digest != pending.name.digest;
    bool is_variant = pending.name.variant.has_value();
    const bool is_to_go = is_damaged || (stored && is_variant);
    if (is_to_go && replace(backend_, *pending.upload, object_path(pending.name)))
      return count(pending);
    if (is_to_go && (is_variant || !pending.sums.check))
      fail(ErrorKind::corrupt,
           "{} is damaged, and this account may not replace it: have the repository's owner run "
           "reverse-verify",
           backend_.display(object_path(pending.name)));
    if (stored && !pending.sums.check) break;
    if (stored) pending.name.variant = pending.sums.check;
    if (publish_one(pending)) return count(pending);
  }
  fail(ErrorKind::io, "{} is taken and cannot be settled", object_path(pending.name));
}

bool ObjectWriter::publish_one(Pending& pending) {
  Publication publication{pending.upload.get(), object_path(pending.name)};
  return backend_.publish({&publication, 1}).front() == MoveResult::done;
}

/// nullopt if it is not there (any more).
std::optional<Sums> ObjectWriter::sums_of_stored(const ObjectName& name) {
  try {
    HashSink sink(kind_);
    backend_.read(object_path(name), sink);
    return sink.finish();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return std::nullopt;
  }
}

void ObjectWriter::count(const Pending& pending) {
  ++new_objects_;
  new_bytes_ += pending.sums.size;
}

}  // namespace reverse
