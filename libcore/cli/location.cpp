#include "libcore/cli/location.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {
namespace {

constexpr std::string_view kScheme = "sftp://";

bool exists(const std::string& path) {
  struct ::stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

std::string working_directory() {
  const std::unique_ptr<char, decltype(&std::free)> path(::getcwd(nullptr, 0), &std::free);
  if (path == nullptr) throw_errno(errno, "find the working directory");
  return path.get();
}

/// `path` as the kernel resolves it, symlinks and all.
std::string real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  if (real == nullptr) throw_errno(errno, fmt::format("look up '{}'", printable(path)));
  return real.get();
}

/// Without empty and "." components and without a slash at the end; absolute paths stay so.
std::string without_idle_parts(std::string_view path) {
  std::string clean = path.starts_with('/') ? "/" : "";
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (!clean.empty() && clean != "/") clean += '/';
    clean += part;
  }
  return clean;
}

/// %XX in a URL; any escape is taken, not only those that had to be.
std::string url_decode(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes += text[i];
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    if (digits.size() != 2 ||
        digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
      fail(ErrorKind::usage, "'{}' holds a bad % escape", printable(text));
    bytes += char(std::stoi(std::string(digits), nullptr, 16));
    i += 2;
  }
  if (bytes.find('\0') != std::string::npos)
    fail(ErrorKind::usage, "'{}' holds a NUL", printable(text));
  return bytes;
}

std::string url_encode(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/!$&'()*+,;=:@";
  std::string encoded;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos)
      encoded += c;
    else
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

void refuse_dash(std::string_view part, std::string_view what) {
  // ssh would take it for an option.
  if (part.starts_with('-'))
    fail(ErrorKind::usage, "the {} '{}' begins with '-'", what, printable(part));
}

std::uint16_t port_number(std::string_view text) {
  const std::optional<std::uint64_t> port = parse_uint(text);
  if (!port || *port == 0 || *port > 65535)
    fail(ErrorKind::usage, "'{}' is not a port", printable(text));
  return std::uint16_t(*port);
}

/// Takes "[USER@]" off the front of `authority`.
std::string take_user(std::string_view& authority) {
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return {};
  const std::string_view user = authority.substr(0, at);
  authority.remove_prefix(at + 1);
  if (user.find(':') != std::string_view::npos)
    fail(ErrorKind::usage, "a location must not hold a password: use a key or an agent");
  if (user.empty()) fail(ErrorKind::usage, "the user before '@' is empty");
  return std::string(user);
}

/// Takes HOST or "[HOST]" off the front of `authority`, up to the first colon outside of brackets.
std::string take_host(std::string_view& authority) {
  std::size_t end = 0;
  std::string_view host;
  if (authority.starts_with('[')) {
    end = authority.find(']');
    if (end == std::string_view::npos)
      fail(ErrorKind::usage, "'{}' lacks a ']'", printable(authority));
    host = authority.substr(1, end - 1);
    ++end;
  } else {
    end = std::min(authority.find(':'), authority.size());
    host = authority.substr(0, end);
  }
  authority.remove_prefix(end);
  if (host.empty()) fail(ErrorKind::usage, "the host's name is empty");
  return std::string(host);
}

/// A remote path as `Location::path` has it: "~" and "~/x" are the login directory and below it.
std::string remote_path(std::string_view path) {
  if (path == "~" || path.starts_with("~/"))
    path = path.substr(std::min<std::size_t>(2, path.size()));
  else if (path.starts_with('~'))
    fail(ErrorKind::usage, "'{}': only '~/' is known, not other users' directories",
         printable(path));
  refuse_dash(path, "path");
  return without_idle_parts(path);
}

void check_remote(const Location& location) {
  refuse_dash(location.user, "user");
  refuse_dash(location.host, "host");
  const auto bad = [](const std::string& part) {
    return part.find_first_of(std::string_view("/ \t\n\0", 5)) != std::string::npos;
  };
  if (bad(location.host) || bad(location.user))
    fail(ErrorKind::usage, "'{}' is not a host", printable(location.text()));
}

