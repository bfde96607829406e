#include <limits>

#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "libcore/store/entry.h"
#include "libcore/store/entry_names.h"
#include "libcore/store/flow_text.h"
#include "libcore/store/layout.h"

namespace reverse {

namespace {

constexpr std::uint64_t kMaxSize = std::numeric_limits<std::int64_t>::max();

const char* content_flaw(const Entry& entry) {
  if (entry.size > kMaxSize) return "a size of 2^63 or more";
  if (entry.digest.has_value() == !entry.error.empty())
    return "a file has either a digest or an error";
  bool wants_check = entry.digest && entry.digest->kind() == DigestKind::md5;
  if (wants_check != entry.check.has_value()) return "an MD5 digest, and no other, has a check";
  return nullptr;
}

const char* xattrs_flaw(const Xattrs& xattrs) {
  for (std::size_t i = 0; i < xattrs.size(); ++i) {
    if (xattrs[i].name.empty()) return "an attribute without a name";
    if (i > 0 && !(xattrs[i - 1].name < xattrs[i].name)) return "attributes that do not ascend";
  }
  return nullptr;
}

/// Why no reader would accept the entry; nullptr if one would.
const char* flaw(const Entry& entry) {
  if (const char* found = path_flaw(entry.path)) return found;
  if (entry.mode > 07777) return "a mode above 07777";
  if (!is_clean(entry.owner)) return "an owner that is not clean";
  if (entry.target.find('\0') != std::string::npos) return "NUL in a target";
  if (entry.type == FileType::repository && !layout::is_uuid(entry.repository_id))
    return "a repository without an id";
  if (const char* found = xattrs_flaw(entry.xattrs)) return found;
  return entry.type == FileType::file ? content_flaw(entry) : nullptr;
}

void append_mode(std::string& out, std::uint32_t mode) {
  char digits[4];
  for (int i = 0; i < 4; ++i) digits[i] = char('0' + (mode >> (9 - 3 * i) & 7));
  out.append("\"mode\": \"").append(digits, 4).append("\"");
}

void append_mtime(std::string& out, Timestamp time) {
  out.append(", \"mtime\": \"");
  if (time.seconds < 0) {
    out.append(to_decimal(time));
  } else {
    append_number(out, static_cast<std::uint64_t>(time.seconds));
    char fraction[10] = {'.'};
    std::uint32_t rest = time.nanoseconds;
    for (int i = 9; i > 0; --i, rest /= 10) fraction[i] = char('0' + rest % 10);
    out.append(fraction, sizeof fraction);
  }
  out += '"';
}

void append_content(std::string& out, const Entry& entry) {
  out.append(", \"size\": ");
  append_number(out, entry.size);
  if (entry.digest) {
    out.append(", \"").append(to_string(entry.digest->kind())).append("\": \"");
    append_hex(out, entry.digest->bytes());
    out += '"';
  }
  if (entry.check) {
    out.append(", \"check\": \"");
    append_hex(out, entry.check->bytes());
    out += '"';
  }
  if (entry.changed) out.append(", \"changed\": true");
}

void append_xattrs(std::string& out, const Xattrs& xattrs) {
  out.append(", \"xattrs\": {");
  for (const Xattr& xattr : xattrs) {
    if (&xattr != xattrs.data()) out.append(", ");
    append_quoted(out, percent_encode(xattr.name));
    out.append(": ");
    append_quoted(out, to_base64(xattr.value));
  }
  out += '}';
}

void append_device(std::string& out, const Entry& entry) {
  out.append(", \"device\": \"");
  append_number(out, entry.device_major);
  out += ':';
  append_number(out, entry.device_minor);
  out += '"';
}

void append_error(std::string& out, const Entry& entry) {
  if (entry.error.empty()) return;
  out.append(", \"error\": ");
  append_words(out, entry.error);
}

void append_hardlink(std::string& out, std::uint64_t group) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = char(group >> (56 - 8 * i));
  out.append(", \"hardlink\": \"");
  append_hex(out, {bytes, sizeof bytes});
  out += '"';
}

/// What stands between `mtime` and `path`, by type.
void append_details(std::string& out, const Entry& entry) {
  FileType type = entry.type;
  bool is_directory = type == FileType::directory || type == FileType::repository;
  if (type == FileType::file) append_content(out, entry);
  if (type == FileType::file || type == FileType::directory) append_error(out, entry);
  if (entry.hardlink && !is_directory) append_hardlink(out, *entry.hardlink);
  if (entry.sparse && type == FileType::file) out.append(", \"sparse\": true");
  if (is_device(type)) append_device(out, entry);
  if (!entry.xattrs.empty()) append_xattrs(out, entry.xattrs);
  if (type == FileType::symlink) append_name(out.append(", "), "target", entry.target);
  if (type == FileType::repository)
    out.append(", \"id\": \"").append(entry.repository_id).append("\"");
}

/// How every line ends, but for its newline.
void append_path(std::string& out, std::string_view path) {
  append_name(out.append(", "), "path", path.empty() ? "." : path);
  out += '}';
}

void write_line(std::string& out, const Entry& entry) {
  out.append("- {\"type\": \"").append(type_name(entry.type)).append("\", ");
  append_mode(out, entry.mode);
  out.append(", \"uid\": ");
  append_number(out, entry.uid);
  out.append(", \"gid\": ");
  append_number(out, entry.gid);
  out.append(", \"owner\": ");
  append_quoted(out, entry.owner);
  if (entry.type != FileType::repository) append_mtime(out, entry.mtime);
  append_details(out, entry);
  append_path(out, entry.path);
  out += '\n';
}

}  // namespace

bool entry_fits(const Entry& entry) {
  constexpr std::size_t kRest = 1024;  // keys and numbers
  // Percent form makes three bytes of one, escapes two, Base64 four of three.
  std::size_t bound = kRest + 3 * (entry.path.size() + entry.target.size() + entry.error.size()) +
                      2 * entry.owner.size();
  for (const Xattr& xattr : entry.xattrs)
    bound += 16 + 3 * xattr.name.size() + 2 * xattr.value.size();
  if (bound <= kMaxLine) return true;
  std::string line;
  write_line(line, entry);
  return line.size() <= kMaxLine + 1;
}

void append_entry(std::string& out, const Entry& entry) {
  if (const char* found = flaw(entry))
    fail(ErrorKind::internal, "entry '{}' cannot be written: {}", printable(entry.path), found);
  std::size_t before = out.size();
  write_line(out, entry);
  if (out.size() - before <= kMaxLine + 1) return;
  out.resize(before);
  fail(ErrorKind::internal, "entry '{}' does not fit into {} bytes", printable(entry.path),
       kMaxLine);
}

void append_moved(std::string& out, std::string_view line, std::string_view from,
                  std::string_view to) {
  const std::size_t begin = out.size();
  append_path(out, from);
  const std::size_t tail = out.size() - begin;
  if (!line.ends_with(std::string_view(out).substr(begin)))
    fail(ErrorKind::corrupt, "the line of '{}' is another entry's", printable(from));
  out.resize(begin);
  out.append(line.substr(0, line.size() - tail));
  append_path(out, to);
  out += '\n';
}

}  // namespace reverse
