#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/tools/workplace.h"
#include "tools/reverse-backup/command.h"

namespace reverse {
namespace {

using Objects = std::vector<nlohmann::json>;

/// The objects of a run's standard output. The last must be the summary, with the code; no other
/// may look like the end of the run.
Objects results(const ToolRun& run) {
  const Objects objects = json_lines(run.out);
  REQUIRE(!objects.empty());
  CHECK(objects.back()["message_type"] == "summary");
  CHECK(objects.back()["exit_code"] == run.code);
  for (std::size_t i = 0; i + 1 < objects.size(); ++i) CHECK(!objects[i].contains("exit_code"));
  return objects;
}

void check_fields(const nlohmann::json& object, const Words& names) {
  for (const std::string& name : names) {
    INFO(object.dump() << " lacks " << name);
    CHECK(object.contains(name));
  }
}

}  // namespace

TEST_CASE("backup --json: its summary has the documented fields", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const ToolRun run = work.backup({"--json"});
  CHECK(run.err.empty());
  const auto summary = results(run).back();
  check_fields(summary, {"files_new",
                         "files_changed",
                         "files_unmodified",
                         "files_moved",
                         "files_vanished",
                         "files_changed_while_read",
                         "dirs_new",
                         "dirs_changed",
                         "dirs_unmodified",
                         "data_added",
                         "bytes_sent",
                         "total_files_processed",
                         "backup_start",
                         "total_bytes_processed",
                         "backup_end",
                         "total_duration",
                         "snapshot_id",
                         "revision",
                         "set",
                         "outcome",
                         "dry_run"});
  CHECK(summary["files_new"] == 3);
  CHECK(summary["total_bytes_processed"] == 17);
  CHECK(summary["outcome"] == "complete");
  CHECK(summary["total_duration"].is_number_float());
}

TEST_CASE("backup --json: a run that publishes nothing has times too, and no revision", "[tools]") {
  Workplace work;
  work.write_small_tree();
  const auto planned = results(work.backup({"--json", "-n"})).back();
  CHECK(planned["dry_run"] == true);
  CHECK(!planned.contains("revision"));
  REQUIRE(work.backup({"-q"}).code == 0);
  const auto same = results(work.backup({"--json", "--skip-if-unchanged"})).back();
  CHECK(!same.contains("snapshot_id"));
  CHECK(same["backup_end"].get<std::string>().size() >= 20);
}

TEST_CASE("backup --json -v: an object for each file", "[tools]") {
  Workplace work;
  work.write_small_tree();
  work.source.write("bad\xff", "x");
  const Objects objects = results(work.backup({"--json", "-v"}));
  Objects files;
  for (const auto& object : objects)
    if (object["message_type"] == "verbose_status") files.push_back(object);
  REQUIRE(files.size() == 4);
  CHECK(files[0]["itemx"] == "bad%FF");
  CHECK(!files[0].contains("item"));
  CHECK(files[1] == nlohmann::json({{"message_type", "verbose_status"},
                                    {"action", "new"},
                                    {"item", "c.txt"},
                                    {"data_size", 6}}));
}

TEST_CASE("--json: errors and warnings are objects on stderr", "[tools]") {
  Workplace work;
  work.write_small_tree();
  work.source.set_mode("c.txt", 0);
  const ToolRun run = work.backup({"--json", "-e", "*.iso"});
  CHECK(results(run).back()["outcome"] == "incomplete");
  const Objects talk = json_lines(run.err);
  REQUIRE(talk.size() == 2);
  for (const auto& object : talk) {
    if (object["message_type"] == "error") {
      CHECK(object["item"] == "c.txt");
      check_fields(object, {"during"});
      check_fields(object["error"], {"message"});
    } else {
      CHECK(object["message_type"] == "warning");
      check_fields(object, {"message"});
    }
  }
}

TEST_CASE("--json: a run that fails ends with its code on stdout and the reason on stderr",
          "[tools]") {
  Workplace work;
  const ToolRun refused = work.backup({"--json"});
  CHECK(results(refused).back()["exit_code"] == 5);
  const auto reason = json_lines(refused.err).back();
  CHECK(reason["message_type"] == "exit_error");
  CHECK(reason["code"] == 5);
  check_fields(reason, {"message"});
  CHECK(results(work.backup({"--json", "--no-such-option"})).back()["exit_code"] == 2);
}

TEST_CASE("backup --json: several sources have a summary each, and one for the run", "[tools]") {
  Workplace work;
  work.source.write("one/a", "1");
  work.source.write("two/b", "2");
  const Objects objects = results(work.harness.run(
      backup_tool(),
      {"--json", work.source / "one", work.source / "missing", work.source / "two", work.repo()}));
  REQUIRE(objects.size() == 3);
  CHECK(objects[0]["message_type"] == "summary");
  CHECK(objects[2]["sources"] == 3);
  CHECK(objects[2]["exit_code"] == 1);
}

TEST_CASE("restore --json: what is damaged is an error, and counted", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup({"-q"}).code == 0);
  REQUIRE(std::filesystem::remove(work.repo() + "/objects/9f/9f9f90dbe3e5ee1218c86b8839db1995"));
  const ToolRun run = work.restore({"--json", "latest", "-t", work.target()});
  CHECK(results(run).back()["files_damaged"] == 1);
  const Objects talk = json_lines(run.err);
  REQUIRE(talk.size() == 1);
  CHECK(talk[0]["message_type"] == "error");
  CHECK(talk[0]["item"] == "docs/a.txt");
  CHECK(talk[0]["during"] == "damaged");
}

