#include "libcore/base/text.h"
#include "libcore/cli/repository_access.h"
#include "libcore/store/append_only.h"
#include "tools/reverse-snapshot/command.h"

namespace reverse {

namespace {

class InitCommand : public Command {
 public:
  void declare_options(OptionSet& options) override {
    options.heading("The repository");
    options.value({"digest", 0, Shown::first}, "KIND", "md5 (default) or sha256, for good",
                  [this](const std::string& text) {
                    digest_ = parse_digest_kind(text);
                    if (!digest_)
                      fail(ErrorKind::usage, "'{}' is neither md5 nor sha256", printable(text));
                  });
    options.flag({"append-only"}, "the group of REPO's directory (mode 2750) may add, and no more",
                 append_only_);
  }

  ExitCode execute(Invocation& call) override {
    Location location = parse_location(take_repository(call, RepositoryPlace::first, 0));
    if (!call.operands.empty()) fail(ErrorKind::usage, "one REPO is enough");
    std::unique_ptr<Catalog> catalog = open_catalog(call);
    std::unique_ptr<Backend> backend = open_backend(location, call);
    std::string path = repository_name(location);
    OpenOptions open;
    open.location = path;
    if (!location.is_remote()) open.local_path = path;
    open.digest = digest_;
    open.allow = call.common.allow;
    if (look_at_location(*backend) == LocationState::repository)
      fail(ErrorKind::exists, "there is a repository at '{}' already", printable(path));
    if (append_only_) check_creation(*backend, *catalog, open);
    if (call.common.dry_run) {
      check_creation(*backend, *catalog, open);
      JsonLine planned("summary");
      planned.add_path("repository", path).add("dry_run", true);
      tell(call, fmt::format("would make a repository at {}", printable(path)), std::move(planned));
      return ExitCode::ok;
    }
    if (append_only_) prepare_append_only(*backend);
    OpenedRepository opened = open_for_writing(*backend, *catalog, open);
    JsonLine made("summary");
    made.add("id", opened.repository.info().id).add_path("repository", path).add("dry_run", false);
    tell(call, creation_note(location, *backend), std::move(made));
    return ExitCode::ok;
  }

 private:
  void tell(Invocation& call, const std::string& text, JsonLine object) {
    if (call.output.json()) call.output.result(object.add("exit_code", 0));
    call.output.summary(text);
  }

  std::optional<DigestKind> digest_;
  bool append_only_ = false;
};

}  // namespace

const ToolSpec& init_tool() {
  static const ToolSpec spec{"reverse-snapshot init",
                             {"[OPTIONS] REPO"},
                             "Makes a repository; a first backup does so by itself.",
                             {{"reverse init /mnt/disk/backup", "an empty repository"},
                              {"reverse init --digest sha256 /mnt/shared/backup",
                               "for writers who do not trust each other"}},
                             {.dry_run = true, .guards = true},
                             [] { return std::make_unique<InitCommand>(); }};
  return spec;
}

}  // namespace reverse
