#include <sys/stat.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>

#include "libcore/base/fd.h"
#include "tests/backend/conformance.h"
#include "tests/support/links.h"

// Large files that go over several connections at once.

namespace reverse {
namespace {

constexpr std::size_t kMiB = 1 << 20;
constexpr unsigned kConnections = 4;

/// A repository's place behind OpenSSH's server, reached by four connections that are counted.
struct Scene {
  explicit Scene(const std::vector<std::string>& options = {}) {
    std::vector<std::string> server = {"/usr/lib/openssh/sftp-server"};
    server.insert(server.end(), options.begin(), options.end());
    auto open = [this, server]() -> std::unique_ptr<sftp::Link> {
      auto link = std::make_unique<sftp::ChildLink>(server, std::vector<std::string>{});
      return std::make_unique<sftp::CountingLink>(std::move(link), traffic.at(opened++));
    };
    backend = sftp::open_sftp_backend(
        std::make_unique<sftp::Pool>("server", open,
                                     sftp::PoolOptions{.connections = kConnections}),
        root.path());
  }
  /// How many connections carried more than `bytes` this way.
  long carriers(std::atomic<std::uint64_t> sftp::Traffic::*way, std::uint64_t bytes) const {
    return std::ranges::count_if(traffic,
                                 [&](const sftp::Traffic& each) { return each.*way > bytes; });
  }

  TempDir root;
  std::array<sftp::Traffic, kConnections> traffic;
  std::atomic<std::size_t> opened = 0;
  std::unique_ptr<Backend> backend;
};

TEST_CASE("a large file goes up and comes down over all connections", "[sftp]") {
  Scene scene;
  const std::string part = ssh::pattern(kMiB + 1);
  std::string bytes;
  auto upload = scene.backend->create("large.part", 0444);
  // Until all connections are there and carry something.
  while (scene.carriers(&sftp::Traffic::up, kMiB) < kConnections && bytes.size() < 512 * kMiB) {
    upload->write(part);
    bytes += part;
  }
  upload->close();
  REQUIRE(publish(*scene.backend, *upload, "large") == MoveResult::done);
  CHECK(scene.carriers(&sftp::Traffic::up, kMiB) == kConnections);
  CHECK(read_file(scene.root / "large") == bytes);
  struct stat status {};
  REQUIRE(::stat((scene.root / "large").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0444);

  CHECK(content(*scene.backend, "large") == bytes);
  CHECK(scene.carriers(&sftp::Traffic::down, bytes.size() / 8) == kConnections);
}

TEST_CASE("an account that may not change modes sends a large file over one connection",
          "[sftp]") {
  Scene scene({"-P", "setstat,fsetstat"});
  const std::string bytes = ssh::pattern(24 * kMiB);
  put(*scene.backend, "large", bytes);
  CHECK(scene.carriers(&sftp::Traffic::up, kMiB) == 1);
  CHECK(read_file(scene.root / "large") == bytes);
}

TEST_CASE("a large file is read whole although one of its connections breaks", "[sftp]") {
  const int broken = GENERATE(1, 2);
  TempDir root;
  const std::string bytes = ssh::pattern(24 * kMiB);
  write_file(root / "large", bytes);
  std::atomic<int> opened = 0;
  const auto open = [&]() -> std::unique_ptr<sftp::Link> {
    auto link = std::make_unique<sftp::ChildLink>(
        std::vector<std::string>{"/usr/lib/openssh/sftp-server"}, std::vector<std::string>{});
    const bool breaks = ++opened == broken;
    return std::make_unique<sftp::CutLink>(
        std::move(link), sftp::Cut{.packets = breaks ? 20 : sftp::Cut::kNever});
  };
  const auto backend = sftp::open_sftp_backend(
      std::make_unique<sftp::Pool>("server", open,
                                   sftp::PoolOptions{.connections = 3,
                                                     .retry_for = std::chrono::seconds(60),
                                                     .first_pause = std::chrono::milliseconds(1)}),
      root.path());
  CHECK(content(*backend, "large") == bytes);
}

TEST_CASE("a large file goes on where its connection broke, and is read back", "[sftp]") {
  const std::uint64_t packets = GENERATE(20, 240, 380, 388, 389, 390);
  INFO("cut after packet " << packets);
  TempDir root;
  std::array<sftp::Traffic, 2> traffic;
  std::atomic<std::size_t> opened = 0;  // by the connections' threads
  const auto open = [&]() -> std::unique_ptr<sftp::Link> {
    const std::size_t number = opened++;
    auto link = std::make_unique<sftp::ChildLink>(
        std::vector<std::string>{"/usr/lib/openssh/sftp-server"}, std::vector<std::string>{});
    auto cut = std::make_unique<sftp::CutLink>(
        std::move(link), sftp::Cut{.packets = number == 0 ? packets : sftp::Cut::kNever});
    return std::make_unique<sftp::CountingLink>(std::move(cut), traffic.at(number));
  };
  const auto backend = sftp::open_sftp_backend(
      std::make_unique<sftp::Pool>("server", open,
                                   sftp::PoolOptions{.retry_for = std::chrono::seconds(60),
                                                     .first_pause = std::chrono::milliseconds(1)}),
      root.path());
  const std::string bytes = ssh::pattern(24 * kMiB + 5);
  auto upload = backend->create("large.part", 0444);
  for (std::size_t at = 0; at < bytes.size(); at += 64 << 10)
    upload->write(ByteView(bytes).substr(at, 64 << 10));
  upload->close();
  StringSink sink;
  const bool was_in_doubt = upload->read_back(sink);
  CHECK(was_in_doubt == (opened > 1));
  if (was_in_doubt) CHECK(sink.bytes == bytes);
  REQUIRE(publish(*backend, *upload, "large") == MoveResult::done);
  CHECK(read_file(root / "large") == bytes);
  // What was confirmed went once.
  CHECK(traffic[1].up < bytes.size() - std::min<std::uint64_t>(packets, 380) * (50 << 10) + 5 * kMiB);
}

}  // namespace
}  // namespace reverse
