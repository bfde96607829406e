#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libcore/base/bytes.h"

// The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02) and of OpenSSH's extensions (its PROTOCOL file).

namespace reverse::sftp {

enum class PacketType : std::uint8_t {
  init = 1,
  version = 2,
  open = 3,
  close = 4,
  read = 5,
  write = 6,
  lstat = 7,
  fstat = 8,
  setstat = 9,
  fsetstat = 10,
  opendir = 11,
  readdir = 12,
  remove = 13,
  mkdir = 14,
  rmdir = 15,
  realpath = 16,
  stat = 17,
  rename = 18,
  readlink = 19,
  symlink = 20,
  status = 101,
  handle = 102,
  data = 103,
  name = 104,
  attrs = 105,
  extended = 200,
  extended_reply = 201,
};

/// The codes that a version 3 server may send; some send later ones, which count as `failure`.
enum class Status : std::uint32_t {
  ok = 0,
  end_of_file = 1,
  no_such_file = 2,
  permission_denied = 3,
  failure = 4,
  bad_message = 5,
  no_connection = 6,
  connection_lost = 7,
  unsupported = 8,
};
std::string_view to_string(Status status);

/// What a server says of a file; what it left out is absent.
struct Attributes {
  std::optional<std::uint64_t> size;   ///< bytes
  std::optional<std::uint32_t> uid, gid;
  std::optional<std::uint32_t> mode;   ///< type and permission bits, as in st_mode
  std::optional<std::uint32_t> atime, mtime;  ///< seconds since 1970
};

struct NameEntry {
  std::string name;
  std::string longname;  ///< as `ls -l` would show it: the only place with a link count
  Attributes attributes;
};

/// A request without its number.
struct Request {
  PacketType type = PacketType::init;
  std::string body;                 ///< what follows the number
  std::size_t reply_bytes = 256;    ///< the most that its reply is expected to take
};

enum OpenFlags : std::uint32_t { kRead = 1, kWrite = 2, kAppend = 4, kCreate = 8, kTruncate = 16, kExclusive = 32 };

// Paths and handles are bytes. Modes are permission bits.
Request open_request(const std::string& path, std::uint32_t flags, std::optional<std::uint32_t> mode = {});
Request close_request(const std::string& handle);
Request read_request(const std::string& handle, std::uint64_t offset, std::uint32_t size);
Request write_request(const std::string& handle, std::uint64_t offset, ByteView bytes);
Request lstat_request(const std::string& path);
Request stat_request(const std::string& path);
Request fstat_request(const std::string& handle);
Request set_mode_request(const std::string& path, std::uint32_t mode);
/// `seconds` since 1970, as far as 32 bits hold them; the time of access is made the same.
Request set_mode_and_time_request(const std::string& path, std::uint32_t mode, std::int64_t seconds);
Request open_directory_request(const std::string& path);
/// `reply_bytes` counts what 100 names take.
Request read_directory_request(const std::string& handle);
Request remove_request(const std::string& path);
Request make_directory_request(const std::string& path, std::optional<std::uint32_t> mode = {});
Request remove_directory_request(const std::string& path);
/// `target` first, as OpenSSH has it and all have followed; the draft has it the other way round.
Request symlink_request(const std::string& target, const std::string& path);
Request real_path_request(const std::string& path);
Request rename_request(const std::string& from, const std::string& to);
// Extensions: only for servers that advertise them.
Request posix_rename_request(const std::string& from, const std::string& to);
Request hard_link_request(const std::string& from, const std::string& to);
Request fsync_request(const std::string& handle);
Request statvfs_request(const std::string& path);
Request limits_request();

/// What came back for one request.
struct Reply {
  PacketType type = PacketType::status;
  Status status = Status::ok;  ///< of a STATUS; `ok` with the others
  std::string message;         ///< the server's words, possibly empty; or why the connection was lost
  std::string handle;
  std::string data;            ///< of DATA
  std::vector<NameEntry> names;
  Attributes attributes;
  std::string extended;        ///< body of an EXTENDED_REPLY
  bool lost = false;           ///< the connection ended first: whether the request took effect is unknown
};

/// A whole packet: length, type, number, body.
std::string encode(const Request& request, std::uint32_t id);
/// The same behind what `to` holds.
void append_packet(std::string& to, const Request& request, std::uint32_t id);
std::string encode_init();

/// What VERSION said.
struct ServerVersion {
  std::uint32_t version = 0;
  std::map<std::string, std::string> extensions;  ///< name → its data, such as "1"
  std::string banner;  ///< `Link::banner`: of whoever sent it
};
/// `packet`: from the type on, without the length. Throws `network` if malformed: the stream can then not be followed any further.
ServerVersion parse_version(ByteView packet);
struct NumberedReply {
  std::uint32_t id = 0;
  Reply reply;
};
NumberedReply parse_reply(ByteView packet);

/// Answers of extensions.
struct FileSystemStat {
  std::uint64_t block_size = 0, free_blocks = 0, available_blocks = 0, free_inodes = 0, inodes = 0;
  bool read_only = false;
};
FileSystemStat parse_statvfs(ByteView body);
struct ServerLimits {
  std::uint64_t packet = 34'000, read = 32'768, write = 32'768, handles = 0;  ///< bytes; handles 0: not told
};
ServerLimits parse_limits(ByteView body);

}  // namespace reverse::sftp