TEST_CASE("restore --json: its summary has the documented fields", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup({"-q"}).code == 0);
  const auto summary = results(work.restore({"--json", "latest", "-t", work.target()})).back();
  check_fields(summary, {"files_restored", "files_skipped", "files_deleted", "bytes_restored"});
  CHECK(summary["files_restored"] == 3);
  CHECK(summary["bytes_restored"] == 17);
  CHECK(results(work.restore({"--json", "latest:docs", "latest:c.txt", "-t", work.target()}))
            .size() == 3);
}

TEST_CASE("list --json: revisions have the documented fields", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup({"-q", "--tag", "t"}).code == 0);
  REQUIRE(work.backup({"-q"}).code == 0);
  const Objects objects = results(work.reverse({"list", "--json", work.repo()}));
  REQUIRE(objects.size() == 3);
  for (int i : {0, 1})
    check_fields(
        objects[std::size_t(i)],
        {"id", "short_id", "revision", "set", "hostname", "label", "source", "time", "timezone",
         "outcome", "tags", "total_files_processed", "total_bytes_processed", "data_added"});
  CHECK(objects[1]["previous"] == objects[0]["id"]);
  CHECK(objects[0]["source"] == work.source.path());
  check_fields(objects[2], {"revisions", "total_bytes", "data_added", "overdue"});
  const auto late = results(work.reverse({"list", "--json", "--max-age", "0", work.repo()})).back();
  CHECK(late["overdue"] == nlohmann::json({objects[0]["set"]}));
}

TEST_CASE("forget and unforget --json: a line for each revision; list and show tell it",
          "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup({"-q"}).code == 0);
  REQUIRE(work.backup({"-q"}).code == 0);
  for (const auto& [verb, action] : {std::pair{"forget", "forget"}, {"unforget", "keep"}}) {
    const Objects objects = results(work.reverse({verb, "--json", work.repo(), "latest~1"}));
    REQUIRE(objects.size() == 2);
    CHECK(objects[0]["message_type"] == "retention");
    CHECK(objects[0]["action"] == action);
    CHECK(objects[0]["changed"] == true);
    check_fields(objects[0], {"revision"});
    check_fields(objects[1], {"changed", "dry_run"});
    const bool is_forgotten = verb == std::string("forget");
    const Objects listed = results(work.reverse({"list", "--json", work.repo()}));
    CHECK(listed[0].contains("forgotten_since") == is_forgotten);
    CHECK(!listed[1].contains("forgotten_since"));
    const Objects shown = results(work.reverse({"show", "--json", work.repo(), "latest~1"}));
    CHECK(shown[0].contains("forgotten_since") == is_forgotten);
  }
}

TEST_CASE("ls --json: nodes have the documented fields", "[tools]") {
  Workplace work;
  work.source.write("a.txt", "alpha\n", 0640);
  work.source.symlink("a.txt", "link");
  REQUIRE(work.backup({"-q"}).code == 0);
  const Objects objects = results(work.reverse({"ls", "--json", work.repo(), "latest"}));
  REQUIRE(objects.size() == 3);
  check_fields(objects[0], {"revision", "path", "name", "type", "size", "mode", "permissions",
                            "uid", "gid", "user", "group", "mtime", "md5"});
  CHECK(objects[0]["mode"] == "0640");
  CHECK(objects[0]["permissions"] == "-rw-r-----");
  CHECK(objects[0]["md5"] == "9f9f90dbe3e5ee1218c86b8839db1995");
  CHECK(objects[1]["type"] == "symlink");
  CHECK(objects[1]["target"] == "a.txt");
}

TEST_CASE("find --json: a node for each revision, as ls has it", "[tools]") {
  Workplace work;
  work.source.write("bad\xff.txt", "alpha\n", 0640);
  REQUIRE(work.backup({"-q"}).code == 0);
  REQUIRE(work.backup({"-q"}).code == 0);
  const Objects objects = results(work.reverse({"find", "--json", work.repo(), "*.txt"}));
  REQUIRE(objects.size() == 3);
  const Objects listed = results(work.reverse({"ls", "--json", work.repo(), "latest"}));
  CHECK(objects[1] == listed[0]);
  CHECK(objects[1]["pathx"] == "bad%FF.txt");
  CHECK(!objects[1].contains("path"));
  CHECK(objects[2]["found"] == 1);
}

