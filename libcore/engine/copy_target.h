#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "libcore/engine/repository_writer.h"
#include "libcore/engine/stored_sizes.h"
#include "libcore/store/content_key.h"
#include "libcore/store/inventory.h"

namespace reverse {

/// Where contents are copied to. Thread-safe.
class CopyTarget {
 public:
  using Fill = std::function<void(ByteSink&)>;
  virtual ~CopyTarget() = default;

  /// True if the content need not be sent.
  virtual bool has(const Sums& sums) = 0;
  enum class Put {
    sent,
    needless,   ///< it is there, or will be
    refused,    ///< no more may be sent
    too_large,  ///< larger than all that may be sent
  };
  /// Stores what `fill` writes unless it need not be sent. What `fill` throws is thrown, and
  /// nothing is stored.
  virtual Put put(const Sums& sums, const Fill& fill) = 0;

 protected:
  static constexpr std::uint64_t kNoBound = std::uint64_t{1} << 63;
};

/// A repository that is written to.
class WritingTarget : public CopyTarget {
 public:
  /// `elsewhere`: what another repository has, which the copy is for; nullptr: nothing. `most`:
  /// bytes that may be sent. Both must outlive it.
  explicit WritingTarget(RepositoryWriter& writer, const Inventory* elsewhere = nullptr,
                         std::optional<std::uint64_t> most = std::nullopt)
      : writer_(writer), elsewhere_(elsewhere), most_(most.value_or(kNoBound)) {}

  bool has(const Sums& sums) override;
  Put put(const Sums& sums, const Fill& fill) override;

 private:
  RepositoryWriter& writer_;
  const Inventory* elsewhere_;
  const std::uint64_t most_;
  std::atomic<std::uint64_t> sent_ = 0;
};

/// A repository that is only looked at, for dry runs. 60 bytes stay in memory for each content that
/// would be stored; `fill` is not called.
class PlannedTarget : public CopyTarget {
 public:
  /// `repository`: nullptr where there is none yet. The others: as for `WritingTarget`.
  explicit PlannedTarget(const Repository* repository, const Inventory* elsewhere = nullptr,
                         std::optional<std::uint64_t> most = std::nullopt);

  bool has(const Sums& sums) override;
  Put put(const Sums& sums, const Fill& fill) override;

 private:
  struct HashKey {
    std::size_t operator()(const ContentKey& key) const {
      return std::hash<std::string_view>{}(key.view());
    }
  };
  std::optional<StoredSizes> stored_;
  const Inventory* elsewhere_;
  const std::uint64_t most_;
  std::mutex mutex_;  // guards what follows
  std::unordered_set<ContentKey, HashKey> planned_;
  std::uint64_t bytes_ = 0;
};

}  // namespace reverse
