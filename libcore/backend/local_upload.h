#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "libcore/backend/backend.h"
#include "libcore/backend/local_sync.h"
#include "libcore/base/fd.h"

namespace reverse {

/// A new local file. Small files are written by one call, at `close`; holes are skipped over.
/// One thread at a time; refers to the `LocalSync` given.
class LocalUpload final : public Upload {
 public:
  /// Creates the file `path` (full) with exactly `mode`, whatever the umask. `is_mode_kept`: the system is known to give
  /// files there the mode that they are made with. Throws `exists`, `not_found`.
  LocalUpload(std::string path, std::uint32_t mode, bool is_mode_kept, LocalSync& sync);
  ~LocalUpload() override;

  void write(ByteView bytes) override;
  void close() override;

  const std::string& path() const { return path_; }
  /// True if the system gave the file the mode that it was made with.
  bool is_mode_kept() const { return is_mode_kept_; }
  /// The name was given away: nothing is removed on destruction.
  void set_published() { state_ = State::published; }

  /// Makes the bytes of all `uploads`, which must be closed, durable: by an fsync of each while
  /// they are few, else by one syncfs where that can be trusted. What failed once stays
  /// unpublishable.
  static void make_durable(std::span<LocalUpload* const> uploads, LocalSync& sync);

 private:
  enum class State { writing, closed, published, failed };

  /// Runs `body` between two states; an upload whose `body` threw stays `failed`.
  template <typename Body>
  void advance(State from, State to, Body body);
  void apply_mode(std::uint32_t mode);
  void put(ByteView bytes);
  void finish();
  void close_descriptor();

  const std::string path_;
  LocalSync& sync_;
  UniqueFd fd_;
  State state_ = State::writing;
  bool is_mode_kept_;
  bool keeps_descriptor_ = false;
  bool ends_in_hole_ = false;
  std::uint64_t offset_ = 0;  ///< where `buffer_` belongs
  std::string buffer_;
};

}  // namespace reverse
