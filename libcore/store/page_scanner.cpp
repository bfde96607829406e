#include "libcore/store/page_scanner.h"

#include <array>
#include <cstring>

#include "libcore/base/error.h"
#include "libcore/hash/hasher.h"
#include "libcore/store/entry.h"
#include "libcore/store/page_rules.h"

namespace reverse {

namespace {

constexpr std::size_t kSafeDigits = 18;  // a number of so many digits fits 64 bits

constexpr std::array<unsigned char, 256> hex_values() {
  std::array<unsigned char, 256> values{};
  values.fill(0xff);
  for (unsigned i = 0; i < 16; ++i) values[static_cast<unsigned char>("0123456789abcdef"[i])] = i;
  return values;
}
constexpr std::array<unsigned char, 256> kHexValues = hex_values();

/// Goes over a line in the format's usual form. Each call says whether the form is met; after a
/// false the line is another's business.
class Cursor {
 public:
  explicit Cursor(std::string_view line) : rest_(line) {}

  bool literal(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  bool number(std::uint64_t& value) {
    std::size_t digits = 0;
    value = 0;
    for (; digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9'; ++digits)
      value = value * 10 + static_cast<unsigned>(rest_[digits] - '0');
    bool is_plain = digits == 1 || (digits > 1 && digits <= kSafeDigits && rest_[0] != '0');
    if (is_plain) rest_.remove_prefix(digits);
    return is_plain;
  }

  bool hex(unsigned char* to, std::size_t bytes) {
    if (rest_.size() < 2 * bytes) return false;
    unsigned char bad = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      unsigned char high = kHexValues[static_cast<unsigned char>(rest_[2 * i])];
      unsigned char low = kHexValues[static_cast<unsigned char>(rest_[2 * i + 1])];
      bad |= (high | low) & 0xf0;
      to[i] = static_cast<unsigned char>(high << 4 | low);
    }
    rest_.remove_prefix(2 * bytes);
    return bad == 0;
  }

  /// A string without escapes, its closing quote taken.
  bool text(std::string_view& value) {
    std::size_t end = rest_.find('"');
    if (end == std::string_view::npos) return false;
    value = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return value.find('\\') == std::string_view::npos;
  }
  bool text() {
    std::string_view ignored;
    return text(ignored);
  }

  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

std::uint64_t hash_of_path(std::string_view path) {
  return xxh3_64(path, 0);
}

/// As paths stand in entries: "." is the root.
std::string_view raw_path(std::string_view written) {
  return written == "." ? std::string_view() : written;
}

bool scan_sums(Cursor& cursor, DigestKind kind, ContentKey& key) {
  unsigned char* to = key.bytes.data();
  if (kind == DigestKind::sha256) return cursor.hex(to, 32) && cursor.literal("\"");
  return cursor.hex(to, 16) && cursor.literal("\", \"check\": \"") && cursor.hex(to + 16, 16) &&
         cursor.literal("\"");
}

/// What an entry's line says of contents.
struct EntryFacts {
  bool has_content = false;
  ContentKey key;
  std::string_view path;  // raw
};

/// Files with a content, and directories, without any of the optional keys.
bool scan_entry(std::string_view line, DigestKind kind, EntryFacts& facts) {
  Cursor cursor(line);
  std::uint64_t number;
  if (!cursor.literal("- {\"type\": \"")) return false;
  bool is_file = cursor.literal("file");
  if (!is_file && !cursor.literal("dir")) return false;
  if (!(cursor.literal("\", \"mode\": \"") && cursor.text() && cursor.literal(", \"uid\": ") &&
        cursor.number(number) && cursor.literal(", \"gid\": ") && cursor.number(number) &&
        cursor.literal(", \"owner\": \"") && cursor.text() && cursor.literal(", \"mtime\": \"") &&
        cursor.text()))
    return false;
  if (is_file) {
    std::string_view digest = kind == DigestKind::md5 ? ", \"md5\": \"" : ", \"sha256\": \"";
    if (!(cursor.literal(", \"size\": ") && cursor.number(number) && cursor.literal(digest) &&
          scan_sums(cursor, kind, facts.key)))
      return false;
  }
  std::string_view written;
  if (!(cursor.literal(", \"path\": \"") && cursor.text(written) && cursor.literal("}") &&
        cursor.at_end() && !written.empty()))
    return false;
  facts.has_content = is_file;
  facts.path = raw_path(written);
  return true;
}

bool scan_reference(std::string_view line, DigestKind kind, PageLink& link) {
  Cursor cursor(line);
  std::uint64_t level;
  std::string_view written;
  bool usual = cursor.literal("- {\"page\": \"") && scan_sums(cursor, kind, link.key) &&
               cursor.literal(", \"size\": ") && cursor.number(link.size) &&
               cursor.literal(", \"level\": ") && cursor.number(level) && level < kMaxLevels &&
               cursor.literal(", \"entries\": ") && cursor.number(link.entries) &&
               cursor.literal(", \"first\": \"") && cursor.text(written) && cursor.literal("}") &&
               cursor.at_end() && !written.empty();
  if (!usual) return false;
  link.level = static_cast<std::uint32_t>(level);
  link.first_hash = hash_of_path(raw_path(written));
  return true;
}

}  // namespace

PageLink PageLink::of(const PageRef& ref) {
  return {.key = ContentKey::of(ref.page, ref.check),
          .size = ref.size,
          .entries = ref.entries,
          .first_hash = hash_of_path(ref.first),
          .level = ref.level};
}

Sums PageLink::sums(DigestKind kind) const {
  Sums sums{key.digest(kind), std::nullopt, size};
  if (kind == DigestKind::md5) sums.check = key.check();
  return sums;
}

struct PageScanner::State {
  explicit State(DigestKind digest) : kind(digest), entries(digest) {}

