// What servers say: the parsing half of packet.h.

#include <algorithm>

#include "libcore/backend/sftp/packet.h"
#include "libcore/backend/sftp/wire.h"
#include "libcore/base/error.h"

namespace reverse::sftp {

namespace {

enum AttributeFlags : std::uint32_t {
  kSize = 1,
  kOwner = 2,
  kMode = 4,
  kTimes = 8,
  kExtended = 0x80000000,
};
constexpr std::size_t kShortestName = 12;  ///< two empty strings, no attributes

Attributes take_attributes(FieldReader& fields) {
  Attributes attributes;
  const std::uint32_t flags = fields.take_u32();
  if (flags & kSize) attributes.size = fields.take_u64();
  if (flags & kOwner) {
    attributes.uid = fields.take_u32();
    attributes.gid = fields.take_u32();
  }
  if (flags & kMode) attributes.mode = fields.take_u32();
  if (flags & kTimes) {
    attributes.atime = fields.take_u32();
    attributes.mtime = fields.take_u32();
  }
  if (flags & kExtended) {
    for (std::uint32_t pairs = fields.take_u32(); pairs > 0; --pairs) {
      fields.take_string();
      fields.take_string();
    }
  }
  return attributes;
}

std::vector<NameEntry> take_names(FieldReader& fields) {
  const std::uint32_t count = fields.take_u32();
  if (count > fields.rest().size() / kShortestName)
    fields.malformed(fmt::format("{} names in {} bytes", count, fields.rest().size()));
  std::vector<NameEntry> names(count);
  for (NameEntry& entry : names) {
    entry.name = fields.take_string();
    entry.longname = fields.take_string();
    entry.attributes = take_attributes(fields);
  }
  return names;
}

void take_status(FieldReader& fields, Reply& reply) {
  const std::uint32_t code = fields.take_u32();
  const bool known = code <= static_cast<std::uint32_t>(Status::unsupported);
  reply.status = known ? static_cast<Status>(code) : Status::failure;
  // Old servers end here, without the message and its language.
  if (!fields.at_end()) reply.message = fields.take_string();
}

std::string_view name_of(PacketType type) {
  switch (type) {
    case PacketType::status:
      return "STATUS";
    case PacketType::handle:
      return "HANDLE";
    case PacketType::data:
      return "DATA";
    case PacketType::name:
      return "NAME";
    case PacketType::attrs:
      return "ATTRS";
    case PacketType::extended_reply:
      return "EXTENDED_REPLY";
    default:
      return "of a reply";
  }
}

}  // namespace

std::string_view to_string(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::end_of_file:
      return "end of file";
    case Status::no_such_file:
      return "no such file";
    case Status::permission_denied:
      return "permission denied";
    case Status::failure:
      return "failure";
    case Status::bad_message:
      return "bad message";
    case Status::no_connection:
      return "no connection";
    case Status::connection_lost:
      return "connection lost";
    case Status::unsupported:
      return "operation unsupported";
  }
  return "failure";
}

NumberedReply parse_reply(ByteView packet) {
  const auto type = static_cast<PacketType>(packet.empty() ? 0 : packet.front());
  FieldReader fields(packet, name_of(type));
  fields.take_u8();
  NumberedReply numbered{.id = fields.take_u32(), .reply = {.type = type}};
  Reply& reply = numbered.reply;
  switch (type) {
    case PacketType::status:
      take_status(fields, reply);
      break;
    case PacketType::handle:
      reply.handle = fields.take_string();
      break;
    case PacketType::data:
      reply.data = fields.take_string();
      break;
    case PacketType::name:
      reply.names = take_names(fields);
      break;
    case PacketType::attrs:
      reply.attributes = take_attributes(fields);
      break;
    case PacketType::extended_reply:
      reply.extended = fields.rest();
      break;
    default:
      fields.malformed(fmt::format("type {} is none of a reply", static_cast<unsigned>(type)));
  }
  return numbered;
}

ServerVersion parse_version(ByteView packet) {
  FieldReader fields(packet, "VERSION");
  if (const unsigned type = fields.take_u8(); type != static_cast<unsigned>(PacketType::version))
    fields.malformed(fmt::format("expected type 2, got {}", type));
  ServerVersion version{.version = fields.take_u32()};
  while (!fields.at_end()) {
    std::string name(fields.take_string());
    version.extensions[std::move(name)] = fields.take_string();
  }
  return version;
}

FileSystemStat parse_statvfs(ByteView body) {
  FieldReader fields(body, "EXTENDED_REPLY to statvfs@openssh.com");
  FileSystemStat stat;
  fields.take_u64();  // f_bsize: what transfers should use; blocks are counted in f_frsize
  stat.block_size = fields.take_u64();
  fields.take_u64();  // f_blocks
  stat.free_blocks = fields.take_u64();
  stat.available_blocks = fields.take_u64();
  stat.inodes = fields.take_u64();
  stat.free_inodes = fields.take_u64();
  fields.take_u64();  // f_favail
  fields.take_u64();  // f_fsid
  stat.read_only = (fields.take_u64() & 1) != 0;
  fields.take_u64();  // f_namemax
  return stat;
}

ServerLimits parse_limits(ByteView body) {
  FieldReader fields(body, "EXTENDED_REPLY to limits@openssh.com");
  ServerLimits limits;
  // 0 stands for "no limit told": then what every server takes.
  for (std::uint64_t* limit : {&limits.packet, &limits.read, &limits.write, &limits.handles})
    if (const std::uint64_t told = fields.take_u64(); told != 0) *limit = told;
  limits.read = std::min<std::uint64_t>(limits.read, kMaxPacket - 1024);
  return limits;
}

}  // namespace reverse::sftp
