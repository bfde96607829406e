#pragma once

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>

namespace reverse {

/// What `body` returns (an amount of work) for each second of processor time: others may be at work
/// beside it. The best of `rounds`; 0 if they were too short to tell.
inline double best_rate(int rounds, const std::function<double()>& body) {
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    const std::clock_t start = std::clock();
    const double work = body();
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    if (seconds > 0) best = std::max(best, work / seconds);
  }
  return best;
}

inline std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

/// What these programs have for a `main`: prints the machine and lets `run` do the rest. `--quick`:
/// one short round, which shows that everything works.
inline int run_micro(int argc, char** argv, const std::function<void(bool is_quick)>& run) {
  const bool is_quick = argc == 2 && std::string_view(argv[1]) == "--quick";
  if (argc > 1 && !is_quick) {
    std::fprintf(stderr, "usage: %s [--quick]\n", argv[0]);
    return 2;
  }
  std::printf("machine: %s\n", processor().c_str());
  run(is_quick);
  return 0;
}

}  // namespace reverse
