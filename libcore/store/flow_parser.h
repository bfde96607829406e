#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reverse {

/// One `"key": value` of a flow mapping.
struct FlowField {
  enum class Kind : std::uint8_t { text, number, yes, mapping };

  std::string_view key;
  Kind kind = Kind::text;
  std::string_view text;     ///< unescaped
  std::uint64_t number = 0;  ///< of a mapping: how many of the following fields are its own
};

/// Reads flow mappings of strings, unsigned integers, `true` and mappings of strings: all that
/// lines of pages consist of (schema/FORMAT.md, "Strings and numbers"). One thread at a time; keep
/// one, it holds buffers.
class FlowParser {
 public:
  FlowParser();
  ~FlowParser();
  FlowParser(FlowParser&&) noexcept;

  /// Begins to read `mapping`, "{…}". Fields whose key begins with "x-" are passed over; their
  /// value must be a string. Everything is valid until the next `read`. Throws `corrupt`: the
  /// reason only.
  void read(std::string_view mapping);

  // The fields are taken in the order in which the format has them: whatever stays over is unknown,
  // repeated or misplaced.

  /// The next field if it has this key and kind; nullptr if its key is another. Throws `corrupt` if
  /// only the kind is.
  const FlowField* take(std::string_view key, FlowField::Kind kind);
  /// Like `take` for a key that must come.
  std::string_view text(std::string_view key);
  std::uint64_t number(std::string_view key);
  /// `KEY`, or `KEYx` in percent form: the raw bytes.
  std::string name(std::string_view key);
  /// The next field whatever its key: for the inside of mappings.
  const FlowField& any();
  /// Throws unless everything was taken.
  void expect_end() const;

  /// The mapping without its "x-" fields: what writing the result again must give.
  std::string_view canonical() const { return canonical_; }

 private:
  struct Json;
  std::unique_ptr<Json> json_;
  std::vector<FlowField> fields_;
  std::size_t next_ = 0;
  std::string canonical_;
};

}  // namespace reverse
