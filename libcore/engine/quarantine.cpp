#include "libcore/engine/quarantine.h"

#include <algorithm>
#include <map>
#include <optional>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/engine/gc_trash.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/gate.h"
#include "libcore/store/reserve.h"
#include "libcore/store/small_files.h"
#include "libcore/store/trash.h"

namespace reverse {

namespace {

constexpr std::uint64_t kMassObjects = 100;
constexpr std::uint64_t kMassPercent = 1;

class Quarantine {
 public:
  Quarantine(const Repository& repository, const QuarantineOptions& options, const TellRepair& tell,
             const std::stop_token& stop)
      : repository_(repository),
        backend_(repository.backend()),
        options_(options),
        tell_(tell),
        stop_(stop),
        run_(backend_),
        trash_(repository) {}

  QuarantineReport run(const std::vector<Finding>& findings);

 private:
  struct Subject {
    std::uint64_t size = 0;
    bool is_needed = false;  // a revision refers to it
    bool is_damaged = false;
  };

  void look_at(const Finding& finding);
  bool is_damaged(const ObjectName& name);
  void guard() const;
  bool take_out();
  void settle_trash();
  void settle(const TrashedObject& object, const Subject& subject);
  void recover_whole_from_bad();
  void tell(Repair::Action action, const ObjectName& name, std::uint64_t size,
            const RepoPath& place);

  const Repository& repository_;
  Backend& backend_;
  const QuarantineOptions& options_;
  const TellRepair& tell_;
  const std::stop_token& stop_;
  TakeOut run_;
  Trash trash_;
  std::map<ObjectName, Subject> subjects_;
  QuarantineReport report_;
};

QuarantineReport Quarantine::run(const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) look_at(finding);
  guard();
  if (!options_.dry_run) recover_whole_from_bad();
  report_.gate_closed = take_out();
  if (options_.dry_run) return report_;
  if (report_.gate_closed) {
    // Until now a writer may have taken an object for present that no longer is. From here on each
    // of them looks again.
    with_reserve(backend_, [this] { close_gate(backend_, run_.run()); });
    settle_trash();
  }
  backend_.barrier({});
  return report_;
}

void Quarantine::look_at(const Finding& finding) {
  throw_if_stopped(stop_);
  Subject subject{finding.size, finding.is_cited, false};
  const ObjectName name = finding.name(repository_.info().digest);
  switch (finding.kind) {
    case DamageKind::digest:
    case DamageKind::size:
    case DamageKind::check:
    case DamageKind::unreadable:
      subject.is_damaged = is_damaged(name);
      // It is what its name says, or was healed meanwhile: it is not for us to move it.
      if (!subject.is_damaged) return;
      break;
    case DamageKind::missing:
      break;
    case DamageKind::mode:
    case DamageKind::page:
    case DamageKind::manifest:
      return;
  }
  subjects_[name] = subject;
}

bool Quarantine::is_damaged(const ObjectName& name) {
  const RepoPath path = object_path(name);
  try {
    backend_.forget_cached(path);
    HashSink sink(repository_.info().digest);
    backend_.read(path, sink);
    return !fits_name(sink.finish(), name);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return false;
    if (error.kind() == ErrorKind::io) return true;
    throw;
  }
}

/// So much damage at once is rather a failing disk, cable or memory, and then nothing is to be moved.
void Quarantine::guard() const {
  const auto damaged =
      static_cast<std::uint64_t>(std::count_if(subjects_.begin(), subjects_.end(),
                                               [](const auto& s) { return s.second.is_damaged; }));
  const bool is_mass = damaged > 1 && (damaged > kMassObjects ||
                                       damaged * 100 > options_.objects * kMassPercent);
  if (!is_mass || options_.allow.count("mass-damage") > 0) return;
  fail(ErrorKind::refused,
       "{} of {} objects are damaged: a failing disk, cable or memory looks like that. Nothing was "
       "moved; if that is ruled out, add --allow mass-damage",
       damaged, options_.objects);
}

/// Returns whether writers may know as present what no longer is.
bool Quarantine::take_out() {
  bool is_absent = false;
  for (const auto& [name, subject] : subjects_) {
    throw_if_stopped(stop_);
    if (!subject.is_damaged) {
      is_absent |= !backend_.stat(object_path(name));
    } else if (options_.dry_run) {
      ++report_.quarantined;
      tell(Repair::Action::quarantined, name, subject.size, "");
    } else if (run_.take_out(name)) {
      is_absent = true;
    }
  }
  return is_absent;
}

/// What earlier runs left half-way is settled as well.
void Quarantine::settle_trash() {
  trash_.list();
  for (int i = 0; i < layout::kShards; ++i)
    for (const TrashedObject& object : trash_.shard(i)) {
      throw_if_stopped(stop_);
      auto subject = subjects_.find(object.name);
      if (subject != subjects_.end()) settle(object, subject->second);
    }
}

void Quarantine::settle(const TrashedObject& object, const Subject& subject) {
  const RepoPath from = trash_.path(object);
  PutBack result = with_reserve(backend_, [&] {
    return subject.is_needed ? trash_.put_back(object)
                             : put_back(repository_, from, object.name);
  });
  if (result == PutBack::damaged) {
    ++report_.quarantined;
    tell(Repair::Action::quarantined, object.name, object.size,
         subject.is_needed ? layout::kBad : from);
  } else if (result == PutBack::done) {
    ++report_.put_back;
    tell(Repair::Action::put_back, object.name, object.size, from);
  }
}

/// What a disk or a network could not deliver for a while may be whole.
void Quarantine::recover_whole_from_bad() {
  std::vector<ListedFile> files;
  list_if_there(backend_, layout::kBad, [&](const ListedFile& file) { files.push_back(file); });
  for (const ListedFile& file : files) {
    throw_if_stopped(stop_);
    std::optional<ObjectName> name = parse_object_name(file.name);
    if (!name || backend_.stat(object_path(*name))) continue;
    const RepoPath from = layout::kBad + "/" + file.name;
    if (put_back(repository_, from, *name) != PutBack::done) continue;
    ++report_.put_back;
    tell(Repair::Action::put_back, *name, file.stat.size, from);
  }
}

void Quarantine::tell(Repair::Action action, const ObjectName& name, std::uint64_t size,
                      const RepoPath& place) {
  tell_({action, to_string(name), size, place.empty() ? "" : backend_.display(place)});
}

}  // namespace

QuarantineReport run_quarantine(const Repository& repository, const std::vector<Finding>& findings,
                                const QuarantineOptions& options, const TellRepair& tell,
                                const std::stop_token& stop) {
  return Quarantine(repository, options, tell, stop).run(findings);
}

}  // namespace reverse
