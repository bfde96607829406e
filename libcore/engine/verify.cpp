#include "libcore/engine/verify.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include "libcore/base/error.h"
#include "libcore/base/pipeline.h"
#include "libcore/base/stop.h"
#include "libcore/engine/verify_agenda.h"
#include "libcore/engine/verify_confirm.h"
#include "libcore/engine/verify_heads.h"
#include "libcore/engine/verify_inventory.h"
#include "libcore/engine/verify_locate.h"
#include "libcore/engine/verify_pages.h"
#include "libcore/store/seen_heads.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::uint64_t kNamedForeign = 10;  // more would bury what else there is to read

/// The raw name of an object, as memories have it.
std::string raw_name(const ObjectName& name) {
  std::string raw(name.digest.bytes());
  if (name.variant) raw.append(name.variant->bytes());
  return raw;
}

class Verification {
 public:
  Verification(const VerifyDeps& deps, const VerifyOptions& options)
      : deps_(deps),
        options_(options),
        kind_(deps.repository.info().digest),
        memory_(deps.memory),
        pages_(deps.repository, fetcher(), findings_, deps.stop),
        inventory_(deps_, options_, pages_, findings_, report_, foreign()) {
    if (options.max_duration) deadline_ = Clock::now() + *options.max_duration;
  }

  VerifyReport run();

 private:
  using Clock = std::chrono::steady_clock;

  void announce();
  PageSurvey::Fetch fetcher();
  Inventory::Foreign foreign();
  void prove(Agenda& agenda);
  void prove_batches(Agenda& agenda, const std::stop_token& stop);
  void judge(const DueObject& due, const Proof& proof);
  std::optional<DamageKind> flaw_of(const DueObject& due, const Proof& proof) const;
  void add_finding(const DueObject& due, DamageKind kind);
  void count_whole(const DueObject& due);
  void remember(const DueObject& due);
  void note_coverage(Agenda& agenda);
  void confirm();
  void tell();
  void tell(const Finding& finding, const std::string& revision, const std::string& path,
            std::uint64_t entries);

  const VerifyDeps deps_;
  const VerifyOptions& options_;
  const DigestKind kind_;
  std::mutex mutex_;  // guards the memory and the report while objects are proven
  VerifiedSet* memory_;
  VerifyReport report_;
  Findings findings_;
  PageSurvey pages_;
  Inventory inventory_;
  std::optional<Clock::time_point> deadline_;
  std::vector<VerifiedHead> heads_;
  std::vector<Finding> damaged_;  // what was confirmed, sorted by content
};

/// A page that only somebody else has is damage, but what lies below it is not unknown.
PageSurvey::Fetch Verification::fetcher() {
  return [this](const Sums& sums) {
    try {
      return deps_.repository.read_object(sums);
    } catch (const Error& error) {
      std::optional<DamageKind> kind = damage_of_page(error);
      std::optional<std::string> spare;
      if (kind && deps_.spare_page) spare = deps_.spare_page(sums);
      if (!spare) throw;
      findings_.add(
          {ContentKey::of(sums.digest, sums.check), sums.size, *kind, true, false, true});
      return *spare;
    }
  };
}

Inventory::Foreign Verification::foreign() {
  return [this](const RepoPath& path) {
    if (++report_.foreign <= kNamedForeign)
      deps_.observer.warning(fmt::format("{} does not belong in a repository: it is left alone",
                                         deps_.repository.backend().display(path)));
  };
}

/// What is listed whatever the repository holds: a distant one gives it all in one flight.
void Verification::announce() {
  if (options_.revisions.empty())
    expect_listings(deps_.repository.backend(),
                    {"", layout::kManifests, SeenHeads::kDirectory, layout::kTemporaries,
                     layout::kBad, layout::kTrash});
}

VerifyReport Verification::run() {
  announce();
  if (options_.revisions.empty()) inventory_.look_around();
  heads_ = verify_heads(deps_, options_, report_, foreign());
  for (const VerifiedHead& head : heads_) pages_.add_root(head.tree);
  pages_.read();
  report_.pages = pages_.pages();
  Agenda agenda(memory_ != nullptr && !options_.quick ? memory_->minutes()
                                                      : std::map<std::int64_t, std::uint64_t>());
  inventory_.take(agenda);
  prove(agenda);
  note_coverage(agenda);
  confirm();
  tell();
  return report_;
}

// --- reading objects

void Verification::prove(Agenda& agenda) {
  Progress& progress = deps_.observer.progress;
  progress.total_files = agenda.objects();
  progress.total_bytes = agenda.bytes();
  if (agenda.objects() == 0) return;
  Pipeline pipeline(deps_.stop);
  auto work = [&] { prove_batches(agenda, pipeline.stop_token()); };
  for (unsigned i = 1; i < deps_.prover.threads(); ++i) pipeline.start(work);
  pipeline.run_here(work);
  if (memory_ != nullptr) memory_->save();  // what was proven stays so, whatever ended the run
  pipeline.wait();
  if (memory_ != nullptr) memory_->save();
}

void Verification::prove_batches(Agenda& agenda, const std::stop_token& stop) {
  ObjectProver& prover = deps_.prover;
  ProofBatch size = prover.batch();
  // Few objects are shared out, so that no thread waits for another one's.
  size.objects = std::min(size.objects, (agenda.objects() + prover.threads() - 1) / prover.threads());
  while (!deadline_ || Clock::now() < *deadline_) {
    throw_if_stopped(stop);
    std::vector<DueObject> batch = agenda.next(size);
    if (batch.empty()) return;
    std::vector<ProofTask> tasks;
    for (const DueObject& due : batch) tasks.push_back({inventory_.path_of(due), due.size});
    std::vector<Proof> proofs(batch.size());
    prover.prove(tasks, proofs, deps_.observer.progress, stop);
    for (std::size_t i = 0; i < batch.size(); ++i) judge(batch[i], proofs[i]);
    deps_.observer.progress.files += batch.size();
  }
}

