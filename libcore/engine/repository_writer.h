#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <utility>

#include "libcore/catalog/present_set.h"
#include "libcore/engine/cited_contents.h"
#include "libcore/engine/expect_backup.h"
#include "libcore/engine/stored_sizes.h"
#include "libcore/engine/trash_lookup.h"
#include "libcore/store/gate.h"
#include "libcore/store/object_writer.h"
#include "libcore/store/repository.h"

namespace reverse {

/// A writer's half of the protocol (schema/FORMAT.md, "Writers", W1 to W5): what is in the repository already, what is uploaded,
/// and publishing revisions through the gate. `has`, `put` and `create` are thread-safe; the rest is for one thread.
class RepositoryWriter {
 public:
  RepositoryWriter(const Repository& repository, PresentSet& present);

  /// W1: finds or opens a gate, and decides which knowledge of earlier runs still holds. Once, before anything else.
  /// `seen`: a revision ("HOST/LABEL/NAME") that was found in this run; or "". `asked`: the head's temporary, where it was asked for.
  void begin(const std::string& seen, AskedHead asked = {});

  /// After `begin`: learns from a revision which contents are stored under their digest, so that they need not be read to be
  /// relied on. For a machine without knowledge of earlier runs. One that was forgotten meanwhile teaches nothing.
  void learn(const Head& head, const std::stop_token& stop);

  /// True if this content is certainly present. Costs at most a `stat`, or a listing of objects/ shared by all that is
  /// asked; and where others have uploaded it, reading it once (two contents can share an MD5).
  bool has(const Sums& sums);

  /// Says that these contents will be asked for or put one after the other: what must be read to know them is read ahead.
  void expect(const std::vector<Sums>& contents);

  /// Says that much will be uploaded (`Backend::expect_uploads`).
  void expect_uploads() { repository_.backend().expect_uploads(); }
  /// Stores bytes in memory unless they are present.
  void put(const Sums& sums, ByteView bytes);
  /// Stores what `send` streams into an upload that it creates, which must be this content, unless it is present or another thread
  /// is storing it: then `send` is not called. What `send` throws is thrown, and nothing is stored.
  void put(const Sums& sums, const std::function<std::unique_ptr<Upload>()>& send);
  /// A new temporary to stream into, for content whose sums are known only afterwards.
  std::unique_ptr<Upload> create() { return objects_.create(); }
  /// Likewise as tmp/NAME, which must be as good as random.
  std::unique_ptr<Upload> create(const std::string& name) { return objects_.create(name); }
  /// Likewise, going on with tmp/LEFT of an ended run, of which so many bytes from the first on were there of `size` in the end.
  /// nullptr where that cannot be had (`Backend::take_over`).
  std::unique_ptr<Upload> take_over(const std::string& left, std::uint64_t confirmed, std::uint64_t size,
                                    const std::string& name);
  /// Removes tmp/NAME that an ended run has left, as far as this account may.
  void remove_temporary(const std::string& name);
  /// Stores what was streamed (and not closed yet) unless it is present; takes the upload either way.
  void put(const Sums& sums, std::unique_ptr<Upload> upload);

  /// The loop that commits groups of objects, for a thread of its own, until `close` or a stop.
  void commit_loop(const std::stop_token& stop) { objects_.commit_loop(stop); }
  /// Commits everything put so far: then `new_objects` and `new_bytes` count it.
  void flush() { objects_.flush(); }
  /// Likewise, and makes meanwhile what `publish` will need for `head`, where that is known to be missing.
  void flush_for(const Head& head);
  /// No more `put` or `publish` will come.
  void close() { objects_.close(); }

  enum class Published { yes, gate_closed };
  /// W3 to W5: commits everything put so far, makes every name relied on durable, publishes `head` (its token is filled in) and
  /// remembers what is known to be present. A revision that is there already with the same id is published.
  /// `gate_closed`: nothing was published; begin anew with another writer.
  Published publish(Head& head);

  std::uint64_t new_objects() const { return objects_.new_objects(); }
  std::uint64_t new_bytes() const { return objects_.new_bytes(); }

 private:
  enum class Presence { absent, here, other_content };
  bool holds(const PresentSet::Basis& basis, const std::string& seen);
  bool is_hardly_there(const Sums& sums) const;
  Presence look_for(const ObjectName& name, const Sums& sums);
  /// The name this content has or should get, and whether it is there.
  std::pair<ObjectName, bool> locate(const Sums& sums);
  std::optional<ObjectWriter::Claim> claim(const Sums& sums);
  bool is_cited(const ObjectName& name, const Sums& sums);
  std::optional<Check> check_of_stored(const ObjectName& name);
  Presence note_foreign(const ObjectName& name, const Sums& wanted, const std::optional<Check>& check);

  const Repository& repository_;
  PresentSet& present_;
  ObjectWriter objects_;
  StoredSizes stored_;
  TrashLookup trash_;
  CitedContents cited_;
  std::string token_;
  bool is_empty_ = false;  // no revision is there yet: nor is anything that would be worth a question
  std::set<std::string> made_sets_;  // of an empty repository: their directories were made
  bool trusts_ = false;  // what published runs learnt holds: little is unknown that others have stored
  std::unique_ptr<HeadUpload> head_upload_;  // of the next head, made when the run began
  std::mutex mutex_;                     // guards what follows
  std::set<RepoPath> foreign_shards_;    // hold names that others made and may not have made durable
};

}  // namespace reverse
