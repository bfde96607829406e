#include "libcore/cli/option_set.h"

#include <getopt.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {
namespace {

// What getopt_long returns for a long option is this plus its index; letters are below.
constexpr int kLongBase = 256;

/// getopt_long's tables for a set of options, and where each of its long names leads.
struct GetoptTables {
  std::string letters =
      "-:";  // '-': operands come in order, as code 1; ':': silent, ':' for a missing value
  std::vector<::option> longs;
  std::map<int, std::size_t> option_of_code;

  void add_long(std::size_t index, const std::string& name, bool takes_value) {
    if (name.empty()) return;
    const int code = kLongBase + int(longs.size());
    longs.push_back({name.c_str(), takes_value ? required_argument : no_argument, nullptr, code});
    option_of_code[code] = index;
  }

  void add(std::size_t index, const OptionDoc& doc) {
    const bool takes_value = !doc.metavar.empty();
    add_long(index, doc.name.name, takes_value);
    add_long(index, doc.name.alias, takes_value);
    if (doc.name.letter == 0) return;
    letters += doc.name.letter;
    if (takes_value) letters += ':';
    option_of_code[doc.name.letter] = index;
  }
};

/// The long name in "--NAME" or "--NAME=VALUE".
std::string_view written_name(std::string_view argument) {
  argument.remove_prefix(std::min<std::size_t>(2, argument.size()));
  return argument.substr(0, argument.find('='));
}

/// One walk of getopt_long over a command line.
class Reader {
 public:
  Reader(const GetoptTables& tables, std::span<const std::string> args) : tables_(tables) {
    words_.emplace_back("reverse");
    words_.insert(words_.end(), args.begin(), args.end());
    for (std::string& word : words_) argv_.push_back(word.data());
    argv_.push_back(nullptr);
    ::optind = 0;  // glibc: start anew, forget everything
    ::opterr = 0;
  }

  /// getopt_long's next code; -1 at the end or at "--".
  int next() {
    word_ = std::max(::optind, 1);
    return ::getopt_long(int(words_.size()), argv_.data(), tables_.letters.c_str(),
                         tables_.longs.data(), nullptr);
  }

  /// Refuses a long option that was cut short; `code` is what stands for it.
  void check_written_out(int code) const {
    if (code < kLongBase) return;
    const std::string_view written = written_name(words_[std::size_t(word_)]);
    const std::string_view full = tables_.longs[std::size_t(code - kLongBase)].name;
    if (written != full)
      fail(ErrorKind::usage, "unknown option '--{}' (did you mean '--{}'?)", printable(written),
           full);
  }

  /// The word that held the option getopt_long came to last.
  const std::string& word() const { return words_[std::size_t(word_)]; }

  /// Everything from getopt_long's place on: what follows "--".
  std::vector<std::string> rest() const { return {words_.begin() + ::optind, words_.end()}; }

 private:
  const GetoptTables& tables_;
  std::vector<std::string> words_;
  std::vector<char*> argv_;
  int word_ = 1;
};

/// How the option behind `code` is called in messages.
std::string spelled(const GetoptTables& tables, int code) {
  if (code >= kLongBase)
    return std::string("--") + tables.longs[std::size_t(code - kLongBase)].name;
  return printable(std::string("-") + char(code));
}

[[noreturn]] void refuse_unknown(const GetoptTables& tables, const Reader& reader, int code) {
  const std::string& word = reader.word();
  if (code >= kLongBase) {
    reader.check_written_out(code);
    fail(ErrorKind::usage, "{} takes no value", spelled(tables, code));
  }
  if (code != 0) fail(ErrorKind::usage, "unknown option '{}'", spelled(tables, code));
  fail(ErrorKind::usage, "unknown option '--{}'", printable(written_name(word)));
}

}  // namespace

void OptionSet::add(OptionName name, std::string metavar, std::string help, Setter set,
                    bool reserved) {
  options_.push_back(
      {OptionDoc{std::move(name), std::move(metavar), std::move(help), heading_, reserved},
       std::move(set)});
}

void OptionSet::flag(OptionName name, std::string help, bool& target) {
  flag(std::move(name), std::move(help), [&target] { target = true; });
}

void OptionSet::flag(OptionName name, std::string help, std::function<void()> act) {
  add(
      std::move(name), {}, std::move(help), [act = std::move(act)](const std::string&) { act(); },
      false);
}

void OptionSet::count(OptionName name, std::string help, unsigned& target) {
  flag(std::move(name), std::move(help), [&target] { ++target; });
}

void OptionSet::value(OptionName name, std::string metavar, std::string help, Setter set) {
  add(std::move(name), std::move(metavar), std::move(help), std::move(set), false);
}

void OptionSet::value(OptionName name, std::string metavar, std::string help, std::string& target) {
  value(std::move(name), std::move(metavar), std::move(help),
        [&target](const std::string& given) { target = given; });
}

void OptionSet::value(OptionName name, std::string metavar, std::string help,
                      std::optional<std::string>& target) {
  value(std::move(name), std::move(metavar), std::move(help),
        [&target](const std::string& given) { target = given; });
}

void OptionSet::value(OptionName name, std::string metavar, std::string help,
                      std::vector<std::string>& target) {
  value(std::move(name), std::move(metavar), std::move(help),
        [&target](const std::string& given) { target.push_back(given); });
}

void OptionSet::reserved(OptionName name, std::string metavar) {
  const auto refuse = [](const std::string&) { fail(ErrorKind::usage, "not in this version"); };
  add(std::move(name), std::move(metavar), {}, refuse, true);
}

std::vector<OptionDoc> OptionSet::options() const {
  std::vector<OptionDoc> docs;
  for (const Option& option : options_) docs.push_back(option.doc);
  return docs;
}

OptionSet::Parsed OptionSet::parse(std::span<const std::string> args) const {
  static std::mutex getopt_state;
  std::lock_guard lock(getopt_state);

  GetoptTables tables;
  for (std::size_t i = 0; i < options_.size(); ++i) tables.add(i, options_[i].doc);
  tables.longs.push_back({});

  Parsed parsed;
  Reader reader(tables, args);
  for (int code = reader.next(); code != -1; code = reader.next()) {
    if (code == 1) {
      parsed.operands.emplace_back(::optarg);
      continue;
    }
    if (code == '?') refuse_unknown(tables, reader, ::optopt);
    if (code == ':') {
      reader.check_written_out(::optopt);
      fail(ErrorKind::usage, "{} needs a value", spelled(tables, ::optopt));
    }
    reader.check_written_out(code);
    const Option& option = options_[tables.option_of_code.at(code)];
    parsed.given.insert(option.doc.name.name);
    const std::string value = ::optarg != nullptr ? ::optarg : "";
    with_context(spelled(tables, code), [&] { option.set(value); });
  }
  const std::vector<std::string> rest = reader.rest();
  parsed.operands.insert(parsed.operands.end(), rest.begin(), rest.end());
  return parsed;
}

}  // namespace reverse
