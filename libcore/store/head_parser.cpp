#include <yaml-cpp/yaml.h>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/store/head.h"
#include "libcore/store/head_rules.h"
#include "libcore/store/yaml_lines.h"

namespace reverse {

namespace {

std::string read_text(const YAML::Node& node, const char* key) {
  return node[key].as<std::string>();
}

std::uint64_t read_number(const YAML::Node& node, const char* key) {
  return node[key].as<std::uint64_t>();
}

/// `KEY`, or `KEYx` in percent form; "." is the root.
std::string read_name(const YAML::Node& node, const std::string& key) {
  if (node[key]) return node[key].as<std::string>();
  std::optional<std::string> raw = percent_decode(node[key + 'x'].as<std::string>());
  if (!raw) fail(ErrorKind::corrupt, "'{}x' is not percent form", key);
  return std::move(*raw);
}

std::string read_path(const YAML::Node& node) {
  std::string path = read_name(node, "path");
  return path == "." ? "" : path;
}

Outcome read_outcome(const YAML::Node& node) {
  std::string text = read_text(node, "outcome");
  for (Outcome outcome : {Outcome::complete, Outcome::incomplete, Outcome::checkpoint})
    if (text == to_string(outcome)) return outcome;
  fail(ErrorKind::corrupt, "unknown outcome '{}'", printable(text));
}

DigestKind read_digest_kind(const YAML::Node& node) {
  std::string text = read_text(node, "digest");
  std::optional<DigestKind> kind = parse_digest_kind(text);
  if (!kind) fail(ErrorKind::corrupt, "unknown digest '{}'", printable(text));
  return *kind;
}

void read_origin(const YAML::Node& node, Head& head) {
  head.id = read_text(node, "id");
  head.repository = read_text(node, "repository");
  head.token = read_text(node, "token");
  head.host = read_text(node, "host");
  head.label = read_text(node, "label");
  head.machine = read_text(node, "machine");
  head.source = read_name(node, "source");
  head.started = read_text(node, "started");
  head.finished = read_text(node, "finished");
  head.timezone = read_text(node, "timezone");
  head.tool = read_text(node, "tool");
  if (!node["previous"].IsNull()) head.previous = read_text(node, "previous");
  head.digest = read_digest_kind(node);
  head.tags = node["tags"].as<std::vector<std::string>>();
  head.needs = node["needs"].as<std::vector<std::string>>();
}

void read_result(const YAML::Node& node, Head& head) {
  head.outcome = read_outcome(node);
  YAML::Node totals = node["totals"];
  head.entries = read_number(totals, "entries");
  head.files = read_number(totals, "files");
  head.bytes = read_number(totals, "bytes");
  head.new_objects = read_number(totals, "new_objects");
  head.new_bytes = read_number(totals, "new_bytes");
  for (const YAML::Node& problem : node["problems"])
    head.problems.push_back(
        {read_path(problem), read_text(problem, "stage"), read_text(problem, "error")});
  head.problem_count = read_number(node, "problem_count");
  for (const YAML::Node& nested : node["repositories"])
    head.repositories.push_back({read_text(nested, "id"), read_path(nested),
                                 read_number(nested, "heads"), read_number(nested, "added")});
}

PageRef read_tree(std::string_view body, DigestKind kind) {
  constexpr std::string_view kKey = "\ntree: ";
  std::size_t at = body.find(kKey);
  if (at == std::string_view::npos) fail(ErrorKind::corrupt, "'tree' is missing");
  body.remove_prefix(at + kKey.size());
  return parse_page_ref(body.substr(0, body.find('\n')), kind);
}

/// No feature exists yet, so whatever a head needs is unknown. Asked first: an unknown feature may
/// explain unknown keys.
void expect_known_needs(const YAML::Node& node) {
  for (const auto& need : node["needs"].as<std::vector<std::string>>())
    fail(ErrorKind::no_repository, "it needs '{}', which this program does not know",
         printable(need));
}

/// Everything before the last line, once that is seen to fit it.
std::string_view verified_body(std::string_view text) {
  std::size_t last = text.substr(0, text.size() - 1).rfind('\n');
  if (text.back() != '\n' || last == std::string_view::npos) fail(ErrorKind::corrupt, "cut short");
  std::string_view body = text.substr(0, last + 1);
  if (text.substr(last + 1) != head_end_line(body))
    fail(ErrorKind::corrupt, "cut short or changed: its last line does not fit the rest");
  return body;
}

Head read_head(std::string_view text) {
  std::string_view body = verified_body(text);
  expect_plain_yaml(body);
  std::string known = without_extensions(body);
  Head head;
  with_yaml_errors([&] {
    YAML::Node node = YAML::Load(known);
    expect_known_needs(node);
    read_origin(node, head);
    read_result(node, head);
  });
  head.tree = read_tree(known, head.digest);
  expect_spelling(known, head_body(head));
  if (const char* flaw = head_flaw(head)) fail(ErrorKind::corrupt, "{}", flaw);
  return head;
}

}  // namespace

Head parse_head(std::string_view text, std::string_view name) {
  return with_context(name, [&] {
    if (text.empty()) fail(ErrorKind::corrupt, "empty");
    expect_format_1(text, "reverse-manifest", "this revision");
    return read_head(text);
  });
}

}  // namespace reverse