void Verification::judge(const DueObject& due, const Proof& proof) {
  switch (proof.outcome) {
    case Proof::Outcome::absent:
      if (due.cited) add_finding(due, DamageKind::missing);  // else gc took it out, and may
      return;
    case Proof::Outcome::unreadable:
      deps_.observer.problem({inventory_.path_of(due), "read", proof.reason});
      return add_finding(due, DamageKind::unreadable);
    case Proof::Outcome::not_verified: {
      deps_.observer.problem({inventory_.path_of(due), "verify", proof.reason});
      std::lock_guard lock(mutex_);
      ++report_.not_verified;
      return;
    }
    case Proof::Outcome::read:
      break;
  }
  std::optional<DamageKind> flaw = flaw_of(due, proof);
  flaw ? add_finding(due, *flaw) : count_whole(due);
}

std::optional<DamageKind> Verification::flaw_of(const DueObject& due, const Proof& proof) const {
  if (proof.size && *proof.size != due.size) return DamageKind::size;
  ObjectName name = name_of(due.name, kind_);
  if (proof.digest != name.digest) return DamageKind::digest;
  if (!proof.check) return std::nullopt;
  if (due.cited ? due.expected != *proof.check : name.variant && name.variant != proof.check)
    return DamageKind::check;
  return std::nullopt;
}

void Verification::add_finding(const DueObject& due, DamageKind kind) {
  ObjectName name = name_of(due.name, kind_);
  Finding finding{due.name,        due.size, kind, due.cited != 0, name.variant.has_value(),
                  due.is_page != 0};
  if (due.cited && kind_ == DigestKind::md5)
    finding.content = ContentKey::of(name.digest, due.expected);
  findings_.add(finding);
  ++deps_.observer.progress.errors;
}

void Verification::count_whole(const DueObject& due) {
  std::lock_guard lock(mutex_);
  ++report_.objects_verified;
  report_.bytes_verified += due.size;
  remember(due);
}

/// The memory is a cache: where it cannot be written, verification goes on without.
void Verification::remember(const DueObject& due) {
  if (memory_ == nullptr || due.run != 0) return;
  try {
    memory_->note(raw_name(name_of(due.name, kind_)), now().seconds);
  } catch (const Error& error) {
    deps_.observer.warning(fmt::format("what is verified is not remembered: {}", error.what()));
    memory_ = nullptr;
  }
}

void Verification::note_coverage(Agenda& agenda) {
  if (options_.quick) return;
  report_.never_verified += agenda.never_left();
  std::optional<Timestamp>& oldest = report_.oldest_verified;
  if (std::optional<std::int64_t> minute = agenda.oldest_left()) {
    Timestamp left{*minute * 60, 0};
    oldest = std::min(oldest.value_or(left), left);
  }
  if (!oldest && report_.objects_verified > 0) oldest = now();
}

// --- damage

void Verification::confirm() {
  Confirmation confirmation(deps_.repository, options_.quick, deps_.observer, deps_.stop);
  for (Finding& finding : findings_.take()) {
    if (!confirmation.is_still_damaged(finding)) continue;
    if (finding.kind == DamageKind::missing && deps_.repository.is_partial())
      ++report_.elsewhere;
    else
      damaged_.push_back(finding);
  }
}

void Verification::tell() {
  std::vector<ContentKey> contents;
  for (const Finding& finding : damaged_) contents.push_back(finding.content);
  std::vector<bool> is_needed(contents.size());
  Locator locator(deps_.repository, fetcher(), pages_, contents, deps_.stop);
  for (const VerifiedHead& head : heads_) {
    std::optional<bool> is_there;  // asked once for each head that needs something
    locator.locate(head, [&](std::size_t content, const std::string& revision,
                             const std::string& path, std::uint64_t entries) {
      if (!is_there) is_there = deps_.repository.backend().stat(layout::head(revision)).has_value();
      if (!*is_there) return;
      is_needed[content] = true;
      tell(damaged_[content], revision, path, entries);
    });
  }
  for (std::size_t i = 0; i < damaged_.size(); ++i) {
    // What nobody needs any more has been forgotten while we looked.
    if (damaged_[i].is_cited && !is_needed[i]) continue;
    if (!damaged_[i].is_cited) tell(damaged_[i], "", "", 0);
    ++report_.objects_damaged;
    report_.findings.push_back(damaged_[i]);
    report_.accepted += options_.accepted_losses.count(to_string(damaged_[i].name(kind_)));
  }
}

void Verification::tell(const Finding& finding, const std::string& revision,
                        const std::string& path, std::uint64_t entries) {
  Damage damage;
  damage.kind = finding.kind;
  damage.object = to_string(finding.name(kind_));
  damage.size = finding.size;
  damage.revision = revision;
  damage.path = path;
  damage.entries = entries;
  damage.is_accepted = options_.accepted_losses.count(damage.object) > 0;
  if (!revision.empty()) report_.paths_damaged += std::max<std::uint64_t>(entries, 1);
  deps_.tell(damage);
}

}  // namespace

VerifyReport run_verify(const VerifyDeps& deps, const VerifyOptions& options) {
  return Verification(deps, options).run();
}

}  // namespace reverse
