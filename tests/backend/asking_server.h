#pragma once

#include <string>
#include <thread>
#include <vector>

#include "libcore/base/fd.h"
#include "tests/support/servers.h"

namespace reverse::ssh {

/// A server that lets in whoever answers its questions (keyboard-interactive), and offers nothing
/// else. Serves one client after the other, by libssh in a thread of its own.
class AskingServer : public TestServer {
 public:
  struct Question {
    std::string words;
    bool echo = false;  ///< whether the answer may be shown
    std::string answer;
  };
  /// What is asked at a time; nothing, where the server has only something to say.
  using Round = std::vector<Question>;

  explicit AskingServer(std::vector<Round> rounds);
  ~AskingServer() override;

 private:
  void serve();
  void let_in(int client);

  const std::vector<Round> rounds_;
  UniqueFd listening_;
  std::jthread thread_;
};

}  // namespace reverse::ssh
