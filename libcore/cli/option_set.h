#pragma once

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reverse {

/// Where an option is described.
enum class Shown {
  in_help,  ///< `--help` only
  first,    ///< on the one screen of `-h` too
};

/// How an option is written on the command line. Long names go without their dashes; an empty one
/// leaves just the letter.
struct OptionName {
  std::string name;
  char letter = 0;  ///< 0: no short form
  Shown shown = Shown::in_help;
  std::string alias = {};  ///< a second long name
};

/// One option as `--help` tells of it.
struct OptionDoc {
  OptionName name;
  std::string metavar;  ///< of the value; empty: a flag
  std::string help;
  std::string heading;    ///< the group it is listed in
  bool reserved = false;  ///< known, but refused in this version
};

/// The options of one tool and the rules they are read by:
/// - an option takes no value or exactly one; of a repeated one-value option the last counts, a
/// list collects;
/// - options and operands may be mixed, `--` ends the options, operands keep their order and are
/// anything at all;
/// - long names are written out in full; letters may be joined (`-nq`, `-eVALUE`);
/// - no environment variable changes any of it (POSIXLY_CORRECT included).
/// One thread at a time. Targets must outlive `parse`.
class OptionSet {
 public:
  /// Takes an option's value; throws `usage` where it does not do (the option's name is put before
  /// the message).
  using Setter = std::function<void(const std::string& value)>;

  /// Options declared from now on are listed below `text`.
  void heading(std::string text) { heading_ = std::move(text); }

  void flag(OptionName name, std::string help, bool& target);
  /// A flag that does something else than set a bool.
  void flag(OptionName name, std::string help, std::function<void()> act);
  /// A flag that counts how often it was given.
  void count(OptionName name, std::string help, unsigned& target);
  void value(OptionName name, std::string metavar, std::string help, Setter set);
  void value(OptionName name, std::string metavar, std::string help, std::string& target);
  void value(OptionName name, std::string metavar, std::string help,
             std::optional<std::string>& target);
  void value(OptionName name, std::string metavar, std::string help,
             std::vector<std::string>& target);
  /// An option of a later version: given, it is a usage error that says so.
  void reserved(OptionName name, std::string metavar = {});

  struct Parsed {
    std::vector<std::string> operands;
    std::set<std::string> given;  ///< long names of the options that occurred
  };
  /// Reads `args` (without the tool's name) and sets the targets. Throws `usage`.
  Parsed parse(std::span<const std::string> args) const;

  /// Every option in the order of declaration.
  std::vector<OptionDoc> options() const;

 private:
  struct Option {
    OptionDoc doc;
    Setter set;
  };
  void add(OptionName name, std::string metavar, std::string help, Setter set, bool reserved);

  std::string heading_ = "Options";
  std::vector<Option> options_;
};

}  // namespace reverse
