#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "libcore/engine/revisions.h"
#include "libcore/store/repository.h"

namespace reverse {

/// Visits the entries at `path` ("": all) in order: the one itself and, if `recursive`, everything below it; otherwise, for a directory, what
/// lies directly in it. Throws `not_found` if `path` is not in the revision.
void visit_entries(const Repository& repository, const Head& head, const std::string& path,
                   bool recursive, const std::function<void(const Entry&)>& visit);

/// Writes the file at `path` to `sink`; its bytes are verified only when this returns. Throws `not_found`, `usage` (not a file), `corrupt`.
void write_file_content(const Repository& repository, const Head& head, const std::string& path,
                        ByteSink& sink);

/// The whole revision as one flat YAML document: the head's lines but `tree` and `end`, then `entries:`.
void write_flat_yaml(const Repository& repository, const Head& head,
                     const std::function<void(std::string_view)>& write);

/// The newest revision of `set` that holds `path`, for a message; nullopt if none does.
std::optional<std::string> newest_with_path(const Repository& repository, const std::string& set,
                                            const std::string& path);

}  // namespace reverse
