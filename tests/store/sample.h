#pragma once

#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "libcore/backend/backend.h"
#include "libcore/base/pipeline.h"
#include "libcore/base/temp_dir.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/gate.h"
#include "libcore/store/object_writer.h"
#include "libcore/store/repository.h"
#include "libcore/store/tree.h"

namespace reverse {

/// Entries, trees and repositories for the tests of this module.

inline Entry make_entry(FileType type, std::string path) {
  Entry entry;
  entry.type = type;
  entry.path = std::move(path);
  entry.mode = type == FileType::directory ? 0755 : 0644;
  entry.uid = 1000;
  entry.gid = 100;
  entry.owner = "joe:users";
  entry.mtime = {1390644000, 123456789};
  return entry;
}

inline Entry make_directory(std::string path) {
  return make_entry(FileType::directory, std::move(path));
}

inline Entry make_file(std::string path, std::string_view content,
                       DigestKind kind = DigestKind::md5) {
  Entry entry = make_entry(FileType::file, std::move(path));
  Sums sums = hash_bytes(kind, content);
  entry.size = sums.size;
  entry.digest = sums.digest;
  entry.check = sums.check;
  return entry;
}

inline Entry make_symlink(std::string path, std::string target) {
  Entry entry = make_entry(FileType::symlink, std::move(path));
  entry.mode = 0777;
  entry.target = std::move(target);
  return entry;
}

/// The entry's line without its newline.
inline std::string line_of(const Entry& entry) {
  std::string line;
  append_entry(line, entry);
  line.pop_back();
  return line;
}

/// Pages in memory, and how often one was asked for.
struct MemoryPages {
  std::map<Digest, std::string> texts;
  std::size_t bytes = 0;  // of distinct pages
  std::size_t fetched = 0;

  PageSink sink() {
    return [this](const PageRef& ref, std::string text) {
      if (auto [place, is_new] = texts.emplace(ref.page, std::move(text)); is_new)
        bytes += place->second.size();
    };
  }
  PageFetcher fetcher() {
    return [this](const PageRef& ref) {
      ++fetched;
      return texts.at(ref.page);
    };
  }
};

inline PageRef write_tree(const std::vector<Entry>& entries, const PageSink& sink,
                          DigestKind kind = DigestKind::md5) {
  TreeWriter writer(kind);
  for (const Entry& entry : entries) writer.add(entry, sink);
  return writer.finish(sink);
}

inline std::vector<Entry> read_all(TreeReader& reader) {
  std::vector<Entry> entries;
  while (std::optional<Entry> entry = reader.next()) entries.push_back(std::move(*entry));
  return entries;
}

inline Head make_head(const std::string& id, const PageRef& tree) {
  Head head;
  head.id = id;
  head.repository = "00000000-0000-4000-8000-000000000001";
  head.token = "0123456789abcdef0123456789abcdef";
  head.host = "desk";
  head.label = "home";
  head.machine = "4f1d";
  head.source = "/home";
  head.started = "2014-01-25T11:00:00+01:00";
  head.finished = "2014-01-25T11:00:09+01:00";
  head.timezone = "Europe/Berlin";
  head.tool = "reverse 0.1.0";
  head.digest = tree.page.kind();
  head.entries = tree.entries;
  head.tree = tree;
  return head;
}

/// A repository in a directory of its own, filled without the engine.
class SampleRepository {
 public:
  explicit SampleRepository(DigestKind kind = DigestKind::md5)
      : backend_(open_local_backend(directory_ / "repo", Durability::none)),
        repository_(Repository::create(*backend_, kind)) {}

  const Repository& repository() const { return repository_; }
  Backend& backend() { return *backend_; }
  DigestKind kind() const { return repository_.info().digest; }
  std::string path() const { return directory_ / "repo"; }
  std::string scratch(const std::string& name) const { return directory_ / name; }

  /// Stores contents, each under its plain name unless that is taken.
  void store(const std::vector<std::string>& contents) {
    ObjectWriter writer(*backend_, kind(), [](const ObjectName&, const Sums&) {});
    Pipeline pipeline{std::stop_token()};
    pipeline.start([&, stop = pipeline.stop_token()] { writer.commit_loop(stop); });
    pipeline.run_here([&] {
      for (const std::string& content : contents) put(writer, content);
      writer.close();
    });
    pipeline.wait();
  }

  /// Publishes a revision of these entries, whose contents must be stored, and returns its name.
  std::string publish(const std::vector<Entry>& entries, const std::string& id) {
    std::vector<std::string> pages;
    PageRef tree = write_tree(
        entries, [&pages](const PageRef&, std::string text) { pages.push_back(std::move(text)); },
        kind());
    store(pages);
    Head head = make_head(id, tree);
    head.repository = repository_.info().id;
    head.token = find_or_open_gate(*backend_);
    std::unique_ptr<HeadUpload> upload = open_head(*backend_, head.token);
    if (publish_head(*backend_, *upload, head) != PublishResult::published)
      throw std::runtime_error("not published");
    return head.revision();
  }

 private:
  void put(ObjectWriter& writer, const std::string& content) {
    Sums sums = hash_bytes(kind(), content);
    auto claim = writer.claim({sums.digest, std::nullopt}, sums);
    if (!claim) return;
    std::unique_ptr<Upload> upload = writer.create();
    upload->write(content);
    writer.put(std::move(*claim), std::move(upload));
  }

  TempDir directory_;
  std::unique_ptr<Backend> backend_;
  Repository repository_;
};

inline constexpr const char* kFirstId = "6f0c2a7e-1111-4111-8111-111111111111";
inline constexpr const char* kSecondId = "7f0c2a7e-2222-4222-8222-222222222222";

}  // namespace reverse
