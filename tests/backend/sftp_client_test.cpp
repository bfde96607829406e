#include "libcore/backend/sftp/client.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "libcore/backend/sftp/wire.h"
#include "libcore/base/error.h"
#include "tests/backend/scripted_peer.h"

namespace reverse::sftp {
namespace {

/// Replies as they come, for a test to look at. Thread-safe.
class Replies {
 public:
  Client::Done done() {
    return [this](Reply&& reply) {
      std::lock_guard lock(mutex_);
      all_.push_back(std::move(reply));
      came_.notify_all();
    };
  }
  /// The replies so far, once there are so many; fails after 30 s.
  std::vector<Reply> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, std::chrono::seconds(30), [&] { return all_.size() >= count; }))
      fail(ErrorKind::internal, "{} replies came, not {}", all_.size(), count);
    return all_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<Reply> all_;
};

std::string data_packet(std::uint32_t id, ByteView bytes) {
  std::string body;
  append_string(body, bytes);
  return reply_packet(PacketType::data, id, body);
}

/// A peer that answers READs with their own body, and all else with "ok".
ScriptedPeer::Handler echo_to(ScriptedPeer& peer) {
  return [&peer](const Received& request) {
    peer.send(request.type == PacketType::read ? data_packet(request.id, request.body)
                                               : status_packet(request.id));
  };
}

/// A request that can be told from others by its body.
Request numbered(std::uint64_t number) {
  return read_request("h", number, 16);
}

Error error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "no error"};
}

TEST_CASE("replies find their requests in whatever order they come", "[sftp]") {
  ScriptedPeer peer;
  Replies replies[3];
  Client client("host", peer.opener());
  for (std::uint64_t i = 0; i < 3; ++i) client.submit(numbered(i), replies[i].done());
  const std::vector<Received> requests = peer.wait_for(3);
  for (std::size_t i = 3; i-- > 0;)
    peer.send(data_packet(requests[i].id, "reply " + std::to_string(i)));
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(replies[i].wait_for(1)[0].data == "reply " + std::to_string(i));
}

TEST_CASE("packets may come in bits and go in bits", "[sftp]") {
  ScriptedPeer peer;
  peer.read_size = 1;
  peer.write_size = 3;
  peer.handler = echo_to(peer);
  Client client("host", peer.opener());
  for (std::uint64_t i = 0; i < 20; ++i) CHECK(client.call(numbered(i)).data == numbered(i).body);
}

TEST_CASE("packets may come merged", "[sftp]") {
  ScriptedPeer peer;
  Replies replies;
  Client client("host", peer.opener());
  for (std::uint64_t i = 0; i < 50; ++i) client.submit(numbered(i), replies.done());
  std::string merged;
  for (const Received& request : peer.wait_for(50)) merged += data_packet(request.id, request.body);
  peer.send(merged);
  const std::vector<Reply> all = replies.wait_for(50);
  for (std::uint64_t i = 0; i < 50; ++i) CHECK(all[i].data == numbered(i).body);
}

TEST_CASE("requests go out in the order of their submission", "[sftp]") {
  ScriptedPeer peer;
  Replies replies;
  Client client("host", peer.opener());
  for (std::uint64_t i = 0; i < 200; ++i) client.submit(numbered(i), replies.done());
  const std::vector<Received> requests = peer.wait_for(200);
  for (std::uint64_t i = 0; i < 200; ++i) CHECK(requests[i].body == numbered(i).body);
}

TEST_CASE("a status without a message is a reply as any", "[sftp]") {
  ScriptedPeer peer;
  peer.handler = [&](const Received& request) {
    std::string code;
    append_u32(code, 2);
    peer.send(reply_packet(PacketType::status, request.id, code));
  };
  Client client("host", peer.opener());
  Reply reply = client.call(stat_request("/absent"));
  CHECK(reply.status == Status::no_such_file);
  CHECK_FALSE(reply.lost);
}

