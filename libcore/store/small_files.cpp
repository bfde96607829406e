#include "libcore/store/small_files.h"

#include "libcore/base/error.h"
#include "libcore/base/random.h"
#include "libcore/store/append_only.h"
#include "libcore/store/layout.h"

namespace reverse {

void StringSink::write(ByteView bytes) {
  if (bytes.size() > limit_ - text.size()) fail(ErrorKind::corrupt, "more than {} bytes", limit_);
  text.append(bytes);
}

std::string read_small_file(Backend& backend, const RepoPath& path, std::size_t limit) {
  StringSink sink(limit);
  try {
    backend.read(path, sink);
  } catch (Error& error) {
    error.add_context(backend.display(path));  // costs more than reading: not for each file
    throw;
  }
  return std::move(sink.text);
}

std::unique_ptr<Upload> create_temporary(Backend& backend, const std::string& name,
                                         std::uint32_t mode) {
  RepoPath path = layout::kTemporaries + "/" + name;
  try {
    return backend.create(path, mode);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    backend.make_directory(layout::kTemporaries);
    if (is_append_only(backend)) open_to_group(backend, layout::kTemporaries);
    return backend.create(path, mode);
  }
}

std::unique_ptr<Upload> upload_text(Backend& backend, std::string_view text, std::uint32_t mode) {
  std::unique_ptr<Upload> upload = create_temporary(backend, random_hex(16), mode);
  upload->write(text);
  upload->close();
  return upload;
}

void expect_listings(Backend& backend, const std::vector<RepoPath>& directories) {
  std::vector<Expected> expected;
  for (const RepoPath& directory : directories) expected.push_back({directory, true});
  backend.expect(expected);
}

void list_if_there(Backend& backend, const RepoPath& directory,
                   const std::function<void(const ListedFile&)>& visit) {
  list_wanted_if_there(
      backend, directory, [](std::string_view) { return true; }, visit);
}

void list_wanted_if_there(Backend& backend, const RepoPath& directory,
                          const std::function<bool(std::string_view)>& wanted,
                          const std::function<void(const ListedFile&)>& visit) {
  try {
    backend.list_wanted(directory, wanted, visit);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
  }
}

}  // namespace reverse
