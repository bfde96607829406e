#include <catch2/catch.hpp>

#include "libcore/backend/sftp/child_link.h"
#include "libcore/backend/sftp/sftp_backend.h"
#include "libcore/base/error.h"
#include "libcore/base/temp_dir.h"

namespace reverse {

using Lines = std::vector<std::string>;

TEST_CASE("what is uploaded waits for the rate that is allowed, and no longer than until a stop",
          "[sftp]") {
  const TempDir directory;
  std::stop_source stop;
  sftp::PoolOptions options;
  options.stop = stop.get_token();
  options.upload_rate = 1;
  auto open = [] {
    return std::make_unique<sftp::ChildLink>(Lines{"/usr/lib/openssh/sftp-server"},
                                             Lines{"sh", "-c"});
  };
  const auto backend = sftp::open_sftp_backend(
      std::make_unique<sftp::Pool>("near", open, std::move(options)), directory / "repository");
  backend->make_directory("");
  const auto upload = backend->create("file", 0444);
  stop.request_stop();  // in place of the days that this would take
  CHECK_THROWS_AS(upload->write(std::string(1 << 20, 'x')), Cancelled);
}

}  // namespace reverse
