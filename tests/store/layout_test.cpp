#include "libcore/store/layout.h"

#include <catch2/catch.hpp>
#include <string>

#include "libcore/hash/hasher.h"

namespace reverse {
namespace {

TEST_CASE("objects lie where their names say", "[store][layout]") {
  Sums sums = hash_bytes(DigestKind::md5, "");
  CHECK(object_path({sums.digest, std::nullopt}) == "objects/d4/d41d8cd98f00b204e9800998ecf8427e");
  CHECK(object_path({sums.digest, sums.check}) ==
        "objects/d4/d41d8cd98f00b204e9800998ecf8427e-" + sums.check->hex());
  CHECK(layout::shard(0) == "objects/00");
  CHECK(layout::shard(255) == "objects/ff");
  CHECK(layout::head("desk/home/20140125T100000Z-6f0c2a7e") ==
        "manifests/desk/home/20140125T100000Z-6f0c2a7e.yaml");
  CHECK(layout::unpublished_head("t", "i") == "writing/t/i.yaml");
}

TEST_CASE("names of objects are read back, and no others", "[store][layout]") {
  for (DigestKind kind : {DigestKind::md5, DigestKind::sha256}) {
    ObjectName name{hash_bytes(kind, "a").digest, std::nullopt};
    CHECK(parse_object_name(to_string(name)) == name);
    name.variant = hash_bytes(DigestKind::md5, "a").check;
    CHECK(parse_object_name(to_string(name)) == name);
  }
  std::string digest(32, 'a');
  for (const std::string& foreign :
       {std::string(), digest.substr(1), digest + "a", digest + "-", digest + "-" + digest + "a",
        digest + "." + digest, std::string(32, 'A'), digest + ".tmp", "-" + digest})
    CHECK_FALSE(parse_object_name(foreign));
}

TEST_CASE("only names that are safe everywhere can be part of a set", "[store][layout]") {
  for (const char* name : {"desk", "srv-video", "a.b_c+d", "-x"})
    CHECK(layout::is_set_component(name));
  for (const char* name : {"", ".", "..", ".hidden", "a/b", "a b", "\xc3\xa4", "a\n"})
    CHECK_FALSE(layout::is_set_component(name));
  CHECK(layout::is_set_component(std::string(100, 'a')));
  CHECK_FALSE(layout::is_set_component(std::string(101, 'a')));
}

TEST_CASE("names of revisions and tokens have one form", "[store][layout]") {
  CHECK(layout::is_revision_name("20140125T100000Z-6f0c2a7e"));
  for (const char* name :
       {"20140125T100000Z", "20141325T100000Z-6f0c2a7e", "20140125T100000Z-6F0C2A7E",
        "20140125T100000Z-6f0c2a7e.yaml", "20140125T100000Z_6f0c2a7e"})
    CHECK_FALSE(layout::is_revision_name(name));
  CHECK(layout::is_token(std::string(32, '0')));
  CHECK_FALSE(layout::is_token(std::string(31, '0')));
  CHECK(layout::is_uuid("6f0c2a7e-1111-4111-8111-111111111111"));
  CHECK_FALSE(layout::is_uuid("6f0c2a7e-1111-4111-8111-11111111111"));
  CHECK_FALSE(layout::is_uuid("6f0c2a7e01111-4111-8111-111111111111"));
}

}  // namespace
}  // namespace reverse
