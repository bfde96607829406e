#pragma once

#include <memory>
#include <optional>
#include <string>

#include "libcore/backend/backend.h"
#include "libcore/store/head.h"

namespace reverse {

// The gate (schema/FORMAT.md, "The gate"): a directory writing/TOKEN through which every revision
// is published, and which gc takes away before it deletes. One thread at a time each.

/// The token of an open gate; nullopt if there is none. Several may be open: any of them will do.
std::optional<std::string> find_gate(Backend& backend);
/// The same, but opens a gate where there is none.
std::string find_or_open_gate(Backend& backend);

/// A head's temporary in the gate. Its name is nobody else's: several writers may be copying one
/// revision, and one that was killed has left what it had made.
struct HeadUpload {
  RepoPath path;
  std::unique_ptr<Upload> upload;
};

/// Creates a head's temporary in the gate: that succeeds exactly if the gate is open, so it also
/// tells whether what is known under `token` still holds. nullptr if the gate is closed. The upload
/// may stay open for the whole run.
std::unique_ptr<HeadUpload> open_head(Backend& backend, const std::string& token);
/// Its two halves: asks for the temporary, without waiting where the repository is distant; and
/// finds out whether it was made. Each gives nullptr if the gate is closed.
std::unique_ptr<HeadUpload> ask_for_head(Backend& backend, const std::string& token);
std::unique_ptr<HeadUpload> confirm_head(std::unique_ptr<HeadUpload> asked);

enum class PublishResult {
  published,  ///< the revision is there and durable
  closed,     ///< gc closed the gate: nothing was published; look again at everything and try anew
  exists,     ///< another revision has that name; nothing was published: take the next second
};

/// Makes the directory of a head's set, if need be; false if it is there. `publish_head` does it by itself, but only
/// once it finds none: where that is likely it is cheaper to have it made before, while other work goes on.
bool make_set_directory(Backend& backend, const Head& head);

/// Publishes `head` (schema/FORMAT.md, W4) by means of `upload`, which `open_head` gave for its
/// `token` and nobody has written to. Everything that the head refers to must be durable.
/// The set's directory is made if need be. If a reply of the repository is lost, the temporary is
/// removed before it is looked who came first, so that the answer is final. Throws what the backend
/// throws when not even that can be told.
PublishResult publish_head(Backend& backend, HeadUpload& upload, const Head& head);

/// Closes every gate (schema/FORMAT.md, G6), those included that an earlier `run` of gc was killed
/// closing, and opens a new one. When it returns, no head under an older token can be published any
/// more, not even by a request under way. `run`: the caller's own, 32 hex digits. Throws `io` if
/// writers put heads there faster than they can be removed.
void close_gate(Backend& backend, const std::string& run);

}  // namespace reverse