TEST_CASE("diff --json: each kind of change has its letter", "[tools]") {
  Workplace work;
  work.write_small_tree();
  work.source.write("type", "a file");
  REQUIRE(work.backup({"-q"}).code == 0);
  work.source.rename("docs/a.txt", "moved.txt");
  work.source.write("c.txt", "another\n");
  work.source.set_mode("docs/b.txt", 0600);
  work.source.remove("type");
  work.source.symlink("c.txt", "type");
  REQUIRE(work.backup({"-q"}).code == 0);
  const Objects objects = results(work.reverse({"diff", "--json", work.repo(), "latest"}));
  std::map<std::string, nlohmann::json> changes;
  for (const auto& object : objects)
    if (object["message_type"] == "change") changes[object["path"]] = object;
  CHECK(changes["moved.txt"]["modifier"] == "R");
  CHECK(changes["moved.txt"]["moved_from"] == "docs/a.txt");
  CHECK(changes["c.txt"]["modifier"] == "M");
  CHECK(changes["docs/b.txt"]["modifier"] == "U");
  CHECK(changes["type"]["modifier"] == "T");
  check_fields(objects.back(),
               {"files_added", "files_removed", "files_modified", "files_moved",
                "metadata_changed", "dirs_added", "dirs_removed", "bytes_added", "bytes_removed"});
}

TEST_CASE("stats and inventory --json have the documented fields", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup({"-q"}).code == 0);
  const Objects stats = results(work.reverse({"stats", "--json", work.repo()}));
  REQUIRE(stats.size() == 3);
  CHECK(stats[0]["message_type"] == "revision_stats");
  check_fields(stats[0], {"revision", "set", "logical_bytes", "alone_bytes", "alone_contents"});
  CHECK(stats[1]["message_type"] == "set_stats");
  check_fields(stats[1], {"set", "revisions", "logical_bytes", "unique_bytes", "unique_contents"});
  check_fields(stats[2], {"logical_bytes", "unique_bytes", "unique_contents"});
  const Objects inventory = results(work.reverse({"inventory", "--json", work.repo()}));
  CHECK(inventory[0]["message_type"] == "repository");
  check_fields(inventory[0], {"id"});
  for (std::size_t i = 1; i + 1 < inventory.size(); ++i) {
    CHECK(inventory[i]["message_type"] == "inventory");
    CHECK(inventory[i].contains("object") != inventory[i].contains("revision"));
  }
}

TEST_CASE("view --json: its summary has the documented fields, however it is called", "[tools]") {
  Workplace work;
  work.write_small_tree();
  REQUIRE(work.backup({"-q"}).code == 0);
  const std::string view = work.harness / "view", all = work.harness / "all";
  for (const Words& call : {Words{work.repo(), "latest", view},
                            {"--update", work.repo(), "latest", view},
                            {"--all", work.repo(), all}}) {
    Words words{"view", "--json"};
    words.insert(words.end(), call.begin(), call.end());
    const Objects objects = results(work.reverse(words));
    REQUIRE(objects.size() == 1);
    check_fields(objects[0], {"files", "directories", "symlinks", "copied", "removed", "left_out",
                              "damaged", "cloned"});
    CHECK(objects[0]["files"] == (call.front() == "--update" ? 0 : 3));
  }
  CHECK(results(work.reverse({"view", "--json", "--remove", view})).size() == 1);
  std::string made = all + "/desk/";
  for (const auto& set : std::filesystem::directory_iterator(made))
    for (const auto& file : std::filesystem::directory_iterator(set))
      if (file.is_directory() && !file.is_symlink())
        CHECK(work.reverse({"view", "-q", "--remove", file.path()}).code == 0);
}

TEST_CASE("show and init --json end with a summary", "[tools]") {
  Workplace work;
  work.write_small_tree();
  CHECK(results(work.reverse({"init", "-n", "--json", work.repo()})).back()["dry_run"] == true);
  check_fields(results(work.reverse({"init", "--json", work.repo()})).back(), {"id", "repository"});
  REQUIRE(work.backup({"-q"}).code == 0);
  const Objects objects = results(work.reverse({"show", "--json", work.repo()}));
  REQUIRE(objects.size() == 3);
  check_fields(objects[0], {"id", "format", "digest", "created"});
  CHECK(objects[1]["revisions"] == 1);
  CHECK(results(work.reverse({"show", "--json", work.repo(), "latest"}))[0]["message_type"] ==
        "revision");
}

}  // namespace reverse
