#pragma once

#include <optional>
#include <string>

namespace reverse {

/// Asks the person at the terminal (/dev/tty, whatever standard input is), and waits for a line.
/// `echo`: whether the answer may be shown. nullopt if there is no terminal, or no answer.
std::optional<std::string> ask_at_terminal(const std::string& question, bool echo);

}  // namespace reverse
