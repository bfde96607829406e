#include "libcore/engine/heal.h"

#include <exception>
#include <map>
#include <mutex>
#include <set>

#include "libcore/base/error.h"
#include "libcore/base/pipeline.h"
#include "libcore/base/stop.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/object_writer.h"

namespace reverse {

namespace {

bool can_be_healed(const Finding& finding) {
  return finding.is_cited && finding.kind != DamageKind::page &&
         finding.kind != DamageKind::manifest;
}

/// Objects whose bytes cannot be asked what they are, or are what they should be in the wrong file:
/// these are replaced without a look.
bool is_replaced_unseen(const Finding& finding) {
  return finding.kind == DamageKind::unreadable || finding.kind == DamageKind::mode;
}

/// Hashes a candidate and, where there is a writer, uploads it: an upload begins with the first
/// byte. An error of the repository must not pass for one of the candidate: it is kept apart.
class CandidateSink : public ByteSink {
 public:
  CandidateSink(DigestKind kind, ObjectWriter* writer, Progress& progress,
                const std::stop_token& stop)
      : hasher_(kind), writer_(writer), progress_(progress), stop_(stop) {}

  void write(ByteView bytes) override {
    throw_if_stopped(stop_);
    hasher_.update(bytes);
    progress_.bytes += bytes.size();
    if (writer_ == nullptr) return;
    try {
      begin_upload();
      upload_->write(bytes);
    } catch (...) {
      repository_error_ = std::current_exception();
      throw;
    }
  }
  Sums finish() { return hasher_.finish(); }
  std::unique_ptr<Upload> take_upload() {
    begin_upload();  // of the empty content nothing was written
    return std::move(upload_);
  }
  void rethrow_repository_error() const {
    if (repository_error_) std::rethrow_exception(repository_error_);
  }

 private:
  void begin_upload() {
    if (!upload_) upload_ = writer_->create();
  }

  Hasher hasher_;
  ObjectWriter* writer_;
  Progress& progress_;
  const std::stop_token& stop_;
  std::unique_ptr<Upload> upload_;
  std::exception_ptr repository_error_;
};

class Healing {
 public:
  explicit Healing(const HealDeps& deps)
      : deps_(deps),
        backend_(deps.repository.backend()),
        kind_(deps.repository.info().digest),
        writer_(backend_, kind_,
                [this](const ObjectName& name, const Sums& sums) { note_stored(name, sums); }) {}

  HealReport run(const std::vector<Finding>& findings,
                 const std::vector<std::unique_ptr<HealSource>>& sources);

 private:
  void search(HealSource& source, WantedContents& wanted, const std::stop_token& stop);
  void consider(const HealCandidate& candidate, WantedContents& wanted,
                const std::stop_token& stop);
  std::optional<Sums> read(const HealCandidate& candidate, CandidateSink& sink);
  void take(const Finding& finding, WantedContents& wanted, const Sums& sums,
            std::unique_ptr<Upload> upload, const std::string& place);
  void note_stored(const ObjectName& name, const Sums& sums);

  const HealDeps& deps_;
  Backend& backend_;
  const DigestKind kind_;
  ObjectWriter writer_;
  std::mutex mutex_;  // guards what follows
  std::map<ContentKey, std::string> places_;  // where each content that is being stored came from
  std::set<ContentKey> healed_;
  HealReport report_;
};

HealReport Healing::run(const std::vector<Finding>& findings,
                        const std::vector<std::unique_ptr<HealSource>>& sources) {
  WantedContents open_to_writers(kind_), lost(kind_);
  for (const Finding& finding : findings)
    if (can_be_healed(finding))
      (finding.kind == DamageKind::mode ? open_to_writers : lost).add(finding);
  Pipeline pipeline(deps_.stop);
  std::stop_token stop = pipeline.stop_token();
  pipeline.start([&] { writer_.commit_loop(stop); });
  pipeline.run_here([&] {
    search(*repository_source(deps_.repository, kind_), open_to_writers, stop);
    for (const std::unique_ptr<HealSource>& source : sources)
      if (!lost.empty()) search(*source, lost, stop);
    writer_.close();
  });
  pipeline.wait();
  if (!deps_.dry_run) backend_.barrier({});
  for (const Finding& finding : findings) {
    if (healed_.count(finding.content) > 0) continue;
    report_.left.push_back(finding);
    if (can_be_healed(finding))
      deps_.tell({Repair::Action::lost, to_string(finding.name(kind_)), finding.size, ""});
  }
  return std::move(report_);
}

void Healing::search(HealSource& source, WantedContents& wanted, const std::stop_token& stop) {
  source.search(
      wanted,
      [&](const HealCandidate& candidate) { consider(candidate, wanted, stop); },
      [&](const std::string& message) { deps_.observer.warning(message); }, stop);
}

void Healing::consider(const HealCandidate& candidate, WantedContents& wanted,
                       const std::stop_token& stop) {
  if (!candidate.is_named || deps_.dry_run) {
    // Hardly any file of the right size is the right one, so it is hashed before anything is sent.
    CandidateSink look(kind_, nullptr, deps_.observer.progress, stop);
    std::optional<Sums> sums = read(candidate, look);
    const Finding* finding = sums ? wanted.find(*sums) : nullptr;
    if (finding == nullptr) return;
    if (deps_.dry_run) return take(Finding(*finding), wanted, *sums, nullptr, candidate.name);
  }
  CandidateSink sink(kind_, &writer_, deps_.observer.progress, stop);
  std::optional<Sums> sums = read(candidate, sink);
  if (const Finding* finding = sums ? wanted.find(*sums) : nullptr)
    take(Finding(*finding), wanted, *sums, sink.take_upload(), candidate.name);
}

/// The sums of what was read; nullopt if the candidate is of no use.
std::optional<Sums> Healing::read(const HealCandidate& candidate, CandidateSink& sink) {
  try {
    candidate.read(sink);
  } catch (const Error& error) {
    sink.rethrow_repository_error();
    if (error.retryable()) throw;
    if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::changed)
      deps_.observer.warning(error.what());
    return std::nullopt;
  }
  ++deps_.observer.progress.files;
  return sink.finish();
}

/// `upload`: the content, verified; nullptr in a dry run.
void Healing::take(const Finding& finding, WantedContents& wanted, const Sums& sums,
                   std::unique_ptr<Upload> upload, const std::string& place) {
  wanted.remove(finding);
  const ObjectName name = finding.name(kind_);
  {
    std::lock_guard lock(mutex_);
    places_[finding.content] = place;
  }
  if (deps_.dry_run) return note_stored(name, sums);
  if (is_replaced_unseen(finding)) {
    upload->close();
    backend_.replace(*upload, object_path(name));
    return note_stored(name, sums);
  }
  if (std::optional<ObjectWriter::Claim> claim = writer_.claim(name, sums))
    writer_.put(std::move(*claim), std::move(upload));
}

void Healing::note_stored(const ObjectName& name, const Sums& sums) {
  std::lock_guard lock(mutex_);
  const ContentKey key = ContentKey::of(sums.digest, sums.check);
  if (!healed_.insert(key).second) return;
  ++report_.healed;
  report_.healed_bytes += sums.size;
  deps_.observer.progress.bytes_sent += sums.size;
  deps_.tell({Repair::Action::healed, to_string(name), sums.size, places_[key]});
}

}  // namespace

HealReport run_heal(const HealDeps& deps, const std::vector<Finding>& findings,
                    const std::vector<std::unique_ptr<HealSource>>& sources) {
  return Healing(deps).run(findings, sources);
}

}  // namespace reverse
