#include "libcore/base/file_type.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "libcore/base/error.h"

namespace reverse {

TEST_CASE("every type of file has mode bits of its own and comes back from them", "[file_type]") {
  for (const FileType type :
       {FileType::file, FileType::directory, FileType::symlink, FileType::fifo, FileType::socket,
        FileType::character_device, FileType::block_device})
    CHECK(file_type_of_mode(mode_of_file_type(type) | 07777) == type);
  CHECK(mode_of_file_type(FileType::repository) == S_IFDIR);
}

TEST_CASE("mode bits of no known type are unsupported", "[file_type]") {
  for (const std::uint32_t mode : {0u, 0644u, 0170000u})
    CHECK_THROWS_AS(file_type_of_mode(mode), Error);
}

}  // namespace reverse
