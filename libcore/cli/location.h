#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace reverse {

/// Where a repository or a tree is: a local directory, or one on a host reached by SFTP.
struct Location {
  std::string host;        ///< empty: local
  std::string user;        ///< empty: whoever ~/.ssh/config says
  std::uint16_t port = 0;  ///< 0: the default
  /// Local: absolute, without "//", "." and "..", symlinks not resolved. Remote: absolute, or
  /// relative to the login directory ("" is that directory itself).
  std::string path;

  bool is_remote() const { return !host.empty(); }
  /// One spelling per location, for people and for the catalog: "/backup", "joe@nas:/backup",
  /// "nas:backup", "sftp://joe@nas:2222/backup". Raw bytes: escape it before it is printed.
  std::string text() const;

  bool operator==(const Location&) const = default;
};

/// Reads a location as written on the command line:
/// - with a slash and no colon before it, "." or "..": a local path;
/// - with a colon before the first slash, or "sftp://": a remote one (RFC 3986 escapes in the URL
/// form only);
/// - a bare word is a local path only where such a file exists.
/// Throws `usage` for unknown words, passwords, parts that begin with '-', bad ports and other
/// schemes.
Location parse_location(std::string_view text);

/// A local path made absolute as `Location::path` says. ".." follows what symlinks lead to, as the
/// kernel would. Throws `usage` if it is empty, `not_found` where a directory before ".." is
/// missing.
std::string absolute_path(std::string_view path);

/// The absolute path of a tree to be read: a location that is local. Throws `usage` otherwise.
std::string parse_source(std::string_view text);

/// The one name of a repository, by which the catalog knows it: a local path, its existing part
/// without symlinks, or a remote location's text.
std::string repository_name(const Location& location);

}  // namespace reverse
