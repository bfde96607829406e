// How fast contents are hashed in memory: every kernel that this machine can run, and the mixes that a backup meets.
// Prints the machine, then a line a case: its name and GB/s of processor time, the best of some rounds on one core.
// `--quick`: one short round, which shows that everything works.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/micro/micro.h"
#include "libcore/hash/hash_lanes.h"

namespace reverse {
namespace {

constexpr std::size_t kChunk = 64 << 10;  // what a file delivers at a time: it stays in the cache

/// The same chunk again and again, as a file that is read into one buffer.
class RepeatedChunk : public ByteSource {
 public:
  RepeatedChunk(ByteView chunk, std::size_t times) : chunk_(chunk), times_(times) {}
  ByteView next() override { return times_ > 0 ? (--times_, chunk_) : ByteView(); }

 private:
  const ByteView chunk_;
  std::size_t times_;
};

class Jobs : public HashFeed {
 public:
  explicit Jobs(std::vector<HashJob> jobs) : jobs_(std::move(jobs)) {}
  HashJob* next() override { return next_ < jobs_.size() ? &jobs_[next_++] : nullptr; }
  void done(HashJob&) override {}

 private:
  std::vector<HashJob> jobs_;
  std::size_t next_ = 0;
};

class Bench {
 public:
  explicit Bench(bool is_quick) : rounds_(is_quick ? 1 : 7), chunks_(is_quick ? 4 : 512) {
    std::mt19937 random(1);
    for (char& byte : bytes_) byte = static_cast<char>(random());
  }

  void large_side_by_side(const Md5Machine& machine, std::size_t files) {
    print(std::string("md5+check, ") + machine.name + ", " + std::to_string(files) + " large", [&] {
      std::vector<RepeatedChunk> sources;
      for (std::size_t i = 0; i < files; ++i) sources.emplace_back(chunk(i), chunks_);
      run(machine, sources);
      return files * chunks_ * kChunk;
    });
  }

  /// Sizes as in the tree of small files that bench/peers makes.
  void small(const Md5Machine& machine) {
    std::mt19937 random(2);
    std::lognormal_distribution<double> size(std::log(3000.0), 1.78);
    std::vector<std::size_t> sizes(16 * chunks_);
    for (std::size_t& one : sizes) one = std::min(static_cast<std::size_t>(size(random)), bytes_.size());
    print(std::string("md5+check, ") + machine.name + ", small files", [&] {
      std::vector<MemorySource> sources;
      std::size_t total = 0;
      for (const std::size_t one : sizes) {
        sources.emplace_back(ByteView(bytes_).substr(0, one));
        total += one;
      }
      run(machine, sources);
      return total;
    });
  }

  void single(DigestKind kind) {
    print(std::string(to_string(kind)) + ", one stream", [&] {
      Hasher hasher(kind);
      for (std::size_t i = 0; i < chunks_; ++i) hasher.update(chunk(0));
      hasher.finish();
      return chunks_ * kChunk;
    });
  }

  void check_alone() {
    print("check alone", [&] {
      for (std::size_t i = 0; i < chunks_; ++i) check_of(chunk(0));
      return chunks_ * kChunk;
    });
  }

 private:
  ByteView chunk(std::size_t i) const { return ByteView(bytes_).substr(i * kChunk, kChunk); }

  template <typename Source>
  void run(const Md5Machine& machine, std::vector<Source>& sources) {
    std::vector<HashJob> jobs(sources.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].source = &sources[i];
    Jobs feed(std::move(jobs));
    HashLanes(machine).run(feed);
  }

  /// `body` returns how many bytes it hashed.
  void print(const std::string& name, const std::function<std::size_t()>& body) {
    const double rate = best_rate(rounds_, [&] { return static_cast<double>(body()); });
    std::printf("%-40s %6.2f GB/s\n", name.c_str(), rate / 1e9);
  }

  const int rounds_;
  const std::size_t chunks_;
  std::string bytes_ = std::string(kMd5MaxLanes * kChunk, '\0');
};

void run_all(bool is_quick) {
  Bench bench(is_quick);
  bench.single(DigestKind::md5);
  bench.single(DigestKind::sha256);
  bench.check_alone();
  for (const Md5Machine& machine : md5_machines()) {
    for (const Md5Kernel& kernel : machine.kernels) bench.large_side_by_side(machine, kernel.lanes);
    bench.small(machine);
  }
}

}  // namespace
}  // namespace reverse

int main(int argc, char** argv) {
  return reverse::run_micro(argc, argv, reverse::run_all);
}