  void add_line(std::string_view line, unsigned level);
  void add_entry(std::string_view line);
  void add_reference(std::string_view line, unsigned level);

  const DigestKind kind;
  EntryParser entries;
  PageContent content;
};

PageScanner::PageScanner(DigestKind kind) : state_(std::make_unique<State>(kind)) {}
PageScanner::~PageScanner() = default;

void PageScanner::State::add_entry(std::string_view line) {
  EntryFacts facts;
  Entry entry;
  if (!scan_entry(line, kind, facts)) {
    entry = entries.parse(line);
    facts.has_content = entry.digest.has_value();
    if (entry.digest) facts.key = ContentKey::of(*entry.digest, entry.check);
    facts.path = entry.path;
  }
  if (content.entries++ == 0) content.first_hash = hash_of_path(facts.path);
  if (facts.has_content) content.contents.push_back(facts.key);
}

void PageScanner::State::add_reference(std::string_view line, unsigned level) {
  PageLink link;
  if (!scan_reference(line, kind, link)) {
    if (!line.starts_with("- ")) fail(ErrorKind::corrupt, "not a reference");
    link = PageLink::of(parse_page_ref(line.substr(2), kind));
  }
  if (link.level + 1 != level)
    fail(ErrorKind::corrupt, "level {} below level {}", link.level, level);
  if (content.pages.empty()) content.first_hash = link.first_hash;
  content.entries += link.entries;
  content.pages.push_back(link);
}

void PageScanner::State::add_line(std::string_view line, unsigned level) {
  if (line.size() > kMaxLine) fail(ErrorKind::corrupt, "a line of more than {} bytes", kMaxLine);
  level == 0 ? add_entry(line) : add_reference(line, level);
}

const PageContent& PageScanner::scan(std::string_view text, unsigned level) {
  PageContent& content = state_->content;
  content.entries = content.first_hash = 0;
  content.contents.clear();
  content.pages.clear();
  if (!text.starts_with(kPageHeader)) fail(ErrorKind::corrupt, "not a page of this format");
  if (text.back() != '\n') fail(ErrorKind::corrupt, "cut short");
  text.remove_prefix(kPageHeader.size());
  for (std::size_t number = 2; !text.empty(); ++number) {
    std::size_t end = text.find('\n');
    try {
      state_->add_line(text.substr(0, end), level);
    } catch (Error& error) {
      error.add_context(fmt::format("line {}", number));
      throw;
    }
    text.remove_prefix(end + 1);
  }
  return content;
}

}  // namespace reverse