TEST_CASE("a reply that nobody waits for ends the connection", "[sftp]") {
  ScriptedPeer peer;
  Replies replies;
  Client client("host", peer.opener());
  client.submit(numbered(1), replies.done());
  const std::uint32_t id = peer.wait_for(1)[0].id;
  SECTION("a number that was never given") {
    peer.send(status_packet(id + 1));
    CHECK(replies.wait_for(1)[0].lost);
  }
  SECTION("a number that was answered") {
    peer.send(data_packet(id, "1") + data_packet(id, "1"));
    CHECK(replies.wait_for(1)[0].data == "1");
  }
  const std::string reason = error_of([&] { client.call(numbered(3)); }).what();
  CHECK_THAT(reason, Catch::StartsWith("connection to 'host' lost: got a reply to request "));
  CHECK_FALSE(client.alive());
}

TEST_CASE("a reply of the wrong kind ends the connection", "[sftp]") {
  ScriptedPeer peer;
  peer.handler = [&](const Received& request) { peer.send(status_packet(request.id)); };
  Client client("host", peer.opener());
  // "ok" without the bytes that were asked for is no answer; nor is it the end of the file.
  const Error error = error_of([&] { client.call(numbered(1)); });
  CHECK(error.kind() == ErrorKind::network);
  CHECK(std::string(error.what()) ==
        "connection to 'host' lost: got a reply of type 101 to a request of type 5");
}

TEST_CASE("a packet too long to be one ends the connection", "[sftp]") {
  ScriptedPeer peer;
  Client client("host", peer.opener());
  client.version();
  std::string length;
  append_u32(length, 5 << 20);
  peer.send(length + "junk");
  const Error error = error_of([&] { client.call(numbered(1)); });
  CHECK(error.kind() == ErrorKind::network);
  CHECK_THAT(error.what(), Catch::Contains("got an SFTP packet of 5242880 bytes"));
}

TEST_CASE("text before the protocol is shown", "[sftp]") {
  ScriptedPeer peer;
  peer.greeting = GENERATE("Welcome to host!\r\nLast login: today\r\n" + version_packet(),
                           std::string("\nWelcome to host!"));
  peer.read_size = GENERATE(1, 1000);
  peer.close();
  Client client("host", peer.opener());
  const Error error = error_of([&] { client.version(); });
  CHECK(error.kind() == ErrorKind::unsupported);
  CHECK_THAT(error.what(), Catch::StartsWith("no SFTP from 'host': the server sent text instead") &&
                               Catch::Contains("'Welcome to host!") && Catch::Contains(".bashrc"));
  CHECK(client.loss() == error.what());
}

TEST_CASE("a server of another version is refused", "[sftp]") {
  ScriptedPeer peer;
  const unsigned version = GENERATE(2u, 4u);
  peer.greeting = reply_packet(PacketType::version, version, "");
  Client client("host", peer.opener());
  const Error error = error_of([&] { client.version(); });
  CHECK(error.kind() == ErrorKind::unsupported);
  CHECK_THAT(error.what(), Catch::Contains("version " + std::to_string(version)));
}

TEST_CASE("a connection that ends at any byte answers everything, and says so", "[sftp]") {
  for (std::size_t size = 0;; ++size) {
    CAPTURE(size);
    ScriptedPeer peer;
    peer.greeting = version_packet({"limits@openssh.com", "fsync@openssh.com"});
    peer.handler = echo_to(peer);
    peer.closes_after = size;
    Replies replies;
    Client client("host", peer.opener());
    for (std::uint64_t i = 0; i < 3; ++i) client.submit(numbered(i), replies.done());
    const std::vector<Reply> all = replies.wait_for(3);
    const auto lost = std::count_if(all.begin(), all.end(), [](const Reply& r) { return r.lost; });
    for (std::size_t i = 0; i < 3; ++i) {
      // Replies come in order here: those before the cut are whole, the others lost.
      CHECK(all[i].lost == (i + lost >= 3));
      if (all[i].lost)
        CHECK_FALSE(all[i].message.empty());
      else
        CHECK(all[i].data == numbered(i).body);
    }
    if (lost == 0) break;
    CHECK(error_of([&] { client.call(numbered(9)); }).kind() == ErrorKind::network);
    REQUIRE(size < 1000);
  }
}

