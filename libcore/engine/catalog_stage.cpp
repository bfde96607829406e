#include "libcore/engine/catalog_stage.h"

#include <utility>

namespace reverse {

namespace {
constexpr std::size_t kBatchRows = 2000;
constexpr std::size_t kQueuedBatches = 4;
}  // namespace

CatalogStage::CatalogStage(Catalog& catalog, Observer& observer)
    : catalog_(catalog), observer_(observer), batches_(kQueuedBatches) {}

template <typename Write>
void CatalogStage::attempt(Write write) {
  if (failed_) return;
  try {
    write();
  } catch (const Error& error) {
    failed_ = true;
    observer_.warning(fmt::format(
        "the catalog cannot be written, so the next run will read files again: {}", error.what()));
  }
}

void CatalogStage::put(FileRow row, const std::stop_token& stop) {
  open_.push_back(std::move(row));
  if (open_.size() >= kBatchRows) batches_.push(std::exchange(open_, {}), stop);
}

void CatalogStage::close() {
  batches_.close();
}

void CatalogStage::run(const std::stop_token& stop) {
  while (std::optional<std::vector<FileRow>> batch = batches_.pop(stop))
    attempt([&] { catalog_.put_files(*batch); });
}

void CatalogStage::drain() {
  close();
  run({});
  if (!open_.empty()) attempt([&] { catalog_.put_files(open_); });
  open_.clear();
}

void CatalogStage::finish(const SourceRow& source) {
  drain();
  attempt([&] {
    catalog_.remove_gone();
    catalog_.put_source(source);
  });
}

}  // namespace reverse
