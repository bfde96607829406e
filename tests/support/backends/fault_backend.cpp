#include "tests/support/backends/fault_backend.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <utility>

namespace reverse {

/// An upload whose calls go through a `FaultBackend`.
class FaultUpload final : public Upload {
 public:
  FaultUpload(FaultBackend& backend, RepoPath path, std::unique_ptr<Upload> inner)
      : backend_(backend), path_(std::move(path)), inner_(std::move(inner)) {}
  ~FaultUpload() override { backend_.bury(std::move(inner_)); }

  void write(ByteView bytes) override {
    backend_.before("write", path_);
    inner_->write(bytes);
  }
  void confirm() override { inner_->confirm(); }
  void close() override {
    backend_.before("close", path_);
    inner_->close();
  }
  Upload* inner() const { return inner_.get(); }

 private:
  FaultBackend& backend_;
  const RepoPath path_;
  std::unique_ptr<Upload> inner_;
};

namespace {

Upload* inner_of(Upload* upload) {
  return dynamic_cast<FaultUpload&>(*upload).inner();
}

}  // namespace

FaultBackend::~FaultBackend() {
  if (std::uncaught_exceptions() > 0) return;
  for (const Fault& fault : faults_)
    FAIL_CHECK("queued fault not used: call " << fault.at << " of " << fault.call);
}

void FaultBackend::set_hook(Hook hook) {
  std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

void FaultBackend::queue_fault(const std::string& call, ErrorKind kind, std::uint64_t nth) {
  std::lock_guard lock(mutex_);
  faults_.push_back({call, kind, calls_by_name_[call] + nth});
}

void FaultBackend::crash_at(std::uint64_t nth) {
  std::lock_guard lock(mutex_);
  crash_at_ = calls_ + nth;
}

std::uint64_t FaultBackend::calls() const {
  std::lock_guard lock(mutex_);
  return calls_;
}

std::uint64_t FaultBackend::calls(const std::string& name) const {
  std::lock_guard lock(mutex_);
  auto place = calls_by_name_.find(name);
  return place == calls_by_name_.end() ? 0 : place->second;
}

void FaultBackend::before(std::string_view call, const RepoPath& path) {
  std::lock_guard lock(mutex_);
  std::string name(call);
  ++calls_;
  ++calls_by_name_[name];
  if (calls_ >= crash_at_) throw Crash();
  if (hook_) hook_(call, path, calls_);
  throw_queued_fault(name, path);
}

void FaultBackend::throw_queued_fault(const std::string& call, const RepoPath& path) {
  auto place = std::find_if(faults_.begin(), faults_.end(), [&](const Fault& fault) {
    return fault.call == call && fault.at == calls_by_name_[call];
  });
  if (place == faults_.end()) return;
  ErrorKind kind = place->kind;
  faults_.erase(place);
  fail(kind, "{} {}: fault on demand", call, inner_->display(path));
}

// The temporaries of a crashed process stay; those of a living one are removed here.
void FaultBackend::bury(std::unique_ptr<Upload> upload) {
  std::lock_guard lock(mutex_);
  if (calls_ >= crash_at_) buried_.push_back(std::move(upload));
}

std::optional<FileStat> FaultBackend::stat(const RepoPath& path) {
  before("stat", path);
  return inner_->stat(path);
}

void FaultBackend::list(const RepoPath& directory,
                        const std::function<void(const ListedFile&)>& visit) {
  before("list", directory);
  inner_->list(directory, visit);
}

std::uint64_t FaultBackend::read(const RepoPath& path, ByteSink& sink) {
  before("read", path);
  return inner_->read(path, sink);
}

std::unique_ptr<ByteSource> FaultBackend::open(const RepoPath& path) {
  before("read", path);
  return inner_->open(path);
}

std::unique_ptr<Upload> FaultBackend::create(const RepoPath& path, std::uint32_t mode) {
  before("create", path);
  return std::make_unique<FaultUpload>(*this, path, inner_->create(path, mode));
}

std::vector<MoveResult> FaultBackend::publish(std::span<const Publication> publications) {
  std::vector<MoveResult> results;
  for (const Publication& publication : publications) {
    before("publish", publication.target);
    Publication one{inner_of(publication.upload), publication.target};
    results.push_back(inner_->publish({&one, 1}).front());
  }
  return results;
}

void FaultBackend::replace(Upload& upload, const RepoPath& target) {
  before("replace", target);
  inner_->replace(*inner_of(&upload), target);
}

MoveResult FaultBackend::move(const RepoPath& from, const RepoPath& to) {
  before("move", from);
  return inner_->move(from, to);
}

bool FaultBackend::remove(const RepoPath& path) {
  before("remove", path);
  return inner_->remove(path);
}

bool FaultBackend::make_directory(const RepoPath& path) {
  before("make_directory", path);
  return inner_->make_directory(path);
}

bool FaultBackend::remove_directory(const RepoPath& path) {
  before("remove_directory", path);
  return inner_->remove_directory(path);
}

void FaultBackend::barrier(std::span<const RepoPath> directories) {
  before("barrier", directories.empty() ? RepoPath() : directories.front());
  inner_->barrier(directories);
}

std::optional<std::uint64_t> FaultBackend::free_bytes() {
  before("free_bytes", "");
  return inner_->free_bytes();
}

FaultBackend::Hook kill_at(std::uint64_t n) {
  return [n](std::string_view, const RepoPath&, std::uint64_t call) {
    if (call == n) ::raise(SIGKILL);
  };
}

}  // namespace reverse