TEST_CASE("a lost connection answers everything, under way or waiting or later", "[sftp]") {
  ScriptedPeer peer;
  peer.last_words = "Timeout, server not responding.\r\n";
  Replies replies;
  Client client("host", peer.opener(), {.requests = 3});
  std::jthread submitter([&] {
    for (std::uint64_t i = 0; i < 8; ++i) client.submit(numbered(i), replies.done());
  });
  peer.wait_for(3);
  peer.close();
  for (const Reply& reply : replies.wait_for(8)) {
    CHECK(reply.lost);
    CHECK(reply.status == Status::connection_lost);
    CHECK(reply.message ==
          "connection to 'host' lost: the other side ended it: Timeout, server not responding.");
  }
  CHECK_FALSE(client.alive());
  client.submit(numbered(9), replies.done());
  CHECK(replies.wait_for(9).back().lost);
  CHECK(error_of([&] { client.run("true"); }).what() == client.loss());
}

TEST_CASE("closing a client answers what is under way", "[sftp]") {
  ScriptedPeer peer;
  Replies replies;
  {
    Client client("host", peer.opener());
    client.submit(numbered(1), replies.done());
    peer.wait_for(1);
  }
  CHECK(replies.wait_for(1)[0].lost);
  CHECK(replies.wait_for(1)[0].message == "connection to 'host' closed");
}

TEST_CASE("a stop ends waiting for a server that says nothing", "[sftp]") {
  ScriptedPeer peer;
  std::stop_source stop;
  Client client("nas", peer.opener(), {}, stop.get_token());
  client.version();
  std::jthread stopping([&] {
    peer.wait_for(1);
    stop.request_stop();
  });
  CHECK_THROWS_AS(client.call(numbered(1)), Cancelled);
  CHECK_THROWS_AS(client.call(numbered(2)), Cancelled);
}

TEST_CASE("a stop ends waiting for a greeting that never comes", "[sftp]") {
  ScriptedPeer peer;
  peer.greeting.clear();
  std::stop_source stop;
  Client client("nas", peer.opener(), {}, stop.get_token());
  stop.request_stop();
  CHECK_THROWS_AS(client.version(), Cancelled);
}

TEST_CASE("a line that does not notice itself that it is broken is given up when it stays silent",
          "[sftp]") {
  ScriptedPeer peer;
  peer.patience = std::chrono::milliseconds(20);
  Client client("nas", peer.opener());
  const Error error = error_of([&] { client.call(numbered(1)); });
  CHECK(error.kind() == ErrorKind::network);
  CHECK(std::string(error.what()).find("no byte came from the server for") != std::string::npos);
}

TEST_CASE("what stopped the link from opening is thrown to all who ask", "[sftp]") {
  Client client("host", []() -> std::unique_ptr<Link> {
    fail(ErrorKind::permission, "log in at 'host': refused");
  });
  for (int i = 0; i < 2; ++i) {
    const Error error =
        error_of([&] { with_context("context", [&] { client.call(stat_request("/")); }); });
    CHECK(error.kind() == ErrorKind::permission);
    CHECK(std::string(error.what()) == "context: log in at 'host': refused");
  }
  CHECK(error_of([&] { client.version(); }).kind() == ErrorKind::permission);
  CHECK(error_of([&] { client.limits(); }).kind() == ErrorKind::permission);
}

TEST_CASE("a refused login is no reason to try again", "[sftp]") {
  ScriptedPeer peer;
  peer.greeting = "";
  peer.last_words = "me@host: Permission denied (publickey).\r\n";
  peer.close();
  Client client("host", peer.opener());
  const Error error = error_of([&] { client.version(); });
  CHECK(error.kind() == ErrorKind::permission);
  CHECK(std::string(error.what()) ==
        "no SFTP from 'host': the other side ended it: me@host: Permission denied (publickey).");
}

