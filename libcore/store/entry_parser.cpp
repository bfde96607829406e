#include <algorithm>
#include <limits>
#include <utility>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/store/entry.h"
#include "libcore/store/entry_names.h"
#include "libcore/store/flow_parser.h"

namespace reverse {

namespace {

using Kind = FlowField::Kind;

/// The value behind a parse function's optional, or an error that says what was expected.
template <typename T>
T need(std::optional<T> value, const char* what) {
  if (!value) fail(ErrorKind::corrupt, "{}", what);
  return *std::move(value);
}

std::uint32_t narrow(std::uint64_t number, const char* what) {
  if (number > std::numeric_limits<std::uint32_t>::max()) fail(ErrorKind::corrupt, "{}", what);
  return static_cast<std::uint32_t>(number);
}

std::uint32_t parse_mode(std::string_view text) {
  std::uint32_t mode = 0;
  for (char c : text) mode = mode << 3 | std::uint32_t(c - '0');
  if (text.size() != 4 || text.find_first_not_of("01234567") != std::string_view::npos)
    fail(ErrorKind::corrupt, "a mode is four octal digits");
  return mode;
}

std::uint64_t parse_group(std::string_view text) {
  std::string bytes = need(from_hex(text), "a hard-link group is 16 hex digits");
  if (bytes.size() != 8) fail(ErrorKind::corrupt, "a hard-link group is 16 hex digits");
  std::uint64_t group = 0;
  for (char c : bytes) group = group << 8 | static_cast<unsigned char>(c);
  return group;
}

void parse_content(FlowParser& fields, DigestKind kind, Entry& entry) {
  entry.size = fields.number("size");
  if (const FlowField* digest = fields.take(to_string(kind), Kind::text)) {
    entry.digest = need(Digest::parse(digest->text), "a digest is lower-case hex");
    if (entry.digest->kind() != kind) fail(ErrorKind::corrupt, "a digest of the wrong length");
    if (kind == DigestKind::md5)
      entry.check = need(Check::parse(fields.text("check")), "a check is 32 lower-case hex digits");
  }
  entry.changed = fields.take("changed", Kind::yes) != nullptr;
}

void parse_device(FlowParser& fields, Entry& entry) {
  constexpr const char* kExpected = "a device is 'MAJOR:MINOR'";
  std::string_view text = fields.text("device");
  std::size_t colon = std::min(text.find(':'), text.size());
  if (colon == text.size()) fail(ErrorKind::corrupt, kExpected);
  entry.device_major = narrow(need(parse_uint(text.substr(0, colon)), kExpected), kExpected);
  entry.device_minor = narrow(need(parse_uint(text.substr(colon + 1)), kExpected), kExpected);
}

void parse_xattrs(FlowParser& fields, Entry& entry) {
  const FlowField* mapping = fields.take("xattrs", Kind::mapping);
  if (mapping == nullptr) return;
  std::uint64_t count = mapping->number;
  for (std::uint64_t i = 0; i < count; ++i) {
    const FlowField& field = fields.any();
    if (field.kind != Kind::text) fail(ErrorKind::corrupt, "an attribute is a string");
    entry.xattrs.push_back({need(percent_decode(field.key), "an attribute's name is percent form"),
                            need(from_base64(field.text), "an attribute is Base64")});
  }
}

Entry parse_fields(FlowParser& fields, DigestKind kind) {
  Entry entry;
  entry.type = need(parse_type_name(fields.text("type")), "unknown type");
  entry.mode = parse_mode(fields.text("mode"));
  entry.uid = narrow(fields.number("uid"), "a uid of 2^32 or more");
  entry.gid = narrow(fields.number("gid"), "a gid of 2^32 or more");
  entry.owner = fields.text("owner");
  if (entry.type != FileType::repository)
    entry.mtime = need(parse_decimal(fields.text("mtime")), "an mtime has nine decimals");
  if (entry.type == FileType::file) parse_content(fields, kind, entry);
  if (const FlowField* error = fields.take("error", Kind::text)) entry.error = error->text;
  if (const FlowField* group = fields.take("hardlink", Kind::text))
    entry.hardlink = parse_group(group->text);
  entry.sparse = fields.take("sparse", Kind::yes) != nullptr;
  if (is_device(entry.type)) parse_device(fields, entry);
  parse_xattrs(fields, entry);
  if (entry.type == FileType::symlink) entry.target = fields.name("target");
  if (entry.type == FileType::repository) entry.repository_id = fields.text("id");
  entry.path = fields.name("path");
  fields.expect_end();
  if (entry.path == ".")
    entry.path.clear();
  else if (const char* found = entry.path.empty() ? "empty path" : path_flaw(entry.path))
    fail(ErrorKind::corrupt, "{}: '{}'", found, printable(entry.path));
  return entry;
}

}  // namespace

struct EntryParser::State {
  DigestKind kind;
  FlowParser fields;
  std::string again;  // the entry as we would write it
};

EntryParser::EntryParser(DigestKind kind) : state_(std::make_unique<State>()) {
  state_->kind = kind;
}
EntryParser::~EntryParser() = default;

Entry EntryParser::parse(std::string_view line) {
  if (line.size() > kMaxLine) fail(ErrorKind::corrupt, "a line of more than {} bytes", kMaxLine);
  if (!line.starts_with("- {")) fail(ErrorKind::corrupt, "not an entry");
  state_->fields.read(line.substr(2));
  Entry entry = parse_fields(state_->fields, state_->kind);
  // One spelling per entry: equal trees then have equal pages, and nothing hides in the spelling.
  std::string& again = state_->again;
  again.clear();
  try {
    append_entry(again, entry);
  } catch (const Error& error) {
    fail(ErrorKind::corrupt, "{}", error.what());
  }
  std::string_view spelling(again);
  if (spelling.substr(2, spelling.size() - 3) != state_->fields.canonical())
    fail(ErrorKind::corrupt, "not in the format's spelling");
  return entry;
}

}  // namespace reverse
