#include "libcore/backend/sftp/packet.h"

#include <algorithm>
#include <limits>

#include "libcore/backend/sftp/wire.h"

namespace reverse::sftp {

namespace {

constexpr std::uint32_t kVersion = 3;
constexpr std::uint32_t kHasMode = 4, kHasTimes = 8;  ///< of an ATTRS' flags
/// What READDIR's usual 100 names take where names have 32 characters, as measured on OpenSSH.
constexpr std::size_t kDirectoryReply = 16'000;
constexpr std::size_t kReplyHead = 13;  ///< length, type, number, length of the data

void append_mode(std::string& to, std::optional<std::uint32_t> mode) {
  append_u32(to, mode ? kHasMode : 0);
  if (mode) append_u32(to, *mode);
}

Request request_of(PacketType type, ByteView first) {
  Request request{.type = type};
  append_string(request.body, first);
  return request;
}

Request request_of(PacketType type, ByteView first, ByteView second) {
  Request request = request_of(type, first);
  append_string(request.body, second);
  return request;
}

Request extension(ByteView name, ByteView first) {
  return request_of(PacketType::extended, name, first);
}

Request extension(ByteView name, ByteView first, ByteView second) {
  Request request = extension(name, first);
  append_string(request.body, second);
  return request;
}

}  // namespace

Request open_request(const std::string& path, std::uint32_t flags,
                     std::optional<std::uint32_t> mode) {
  Request request = request_of(PacketType::open, path);
  append_u32(request.body, flags);
  append_mode(request.body, mode);
  return request;
}

Request close_request(const std::string& handle) {
  return request_of(PacketType::close, handle);
}

Request read_request(const std::string& handle, std::uint64_t offset, std::uint32_t size) {
  Request request = request_of(PacketType::read, handle);
  append_u64(request.body, offset);
  append_u32(request.body, size);
  request.reply_bytes = size + kReplyHead;
  return request;
}

Request write_request(const std::string& handle, std::uint64_t offset, ByteView bytes) {
  Request request{.type = PacketType::write};
  request.body.reserve(16 + handle.size() + bytes.size());
  append_string(request.body, handle);
  append_u64(request.body, offset);
  append_string(request.body, bytes);
  return request;
}

Request lstat_request(const std::string& path) {
  return request_of(PacketType::lstat, path);
}
Request stat_request(const std::string& path) {
  return request_of(PacketType::stat, path);
}
Request fstat_request(const std::string& handle) {
  return request_of(PacketType::fstat, handle);
}

Request set_mode_request(const std::string& path, std::uint32_t mode) {
  Request request = request_of(PacketType::setstat, path);
  append_mode(request.body, mode);
  return request;
}

Request set_mode_and_time_request(const std::string& path, std::uint32_t mode,
                                  std::int64_t seconds) {
  Request request = request_of(PacketType::setstat, path);
  append_u32(request.body, kHasMode | kHasTimes);
  append_u32(request.body, mode);
  const auto time = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(seconds, 0, std::numeric_limits<std::uint32_t>::max()));
  append_u32(request.body, time);
  append_u32(request.body, time);
  return request;
}

Request open_directory_request(const std::string& path) {
  return request_of(PacketType::opendir, path);
}

Request read_directory_request(const std::string& handle) {
  Request request = request_of(PacketType::readdir, handle);
  request.reply_bytes = kDirectoryReply;
  return request;
}

Request remove_request(const std::string& path) {
  return request_of(PacketType::remove, path);
}

Request make_directory_request(const std::string& path, std::optional<std::uint32_t> mode) {
  Request request = request_of(PacketType::mkdir, path);
  append_mode(request.body, mode);
  return request;
}

Request remove_directory_request(const std::string& path) {
  return request_of(PacketType::rmdir, path);
}
Request symlink_request(const std::string& target, const std::string& path) {
  return request_of(PacketType::symlink, target, path);
}
Request real_path_request(const std::string& path) {
  return request_of(PacketType::realpath, path);
}
Request rename_request(const std::string& from, const std::string& to) {
  return request_of(PacketType::rename, from, to);
}

Request posix_rename_request(const std::string& from, const std::string& to) {
  return extension("posix-rename@openssh.com", from, to);
}
Request hard_link_request(const std::string& from, const std::string& to) {
  return extension("hardlink@openssh.com", from, to);
}
Request fsync_request(const std::string& handle) {
  return extension("fsync@openssh.com", handle);
}
Request statvfs_request(const std::string& path) {
  return extension("statvfs@openssh.com", path);
}
Request limits_request() {
  return request_of(PacketType::extended, "limits@openssh.com");
}

void append_packet(std::string& to, const Request& request, std::uint32_t id) {
  append_u32(to, static_cast<std::uint32_t>(request.body.size() + 5));
  to.push_back(static_cast<char>(request.type));
  append_u32(to, id);
  to.append(request.body);
}

std::string encode(const Request& request, std::uint32_t id) {
  std::string packet;
  append_packet(packet, request, id);
  return packet;
}

std::string encode_init() {
  return encode(Request{.type = PacketType::init}, kVersion);
}

}  // namespace reverse::sftp
