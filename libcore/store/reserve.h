#pragma once

#include "libcore/backend/backend.h"
#include "libcore/base/error.h"
#include "libcore/store/layout.h"

namespace reverse {

/// A new temporary that is to become that file, closed.
std::unique_ptr<Upload> upload_reserve(Backend& backend);

/// Writes the file that is given up where a full disk would keep gc from making room
/// (schema/FORMAT.md, "Tree"). Does nothing if it is there.
void make_reserve(Backend& backend);

/// Runs `write`; if the repository's disk is full, gives up the reserve and runs it once more.
template <typename Write>
auto with_reserve(Backend& backend, Write write) {
  try {
    return write();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::no_space || !backend.remove(layout::kReserve)) throw;
  }
  return write();
}

}  // namespace reverse
