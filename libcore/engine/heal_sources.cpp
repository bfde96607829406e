#include "libcore/engine/heal_sources.h"

#include <algorithm>

#include "libcore/base/error.h"
#include "libcore/base/stop.h"
#include "libcore/base/text.h"
#include "libcore/scan/source_file.h"
#include "libcore/scan/walk.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::size_t kObjectsAhead = 256;  // that a distant repository is asked for at once

/// A repository with the same digest: what is wanted has a name there.
class SameDigestRepository : public HealSource {
 public:
  explicit SameDigestRepository(const Repository& repository) : repository_(repository) {}

  void search(const WantedContents& wanted, const Offer& offer, const Warn&,
              const std::stop_token& stop) override {
    const std::vector<Finding> findings = wanted.list();
    for (std::size_t i = 0; i < findings.size(); ++i) {
      throw_if_stopped(stop);
      if (i % kObjectsAhead == 0) expect(findings, i);
      const Sums sums = findings[i].sums(repository_.info().digest);
      offer({repository_.backend().display(object_path({sums.digest, std::nullopt})), sums.size,
             true, [&](ByteSink& sink) { repository_.read_object(sums, sink); }});
    }
  }

  std::optional<std::string> page(const Sums& sums) override {
    try {
      return repository_.read_object(sums);
    } catch (const Error& error) {
      if (error.retryable()) throw;
      return std::nullopt;
    }
  }

 private:
  void expect(const std::vector<Finding>& findings, std::size_t begin) const {
    const std::size_t end = std::min(begin + kObjectsAhead, findings.size());
    for (std::size_t i = begin; i < end; ++i)
      repository_.expect_object(findings[i].sums(repository_.info().digest));
  }

  const Repository& repository_;
};

/// A repository with the other digest: its objects are files of unknown content.
class OtherDigestRepository : public HealSource {
 public:
  explicit OtherDigestRepository(const Repository& repository)
      : backend_(repository.backend()) {}

  void search(const WantedContents& wanted, const Offer& offer, const Warn&,
              const std::stop_token& stop) override {
    std::vector<RepoPath> shards;
    for (int i = 0; i < layout::kShards; ++i) shards.push_back(layout::shard(i));
    expect_listings(backend_, shards);
    for (const RepoPath& shard : shards) {
      throw_if_stopped(stop);
      if (wanted.empty()) return;
      std::vector<ListedFile> files;
      list_if_there(backend_, shard, [&](const ListedFile& file) {
        if (file.stat.type == FileType::file && wanted.has_size(file.stat.size))
          files.push_back(file);
      });
      for (const ListedFile& file : files) offer_object(shard + "/" + file.name, file, offer);
    }
  }

 private:
  void offer_object(const RepoPath& path, const ListedFile& file, const Offer& offer) {
    offer({backend_.display(path), file.stat.size, false,
           [&](ByteSink& sink) { backend_.read(path, sink); }});
  }

  Backend& backend_;
};

class Directory : public HealSource {
 public:
  explicit Directory(std::string path) : path_(std::move(path)) {}

  void search(const WantedContents& wanted, const Offer& offer, const Warn& warn,
              const std::stop_token& stop) override {
    std::stop_source enough;
    std::stop_callback follow(stop, [&enough] { enough.request_stop(); });
    WalkOptions options;
    options.cross = {MountKind::memory, MountKind::network, MountKind::fuse};
    Filter filter(path_);
    Visitor visitor(*this, wanted, offer, warn, enough);
    try {
      walk(path_, options, filter, visitor, enough.get_token());
    } catch (const Cancelled&) {
      throw_if_stopped(stop);  // else there is nothing left to look for
    }
  }

 private:
  class Visitor : public WalkVisitor {
   public:
    Visitor(const Directory& directory, const WantedContents& wanted, const Offer& offer,
            const Warn& warn, std::stop_source& enough)
        : directory_(directory), wanted_(wanted), offer_(offer), warn_(warn), enough_(enough) {}

    void entry(SourceEntry entry, const std::optional<std::string>& list_error) override {
      if (list_error) warn_(*list_error);
      if (entry.status.type != FileType::file || !wanted_.has_size(entry.status.size)) return;
      offer_({fmt::format("'{}/{}'", printable(directory_.path_), printable(entry.path)), entry.status.size, false,
              [&](ByteSink& sink) { read(entry, sink); }});
      if (wanted_.empty()) enough_.request_stop();
    }
    void skipped(const std::string&, SkipReason, const std::string&) override {}
    void failed(const std::string&, bool vanished, const std::string& error) override {
      if (!vanished) warn_(error);
    }

   private:
    static void read(const SourceEntry& entry, ByteSink& sink) {
      SourceFile file(entry);
      for (ByteView chunk = file.next(); !chunk.empty(); chunk = file.next()) sink.write(chunk);
    }

    const Directory& directory_;
    const WantedContents& wanted_;
    const Offer& offer_;
    const Warn& warn_;
    std::stop_source& enough_;
  };

  const std::string path_;
};

}  // namespace

void WantedContents::add(const Finding& finding) {
  if (findings_.emplace(finding.content, finding).second) ++sizes_[finding.size];
}

void WantedContents::remove(const Finding& finding) {
  const std::uint64_t size = finding.size;
  if (findings_.erase(ContentKey(finding.content)) > 0 && --sizes_.at(size) == 0)
    sizes_.erase(size);
}

const Finding* WantedContents::find(const Sums& sums) const {
  auto place = findings_.find(ContentKey::of(sums.digest, sums.check));
  bool is_there = place != findings_.end() && place->second.size == sums.size;
  return is_there ? &place->second : nullptr;
}

std::vector<Finding> WantedContents::list() const {
  std::vector<Finding> all;
  for (const auto& [key, finding] : findings_) all.push_back(finding);
  return all;
}

std::unique_ptr<HealSource> repository_source(const Repository& repository, DigestKind wanted) {
  if (repository.info().digest == wanted)
    return std::make_unique<SameDigestRepository>(repository);
  return std::make_unique<OtherDigestRepository>(repository);
}

std::unique_ptr<HealSource> directory_source(const std::string& path) {
  return std::make_unique<Directory>(path);
}

}  // namespace reverse
