#include "libcore/engine/verify_inventory.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/store/small_files.h"
#include "libcore/store/trash.h"

namespace reverse {

namespace {

const std::set<std::string>& known_names() {
  static const std::set<std::string> names = {
      layout::kRepositoryFile, layout::kRecoverText, layout::kRestoreScript, layout::kReserve,
      layout::kFeatures,       layout::kManifests,   layout::kObjects,       layout::kTemporaries,
      layout::kTrash,          layout::kBad,         layout::kForgotten,     layout::kGc,
      layout::kWriting,        "lost+found"};
  return names;
}

ContentKey plain(ContentKey key) {
  std::fill(key.bytes.begin() + 16, key.bytes.end(), static_cast<unsigned char>(0));
  return key;
}

/// The raw name of an object as memories have it, as a key.
ContentKey key_of(std::string_view name) {
  ContentKey key;
  std::memcpy(key.bytes.data(), name.data(), std::min(name.size(), key.bytes.size()));
  return key;
}

}  // namespace

Inventory::Inventory(const VerifyDeps& deps, const VerifyOptions& options, PageSurvey& pages,
                     Findings& findings, VerifyReport& report, Foreign foreign)
    : deps_(deps),
      backend_(deps.repository.backend()),
      kind_(deps.repository.info().digest),
      options_(options),
      pages_(pages),
      findings_(findings),
      report_(report),
      foreign_(std::move(foreign)),
      trash_(deps.repository),
      protection_(backend_) {}

// --- what lies around

void Inventory::look_around() {
  look_at_root();
  look_at_temporaries();
  list_if_there(backend_, layout::kBad, [this](const ListedFile&) { ++report_.in_bad; });
  trash_.list();
  for (int i = 0; i < layout::kShards; ++i)
    for (const TrashedObject& object : trash_.shard(i)) {
      ++report_.in_trash;
      report_.in_trash_bytes += object.size;
    }
}

void Inventory::look_at_root() {
  backend_.list("", [this](const ListedFile& file) {
    bool is_closed_gate = file.name.starts_with(layout::kWriting + ".");
    if (known_names().count(file.name) == 0 && !is_closed_gate) foreign_(file.name);
  });
}

void Inventory::look_at_temporaries() {
  list_if_there(backend_, layout::kTemporaries, [this](const ListedFile& file) {
    ++report_.temporaries;
    report_.temporary_bytes += file.stat.size;
  });
}

// --- objects

void Inventory::take(Agenda& agenda) {
  std::vector<RepoPath> directories;
  for (int i = 0; i < layout::kShards; ++i) directories.push_back(layout::shard(i));
  expect_listings(backend_, directories);
  for (int i = 0; i < layout::kShards; ++i) {
    throw_if_stopped(deps_.stop);
    Shard shard = load(i);
    for (const Citation& cited : pages_.citations(i)) settle(cited, shard, agenda);
    if (!options_.revisions.empty()) continue;
    for (const Stored& stored : shard.stored)
      if (!stored.is_cited) settle_uncited(stored, shard, agenda);
  }
}

Inventory::Shard Inventory::load(int index) {
  Shard shard;
  const RepoPath directory = layout::shard(index);
  list_if_there(backend_, directory,
                [&](const ListedFile& file) { add_stored(shard, directory, file); });
  std::sort(shard.stored.begin(), shard.stored.end(),
            [](const Stored& a, const Stored& b) { return a.name < b.name; });
  shard.trashed = trash_.shard(index);
  if (deps_.memory != nullptr && !options_.quick) remember(shard, index);
  return shard;
}

void Inventory::add_stored(Shard& shard, const RepoPath& directory, const ListedFile& file) {
  std::optional<ObjectName> name = parse_object_name(file.name);
  bool is_ours = name && name->digest.kind() == kind_ && file.stat.type == FileType::file &&
                 object_path(*name) == directory + "/" + file.name;
  if (!is_ours) return foreign_(directory + "/" + file.name);
  ++report_.objects;
  report_.bytes += file.stat.size;
  shard.stored.push_back({ContentKey::of(*name), file.stat.size, protection_.is_broken(file.stat)});
}

/// Loads when the shard's objects were last verified; what is gone is forgotten.
void Inventory::remember(Shard& shard, int index) {
  std::vector<std::string> gone;
  deps_.memory->visit_shard(static_cast<unsigned>(index),
                            [&](std::string_view name, std::int64_t verified) {
                              ContentKey key = key_of(name);
                              shard.minutes.emplace_back(key, verified / 60);
                              if (shard.find(key) == nullptr) gone.emplace_back(name);
                            });
  for (const std::string& name : gone) deps_.memory->forget(name);
}

void Inventory::settle(const Citation& cited, Shard& shard, Agenda& agenda) {
  Stored* stored = shard.find(cited.key);
  const bool is_variant = stored != nullptr && kind_ == DigestKind::md5;
  if (stored == nullptr && kind_ == DigestKind::md5) stored = shard.find(plain(cited.key));
  if (stored == nullptr) return settle_missing(cited, shard, agenda);
  stored->is_cited = true;
  Finding finding{cited.key, cited.size, DamageKind::size, true, is_variant, cited.is_page != 0};
  if (stored->size != cited.size) return findings_.add(finding);
  finding.kind = DamageKind::mode;
  if (stored->is_exposed) findings_.add(finding);
  DueObject due;
  due.name = stored->name;
  if (kind_ == DigestKind::md5) due.expected = cited.key.check();
  due.size = stored->size;
  due.cited = 1;
  due.is_page = static_cast<std::uint8_t>(cited.is_page);
  add_due(due, shard, agenda);
}

/// gc may just have taken it out, and will put it back.
void Inventory::settle_missing(const Citation& cited, const Shard& shard, Agenda& agenda) {
  ObjectName name = name_of(cited.key, kind_);
  const TrashedObject* trashed = shard.find_trashed(name);
  if (trashed == nullptr) trashed = shard.find_trashed({name.digest, std::nullopt});
  if (trashed == nullptr || trashed->size != cited.size)
    return findings_.add(
        {cited.key, cited.size, DamageKind::missing, true, false, cited.is_page != 0});
  DueObject due;
  due.name = ContentKey::of(trashed->name);
  if (kind_ == DigestKind::md5) due.expected = cited.key.check();
  due.size = trashed->size;
  due.run = trashed->run + 1;
  due.cited = 1;
  due.is_page = static_cast<std::uint8_t>(cited.is_page);
  add_due(due, shard, agenda);
}

void Inventory::settle_uncited(const Stored& stored, const Shard& shard, Agenda& agenda) {
  ObjectName name = name_of(stored.name, kind_);
  if (stored.is_exposed)
    findings_.add(
        {stored.name, stored.size, DamageKind::mode, false, name.variant.has_value(), false});
  DueObject due;
  due.name = stored.name;
  due.size = stored.size;
  add_due(due, shard, agenda);
}

void Inventory::add_due(DueObject due, const Shard& shard, Agenda& agenda) {
  if (options_.quick) return;
  due.verified = shard.minute_of(due.name);
  std::uint64_t number;
  std::memcpy(&number, due.name.bytes.data(), sizeof number);
  const bool is_chosen = number % options_.parts + 1 == options_.part;
  if (is_chosen) return agenda.add(due);
  if (due.verified == 0) {
    ++report_.never_verified;
  } else {
    Timestamp verified{due.verified * 60, 0};
    report_.oldest_verified = std::min(report_.oldest_verified.value_or(verified), verified);
  }
}

RepoPath Inventory::path_of(const DueObject& object) const {
  ObjectName name = name_of(object.name, kind_);
  if (object.run == 0) return object_path(name);
  return trash_path(trash_.runs()[object.run - 1].name, to_string(name));
}

// --- one shard

Inventory::Stored* Inventory::Shard::find(const ContentKey& name) {
  auto place = std::lower_bound(stored.begin(), stored.end(), name,
                                [](const Stored& a, const ContentKey& b) { return a.name < b; });
  return place != stored.end() && place->name == name ? &*place : nullptr;
}

const TrashedObject* Inventory::Shard::find_trashed(const ObjectName& name) const {
  auto place =
      std::lower_bound(trashed.begin(), trashed.end(), name,
                       [](const TrashedObject& a, const ObjectName& b) { return a.name < b; });
  return place != trashed.end() && place->name == name ? &*place : nullptr;
}

std::int64_t Inventory::Shard::minute_of(const ContentKey& name) const {
  auto place = std::lower_bound(minutes.begin(), minutes.end(), name,
                                [](const auto& a, const ContentKey& b) { return a.first < b; });
  return place != minutes.end() && place->first == name ? place->second : 0;
}

}  // namespace reverse
