#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libcore/backend/backend.h"
#include "libcore/hash/digest.h"
#include "libcore/store/layout.h"

namespace reverse {

/// Publishes objects in groups: one data barrier a group, then the names (schema/FORMAT.md, "Group
/// commit"). Workers claim, upload and `put`; one more thread runs `commit_loop`. When that loop
/// ends with a stop or an error, every call that waits throws `Cancelled`. Names are durable after
/// the backend's next `barrier`. Thread-safe.
class ObjectWriter {
 public:
  struct Limits {
    std::size_t objects = 8192;              ///< in a group
    std::uint64_t bytes = 512ull << 20;      ///< in a group; one object always fits
    std::chrono::milliseconds linger{1000};  ///< how long a group waits to become full
  };
  /// Told of every object once it has its name; called by the committing thread, before others stop
  /// seeing it as in flight.
  using Committed = std::function<void(const ObjectName& name, const Sums& sums)>;

  /// `backend` must outlive the writer.
  ObjectWriter(Backend& backend, DigestKind kind, Committed committed);
  ObjectWriter(Backend& backend, DigestKind kind, Committed committed, Limits limits);

  /// The right and the duty to store one content: `put` it, or give it up by destroying the claim.
  /// Movable.
  class Claim {
   public:
    Claim(Claim&& other) noexcept
        : writer_(std::exchange(other.writer_, nullptr)), name_(other.name_), sums_(other.sums_) {}
    Claim& operator=(Claim&&) = delete;
    ~Claim();
    const ObjectName& name() const { return name_; }
    const Sums& sums() const { return sums_; }

   private:
    friend class ObjectWriter;
    Claim(ObjectWriter* writer, ObjectName name, Sums sums)
        : writer_(writer), name_(name), sums_(sums) {}
    ObjectWriter* writer_;
    ObjectName name_;
    Sums sums_;
  };

  /// A new temporary file to upload to: tmp/RANDOM.N, mode 0444.
  std::unique_ptr<Upload> create();
  /// Likewise tmp/NAME, which must be as good as random.
  std::unique_ptr<Upload> create(const std::string& name);
  /// Goes on with what an ended run has left, as tmp/NAME (`Backend::take_over`).
  std::unique_ptr<Upload> take_over(const LeftUpload& left, const std::string& name);

  /// Claims a content under the name it should get as far as the caller knows (a variant where the
  /// plain name is known to hold another content). nullopt: the same content was put by somebody
  /// and will be stored. If another content with the same digest is in flight, the claim's name
  /// becomes the variant. Waits while somebody else holds a claim on the content, so a thread must
  /// hold no claim when it calls this.
  std::optional<Claim> claim(const ObjectName& name, const Sums& sums);

  /// Takes the upload of a claimed content, written but not closed. Waits while a group is full and
  /// another is being committed.
  void put(Claim claim, std::unique_ptr<Upload> upload);

  /// Returns when everything that was put before the call has its name.
  void flush();
  /// No `put` will follow: `commit_loop` returns when everything is committed.
  void close();
  /// Commits groups until `close`. Throws `Cancelled` on stop, and whatever the repository throws.
  void commit_loop(const std::stop_token& stop);

  /// Objects that this writer has added to the repository so far, and their bytes.
  std::uint64_t new_objects() const { return new_objects_; }
  std::uint64_t new_bytes() const { return new_bytes_; }

 private:
  struct Pending {
    ObjectName name;
    Sums sums;
    std::unique_ptr<Upload> upload;
  };
  using Group = std::vector<Pending>;
  struct InFlight {
    std::optional<Check> check;
    bool is_put = false;  // false: claimed, and may yet be given up
  };

  struct HashName {
    std::size_t operator()(const ObjectName& name) const {
      return std::hash<Digest>{}(name.digest);
    }
  };

  void release(const ObjectName& name);
  bool has_room(std::uint64_t bytes) const;
  void wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& condition);
  bool next_group(Group& group, const std::stop_token& stop);
  void commit_groups(const std::stop_token& stop);
  bool make_durable(Group& group);
  void name(Group& group);
  void name_apart(Group group);
  void end_early();
  void check_survivor(Pending& pending);
  void settle_taken_name(Pending& pending, std::vector<RepoPath>& others);
  bool publish_one(Pending& pending);
  std::optional<Sums> sums_of_stored(const ObjectName& name);
  void count(const Pending& pending);

  Backend& backend_;
  const DigestKind kind_;
  const Committed committed_;
  const Limits limits_;
  const std::string run_;  // random part of the names of temporaries
  std::atomic<std::uint64_t> created_ = 0;
  std::atomic<std::uint64_t> new_objects_ = 0;
  std::atomic<std::uint64_t> new_bytes_ = 0;

  std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;    // for those who claim, put or flush
  std::condition_variable_any committable_;  // for the committing thread
  Group pending_;
  std::uint64_t pending_bytes_ = 0;
  std::unordered_map<ObjectName, InFlight, HashName> in_flight_;
  std::uint64_t put_ = 0;
  std::uint64_t done_ = 0;
  unsigned hurried_by_ = 0;  // calls that wait for the pending group to be committed
  bool closed_ = false;
  bool ended_ = false;  // the loop ended early: nothing will be committed any more
};

}  // namespace reverse
