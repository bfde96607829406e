#include "libcore/cli/help.h"

#include <algorithm>

#include <fmt/format.h>

#include "libcore/base/text.h"

namespace reverse {
namespace {

constexpr std::size_t kColumns = 79;
constexpr std::size_t kHelpColumn = 28;

/// `text` in lines of at most kColumns, each begun at `indent`; the first line's indent is left to
/// the caller.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string lines;
  std::size_t column = indent;
  for (const std::string_view word : split(text, ' ')) {
    const std::size_t width = display_width(word);
    if (column > indent && column + 1 + width > kColumns) {
      lines += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += width;
  }
  return lines;
}

/// A term at the left and what it means at the right, below it where the term is long.
std::string described(const std::string& term, std::string_view meaning) {
  std::string line = "  " + term;
  const std::size_t width = display_width(line);
  if (width + 2 > kHelpColumn)
    line += "\n" + std::string(kHelpColumn, ' ');
  else
    line += std::string(kHelpColumn - width, ' ');
  return line + wrapped(meaning, kHelpColumn) + "\n";
}

/// "-e, --exclude PATTERN"; the letter's place stays free where there is none.
std::string option_term(const OptionDoc& doc) {
  if (doc.name.name.empty()) return fmt::format("-{}", doc.name.letter);
  std::string term = doc.name.letter != 0 ? fmt::format("-{}, ", doc.name.letter) : "    ";
  term += "--" + doc.name.name;
  if (!doc.name.alias.empty()) term += ", --" + doc.name.alias;
  if (!doc.metavar.empty()) term += " " + doc.metavar;
  return term;
}

std::string examples_text(const ToolSpec& spec) {
  if (spec.examples.empty()) return {};
  std::string text = "\nExamples:\n";
  for (const Example& example : spec.examples)
    text += fmt::format("  {}\n      {}\n", example.command, example.says);
  return text;
}

std::string all_options(const std::vector<OptionDoc>& options) {
  std::string text, heading;
  for (const OptionDoc& doc : options) {
    if (doc.reserved) continue;
    if (doc.heading != heading) text += fmt::format("\n{}:\n", doc.heading);
    heading = doc.heading;
    text += described(option_term(doc), doc.help);
  }
  return text;
}

std::string reserved_options(const std::vector<OptionDoc>& options) {
  std::string names;
  for (const OptionDoc& doc : options)
    if (doc.reserved) names += (names.empty() ? "--" : ", --") + doc.name.name;
  if (names.empty()) return {};
  return "\nReserved for later versions, refused until then:\n  " + wrapped(names, 2) + "\n";
}

std::string closing_tables() {
  std::string text = "\nExit codes:\n";
  for (const ExitCodeDoc& doc : exit_code_docs())
    text += described(fmt::format("{}", int(doc.code)), doc.meaning);
  text += "\nEnvironment:\n";
  for (const VariableDoc& doc : variable_docs())
    text += described(std::string(doc.name), doc.meaning);
  return text;
}

}  // namespace

std::string synopsis_text(const std::string& name, const std::vector<std::string>& synopsis) {
  std::string text;
  for (const std::string& form : synopsis)
    text += fmt::format("{} {} {}\n", text.empty() ? "Usage:" : "      ", name, form);
  return text;
}

std::string short_help(const ToolSpec& spec, const std::vector<OptionDoc>& options) {
  std::string text =
      synopsis_text(spec.name, spec.synopsis) + "\n" + wrapped(spec.summary, 0) + "\n\n";
  for (const OptionDoc& doc : options)
    if (doc.name.shown == Shown::first) text += described(option_term(doc), doc.help);
  return text + examples_text(spec);
}

std::string full_help(const ToolSpec& spec, const std::vector<OptionDoc>& options) {
  std::string text =
      synopsis_text(spec.name, spec.synopsis) + "\n" + wrapped(spec.summary, 0) + "\n";
  text += all_options(options) + reserved_options(options);
  if (!spec.details.empty()) text += "\n" + spec.details + "\n";
  return text + examples_text(spec) + closing_tables();
}

std::string group_help(const ToolGroup& group) {
  std::string text =
      synopsis_text(group.name, group.synopsis) + "\n" + wrapped(group.summary, 0) + "\n\n";
  for (const Verb& verb : group.verbs)
    if (verb.run) text += described(verb.name, verb.summary);
  std::string later;
  for (const Verb& verb : group.verbs)
    if (!verb.run) later += (later.empty() ? "" : ", ") + verb.name;
  if (!later.empty())
    text += "\nReserved for later versions, refused until then:\n  " + wrapped(later, 2) + "\n";
  return text + fmt::format("\n'{} VERB --help' tells all about a verb.\n", group.name);
}

}  // namespace reverse
