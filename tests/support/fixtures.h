#pragma once

#include <string>

namespace reverse {

/// The path of tests/fixtures/NAME, readable for the user that the test runs as. Not to be written
/// to.
std::string fixture(const std::string& name);

/// Copies all fixtures into `directory`, opens them and it to every user, and has `fixture` name
/// the copies from then on, in children too: a checkout may lie where only root can look.
void share_fixtures(const std::string& directory);

}  // namespace reverse
