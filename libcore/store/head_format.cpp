#include <algorithm>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/flow_text.h"
#include "libcore/store/head.h"
#include "libcore/store/head_rules.h"
#include "libcore/store/layout.h"

namespace reverse {

namespace {

/// Appends `key: value` lines.
class Lines {
 public:
  explicit Lines(std::string& out) : out_(out) {}

  void text(std::string_view key, std::string_view value) {
    begin(key);
    append_quoted(out_, value);
    out_ += '\n';
  }
  void number(std::string_view key, std::uint64_t value) {
    begin(key);
    append_number(out_, value);
    out_ += '\n';
  }
  void words(std::string_view key, const std::vector<std::string>& values) {
    begin(key);
    out_ += '[';
    for (const std::string& value : values) {
      if (&value != values.data()) out_.append(", ");
      append_quoted(out_, value);
    }
    out_.append("]\n");
  }
  /// A list of mappings, one a line; `append` writes the inside of one.
  template <typename Item, typename Append>
  void list(std::string_view key, const std::vector<Item>& items, Append append) {
    out_.append(key).append(items.empty() ? ": []\n" : ":\n");
    for (const Item& item : items) {
      out_.append("- {");
      append(item);
      out_.append("}\n");
    }
  }
  std::string& begin(std::string_view key) { return out_.append(key).append(": "); }

 private:
  std::string& out_;
};

std::string_view written_path(std::string_view path) {
  return path.empty() ? "." : path;
}

void append_totals(std::string& out, const Head& head) {
  auto field = [&out](std::string_view key, std::uint64_t value) {
    append_number(out.append(key), value);
  };
  field("{\"entries\": ", head.entries);
  field(", \"files\": ", head.files);
  field(", \"bytes\": ", head.bytes);
  field(", \"new_objects\": ", head.new_objects);
  field(", \"new_bytes\": ", head.new_bytes);
  out += '}';
}

void append_origin(Lines& lines, const Head& head) {
  lines.number("reverse-manifest", 1);
  lines.text("id", head.id);
  lines.text("repository", head.repository);
  lines.text("token", head.token);
  lines.text("host", head.host);
  lines.text("label", head.label);
  lines.text("machine", head.machine);
  if (is_clean(head.source))
    lines.text("source", head.source);
  else
    lines.text("sourcex", percent_encode(head.source));
  lines.text("started", head.started);
  lines.text("finished", head.finished);
  lines.text("timezone", head.timezone);
  lines.text("tool", head.tool);
}

void append_result(std::string& out, Lines& lines, const Head& head) {
  append_totals(lines.begin("totals"), head);
  out += '\n';
  lines.list("problems", head.problems, [&out](const Problem& problem) {
    append_name(out, "path", written_path(problem.path));
    append_words(out.append(", \"stage\": "), problem.stage);
    append_words(out.append(", \"error\": "), problem.error);
  });
  lines.number("problem_count", head.problem_count);
  lines.list("repositories", head.repositories, [&out](const NestedRepository& nested) {
    append_quoted(out.append("\"id\": "), nested.id);
    append_name(out.append(", "), "path", written_path(nested.path));
    append_number(out.append(", \"heads\": "), nested.heads);
    append_number(out.append(", \"added\": "), nested.added);
  });
  append_page_ref(lines.begin("tree"), head.tree);
  out += '\n';
}

const char* words_flaw(const Head& head) {
  auto unclean = [](const std::string& text) { return !is_clean(text); };
  for (const std::string* text : {&head.machine, &head.timezone, &head.tool})
    if (unclean(*text)) return "a text that is not clean";
  for (const auto* list : {&head.tags, &head.needs})
    if (std::any_of(list->begin(), list->end(), unclean)) return "a text that is not clean";
  return nullptr;
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::complete:
      return "complete";
    case Outcome::incomplete:
      return "incomplete";
    case Outcome::checkpoint:
      return "checkpoint";
  }
  fail(ErrorKind::internal, "outcome {}", static_cast<int>(outcome));
}

std::string Head::revision() const {
  std::optional<Timestamp> start = parse_rfc3339(started);
  if (!start) fail(ErrorKind::internal, "a head started at '{}'", printable(started));
  return fmt::format("{}/{}/{}-{}", host, label, to_compact_utc(*start), id.substr(0, 8));
}

const char* head_flaw(const Head& head) {
  if (!layout::is_uuid(head.id)) return "an id that is not a UUID";
  if (!layout::is_uuid(head.repository)) return "a repository id that is not a UUID";
  if (head.previous && !layout::is_uuid(*head.previous)) return "a previous that is not a UUID";
  if (!layout::is_token(head.token)) return "a token that is not 32 hex digits";
  if (!layout::is_set_component(head.host) || !layout::is_set_component(head.label))
    return "a host or label that cannot name a directory";
  if (!parse_rfc3339(head.started) || !parse_rfc3339(head.finished))
    return "a time that is not RFC 3339";
  if (head.problems.size() > std::min<std::uint64_t>(kMaxProblems, head.problem_count))
    return "more problems than it may list";
  for (const NestedRepository& nested : head.repositories)
    if (!layout::is_uuid(nested.id)) return "a nested repository's id that is not a UUID";
  if (head.tree.page.kind() != head.digest) return "a tree with another digest";
  return words_flaw(head);
}

std::string head_body(const Head& head) {
  std::string out;
  Lines lines(out);
  append_origin(lines, head);
  if (head.previous)
    lines.text("previous", *head.previous);
  else
    lines.begin("previous").append("null\n");
  lines.text("digest", to_string(head.digest));
  lines.words("tags", head.tags);
  lines.words("needs", head.needs);
  lines.text("outcome", to_string(head.outcome));
  append_result(out, lines, head);
  return out;
}

std::string head_end_line(std::string_view body) {
  return fmt::format("end: {{\"lines\": {}, \"sha256\": \"{}\"}}\n",
                     std::count(body.begin(), body.end(), '\n'), sha256_hex(body));
}

std::string format_head(const Head& head) {
  if (const char* flaw = head_flaw(head)) fail(ErrorKind::internal, "a head has {}", flaw);
  std::string text = head_body(head);
  return text.append(head_end_line(text));
}

}  // namespace reverse
