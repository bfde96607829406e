#include <catch2/catch.hpp>
#include <filesystem>
#include <random>

#include "libcore/store/marks.h"
#include "tests/engine/gc_scene.h"
#include "tests/engine/medium.h"
#include "tests/engine/sync_scene.h"
#include "tests/engine/test_clock.h"
#include "tests/support/stride.h"

// What else may happen at any call of a sync to either repository: gc, a kill, a power cut. What is
// published is whole, on both sides, and the next sync ends it. In memory, so that every call can be
// tried.

namespace reverse {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

/// A repository of three small revisions, and another one that has the first of them.
struct Begun {
  explicit Begun(DigestKind target = DigestKind::md5) {
    TempTree source;
    Client client;
    for (int version = 0; version < 3; ++version) {
      source.write("same", "of every version");
      source.write("own", fmt::format("of version {}", version));
      advance_clock(10);
      const BackupOptions options = Client::options(source.path());
      names.push_back(client.back_up(*from.connect(), options).head.revision());
    }
    SyncOptions first;
    first.selection.revisions = {names[0]};
    sync(*from.connect(), *to.connect(), machine, first, target);
  }

  Medium from, to;
  Client machine;
  Lines names;
};

/// Copies of both repositories and of what the machine knows, to try one thing on.
struct Attempt {
  explicit Attempt(const Begun& begun) : from(begun.from.copy()), to(begun.to.copy()) {
    fs::copy(begun.machine.cache(), machine.cache(), fs::copy_options::recursive);
  }
  /// A sync in the course of which `from` or `to` may crash; true if one did. Temporaries stay.
  bool crashes(std::unique_ptr<FaultBackend> from_side, std::unique_ptr<FaultBackend> to_side) {
    bool is_killed = false;
    try {
      sync(*from_side, *to_side, machine);
    } catch (const Crash&) {
      is_killed = true;
    }
    dead.push_back(std::move(from_side));
    dead.push_back(std::move(to_side));
    return is_killed;
  }
  void check_next_ends_it(const Begun& begun) {
    sync(*from.connect(), *to.connect(), machine);
    CHECK(to.revisions() == begun.names);
    CHECK(defects(to) == Lines{});
  }

  const Medium from, to;
  Client machine;
  std::vector<std::unique_ptr<FaultBackend>> dead;
};

/// Does `one(n)` for call 1, 2, and so on, by the stride, until it says that the sync ended before.
void for_every_call(const std::function<bool(std::uint64_t n)>& one) {
  std::uint64_t n = 1;
  Stride stride;
  for (bool is_met = true; is_met; ++n) {
    if (stride.skips()) continue;
    CAPTURE(n);
    is_met = one(n);
  }
  CHECK(n > 10);
}

/// Does `act` before call `n`, and says so.
FaultBackend::Hook at_call(std::uint64_t n, bool& is_met, std::function<void()> act) {
  return [=, &is_met, act = std::move(act)](std::string_view, const RepoPath&, std::uint64_t call) {
    if (call != n) return;
    is_met = true;
    act();
  };
}

std::unique_ptr<FaultBackend> crashing_at(std::uint64_t n, const Medium& medium) {
  auto backend = medium.connect();
  backend->crash_at(n);
  return backend;
}

}  // namespace

TEST_CASE("whatever gc collects in the source at any call of a sync, what is copied is whole",
          "[sync]") {
  const Begun begun;
  for_every_call([&](std::uint64_t n) {
    Attempt attempt(begun);
    bool is_met = false;
    const auto from = attempt.from.connect();
    from->set_hook(at_call(n, is_met, [&] {
      const auto gc = attempt.from.connect();
      make_marks(*gc, {begun.names[1]});
      collect(*gc, at_once());
    }));
    const SyncReport report = sync(*from, *attempt.to.connect(), attempt.machine).report;
    CHECK(report.damaged == 0);
    Lines names = attempt.to.revisions();
    if (names.size() < 3) names.insert(names.begin() + 1, begun.names[1]);
    CHECK(names == begun.names);
    CHECK(defects(attempt.to) == Lines{});
    return is_met;
  });
}

TEST_CASE("whatever gc collects in the target at any call of a sync, all is copied and whole",
          "[sync]") {
  const Begun begun;
  for_every_call([&](std::uint64_t n) {
    Attempt attempt(begun);
    bool is_met = false;
    const auto to = attempt.to.connect();
    to->set_hook(at_call(n, is_met, [&] { collect(*attempt.to.connect(), at_once()); }));
    sync(*attempt.from.connect(), *to, attempt.machine);
    CHECK(attempt.to.revisions() == begun.names);
    CHECK(defects(attempt.to) == Lines{});
    return is_met;
  });
}

TEST_CASE("killed at any call to the source, a sync leaves both sides sound, and the next one ends it",
          "[sync]") {
  const Begun begun(GENERATE(DigestKind::md5, DigestKind::sha256));
  for_every_call([&](std::uint64_t n) {
    Attempt attempt(begun);
    const bool is_killed = attempt.crashes(crashing_at(n, attempt.from), attempt.to.connect());
    CHECK(defects(attempt.to) == Lines{});
    attempt.check_next_ends_it(begun);
    CHECK(attempt.from.revisions() == begun.names);
    CHECK(defects(attempt.from) == Lines{});
    return is_killed;
  });
}

TEST_CASE("killed at any call to the target, over and over, a sync leaves both sides sound, and the next one ends it",
          "[sync]") {
  const Begun begun(GENERATE(DigestKind::md5, DigestKind::sha256));
  for_every_call([&](std::uint64_t n) {
    Attempt attempt(begun);
    bool is_killed = false;
    for (int kills = 0; kills < 2; ++kills) {
      is_killed |= attempt.crashes(attempt.from.connect(), crashing_at(n, attempt.to));
      CHECK(defects(attempt.to) == Lines{});
    }
    attempt.check_next_ends_it(begun);
    return is_killed;
  });
}

TEST_CASE("when power fails at any call to the target, whatever names survive, what is published is whole",
          "[sync]") {
  const Begun begun;
  std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): the same in each run
  for_every_call([&](std::uint64_t n) {
    Attempt attempt(begun);
    const bool is_killed = attempt.crashes(attempt.from.connect(), crashing_at(n, attempt.to));
    const auto survival = n % 3;  // none, all, or any
    attempt.to.storage().power_cut([&] { return survival == 1 || (survival == 2 && random() % 2); });
    CHECK(defects(attempt.to) == Lines{});
    attempt.check_next_ends_it(begun);
    return is_killed;
  });
}

}  // namespace reverse
