#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libcore/backend/sftp/client.h"
#include "libcore/backend/sftp/sftp_backend.h"
#include "libcore/backend/ssh/ssh_link.h"
#include "libcore/base/error.h"
#include "tests/support/servers.h"

namespace reverse::ssh {

/// A client of `server` that has its configuration and nobody to ask.
inline ConnectOptions options_for(const TestServer& server) {
  ConnectOptions options;
  options.config_file = server.ssh_config();
  return options;
}

inline Target named(const std::string& host) {
  return {.host = host, .user = "", .port = 0};
}
inline const Target kServer = named(TestServer::kName);

inline sftp::Client::LinkOpener opener(const ConnectOptions& options) {
  return [options] { return open_link(kServer, options); };
}
inline sftp::Client::LinkOpener opener(const TestServer& server) {
  return opener(options_for(server));
}

/// `folder` of a server as a repository's place.
inline std::unique_ptr<Backend> backend_in(const TestServer& server, const std::string& folder,
                                           const sftp::PoolOptions& options = {}) {
  return sftp::open_sftp_backend(
      std::make_unique<sftp::Pool>(TestServer::kName, opener(server), options), folder);
}

/// A person at a terminal, who gives these answers one after the other, then no more.
class Person {
 public:
  explicit Person(std::vector<std::string> answers = {}) : answers_(std::move(answers)) {}

  /// To be asked, and told. `this` outlives the options.
  void attend(ConnectOptions& options) {
    options.ask = [this](const std::string& question, bool echo) -> std::optional<std::string> {
      asked.push_back(question);
      echoed.push_back(echo);
      if (asked.size() > answers_.size()) return std::nullopt;
      return answers_[asked.size() - 1];
    };
    options.notice = [this](const std::string& notice) { notices.push_back(notice); };
  }

  std::vector<std::string> asked, notices;
  std::vector<bool> echoed;  ///< for each question: may the answer be shown?

 private:
  std::vector<std::string> answers_;
};

/// The error of an `act` that must fail; one of kind `internal` that says so if it does not.
inline Error error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "no error"};
}

/// Why no link can be made; as `error_of`.
inline Error link_error(const ConnectOptions& options, const Target& target = kServer) {
  return error_of([&] { open_link(target, options)->open_sftp(); });
}

inline bool says(const Error& error, const std::string& words) {
  return std::string(error.what()).find(words) != std::string::npos;
}

/// Bytes in which each place differs from its neighbours.
inline std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint32_t state = 1;
  for (char& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

}  // namespace reverse::ssh
