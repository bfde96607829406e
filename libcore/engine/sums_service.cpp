#include "libcore/engine/sums_service.h"

#include <filesystem>
#include <mutex>

#include "libcore/base/pipeline.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/engine/observer.h"

namespace reverse {

namespace {

constexpr std::string_view kHeader = "reverse-sums 1";
constexpr std::string_view kEnd = "end";
constexpr std::string_view kAbsent = "absent";
constexpr std::string_view kUnreadable = "unreadable";  // the medium failed
constexpr std::string_view kUnknown = "unknown";        // as where it may not be read

std::string line_of(std::size_t number, const Proof& proof) {
  switch (proof.outcome) {
    case Proof::Outcome::read: {
      std::string line = fmt::format("{} {} {}", number, *proof.size, proof.digest.hex());
      return proof.check ? line + " " + proof.check->hex() : line;
    }
    case Proof::Outcome::absent:
      return fmt::format("{} {}", number, kAbsent);
    default:
      return fmt::format("{} {} {}", number,
                         proof.outcome == Proof::Outcome::unreadable ? kUnreadable : kUnknown,
                         printable(proof.reason));
  }
}

/// Proves the files of one question.
class Answerer {
 public:
  Answerer(const std::string& root, std::vector<ProofTask> tasks, DigestKind kind,
           const std::function<void(std::string_view)>& write)
      : backend_(open_local_backend(root, Durability::none)),
        prover_(*backend_, kind),
        tasks_(std::move(tasks)),
        write_(write) {
    batch_ = prover_.batch();
    batch_.objects =
        std::min(batch_.objects, (tasks_.size() + prover_.threads() - 1) / prover_.threads());
  }

  void run(const std::stop_token& stop) {
    Pipeline pipeline(stop);
    auto work = [&] {
      while (answer_some(pipeline.stop_token())) {
      }
    };
    for (unsigned i = 1; i < prover_.threads(); ++i) pipeline.start(work);
    pipeline.run_here(work);
    pipeline.wait();
  }

 private:
  bool answer_some(const std::stop_token& stop) {
    throw_if_stopped(stop);
    const std::span<ProofTask> some = next();
    if (some.empty()) return false;
    std::vector<Proof> proofs(some.size());
    prover_.prove(some, proofs, progress_, stop);
    std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < some.size(); ++i)
      write_(line_of(static_cast<std::size_t>(&some[i] - tasks_.data()), proofs[i]));
    return true;
  }

  std::span<ProofTask> next() {
    std::lock_guard lock(mutex_);
    const std::size_t begin = at_;
    for (std::uint64_t bytes = 0; at_ < tasks_.size() && at_ - begin < batch_.objects; ++at_) {
      std::optional<FileStat> stat = backend_->stat(tasks_[at_].path);
      tasks_[at_].size = stat ? stat->size : 0;
      bytes += std::min(tasks_[at_].size, batch_.heaviest);
      if (at_ > begin && bytes > batch_.bytes) break;
    }
    return std::span(tasks_).subspan(begin, at_ - begin);
  }

  const std::unique_ptr<Backend> backend_;
  ReadingProver prover_;
  std::vector<ProofTask> tasks_;
  const std::function<void(std::string_view)>& write_;
  ProofBatch batch_;
  Progress progress_;
  std::mutex mutex_;  // guards what is written, and what follows
  std::size_t at_ = 0;
};

}  // namespace

std::string sums_question(std::string_view root, std::span<const ProofTask> tasks) {
  std::string question(root);
  question += '\n';
  for (const ProofTask& task : tasks) {
    question += task.path;
    question += '\0';
  }
  return question;
}

void answer_sums(std::string_view question, DigestKind kind,
                 const std::function<void(std::string_view line)>& write,
                 const std::stop_token& stop) {
  const std::size_t line_end = question.find('\n');
  if (line_end == std::string_view::npos || line_end == 0)
    fail(ErrorKind::usage, "no directory and newline on standard input");
  const std::string root = std::filesystem::absolute(question.substr(0, line_end));
  question.remove_prefix(line_end + 1);
  std::vector<ProofTask> tasks;
  for (std::size_t end; (end = question.find('\0')) != std::string_view::npos;
       question.remove_prefix(end + 1))
    tasks.push_back({std::string(question.substr(0, end)), 0});
  if (!question.empty()) fail(ErrorKind::usage, "the last name on standard input is cut short");
  write(kHeader);
  const std::size_t count = tasks.size();
  if (count > 0) Answerer(root, std::move(tasks), kind, write).run(stop);
  write(fmt::format("{} {}", kEnd, count));
}

std::optional<SumsAnswer::Told> SumsAnswer::take(std::string_view line) {
  if (!has_begun_) {  // a start-up file of the shell may say something before
    has_begun_ = line == kHeader;
    return std::nullopt;
  }
  const std::vector<std::string_view> words = split(line, ' ');
  if (words.size() == 2 && words[0] == kEnd) {
    has_ended_ = parse_uint(words[1]) == told_;
    return std::nullopt;
  }
  const std::optional<std::uint64_t> number = parse_uint(words[0]);
  if (!number || words.size() < 2 || has_ended_) return std::nullopt;
  ++told_;
  Told told{static_cast<std::size_t>(*number), {}};
  Proof& proof = told.proof;
  if (words[1] == kAbsent) {
    proof.outcome = Proof::Outcome::absent;
    return told;
  }
  if (words[1] == kUnreadable || words[1] == kUnknown) {
    if (words[1] == kUnreadable) proof.outcome = Proof::Outcome::unreadable;
    proof.reason = line.substr(words[0].size() + 1);
    return told;
  }
  const bool has_check = kind_ == DigestKind::md5;
  if (words.size() != (has_check ? 4 : 3)) return std::nullopt;
  proof.size = parse_uint(words[1]);
  const std::optional<Digest> digest = Digest::parse(words[2]);
  if (has_check) proof.check = Check::parse(words[3]);
  if (!proof.size || !digest || digest->kind() != kind_ || (has_check && !proof.check))
    return std::nullopt;
  proof.digest = *digest;
  proof.outcome = Proof::Outcome::read;
  return told;
}

}  // namespace reverse
