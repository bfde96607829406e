#include "libcore/store/gate.h"

#include <set>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/base/random.h"
#include "libcore/store/append_only.h"
#include "libcore/store/layout.h"
#include "libcore/store/repository.h"
#include "libcore/store/small_files.h"
#include "libcore/store/tree_listing.h"

namespace reverse {

namespace {

constexpr std::uint32_t kHeadMode = 0444;
constexpr int kOpenings = 10;    // gc may take writing/ away between two steps; hardly this often
constexpr int kClearings = 100;  // writers may create heads while a closed gate is emptied

/// Makes `inner` and, where it is missing, its parent `outer`. gc removes such directories when
/// they are empty, or moves them away: that may happen in between.
void make_nested_directory(Backend& backend, const RepoPath& outer, const RepoPath& inner) {
  for (int attempt = 1;; ++attempt) {
    backend.make_directory(outer);
    try {
      backend.make_directory(inner);
      return;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_found || attempt == kOpenings) throw;
    }
  }
}

/// True if a revision of that name is there and is `head` itself.
bool is_published(Backend& backend, const Head& head) {
  try {
    std::string text = read_small_file(backend, layout::head(head.revision()), kMaxHeadBytes);
    return parse_head(text, head.revision()).id == head.id;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found || error.kind() == ErrorKind::corrupt) return false;
    throw;
  }
}

/// The directories whose names the revision's own name depends on; others may have made them just
/// now.
std::vector<RepoPath> directories_above(const Head& head) {
  return {layout::kManifests, layout::set_directory(head.host), layout::set_directory(head.set())};
}

/// After a lost reply: once the temporary is gone, a request still under way can no longer succeed.
/// False where this account removes nothing.
bool remove_temporary(Backend& backend, const RepoPath& path) {
  try {
    backend.remove(path);
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::permission) throw;
    return false;
  }
}

PublishResult move_out_of_gate(Backend& backend, HeadUpload& upload, const Head& head) {
  Publication publication{upload.upload.get(), layout::head(head.revision())};
  MoveResult result;
  try {
    result = backend.publish({&publication, 1}).front();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::network) throw;
    if (remove_temporary(backend, upload.path))
      return is_published(backend, head) ? PublishResult::published : PublishResult::closed;
    result = backend.publish({&publication, 1}).front();  // whichever of the two came first
  }
  // A repeated request can find its own first success in the way, or its temporary gone.
  if (result == MoveResult::done || is_published(backend, head)) return PublishResult::published;
  return result == MoveResult::exists ? PublishResult::exists : PublishResult::closed;
}

std::vector<ListedFile> listed(Backend& backend, const RepoPath& directory) {
  std::vector<ListedFile> files;
  list_if_there(backend, directory, [&files](const ListedFile& file) { files.push_back(file); });
  return files;
}

bool is_closed_gate(const std::string& name, const FileStat& stat) {
  return stat.type == FileType::directory && name.starts_with(layout::kWriting + ".");
}

std::set<RepoPath> closed_gates(Backend& backend) {
  std::set<RepoPath> gates;
  for (const auto& [path, stat] : list_trees(backend, {""}, 1).entries)
    if (is_closed_gate(path, stat)) gates.insert(path);
  return gates;
}

/// Whether it is certain that nothing has that name: "no such file" may also mean that the
/// server cannot get at the repository just now.
bool is_surely_gone(Backend& backend, const RepoPath& gate) {
  return !backend.stat(gate) && backend.stat(layout::kManifests);
}

/// Removes a gate that was moved aside with everything in it. That a directory could be removed
/// proves it empty, whatever a listing says; and without it no path into it leads anywhere.
void remove_closed_gate(Backend& backend, const RepoPath& gate) {
  for (int attempt = 0; attempt < kClearings; ++attempt) {
    for (const ListedFile& child : listed(backend, gate)) {
      RepoPath path = gate + "/" + child.name;
      if (child.stat.type != FileType::directory) {
        backend.remove(path);
        continue;
      }
      for (const ListedFile& head : listed(backend, path)) backend.remove(path + "/" + head.name);
      backend.remove_directory(path);
    }
    if (backend.remove_directory(gate) || is_surely_gone(backend, gate)) return;
  }
  fail(ErrorKind::io, "{} cannot be emptied: new files keep coming", backend.display(gate));
}

}  // namespace

std::optional<std::string> find_gate(Backend& backend) {
  std::optional<std::string> token;
  list_if_there(backend, layout::kWriting, [&token](const ListedFile& file) {
    if (file.stat.type == FileType::directory && layout::is_token(file.name)) token = file.name;
  });
  return token;
}

std::string find_or_open_gate(Backend& backend) {
  if (std::optional<std::string> token = find_gate(backend)) return *token;
  std::string token = random_hex(16);
  try {
    make_nested_directory(backend, layout::kWriting, layout::gate(token));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::permission || !is_append_only(backend)) throw;
    fail(ErrorKind::busy,
         "no gate is open in {}, and this account may only add files: run reverse-gc there, under "
         "the account that owns it",
         backend.display(""));
  }
  if (is_append_only(backend)) open_to_group(backend, layout::gate(token));
  return token;
}

std::unique_ptr<HeadUpload> open_head(Backend& backend, const std::string& token) {
  return confirm_head(ask_for_head(backend, token));
}

std::unique_ptr<HeadUpload> ask_for_head(Backend& backend, const std::string& token) {
  try {
    RepoPath path = layout::unpublished_head(token, random_uuid());
    std::unique_ptr<Upload> upload = backend.create(path, kHeadMode);
    return std::make_unique<HeadUpload>(HeadUpload{std::move(path), std::move(upload)});
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return nullptr;
  }
}

std::unique_ptr<HeadUpload> confirm_head(std::unique_ptr<HeadUpload> asked) {
  try {
    if (asked) asked->upload->confirm();
    return asked;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return nullptr;
  }
}

bool make_set_directory(Backend& backend, const Head& head) {
  RepoPath set = layout::set_directory(head.set());
  if (backend.stat(set)) return false;
  make_nested_directory(backend, layout::set_directory(head.host), set);
  return true;
}

PublishResult publish_head(Backend& backend, HeadUpload& upload, const Head& head) {
  return with_context("publish " + head.revision(), [&] {
    upload.upload->write(format_head(head));
    upload.upload->close();
    PublishResult result = move_out_of_gate(backend, upload, head);
    // The first revision of a set, and now and then gc, which removes the directories of empty ones.
    if (result == PublishResult::closed && make_set_directory(backend, head))
      result = move_out_of_gate(backend, upload, head);
    if (result == PublishResult::published) backend.barrier(directories_above(head));
    return result;
  });
}

void close_gate(Backend& backend, const std::string& run) {
  with_context("close the gate", [&] {
    // Whatever it answers: another run may have been first, or the answer to an earlier try lost.
    const RepoPath aside = layout::kWriting + "." + run;
    backend.move(layout::kWriting, aside);
    std::set<RepoPath> gates = closed_gates(backend);
    gates.insert(aside);  // whatever a listing shows
    for (const RepoPath& gate : gates) remove_closed_gate(backend, gate);
  });
  find_or_open_gate(backend);
}

}  // namespace reverse
