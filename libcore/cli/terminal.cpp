#include "libcore/cli/terminal.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "libcore/base/fd.h"

namespace reverse {

namespace {

/// A terminal that shows nothing of what is typed while this lives.
class Hidden {
 public:
  explicit Hidden(int terminal)
      : terminal_(terminal), is_set_(::tcgetattr(terminal, &before_) == 0) {
    if (!is_set_) return;
    ::termios hidden = before_;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(terminal, TCSAFLUSH, &hidden);
  }
  ~Hidden() {
    if (is_set_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  Hidden(const Hidden&) = delete;
  Hidden& operator=(const Hidden&) = delete;

 private:
  const int terminal_;
  ::termios before_{};
  const bool is_set_;
};

std::optional<std::string> read_line(int terminal) {
  std::string line;
  char c = 0;
  while (::read(terminal, &c, 1) == 1) {
    if (c == '\n') return line;
    line += c;
  }
  return std::nullopt;
}

void show(int terminal, const std::string& text) {
  // A terminal that is gone has nobody to read the question: no answer will come.
  [[maybe_unused]] ssize_t written = ::write(terminal, text.data(), text.size());
}

}  // namespace

std::optional<std::string> ask_at_terminal(const std::string& question, bool echo) {
  UniqueFd terminal(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (terminal.get() < 0) return std::nullopt;
  show(terminal.get(), question);
  std::optional<Hidden> hidden;
  if (!echo) hidden.emplace(terminal.get());
  std::optional<std::string> answer = read_line(terminal.get());
  if (!echo) show(terminal.get(), "\n");
  return answer;
}

}  // namespace reverse
