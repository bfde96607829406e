#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "libcore/engine/verify_prover.h"

namespace reverse {

// How a verification has `reverse-verify --sums KIND` on the server hash files there. Input: the
// repository's directory and a newline, then the files' paths below it, a NUL behind each. Output,
// line by line: a header; for each file, in any order, its number (from 0) and what it contains or
// why that is unknown; at the end, how many files that were.

/// What a verification asks: paths of `tasks` below `root`.
std::string sums_question(std::string_view root, std::span<const ProofTask> tasks);

/// Answers such a question: hashes with all cores, and gives each line of the answer to `write`,
/// one thread at a time. Throws `usage` for what is no question, `Cancelled`.
void answer_sums(std::string_view question, DigestKind kind,
                 const std::function<void(std::string_view line)>& write,
                 const std::stop_token& stop);

/// Reads an answer. One thread at a time.
class SumsAnswer {
 public:
  explicit SumsAnswer(DigestKind kind) : kind_(kind) {}

  struct Told {
    std::size_t task = 0;
    Proof proof;
  };
  /// What a line tells about a file; nullopt where it tells nothing.
  std::optional<Told> take(std::string_view line);
  /// True once the answer has been whole, to its last line.
  bool is_whole() const { return has_ended_; }

 private:
  const DigestKind kind_;
  bool has_begun_ = false, has_ended_ = false;
  std::size_t told_ = 0;
};

}  // namespace reverse
