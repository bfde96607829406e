#include "libcore/backend/sftp/packet.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "libcore/backend/sftp/packet_reader.h"
#include "libcore/backend/sftp/wire.h"
#include "libcore/base/error.h"
#include "libcore/base/text.h"
#include "tests/backend/scripted_peer.h"

namespace reverse::sftp {
namespace {

std::string bytes_of(const std::string& hex) {
  return *from_hex(hex);
}
std::string field(ByteView bytes) {
  std::string out;
  append_string(out, bytes);
  return out;
}
std::string u32(std::uint32_t value) {
  std::string out;
  append_u32(out, value);
  return out;
}
std::string u64(std::uint64_t value) {
  std::string out;
  append_u64(out, value);
  return out;
}
/// A reply from its type on, number 7.
std::string reply(PacketType type, const std::string& body) {
  return reply_packet(type, 7, body).substr(4);
}

std::string network_error(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::network);
    return error.what();
  }
  return "no error";
}

const std::string kAllAttributes = u32(0x8000000f) + u64(5'000'000'000) + u32(1000) + u32(100) +
                                   u32(0100644) + u32(11) + u32(22) + u32(1) + field("name@x") +
                                   field("value");

TEST_CASE("requests have the draft's layout", "[sftp]") {
  CHECK(encode_init() == bytes_of("000000050100000003"));
  CHECK(to_hex(encode(open_request("/a", kWrite | kCreate | kExclusive, 0444), 1)) ==
        "00000017"
        "03"
        "00000001"
        "00000002"
        "2f61"
        "0000002a"
        "00000004"
        "00000124");
  CHECK(to_hex(encode(open_request("/a", kRead), 0xfffffffe)) ==
        "00000013"
        "03"
        "fffffffe"
        "00000002"
        "2f61"
        "00000001"
        "00000000");
  CHECK(to_hex(encode(write_request("hd", 0x0102030405060708, "xyz"), 2)) ==
        "0000001a"
        "06"
        "00000002"
        "00000002"
        "6864"
        "0102030405060708"
        "00000003"
        "78797a");
  CHECK(to_hex(encode(read_request("hd", 9, 0x8000), 3)) ==
        "00000017"
        "05"
        "00000003"
        "00000002"
        "6864"
        "0000000000000009"
        "00008000");
  CHECK(to_hex(encode(rename_request("a", "bc"), 4)) ==
        "00000010"
        "12"
        "00000004"
        "00000001"
        "61"
        "00000002"
        "6263");
  CHECK(to_hex(encode(set_mode_request("a", 0700), 5)) ==
        "00000012"
        "09"
        "00000005"
        "00000001"
        "61"
        "00000004"
        "000001c0");
}

TEST_CASE("extensions are named as OpenSSH names them", "[sftp]") {
  CHECK(posix_rename_request("a", "b").body ==
        field("posix-rename@openssh.com") + field("a") + field("b"));
  CHECK(hard_link_request("a", "b").body ==
        field("hardlink@openssh.com") + field("a") + field("b"));
  CHECK(fsync_request("h").body == field("fsync@openssh.com") + field("h"));
  CHECK(statvfs_request("/").body == field("statvfs@openssh.com") + field("/"));
  CHECK(limits_request().body == field("limits@openssh.com"));
  CHECK(limits_request().type == PacketType::extended);
}

TEST_CASE("a read's reply is expected with all its bytes", "[sftp]") {
  CHECK(read_request("h", 0, 261'120).reply_bytes >= 261'120);
  CHECK(read_directory_request("h").reply_bytes >= 15'900);
}

TEST_CASE("all kinds of replies are understood", "[sftp]") {
  NumberedReply data = parse_reply(reply(PacketType::data, field("content")));
  CHECK(data.id == 7);
  CHECK(data.reply.data == "content");
  CHECK(parse_reply(reply(PacketType::handle, field("hd"))).reply.handle == "hd");
  CHECK(parse_reply(reply(PacketType::extended_reply, "raw")).reply.extended == "raw");

  Attributes all = parse_reply(reply(PacketType::attrs, kAllAttributes)).reply.attributes;
  CHECK(all.size == 5'000'000'000);
  CHECK((all.uid == 1000u && all.gid == 100u && all.mode == 0100644u));
  CHECK((all.atime == 11u && all.mtime == 22u));
  Attributes none = parse_reply(reply(PacketType::attrs, u32(0))).reply.attributes;
  CHECK((!none.size && !none.uid && !none.mode && !none.mtime));

  const std::string names = u32(2) + field("a") + field("long a") + kAllAttributes + field("b") +
                            field("") + u32(1) + u64(3);
  std::vector<NameEntry> entries = parse_reply(reply(PacketType::name, names)).reply.names;
  REQUIRE(entries.size() == 2);
  CHECK((entries[0].name == "a" && entries[0].longname == "long a"));
  CHECK(entries[0].attributes.mtime == 22u);
  CHECK((entries[1].name == "b" && entries[1].attributes.size == 3u));
}

TEST_CASE("a status needs neither message nor language", "[sftp]") {
  NumberedReply full =
      parse_reply(status_packet(7, Status::no_such_file, "No such file").substr(4));
  CHECK(full.reply.status == Status::no_such_file);
  CHECK(full.reply.message == "No such file");
  CHECK(parse_reply(reply(PacketType::status, u32(3) + field("no"))).reply.message == "no");
  Reply bare = parse_reply(reply(PacketType::status, u32(3))).reply;
  CHECK(bare.status == Status::permission_denied);
  CHECK(bare.message.empty());
}

TEST_CASE("a status code of later versions is a failure", "[sftp]") {
  for (std::uint32_t code : {9u, 11u, 0xffffffffu})
    CHECK(parse_reply(reply(PacketType::status, u32(code))).reply.status == Status::failure);
  CHECK(to_string(Status::failure) == "failure");
}

TEST_CASE("a reply that ends early anywhere is refused", "[sftp]") {
  const std::string one_name = u32(1) + field("a") + field("l") + kAllAttributes;
  auto whole = GENERATE_COPY(
      reply(PacketType::status, u32(4)), reply(PacketType::handle, field("hd")),
      reply(PacketType::data, field("content")), reply(PacketType::attrs, kAllAttributes),
      reply(PacketType::name, one_name), version_packet({"a@x", "b@y"}).substr(4));
  const bool version = whole[0] == 2;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(to_hex(whole), size);
    const std::string cut = whole.substr(0, size);
    // A VERSION may well end between two extensions.
    const std::string pair = field("a@x") + field("1");
    if (version && (size == 5 || size == 5 + pair.size())) continue;
    const std::string error =
        network_error([&] { version ? void(parse_version(cut)) : void(parse_reply(cut)); });
    CHECK(error.starts_with("malformed SFTP packet "));
  }
}

TEST_CASE("a reply that promises more names than it has room for takes no memory", "[sftp]") {
  const std::string error = network_error(
      [] { parse_reply(reply(PacketType::name, u32(0xffffffff) + std::string(100, '\0'))); });
  CHECK(error == "malformed SFTP packet NAME: 4294967295 names in 100 bytes");
}

TEST_CASE("an error names the packet and what it holds", "[sftp]") {
  CHECK(network_error([] { parse_reply(reply(PacketType::data, u32(900) + "short")); }) ==
        "malformed SFTP packet DATA: string of 900 bytes, 5 left");
  CHECK(network_error([] { parse_reply(reply(PacketType::rename, "")); }) ==
        "malformed SFTP packet of a reply: type 18 is none of a reply");
  CHECK(network_error([] { parse_version(reply(PacketType::status, u32(4))); }) ==
        "malformed SFTP packet VERSION: expected type 2, got 101");
}

TEST_CASE("a greeting tells version and extensions", "[sftp]") {
  ServerVersion version = parse_version(version_packet({"a@x", "b@y"}).substr(4));
  CHECK(version.version == 3);
  CHECK(version.extensions == std::map<std::string, std::string>{{"a@x", "1"}, {"b@y", "1"}});
}

TEST_CASE("the answers of extensions are understood", "[sftp]") {
  std::string body;
  for (std::uint64_t n : {4096, 512, 1000, 900, 800, 70, 60, 50, 1, 1, 255}) body += u64(n);
  FileSystemStat stat = parse_statvfs(body);
  CHECK((stat.block_size == 512 && stat.free_blocks == 900 && stat.available_blocks == 800));
  CHECK((stat.inodes == 70 && stat.free_inodes == 60 && stat.read_only));

  ServerLimits limits = parse_limits(u64(262'144) + u64(261'120) + u64(0) + u64(1019));
  CHECK((limits.packet == 262'144 && limits.read == 261'120 && limits.handles == 1019));
  CHECK(limits.write == 32'768);
  CHECK(parse_limits(u64(0) + u64(1ull << 40) + u64(0) + u64(0)).read < kMaxPacket);
  CHECK_THROWS_AS(parse_limits(u64(1)), Error);
  CHECK_THROWS_AS(parse_statvfs(body.substr(1)), Error);
}

// --- The stream of packets.

void feed(PacketReader& reader, ByteView bytes) {
  while (!bytes.empty()) {
    std::span<char> room = reader.room();
    const std::size_t size = std::min(room.size(), bytes.size());
    std::copy_n(bytes.begin(), size, room.begin());
    reader.received(size);
    bytes.remove_prefix(size);
  }
}

TEST_CASE("packets are found however the stream is cut", "[sftp]") {
  const std::vector<std::string> packets = {
      status_packet(1), reply_packet(PacketType::data, 2, field(std::string(70'000, 'x'))),
      status_packet(3)};
  std::string all;
  for (const std::string& packet : packets) all += packet;
  const std::size_t step = GENERATE(1, 5, 4096, 70'001, 1'000'000);
  PacketReader reader;
  std::vector<std::string> found;
  for (std::size_t at = 0; at < all.size(); at += step) {
    feed(reader, ByteView(all).substr(at, step));
    while (auto packet = reader.next()) found.emplace_back(*packet);
  }
  REQUIRE(found.size() == packets.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == packets[i].substr(4));
  CHECK(reader.rest().empty());
}

TEST_CASE("a packet may have 4 MiB and no more", "[sftp]") {
  PacketReader reader;
  const std::string largest(kMaxPacket, 'x');
  feed(reader, u32(kMaxPacket));
  CHECK_FALSE(reader.next());
  feed(reader, largest);
  CHECK(reader.next() == largest);

  PacketReader other;
  feed(other, u32(kMaxPacket + 1) + "ab");
  CHECK(network_error([&] {
          other.next();
        }).starts_with("got an SFTP packet of 4194305 bytes, it should have 5 to 4194304"));
  PacketReader tiny;
  feed(tiny, u32(4) + "abcd");
  CHECK_THROWS_AS(tiny.next(), Error);
}

TEST_CASE("text is told from packets by its first byte", "[sftp]") {
  for (const char* text : {"Welcome", "\n", "\033[1m", " "}) {
    PacketReader reader;
    feed(reader, text);
    CHECK(reader.starts_with_text());
  }
  PacketReader reader;
  CHECK_FALSE(reader.starts_with_text());
  feed(reader, version_packet());
  CHECK_FALSE(reader.starts_with_text());
}

}  // namespace
}  // namespace reverse::sftp
