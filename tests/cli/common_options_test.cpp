#include "libcore/cli/common_options.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <map>

#include "libcore/base/error.h"

using namespace reverse;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

using Environment = std::map<std::string, std::string>;

CommonOptions read(const std::vector<std::string>& args, Environment environment = {}) {
  environment.emplace("HOME", "/home/joe");
  OptionSet options;
  CommonOptions common;
  declare_common_options(options, common, {true, true, true, true, true});
  options.parse(args);
  apply_environment(common, [&](const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  });
  return common;
}

std::string refusal(const std::vector<std::string>& args, const Environment& environment = {}) {
  try {
    read(args, environment);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("common options fill one struct", "[cli]") {
  const CommonOptions common =
      read({"-nqvv0", "--json", "-r", "/repo", "--no-progress", "--progress-interval=1min",
            "--allow", "empty,shrink", "--allow", "set", "--cache-dir", "/cache/"});
  CHECK((common.dry_run && common.quiet && common.print0 && common.json));
  CHECK(common.verbosity == 2);
  CHECK(common.repository == "/repo");
  CHECK_FALSE(common.progress);
  CHECK(common.progress_interval == std::chrono::seconds(60));
  CHECK(common.allow == std::set<std::string>{"empty", "set", "shrink"});
  CHECK(common.cache_dir == "/cache");
}

TEST_CASE("a tool that does not write knows no --dry-run", "[cli]") {
  OptionSet options;
  CommonOptions common;
  declare_common_options(options, common, {});
  CHECK_THROWS_WITH(options.parse(std::vector<std::string>{"-n"}), "unknown option '-n'");
}

TEST_CASE("the cache is where an option, a variable, XDG or HOME say, in this order", "[cli]") {
  const Environment all{{"REVERSE_CACHE_DIR", "/v"}, {"XDG_CACHE_HOME", "/xdg"}};
  CHECK(read({"--cache-dir", "/o"}, all).cache_dir == "/o");
  CHECK(read({}, all).cache_dir == "/v");
  CHECK(read({}, {{"XDG_CACHE_HOME", "/xdg"}}).cache_dir == "/xdg/reverse");
  CHECK(read({}).cache_dir == "/home/joe/.cache/reverse");
}

TEST_CASE("relative XDG_CACHE_HOME and HOME are ignored", "[cli]") {
  CHECK(read({}, {{"XDG_CACHE_HOME", "xdg"}}).cache_dir == "/home/joe/.cache/reverse");
  CHECK(read({}, {{"XDG_CACHE_HOME", ""}}).cache_dir == "/home/joe/.cache/reverse");
  const std::string from_passwd = read({}, {{"HOME", ""}}).cache_dir;
  CHECK_THAT(from_passwd, StartsWith("/"));
  CHECK_THAT(from_passwd, Contains(".cache/reverse"));
}

TEST_CASE("an option beats its variable", "[cli]") {
  const Environment minute{{"REVERSE_PROGRESS_INTERVAL", "1min"}};
  CHECK(read({}, minute).progress_interval == std::chrono::seconds(60));
  CHECK(read({"--progress-interval", "5s"}, minute).progress_interval == std::chrono::seconds(5));
}

TEST_CASE("the repository's variable is kept apart from the option", "[cli]") {
  const CommonOptions common = read({}, {{"REVERSE_REPOSITORY", "/repo"}});
  CHECK_FALSE(common.repository.has_value());
  CHECK(common.environment_repository == "/repo");
}

TEST_CASE("malformed variables are refused by their name", "[cli]") {
  CHECK_THAT(refusal({}, {{"REVERSE_PROGRESS_INTERVAL", "often"}}),
             StartsWith("REVERSE_PROGRESS_INTERVAL: "));
  CHECK_THAT(refusal({}, {{"REVERSE_PROGRESS_INTERVAL", "0"}}),
             StartsWith("REVERSE_PROGRESS_INTERVAL: "));
  CHECK_THAT(refusal({"--progress-interval", "5s"}, {{"REVERSE_PROGRESS_INTERVAL", "2m"}}),
             StartsWith("REVERSE_PROGRESS_INTERVAL: "));
  CHECK_THAT(refusal({}, {{"REVERSE_REPOSITORY", ""}}), StartsWith("REVERSE_REPOSITORY: "));
  CHECK_THAT(refusal({}, {{"REVERSE_CACHE_DIR", ""}}), StartsWith("REVERSE_CACHE_DIR: "));
  CHECK_THAT(refusal({}, {{"REVERSE_HOST", "a/b"}}), StartsWith("REVERSE_HOST: "));
  CHECK_THAT(refusal({}, {{"REVERSE_CONFIG", "/etc/c"}}), StartsWith("REVERSE_CONFIG: "));
}

TEST_CASE("what connects to servers is bounded, and defaults to what serves most", "[cli]") {
  const CommonOptions plain = read({});
  CHECK(plain.connections == 4);
  CHECK(plain.retry_for == std::chrono::minutes(30));
  CHECK(plain.remote_commands);
  CHECK_FALSE(plain.upload_rate);
  CHECK(read({"--limit-upload", "500"}).upload_rate == 500u << 10);
  CHECK(read({"--limit-upload", "4M"}).upload_rate == 4u << 20);
  for (const char* rate : {"0", "0K", "fast", "-1", ""})
    CHECK_THAT(refusal({"--limit-upload", rate}), Contains("is not a rate"));
  const CommonOptions given = read({"--connections", "2", "--retry-for", "0", "--no-remote-exec"});
  CHECK(given.connections == 2);
  CHECK(given.retry_for == std::chrono::seconds(0));
  CHECK_FALSE(given.remote_commands);
  CHECK_THAT(refusal({"--connections", "0"}), Contains("between 1 and 32"));
  CHECK_THAT(refusal({"--connections", "33"}), Contains("between 1 and 32"));
}

TEST_CASE("options of later versions are known and refused", "[cli]") {
  for (const char* option : {"--config", "--limit-download"})
    CHECK_THAT(refusal({option, "1"}), Contains("not in this version"));
  CHECK_THAT(refusal({"--print-config"}), Contains("not in this version"));
}

TEST_CASE("--allow takes only names of guards and lists them", "[cli]") {
  CHECK_THAT(refusal({"--allow", "shrink,everything"}), Contains("'everything'"));
  CHECK_THAT(refusal({"--allow", ""}), Contains("mass-gc"));
}
