#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/repository.h"
#include "libcore/store/small_files.h"

namespace reverse {

// How objects are found and judged: what reading them whole and reading them for what they are worth
// have in common.

/// Objects of so many bytes are verified in memory before any of them is handed on.
inline constexpr std::size_t kVerifiedInMemory = 1 << 20;

/// Hashes what it hands on.
class HashingSink : public ByteSink {
 public:
  HashingSink(DigestKind kind, ByteSink& sink) : hasher_(kind), sink_(sink) {}
  void write(ByteView bytes) override {
    hasher_.update(bytes);
    sink_.write(bytes);
  }
  Sums finish() { return hasher_.finish(); }

 private:
  Hasher hasher_;
  ByteSink& sink_;
};

inline void expect_sums(const Sums& wanted, const Sums& found, const std::string& name) {
  if (found.digest != wanted.digest) fail(ErrorKind::corrupt, "{} is damaged", name);
  if (found.check != wanted.check)
    fail(ErrorKind::corrupt, "{} is another content with the same digest", name);
  if (found.size != wanted.size)
    fail(ErrorKind::corrupt, "{} has {} bytes instead of {}", name, found.size, wanted.size);
}

/// True if an object is verified before any of it is handed on: then it may be looked for under its
/// usual name first, since another content of that name shows.
inline bool is_verified_first(const Sums& wanted) { return wanted.size <= kVerifiedInMemory; }

/// Where an object may lie, one place after the other, each looked for only when it is asked for
/// (schema/FORMAT.md, "Resolution").
class Places {
 public:
  Places(Backend& backend, const Sums& wanted) : backend_(backend), size_(wanted.size) {
    names_.push_back({wanted.digest, std::nullopt});
    if (!wanted.check) return;
    const ObjectName variant{wanted.digest, wanted.check};
    names_.insert(is_verified_first(wanted) ? names_.end() : names_.begin(), variant);
  }

  /// Says that the place where it lies unless something is amiss will be looked at soon.
  void expect() {
    if (backend_.traits().cheap_stat) return;
    const Expected usual{object_path(names_.front()), false, size_};
    backend_.expect({&usual, 1});
  }

  /// Calls `read(path)` for each place until it returns true; false if it never did. `read` returns
  /// false or throws `not_found` where nothing (of use) is there.
  template <typename Read>
  bool try_each(Read read) {
    return try_objects(read) || try_directories(trash_runs(), read) ||
           try_directories({layout::kBad}, read) || try_objects(read);
  }

 private:
  template <typename Read>
  static bool attempt(const RepoPath& path, Read& read) {
    try {
      return read(path);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_found) throw;
      return false;
    }
  }

  template <typename Read>
  bool try_objects(Read& read) {
    expect();
    for (const ObjectName& name : names_) {
      RepoPath path = object_path(name);
      // Variants are next to never there; a look is cheaper than an error.
      if (name.variant && backend_.traits().cheap_stat && !backend_.stat(path)) continue;
      if (attempt(path, read)) return true;
    }
    return false;
  }

  template <typename Read>
  bool try_directories(const std::vector<RepoPath>& directories, Read& read) {
    for (const ObjectName& name : names_)
      for (const RepoPath& directory : directories)
        if (attempt(directory + "/" + to_string(name), read)) return true;
    return false;
  }

  std::vector<RepoPath> trash_runs() {
    std::vector<RepoPath> runs;
    list_if_there(backend_, layout::kTrash, [&runs](const ListedFile& file) {
      runs.push_back(layout::kTrash + "/" + file.name);
    });
    return runs;
  }

  Backend& backend_;
  const std::uint64_t size_;
  std::vector<ObjectName> names_;  // in the order of resolution
};

[[noreturn]] inline void fail_missing(const Backend& backend, const Sums& wanted) {
  fail(ErrorKind::not_found, "object {} is missing in {}", wanted.digest.hex(),
       backend.display(""));
}

}  // namespace reverse
