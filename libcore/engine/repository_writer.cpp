#include "libcore/engine/repository_writer.h"

#include <functional>
#include <future>

#include "libcore/base/error.h"
#include "libcore/base/timestamp.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/seen_heads.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::uint64_t kNotWorthAsking = 64 << 10;  // bytes: sent as fast as a server answers
constexpr std::size_t kKnownPerQuestion = 4096;  // a question costs about what listing so many objects does

/// The key under which the present set knows an object.
std::string key_of(const ObjectName& name) {
  std::string key(name.digest.bytes());
  if (name.variant) key.append(name.variant->bytes());
  return key;
}

RepoPath shard_of(const ObjectName& name) {
  RepoPath path = object_path(name);
  return path.substr(0, path.rfind('/'));
}

}  // namespace

RepositoryWriter::RepositoryWriter(const Repository& repository, PresentSet& present)
    : repository_(repository),
      present_(present),
      objects_(repository.backend(), repository.info().digest,
               [this](const ObjectName& name, const Sums& sums) {
                 present_.add(key_of(name), sums.size, sums.check);
               }),
      stored_(repository),
      trash_(repository) {}

// --- W1: the gate, and what is known

/// Whether knowledge of earlier runs is knowledge of this very repository: one that was put back from a copy has the same id
/// and token, but neither the revision that was published last from here nor a gc that knows to have removed it.
bool RepositoryWriter::holds(const PresentSet::Basis& basis, const std::string& seen) {
  Backend& backend = repository_.backend();
  if (basis.revision.empty()) return false;
  if (basis.revision == seen) return true;
  if (backend.stat(layout::head(basis.revision))) return true;
  try {
    return SeenHeads::read(backend).was_removed(basis.revision);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) throw;
    return false;
  }
}

void RepositoryWriter::begin(const std::string& seen, AskedHead asked) {
  Backend& backend = repository_.backend();
  std::optional<PresentSet::Basis> basis = present_.basis();
  const bool fits = asked.is_first || (basis && asked.token == basis->token);
  if (!asked.upload || !fits)
    asked = basis ? AskedHead{basis->token, ask_for_head(backend, basis->token)} : AskedHead{};
  head_upload_ = asked.is_first ? std::move(asked.upload) : confirm_head(std::move(asked.upload));
  if (head_upload_) {
    token_ = asked.token;
    trusts_ = !asked.is_first && holds(*basis, seen);
  }
  for (int attempt = 0; !head_upload_ && attempt < 3; ++attempt) {  // gc may close a gate in between
    std::vector<RepoPath> listed{layout::kWriting};
    if (seen.empty()) listed.push_back(layout::kManifests);
    expect_listings(backend, listed);
    token_ = find_or_open_gate(backend);
    head_upload_ = open_head(backend, token_);
  }
  if (!head_upload_) fail(ErrorKind::busy, "the gate of the repository is closed again and again: try later");
  is_empty_ = asked.is_first || (!trusts_ && seen.empty() && !backend.traits().cheap_stat &&
                                 repository_.sets().empty());
  present_.begin(token_, trusts_);
  // Counting goes over all that is known, and most runs ask nothing.
  stored_.list_after([this] { return present_.count() / kKnownPerQuestion; });
}

void RepositoryWriter::learn(const Head& head, const std::stop_token& stop) {
  // Seen after the gate was opened: from here on gc keeps what it refers to, or closes the gate on us.
  if (repository_.backend().stat(layout::head(head.revision()))) cited_.learn(repository_, head, stop);
}

// --- W2: contents

/// True if a content of which nothing is known is not worth a question.
bool RepositoryWriter::is_hardly_there(const Sums& sums) const {
  if (repository_.backend().traits().cheap_stat) return false;
  return is_empty_ || (trusts_ && sums.size <= kNotWorthAsking);
}

void RepositoryWriter::expect(const std::vector<Sums>& contents) {
  if (repository_.backend().traits().cheap_stat || repository_.info().digest != DigestKind::md5) return;
  std::vector<Expected> reads;
  for (const Sums& sums : contents) {
    const ObjectName name{sums.digest, std::nullopt};
    if (is_hardly_there(sums) || present_.find(key_of(name))) continue;
    if (stored_.find(name) == sums.size) reads.push_back({object_path(name), false, sums.size});
  }
  repository_.backend().expect(reads);
}

RepositoryWriter::Presence RepositoryWriter::look_for(const ObjectName& name, const Sums& sums) {
  std::optional<PresentObject> known = present_.find(key_of(name));
  bool differs = known && known->check && sums.check && *known->check != *sums.check;
  if (known && known->trusted) {
    if (differs) return Presence::other_content;
    return known->size == sums.size ? Presence::here : Presence::absent;
  }
  if (!known && is_hardly_there(sums)) return Presence::absent;
  std::optional<std::uint64_t> size = stored_.find(name);
  if (!size) {
    std::optional<Sums> found = trash_.put_back(name);
    return found ? note_foreign(name, sums, found->check) : Presence::absent;
  }
  if (*size != sums.size) return Presence::absent;
  // Somebody else's, or of a run of ours that published nothing. Its size says nothing about which of two contents with one MD5
  // it is; only its check does.
  std::optional<Check> check = known && known->check ? known->check
                               : is_cited(name, sums) ? sums.check
                                                      : check_of_stored(name);
  if (sums.check && !check) return Presence::absent;  // damaged or gone: uploading settles it
  return note_foreign(name, sums, check);
}

