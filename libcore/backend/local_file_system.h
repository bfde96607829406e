#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace reverse {

/// Throws the `Error` for errno value `code`, got for `path`: "ACT '/a/b': strerror". Where space
/// ran out, the message names the file system as well: "(file system at '/mnt', 0 B free)".
/// `not_found` only if `certainly_absent`.
[[noreturn]] void throw_local(int code, std::string_view act, const std::string& path);

/// True if errno value `code`, got for `path`, proves that nothing of that name exists. ENOTDIR
/// alone does not: it is also the answer for a file where a directory was wanted.
bool certainly_absent(int code, const std::string& path);

/// True if errno value `code` of a chmod of one's own new file says that this file system (FAT,
/// some shares) keeps no permission bits.
bool lacks_permission_bits(int code);

/// "'/a/b'", safe to print.
std::string quote_path(const std::string& path);

/// The directory that holds the name `path` (absolute).
std::string parent_of(const std::string& path);

/// Bytes that this user can still write on the file system of `path`; nullopt if that cannot be
/// told.
std::optional<std::uint64_t> free_bytes_at(const std::string& path);

/// True if `syncfs` on this file system writes every file and reports every error of doing so
/// (Linux 5.8 on; not through FUSE, overlays or network shares, which report only per file).
bool syncfs_is_reliable(int fd);

}  // namespace reverse
