#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "libcore/backend/backend.h"

namespace reverse {

/// Collects bytes in memory. Throws `corrupt` beyond `limit`.
class StringSink : public ByteSink {
 public:
  explicit StringSink(std::size_t limit) : limit_(limit) {}
  void write(ByteView bytes) override;

  std::string text;

 private:
  std::size_t limit_;
};

/// The whole of a file in the repository. Throws `not_found`, and `corrupt` beyond `limit` bytes.
std::string read_small_file(Backend& backend, const RepoPath& path, std::size_t limit);

/// A new temporary `tmp/RANDOM` with `text` in it, closed. tmp/ may have been cleared by hand: it
/// is made if missing.
std::unique_ptr<Upload> upload_text(Backend& backend, std::string_view text, std::uint32_t mode);

/// `Backend::create` below tmp/, which is made if it is missing.
std::unique_ptr<Upload> create_temporary(Backend& backend, const std::string& name,
                                         std::uint32_t mode);

/// Says that these directories will be listed now, one after the other (`Backend::expect`).
void expect_listings(Backend& backend, const std::vector<RepoPath>& directories);

/// Calls `visit` for what `directory` holds; does nothing if it is absent.
void list_if_there(Backend& backend, const RepoPath& directory,
                   const std::function<void(const ListedFile&)>& visit);
/// Likewise, only what `wanted` does not turn down (`Backend::list_wanted`).
void list_wanted_if_there(Backend& backend, const RepoPath& directory,
                          const std::function<bool(std::string_view name)>& wanted,
                          const std::function<void(const ListedFile&)>& visit);

}  // namespace reverse