/// Notes as present what somebody else stored and may not have made durable, if it is the content that is wanted.
RepositoryWriter::Presence RepositoryWriter::note_foreign(const ObjectName& name, const Sums& wanted,
                                                          const std::optional<Check>& check) {
  if (wanted.check && check != wanted.check) return Presence::other_content;
  {
    std::lock_guard lock(mutex_);
    foreign_shards_.insert(shard_of(name));
  }
  present_.add(key_of(name), wanted.size, wanted.check);
  return Presence::here;
}

/// Whether a revision that is there says what the object `name` holds: it refers to this content, and that has no name
/// of its own (schema/FORMAT.md, "Resolution").
bool RepositoryWriter::is_cited(const ObjectName& name, const Sums& sums) {
  return !name.variant && cited_.has(sums) && !stored_.find({name.digest, sums.check});
}

std::optional<Check> RepositoryWriter::check_of_stored(const ObjectName& name) {
  if (repository_.info().digest != DigestKind::md5) return std::nullopt;
  try {
    HashSink sink(DigestKind::md5);
    repository_.backend().read(object_path(name), sink);
    Sums sums = sink.finish();
    if (sums.digest != name.digest) return std::nullopt;
    return sums.check;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return std::nullopt;
  }
}

std::pair<ObjectName, bool> RepositoryWriter::locate(const Sums& sums) {
  ObjectName name{sums.digest, std::nullopt};
  Presence presence = look_for(name, sums);
  if (presence == Presence::other_content) {
    name.variant = sums.check;
    presence = look_for(name, sums);
  }
  return {name, presence == Presence::here};
}

bool RepositoryWriter::has(const Sums& sums) {
  return locate(sums).second;
}

std::optional<ObjectWriter::Claim> RepositoryWriter::claim(const Sums& sums) {
  auto [name, present] = locate(sums);
  if (present) return std::nullopt;
  std::optional<ObjectWriter::Claim> claim = objects_.claim(name, sums);
  // Another worker may have put it, and the group may have been committed, since it was looked for.
  if (claim && present_.find(key_of(claim->name())) && has(sums)) return std::nullopt;
  return claim;
}

void RepositoryWriter::put(const Sums& sums, ByteView bytes) {
  put(sums, [this, bytes] {
    std::unique_ptr<Upload> upload = create();
    upload->write(bytes);
    return upload;
  });
}

void RepositoryWriter::put(const Sums& sums, const std::function<std::unique_ptr<Upload>()>& send) {
  if (std::optional<ObjectWriter::Claim> mine = claim(sums)) objects_.put(std::move(*mine), send());
}

void RepositoryWriter::put(const Sums& sums, std::unique_ptr<Upload> upload) {
  std::optional<ObjectWriter::Claim> mine = claim(sums);
  if (mine)
    objects_.put(std::move(*mine), std::move(upload));
  else
    upload->discard();
}

std::unique_ptr<Upload> RepositoryWriter::take_over(const std::string& left, std::uint64_t confirmed,
                                                    std::uint64_t size, const std::string& name) {
  return objects_.take_over({layout::kTemporaries + "/" + left, confirmed, size}, name);
}

void RepositoryWriter::remove_temporary(const std::string& name) {
  try {
    repository_.backend().remove(layout::kTemporaries + "/" + name);
  } catch (const Error&) {
    // It is left to gc.
  }
}

// --- W3 to W5: the head

void RepositoryWriter::flush_for(const Head& head) {
  std::future<bool> making;
  if (is_empty_ && made_sets_.insert(head.set()).second)
    making = std::async(std::launch::async, make_set_directory, std::ref(repository_.backend()),
                        std::cref(head));
  objects_.flush();
  if (making.valid()) making.get();
}

RepositoryWriter::Published RepositoryWriter::publish(Head& head) {
  Backend& backend = repository_.backend();
  flush_for(head);
  std::vector<RepoPath> shards;
  {
    std::lock_guard lock(mutex_);
    shards.assign(foreign_shards_.begin(), foreign_shards_.end());
    foreign_shards_.clear();
  }
  backend.barrier(shards);
  head.token = token_;
  while (true) {
    std::unique_ptr<HeadUpload> upload = confirm_head(std::move(head_upload_));
    if (!upload) upload = open_head(backend, token_);
    if (!upload) return Published::gate_closed;
    switch (publish_head(backend, *upload, head)) {
      case PublishResult::published:
        present_.publish(head.revision());
        return Published::yes;
      case PublishResult::closed:
        return Published::gate_closed;
      case PublishResult::exists:  // a revision with the same second and the same 8 digits
        if (repository_.read_head(head.revision()).id == head.id) return Published::yes;
        head.started = to_rfc3339_local(plus_seconds(parse_rfc3339(head.started).value(), 1));
    }
  }
}

}  // namespace reverse
