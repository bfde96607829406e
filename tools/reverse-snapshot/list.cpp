#include <map>

#include "libcore/base/text.h"
#include "libcore/base/units.h"
#include "libcore/cli/repository_access.h"
#include "libcore/cli/values.h"
#include "tools/reverse-snapshot/command.h"
#include "tools/reverse-snapshot/revision_json.h"

namespace reverse {

namespace {

class ListCommand : public Command {
 public:
  void declare_options(OptionSet& options) override;
  ExitCode execute(Invocation& call) override;

 private:
  std::map<std::string, std::vector<Head>> read_heads(const Repository& repository,
                                                      Invocation& call);
  void list_set(const std::string& set, std::vector<Head> heads, Invocation& call);
  void print(const Head& head, Invocation& call);
  bool is_overdue(const std::optional<Head>& newest) const;

  FilterOptions filter_;
  std::optional<std::uint64_t> latest_;
  std::optional<std::chrono::seconds> max_age_;
  bool all_ = false;
  Table table_{{Table::Align::left, Table::Align::left, Table::Align::left, Table::Align::right,
                Table::Align::right, Table::Align::right, Table::Align::left}};
  std::vector<Mark> marks_;
  std::uint64_t revisions_ = 0, hidden_ = 0, bytes_ = 0, new_bytes_ = 0;
  std::vector<std::string> overdue_;
  bool damage_ = false;
};

void ListCommand::declare_options(OptionSet& options) {
  options.heading("What is listed");
  filter_.declare(options);
  options.value({"latest", 0, Shown::first}, "N", "only the newest N of each set",
                [this](const std::string& text) { latest_ = count_value(text); });
  options.flag({"all"}, "checkpoints too, which are left out where there is a complete revision",
               all_);
  options.value({"max-age"}, "D",
                "exit 3, naming the sets without a complete revision younger than D",
                [this](const std::string& text) { max_age_ = duration_value(text); });
}

void ListCommand::print(const Head& head, Invocation& call) {
  ++revisions_;
  bytes_ += head.bytes;
  new_bytes_ += head.new_bytes;
  const Mark* mark = find_mark(marks_, head.revision());
  if (call.output.json()) return call.output.result(revision_json(head, mark));
  table_.row({printable(head.revision()), start_of(head), std::string(to_string(head.outcome)),
              counted(head.files, "file"), format_bytes(head.bytes),
              "+" + format_bytes(head.new_bytes), mark != nullptr ? "forgotten" : ""});
}

bool ListCommand::is_overdue(const std::optional<Head>& newest) const {
  if (!newest || newest->outcome != Outcome::complete) return true;
  std::optional<Timestamp> finished = parse_rfc3339(newest->finished);
  return !finished || plus_seconds(*finished, max_age_->count()) < now();
}

/// By set, oldest first; sets without revisions are left out.
std::map<std::string, std::vector<Head>> ListCommand::read_heads(const Repository& repository,
                                                                 Invocation& call) {
  std::map<std::string, std::vector<Head>> heads;
  auto damaged = [&](const std::string& name, const Error& error) {
    call.output.problem(name, "read", error.what());
    damage_ = true;
  };
  visit_heads(
      repository, filter_.filter, [&](const Head& head) { heads[head.set()].push_back(head); },
      damaged);
  return heads;
}

/// A set's revisions, as far as they are asked for.
void ListCommand::list_set(const std::string& set, std::vector<Head> heads, Invocation& call) {
  std::optional<Head> newest_complete;
  for (const Head& head : heads)
    if (head.outcome == Outcome::complete) newest_complete = head;
  if (max_age_ && is_overdue(newest_complete)) overdue_.push_back(set);
  if (!all_ && newest_complete)
    hidden_ +=
        std::erase_if(heads, [](const Head& head) { return head.outcome == Outcome::checkpoint; });
  std::size_t from = latest_ && *latest_ < heads.size() ? heads.size() - *latest_ : 0;
  for (std::size_t i = from; i < heads.size(); ++i) print(heads[i], call);
}

ExitCode ListCommand::execute(Invocation& call) {
  ReadAccess access = open_for_reading(take_repository(call, RepositoryPlace::first, 0), call);
  add_sets(access.repository, call.operands, filter_.filter);
  const std::vector<std::string> sets = matching_sets(access.repository, filter_.filter);
  marks_ = list_marks(*access.backend);
  std::map<std::string, std::vector<Head>> heads = read_heads(access.repository, call);
  for (const std::string& set : sets) list_set(set, std::move(heads[set]), call);
  if (max_age_ && sets.empty()) overdue_.push_back("*");  // nothing at all is not good news
  ExitCode code = damage_            ? ExitCode::damage
                  : overdue_.empty() ? ExitCode::ok
                                     : ExitCode::incomplete;
  if (call.output.json()) {
    JsonLine line("summary");
    line.add("revisions", revisions_)
        .add("total_bytes", bytes_)
        .add("data_added", new_bytes_)
        .add("overdue", overdue_)
        .add("exit_code", static_cast<int>(code));
    call.output.result(line);
    return code;
  }
  if (!table_.empty() && !(call.output.quiet() && max_age_)) call.output.result(table_.text());
  if (revisions_ == 0) call.output.note("no revisions");
  if (revisions_ > 1 && !max_age_)
    call.output.note(fmt::format("{}, {} in all their files, {} new when they were stored",
                                    counted(revisions_, "revision"), format_bytes(bytes_),
                                    format_bytes(new_bytes_)));
  if (hidden_ > 0)
    call.output.note(fmt::format("{} not shown (--all)", counted(hidden_, "checkpoint")));
  for (const std::string& set : overdue_)
    call.output.warning("no complete revision is young enough", set);
  return code;
}

}  // namespace

const ToolSpec& list_tool() {
  static const ToolSpec spec{"reverse-snapshot list",
                             {"[OPTIONS] REPO [SET...]"},
                             "Lists revisions, set by set, oldest first.",
                             {{"reverse list /mnt/disk/backup", "everything there is"},
                              {"reverse list -q /mnt/disk/backup --max-age 26h",
                               "from cron: speaks up where backups are missing"}},
                             {},
                             [] { return std::make_unique<ListCommand>(); }};
  return spec;
}

}  // namespace reverse
