#include "libcore/engine/tar_writer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "libcore/base/text.h"

#include <fmt/format.h>

namespace reverse {

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kRecord = 20 * kBlock;  // what archives are a multiple of
constexpr std::uint64_t kLargestSize = 077777777777;  // of 11 octal digits
constexpr std::uint64_t kLargestId = 07777777;        // of 7

/// A field of a header: where it is, and its width with the NUL that ends numbers.
struct Field {
  std::size_t at, width;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12},
    kTime{136, 12}, kSum{148, 8}, kType{156, 1}, kLink{157, 100}, kMagic{257, 8}, kUser{265, 32},
    kGroup{297, 32}, kMajor{329, 8}, kMinor{337, 8};

using Header = std::array<char, kBlock>;

void put(Header& header, Field field, std::string_view text) {
  std::memcpy(header.data() + field.at, text.data(), std::min(text.size(), field.width));
}

void put_number(Header& header, Field field, std::uint64_t value) {
  put(header, field, fmt::format("{:0{}o}", value, field.width - 1));
}

/// The sum of all bytes, its own counted as blanks.
void put_sum(Header& header) {
  put(header, kSum, "        ");
  unsigned sum = 0;
  for (const char byte : header) sum += static_cast<unsigned char>(byte);
  put(header, kSum, fmt::format("{:06o}", sum));
  header[kSum.at + 6] = '\0';
}

/// "LENGTH KEY=VALUE\n", where LENGTH counts itself.
void append_record(std::string& records, std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length)
    length = std::to_string(length).size() + rest;
  records += fmt::format("{} {}=", length, key);
  records.append(value).push_back('\n');
}

char type_of(const TarMember& member) {
  if (!member.hardlink.empty()) return '1';
  switch (member.entry.type) {
    case FileType::symlink:
      return '2';
    case FileType::character_device:
      return '3';
    case FileType::block_device:
      return '4';
    case FileType::directory:
    case FileType::repository:
      return '5';
    case FileType::fifo:
      return '6';
    default:
      return '0';
  }
}

std::string_view link_of(const TarMember& member) {
  if (!member.hardlink.empty()) return member.hardlink;
  return member.entry.type == FileType::symlink ? std::string_view(member.entry.target) : "";
}

std::uint64_t size_of(const TarMember& member) {
  return type_of(member) == '0' ? member.entry.size : 0;
}

struct Owner {
  std::string_view user, group;
};
Owner owner_of(const TarMember& member) {
  if (member.numeric_ids) return {};
  const std::string_view owner = member.entry.owner;
  const std::size_t colon = std::min(owner.find(':'), owner.size());
  return {owner.substr(0, colon), owner.substr(std::min(colon + 1, owner.size()))};
}

/// What the header has no room for.
std::string records_of(const TarMember& member) {
  const Entry& entry = member.entry;
  std::string records;
  if (member.name.size() > kName.width) append_record(records, "path", member.name);
  if (link_of(member).size() > kLink.width) append_record(records, "linkpath", link_of(member));
  if (size_of(member) > kLargestSize)
    append_record(records, "size", std::to_string(size_of(member)));
  const bool has_time = entry.type != FileType::repository;
  if (has_time && (entry.mtime.nanoseconds != 0 || entry.mtime.seconds < 0 ||
                   entry.mtime.seconds > static_cast<std::int64_t>(kLargestSize)))
    append_record(records, "mtime", to_decimal(entry.mtime));
  if (entry.uid > kLargestId) append_record(records, "uid", std::to_string(entry.uid));
  if (entry.gid > kLargestId) append_record(records, "gid", std::to_string(entry.gid));
  if (owner_of(member).user.size() >= kUser.width)
    append_record(records, "uname", owner_of(member).user);
  if (owner_of(member).group.size() >= kGroup.width)
    append_record(records, "gname", owner_of(member).group);
  if (member.hardlink.empty())
    for (const Xattr& xattr : member.xattrs)
      append_record(records, "SCHILY.xattr." + xattr.name, xattr.value);
  return records;
}

Header header_of(const TarMember& member) {
  const Entry& entry = member.entry;
  Header header{};
  put(header, kName, member.name);
  put_number(header, kMode, member.mode);
  put_number(header, kUid, std::min<std::uint64_t>(entry.uid, kLargestId));
  put_number(header, kGid, std::min<std::uint64_t>(entry.gid, kLargestId));
  put_number(header, kSize, std::min(size_of(member), kLargestSize));
  put_number(header, kTime,
             static_cast<std::uint64_t>(std::clamp<std::int64_t>(
                 entry.mtime.seconds, 0, static_cast<std::int64_t>(kLargestSize))));
  header[kType.at] = type_of(member);
  put(header, kLink, link_of(member));
  put(header, kMagic, std::string_view("ustar\00000", 8));
  put(header, {kUser.at, kUser.width - 1}, owner_of(member).user);
  put(header, {kGroup.at, kGroup.width - 1}, owner_of(member).group);
  put_number(header, kMajor, std::min<std::uint64_t>(entry.device_major, kLargestId));
  put_number(header, kMinor, std::min<std::uint64_t>(entry.device_minor, kLargestId));
  put_sum(header);
  return header;
}

/// Of the member that holds the records of the next one.
Header extended_header(std::size_t size) {
  Header header{};
  put(header, kName, "././@PaxHeader");
  put_number(header, kMode, 0644);
  put_number(header, kUid, 0);
  put_number(header, kGid, 0);
  put_number(header, kSize, size);
  put_number(header, kTime, 0);
  header[kType.at] = 'x';
  put(header, kMagic, std::string_view("ustar\00000", 8));
  put_number(header, kMajor, 0);
  put_number(header, kMinor, 0);
  put_sum(header);
  return header;
}

ByteView view_of(const Header& header) { return {header.data(), header.size()}; }

}  // namespace

void TarWriter::write(ByteView bytes) {
  sink_.write(bytes);
  size_ += bytes.size();
}

/// Writes zeros up to a multiple of `unit`.
void TarWriter::pad(std::uint64_t unit) {
  while (size_ % unit != 0)
    write(zero_block().substr(0, std::min<std::uint64_t>(unit - size_ % unit, kBlock)));
}

void TarWriter::member(const TarMember& member) {
  const std::string records = records_of(member);
  if (!records.empty()) {
    write(view_of(extended_header(records.size())));
    write(records);
    pad(kBlock);
  }
  write(view_of(header_of(member)));
}

void TarWriter::content(ByteView bytes) { write(bytes); }

void TarWriter::end_content() { pad(kBlock); }

void TarWriter::finish() {
  const Header zeros{};
  write(view_of(zeros));
  write(view_of(zeros));
  pad(kRecord);
}

}  // namespace reverse
