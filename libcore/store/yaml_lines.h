#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace reverse {

/// Refuses what the YAML parser must not see (schema/FORMAT.md, "Reading"):
/// lines that are not clean, longer than 1 MiB, not `key: value` or `- {…}` with a JSON value, or
/// nested. Throws `corrupt`: line and reason.
void expect_plain_yaml(std::string_view text);

/// `text` without the lines whose key begins with "x-".
std::string without_extensions(std::string_view text);

/// Throws `corrupt`, naming the first line that differs, unless `text` is what we would write
/// ourselves.
void expect_spelling(std::string_view text, std::string_view ours);

/// The number in the first line `KEY: N`, which tells the format's version. Throws `corrupt` if
/// there is none, and `no_repository` if it is above 1.
void expect_format_1(std::string_view text, std::string_view key, std::string_view name);

/// Runs `read`, turning what the YAML parser throws into `corrupt`.
void with_yaml_errors(const std::function<void()>& read);

}  // namespace reverse
