#include "libcore/store/seen_heads.h"

#include <set>

#include "libcore/base/error.h"
#include "libcore/base/random.h"
#include "libcore/store/flow_parser.h"
#include "libcore/store/flow_text.h"
#include "libcore/store/layout.h"
#include "libcore/store/small_files.h"

namespace reverse {

namespace {

constexpr std::string_view kHeader = "# reverse heads 1\n";
constexpr std::size_t kMaxBytes = 256u << 20;
constexpr std::uint32_t kMode = 0444;

void parse_line(FlowParser& fields, std::string_view line, std::map<std::string, bool>& removed) {
  if (!line.starts_with("- ")) fail(ErrorKind::corrupt, "not a list");
  fields.read(line.substr(2));
  std::string revision(fields.text("revision"));
  bool is_removed = fields.take("removed", FlowField::Kind::yes) != nullptr;
  fields.expect_end();
  removed[revision] |= is_removed;
}

void parse(std::string_view text, std::map<std::string, bool>& removed) {
  if (!text.starts_with(kHeader) || text.back() != '\n')
    fail(ErrorKind::corrupt, "not a list of revisions; it may be deleted, it is made again");
  text.remove_prefix(kHeader.size());
  FlowParser fields;
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    parse_line(fields, text.substr(0, end), removed);
    text.remove_prefix(end + 1);
  }
}

}  // namespace

SeenHeads SeenHeads::read(Backend& backend) {
  SeenHeads seen;
  std::set<RepoPath> files;  // a listing that is cut short would only make gc less careful
  for (int look = backend.traits().reliable_listing ? 1 : 0; look < 2; ++look) {
    std::vector<Expected> soon{{kDirectory, true}};
    for (const RepoPath& path : files) soon.push_back({path});
    backend.expect(soon);
    list_if_there(backend, kDirectory, [&files](const ListedFile& file) {
      if (layout::is_token(file.name)) files.insert(kDirectory + "/" + file.name);
    });
  }
  seen.files_.assign(files.begin(), files.end());
  std::vector<Expected> reads;
  for (const RepoPath& path : seen.files_) reads.push_back({path});
  backend.expect(reads);
  for (const RepoPath& path : seen.files_) {
    try {
      std::string text = read_small_file(backend, path, kMaxBytes);
      with_context(backend.display(path), [&] { parse(text, seen.removed_); });
    } catch (const Error& error) {
      // Another run that removed it has written what it held to a file of its own first.
      if (error.kind() != ErrorKind::not_found) throw;
    }
  }
  seen.changed_ = seen.files_.size() > 1;
  return seen;
}

std::vector<std::string> SeenHeads::expected() const {
  std::vector<std::string> revisions;
  for (const auto& [revision, is_removed] : removed_)
    if (!is_removed) revisions.push_back(revision);
  return revisions;
}

bool SeenHeads::was_removed(const std::string& revision) const {
  auto place = removed_.find(revision);
  return place != removed_.end() && place->second;
}

void SeenHeads::set_present(const std::vector<std::string>& revisions) {
  if (expected() == revisions) return;
  std::erase_if(removed_, [](const auto& known) { return !known.second; });
  for (const std::string& revision : revisions) removed_.emplace(revision, false);
  changed_ = true;
}

void SeenHeads::add_removed(const std::string& revision) {
  bool& removed = removed_[revision];
  changed_ |= !removed;
  removed = true;
}

void SeenHeads::write(Backend& backend) {
  if (!changed_) return;
  std::string text(kHeader);
  for (const auto& [revision, is_removed] : removed_) {
    text.append("- {\"revision\": ");
    append_quoted(text, revision);
    text.append(is_removed ? ", \"removed\": true}\n" : "}\n");
  }
  RepoPath path = kDirectory + "/" + random_hex(16);
  if (files_.empty()) {
    backend.make_directory(layout::kGc);
    backend.make_directory(kDirectory);
  }
  std::unique_ptr<Upload> upload = upload_text(backend, text, kMode);
  Publication publication{upload.get(), path};
  if (backend.publish({&publication, 1}).front() != MoveResult::done)
    fail(ErrorKind::busy,
         "{}: its temporary file or its directory was removed meanwhile; run again",
         backend.display(path));
  RepoPath container = kDirectory;
  backend.barrier({&container, 1});
  for (const RepoPath& file : files_) backend.remove(file);
  files_ = {path};
  changed_ = false;
}

}  // namespace reverse