Location parse_url(std::string_view text) {
  std::string_view rest = text.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  std::string_view path = rest.substr(slash);
  Location location;
  location.user = url_decode(take_user(authority));
  location.host = url_decode(take_host(authority));
  if (authority.starts_with(':'))
    location.port = port_number(authority.substr(1));
  else if (!authority.empty())
    fail(ErrorKind::usage, "'{}' is not a host", printable(authority));
  const std::string decoded = url_decode(path.empty() ? "/" : path);
  location.path = decoded == "/~" || decoded.starts_with("/~/") ? remote_path(decoded.substr(1))
                                                                : without_idle_parts(decoded);
  return location;
}

/// "[USER@]HOST:PATH" as scp and rsync write it.
Location parse_host_path(std::string_view text) {
  std::string_view rest = text;
  Location location;
  // An '@' behind the colon belongs to the path.
  const std::size_t at = rest.find('@');
  if (at < rest.find(':')) {
    std::string_view user = rest.substr(0, at + 1);
    location.user = take_user(user);
    rest.remove_prefix(at + 1);
  }
  location.host = take_host(rest);
  if (!rest.starts_with(':')) fail(ErrorKind::usage, "'{}' lacks a colon", printable(text));
  location.path = remote_path(rest.substr(1));
  return location;
}

[[noreturn]] void refuse_word(std::string_view word) {
  const std::string shown = printable(word);
  if (word.starts_with('-'))
    fail(ErrorKind::usage, "'{}' is no path here; a path is written './{}'", shown, shown);
  fail(ErrorKind::usage, "'{}' is no file here; a path is written './{}', a host '{}:'", shown,
       shown, shown);
}

}  // namespace

std::string Location::text() const {
  if (!is_remote()) return path;
  const std::string who = user.empty() ? "" : user + "@";
  const std::string where = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port == 0) return who + where + ":" + path;
  const std::string rooted = path.starts_with('/') ? path : "/~/" + path;
  return fmt::format("{}{}{}:{}{}", kScheme, user.empty() ? "" : url_encode(user) + "@", where,
                     port, url_encode(rooted));
}

Location parse_location(std::string_view text) {
  if (text.empty()) fail(ErrorKind::usage, "a location must not be empty");
  const std::size_t colon = text.find(':');
  const std::size_t slash = text.find('/');
  if (text.starts_with(kScheme)) {
    Location location = parse_url(text);
    check_remote(location);
    return location;
  }
  if (colon < slash && text.substr(colon).starts_with("://"))
    fail(ErrorKind::usage, "'{}': of URLs only sftp:// is known", printable(text));
  if (colon < slash) {
    Location location = parse_host_path(text);
    check_remote(location);
    return location;
  }
  const bool bare_word = slash == std::string_view::npos && text != "." && text != "..";
  if (bare_word && !exists(std::string(text))) refuse_word(text);
  Location local;
  local.path = absolute_path(text);
  return local;
}

std::string absolute_path(std::string_view path) {
  if (path.empty()) fail(ErrorKind::usage, "a path must not be empty");
  std::string whole =
      path.starts_with('/') ? std::string(path) : working_directory() + "/" + std::string(path);
  whole = without_idle_parts(whole);
  // The part up to the last ".." is looked up, since a symlink before it decides where it leads.
  const std::size_t up = (whole + "/").rfind("/../");
  if (up == std::string::npos) return whole;
  return without_idle_parts(real_path(whole.substr(0, up + 3)) + "/" +
                            whole.substr(std::min(up + 3, whole.size())));
}

std::string parse_source(std::string_view text) {
  const Location location = parse_location(text);
  if (location.is_remote())
    fail(ErrorKind::usage, "'{}' is on another machine: run the backup there", printable(text));
  return location.path;
}

std::string repository_name(const Location& location) {
  if (location.is_remote()) return location.text();
  std::error_code error;
  const std::filesystem::path resolved = std::filesystem::weakly_canonical(location.path, error);
  // Where nothing can be looked up the name stays as it is; opening it will say why.
  return error ? location.path : without_idle_parts(resolved.string());
}

}  // namespace reverse
