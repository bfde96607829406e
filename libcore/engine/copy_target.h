#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "libcore/engine/large_uploads.h"
#include "libcore/engine/repository_writer.h"
#include "libcore/engine/stored_sizes.h"
#include "libcore/store/content_key.h"
#include "libcore/store/inventory.h"

namespace reverse {

/// What ended the copying of one content and not the run.
struct ContentError {
  Error error;
  bool is_targets;
};

/// Where contents are copied to, and how much of them. Thread-safe.
class CopyTarget {
 public:
  /// Throws `ContentError` where the content is not to be had.
  using Fill = std::function<void(ByteSink&)>;
  virtual ~CopyTarget() = default;

  /// True if the content need not be sent.
  bool has(const Sums& sums);
  enum class Put {
    sent,
    needless,   ///< it is there, or will be
    refused,    ///< no more may be sent
    too_large,  ///< larger than all that may be sent
  };
  /// Stores what `fill` writes unless it need not be sent; `path`: of a file that has this content.
  /// What `fill` throws is thrown, and nothing is stored.
  Put put(const Sums& sums, const std::string& path, const Fill& fill);

 protected:
  /// `elsewhere`: what another repository has, which the copy is for; nullptr: nothing. `most`:
  /// bytes that may be sent. Both must outlive it.
  CopyTarget(const Inventory* elsewhere, std::optional<std::uint64_t> most)
      : elsewhere_(elsewhere), most_(most) {}

 private:
  virtual bool is_stored(const Sums& sums) = 0;
  /// False if it was needless.
  virtual bool store(const Sums& sums, const std::string& path, const Fill& fill) = 0;
  /// Whether `accepted_` is kept: 60 bytes of memory a content.
  virtual bool must_remember() const { return most_.has_value(); }
  bool is_elsewhere(const Sums& sums) const { return elsewhere_ && elsewhere_->has(sums); }
  bool is_accepted(const Sums& sums);
  std::optional<Put> turn_down(const Sums& sums);
  void take_back(const Sums& sums);

  struct HashKey {
    std::size_t operator()(const ContentKey& key) const {
      return std::hash<std::string_view>{}(key.view());
    }
  };
  const Inventory* elsewhere_;
  const std::optional<std::uint64_t> most_;
  std::mutex mutex_;  // guards what follows
  std::unordered_set<ContentKey, HashKey> accepted_;  // sent, or on their way
  std::uint64_t bytes_ = 0;                           // of them
};

/// A repository that is written to. A large content goes on where an earlier run had to stop.
class WritingTarget : public CopyTarget {
 public:
  /// Both must outlive it. `elsewhere`, `most`: as for `CopyTarget`.
  WritingTarget(RepositoryWriter& writer, LargeUploads& uploads,
                const Inventory* elsewhere = nullptr,
                std::optional<std::uint64_t> most = std::nullopt)
      : CopyTarget(elsewhere, most), writer_(writer), uploads_(uploads) {}

 private:
  bool is_stored(const Sums& sums) override { return writer_.has(sums); }
  bool store(const Sums& sums, const std::string& path, const Fill& fill) override;
  std::unique_ptr<Upload> send_large(const Sums& sums, const std::string& path, const Fill& fill);

  RepositoryWriter& writer_;
  LargeUploads& uploads_;
};

/// A repository that is only looked at, for dry runs. `fill` is not called.
class PlannedTarget : public CopyTarget {
 public:
  /// `repository`: nullptr where there is none yet. The others: as for `WritingTarget`.
  explicit PlannedTarget(const Repository* repository, const Inventory* elsewhere = nullptr,
                         std::optional<std::uint64_t> most = std::nullopt);

 private:
  bool is_stored(const Sums& sums) override;
  bool store(const Sums&, const std::string&, const Fill&) override { return true; }
  bool must_remember() const override { return true; }

  std::optional<StoredSizes> stored_;
};

}  // namespace reverse
