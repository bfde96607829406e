#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/catalog/catalog.h"
#include "libcore/catalog/statements.h"

namespace reverse {

/// `parent` of directories whose places were taken (schema/catalog.sql).
inline constexpr std::int64_t kDisplaced = -1;

/// Changes table `file` within one transaction: finds directories' numbers by their paths, and gives new ones.
class FileWriter {
 public:
  explicit FileWriter(CatalogStatements& statements) : statements_(statements) {}

  /// `Catalog::put_files`, one of them.
  void put(const FileRow& row);
  /// A row and all below it, but no more than `rows` (which is lowered): true if that was all.
  bool remove(const std::string& path, std::size_t& rows);
  /// Likewise, directories that were displaced and not put elsewhere.
  bool remove_displaced(std::size_t& rows);

 private:
  enum class Missing { none, make };
  struct Step {
    std::size_t end;  // of the directory's path, in `path_`
    std::int64_t number;
  };
  /// Rows of a directory that are to be removed: names, and what rows below them go by.
  struct Listed {
    std::int64_t number;
    std::vector<std::pair<std::string, std::int64_t>> rows = {};
    std::size_t at = 0;  // of those before it nothing is left
  };

  std::optional<std::int64_t> directory(std::string_view path, Missing missing);
  std::optional<std::int64_t> number_in(std::int64_t parent, std::string_view name,
                                        Missing missing);
  void move_here(std::int64_t parent, std::string_view name, std::int64_t number);
  void displace(std::int64_t parent, std::string_view name, std::int64_t number);
  bool lies_in(std::int64_t number) const;
  bool remove_in(std::int64_t number, std::size_t& rows);
  Listed list(std::int64_t number);
  std::int64_t new_number();

  CatalogStatements& statements_;
  std::string path_;         // of the directory last looked for
  std::vector<Step> steps_;  // from "/" down to it
  std::int64_t last_number_ = 0;
};

}  // namespace reverse
