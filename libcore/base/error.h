#pragma once

#include <fmt/format.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace reverse {

/// What went wrong, in the terms a caller decides by. Exit codes: libcore/cli/exit_code.h.
enum class ErrorKind {
  usage,          ///< the call itself is wrong: option, operand, name, value
  not_found,      ///< the named thing is certainly not there
  exists,         ///< the name is taken
  permission,     ///< refused by the operating system or server
  io,             ///< the medium failed, or a cause nobody can name
  no_space,       ///< disk, quota or inodes exhausted
  network,        ///< connection lost or not made
  busy,           ///< somebody else is at it; trying later helps
  corrupt,        ///< content is not what its name or its sums say
  changed,        ///< a source changed while it was read
  refused,        ///< a guard stopped the run; the message names the override
  no_repository,  ///< no repository there, or one of a newer format
  unsupported,    ///< this system cannot do it
  internal,       ///< a broken promise between our own parts
};

/// The project's only error type. The message names the object and the cause; module boundaries
/// put the act before it (`with_context`). Lower case, no full stop, names quoted.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

  ErrorKind kind() const { return kind_; }
  /// True if the same call may succeed later without anybody doing anything.
  bool retryable() const { return kind_ == ErrorKind::network || kind_ == ErrorKind::busy; }
  const char* what() const noexcept override { return message_.c_str(); }

  /// Puts "context: " in front of the message.
  void add_context(std::string_view context) { message_.insert(0, fmt::format("{}: ", context)); }

 private:
  ErrorKind kind_;
  std::string message_;
};

/// Thrown where a stop was requested. Not an `Error`, so that no error handler swallows it.
class Cancelled : public std::exception {
 public:
  const char* what() const noexcept override { return "cancelled"; }
};

/// Throws an `Error` with a formatted message.
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

/// The kind that stands for errno value `code`.
ErrorKind kind_of_errno(int code);

/// Throws the `Error` for errno value `code`: "ACT: strerror" ("open '/a/b': Permission denied").
[[noreturn]] void throw_errno(int code, std::string_view act);

/// Runs `body`; an `Error` from it gets `context` put before its message.
template <typename Body>
decltype(auto) with_context(std::string_view context, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (Error& error) {
    error.add_context(context);
    throw;
  }
}

}  // namespace reverse