TEST_CASE("limits are asked for where they are offered", "[sftp]") {
  ScriptedPeer peer;
  peer.greeting = version_packet({"limits@openssh.com"});
  bool refuse = false;
  SECTION("and told") {}
  SECTION("and refused") {
    refuse = true;
  }
  peer.handler = [&](const Received& request) {
    std::string body;
    for (std::uint64_t n : {262'144, 261'120, 261'120, 1019}) append_u64(body, n);
    peer.send(refuse ? status_packet(request.id, Status::unsupported)
                     : reply_packet(PacketType::extended_reply, request.id, body));
  };
  Client client("host", peer.opener());
  CHECK(client.limits().write == (refuse ? 32'768 : 261'120));
  CHECK(client.limits().handles == (refuse ? 0 : 1019));
  CHECK(client.offers("limits@openssh.com"));
  CHECK_FALSE(client.offers("fsync@openssh.com"));
}

TEST_CASE("limits are not asked for where they are not offered", "[sftp]") {
  ScriptedPeer peer;
  Client client("host", peer.opener());
  CHECK(client.limits().write == 32'768);
  CHECK(client.limits().packet == 34'000);
  CHECK(peer.received() == 0);
}

/// Submits `count` requests to a peer that answers only once a window for `bound` is full, or all
/// that are left have come; the most that were sent and not seen to be answered.
std::size_t most_under_way(Windows windows, std::size_t reply_window, const Request& request,
                           std::size_t count, std::size_t bound) {
  ScriptedPeer peer;
  peer.reply_window = reply_window;
  std::vector<std::uint32_t> waiting;
  std::size_t under_way = 0, most = 0, left = count;  // for the connection's thread
  peer.handler = [&](const Received& got) {
    waiting.push_back(got.id);
    most = std::max(most, ++under_way);
    // Who submits is woken once a quarter of the window is free: it is certain to be full only at first.
    const std::size_t certain = std::min(bound, bound - bound / 4 + 1);
    if (waiting.size() < std::min(most < bound ? bound : certain, left)) return;
    for (std::uint32_t id : waiting) peer.send(status_packet(id, Status::failure));
    left -= waiting.size();
    waiting.clear();
  };
  Replies replies;
  Client client("host", peer.opener(), windows);
  for (std::size_t i = 0; i < count; ++i)
    client.submit(request, [&under_way, done = replies.done()](Reply&& reply) {
      --under_way;
      done(std::move(reply));
    });
  replies.wait_for(count);
  return most;
}

TEST_CASE("each window bounds what is under way, and is used to the full", "[sftp]") {
  const Request small = read_request("h", 0, 87);  // expects 100 bytes
  CHECK(most_under_way({.requests = 8}, 1 << 20, small, 100, 8) == 8);
  CHECK(most_under_way({.requests = 1}, 1 << 20, small, 20, 1) == 1);
  CHECK(most_under_way({}, 750, small, 100, 7) == 7);
  const Request large = write_request("h", 0, std::string(1000, 'x'));  // 1026 bytes
  CHECK(most_under_way({.out_bytes = 5500}, 1 << 20, large, 100, 5) == 5);
}

TEST_CASE("a request larger than any window goes alone", "[sftp]") {
  const Request large = write_request("h", 0, std::string(100'000, 'x'));
  CHECK(most_under_way({.out_bytes = 10}, 1 << 20, large, 5, 1) == 1);
  CHECK(most_under_way({}, 10, read_request("h", 0, 1000), 5, 1) == 1);
}

TEST_CASE("who submits waits while a window is full", "[sftp]") {
  ScriptedPeer peer;
  Replies replies;
  Client client("host", peer.opener(), {.requests = 2});
  std::atomic<int> submitted = 0;
  std::jthread submitter([&] {
    for (std::uint64_t i = 0; i < 5; ++i, ++submitted) client.submit(numbered(i), replies.done());
  });
  std::size_t answered = 0;
  for (std::size_t count = 2; count <= 5; ++count) {
    const std::vector<Received> requests = peer.wait_for(count);
    CHECK(submitted <= static_cast<int>(answered + 2));
    peer.send(data_packet(requests[answered].id, ""));
    replies.wait_for(++answered);
  }
  peer.send(data_packet(peer.wait_for(5)[4].id, ""));
  replies.wait_for(5);
}

TEST_CASE("within a Done nobody waits for a window", "[sftp]") {
  ScriptedPeer peer;
  peer.handler = echo_to(peer);
  Replies replies;
  Client client("host", peer.opener(), {.requests = 1});
  client.submit(numbered(0), [&](Reply&&) {
    for (std::uint64_t i = 1; i <= 20; ++i) client.submit(numbered(i), replies.done());
  });
  const std::vector<Reply> all = replies.wait_for(20);
  for (std::uint64_t i = 1; i <= 20; ++i) CHECK(all[i - 1].data == numbered(i).body);
}

TEST_CASE("who waits for a reply within a Done is told instead of stuck", "[sftp]") {
  ScriptedPeer peer;
  peer.handler = echo_to(peer);
  Replies replies;
  std::atomic<bool> told_call = false, told_run = false;
  Client client("host", peer.opener());
  client.submit(numbered(0), [&](Reply&& reply) {
    told_call = error_of([&] { client.call(numbered(1)); }).kind() == ErrorKind::internal;
    told_run = error_of([&] { client.run("true"); }).kind() == ErrorKind::internal;
    replies.done()(std::move(reply));
  });
  replies.wait_for(1);
  CHECK((told_call && told_run));
}

TEST_CASE("requests of many threads are answered each to its own", "[sftp]") {
  ScriptedPeer peer;
  peer.handler = echo_to(peer);
  Client client("host", peer.opener(), {.requests = 50});
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
        for (std::uint64_t i = 0; i < 400; ++i) {
          const std::uint64_t number = t * 1000 + i;
          auto check = [&right, number](Reply&& reply) {
            right += reply.data == numbered(number).body;
          };
          if (i % 16 == 0)
            check(client.call(numbered(number)));
          else
            client.submit(numbered(number), check);
        }
      });
  }
  client.call(numbered(0));
  CHECK(right == 8 * 400);
}

TEST_CASE("requests that are there together go out in one write", "[sftp]") {
  ScriptedPeer peer;
  peer.handler = echo_to(peer);
  Replies replies;
  Client client("host", peer.opener());
  client.version();
  std::atomic<std::size_t> before = 0;
  client.submit(numbered(0), [&](Reply&&) {
    before = peer.writes();
    for (std::uint64_t i = 0; i < 100; ++i) client.submit(numbered(i), replies.done());
  });
  replies.wait_for(100);
  CHECK(peer.writes() == before + 1);
}

TEST_CASE("replies are read while the server takes nothing", "[sftp]") {
  ScriptedPeer peer;
  Replies first, second;
  Client client("host", peer.opener());
  client.submit(numbered(1), first.done());
  const std::uint32_t id = peer.wait_for(1)[0].id;
  peer.accept(false);
  client.submit(write_request("h", 0, std::string(1 << 20, 'x')), second.done());
  peer.send(data_packet(id, "came"));
  CHECK(first.wait_for(1)[0].data == "came");
  peer.accept(true);
  peer.send(status_packet(peer.wait_for(2)[1].id));
  CHECK(second.wait_for(1)[0].status == Status::ok);
}

TEST_CASE("flights count how often all had to wait for an answer", "[sftp]") {
  ScriptedPeer peer;
  Replies replies;
  Client client("host", peer.opener());
  client.version();
  CHECK(client.flights() == 1);
  for (std::size_t flight = 0; flight < 3; ++flight) {
    for (std::uint64_t i = 0; i < 10; ++i) client.submit(numbered(i), replies.done());
    for (const Received& request : peer.wait_for(10 * (flight + 1)))
      if (request.id != 0) CHECK(request.type == PacketType::read);
    std::string merged;
    const std::vector<Received> all = peer.wait_for(10 * (flight + 1));
    for (std::size_t i = 10 * flight; i < all.size(); ++i) merged += data_packet(all[i].id, "");
    peer.send(merged);
    replies.wait_for(10 * (flight + 1));
    CHECK(client.flights() == 2 + flight);
  }
}

}  // namespace
}  // namespace reverse::sftp
