#include "libcore/engine/machine.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cctype>
#include <vector>

#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/text.h"

namespace reverse {

namespace {

constexpr std::size_t kLongestComponent = 100;

/// The name that `look_up` (getpwuid_r or getgrgid_r) finds; "" if none, or one the format cannot hold.
template <typename Record, typename LookUp>
std::string account_name(std::uint32_t id, LookUp look_up, char* Record::*name) {
  Record record;
  Record* found = nullptr;
  std::vector<char> buffer(16384);
  if (look_up(id, &record, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return "";
  std::string text = record.*name;
  return is_clean(text) && text.find(':') == std::string::npos ? text : "";
}

}  // namespace

std::string host_name() {
  char buffer[256] = {};
  if (::gethostname(buffer, sizeof buffer - 1) != 0) return "localhost";
  std::string name = buffer;
  return name.substr(0, name.find('.'));
}

std::string machine_id() {
  try {
    std::string text = read_file("/etc/machine-id", 4096);
    return text.substr(0, text.find('\n'));
  } catch (const Error&) {
    return "";  // a container without one; the set's guard then compares hosts and sources only
  }
}

std::string set_component(std::string_view text) {
  std::string component;
  for (char c : text.substr(0, kLongestComponent)) {
    auto byte = static_cast<unsigned char>(c);
    bool kept = byte < 128 && (std::isalnum(byte) || c == '.' || c == '_' || c == '+' || c == '-');
    component += kept ? static_cast<char>(std::tolower(byte)) : '_';
  }
  if (component.empty()) return "_";
  if (component.front() == '.') component.front() = '_';
  if (component.back() == '.') component.back() = '_';
  return component;
}

std::string label_of_source(std::string_view absolute_path) {
  std::string label;
  for (std::string_view part : split(absolute_path, '/'))
    if (!part.empty()) label.append(label.empty() ? "" : "-").append(part);
  return label.empty() ? "rootfs" : set_component(label);
}

const std::string& OwnerNames::owner(std::uint32_t uid, std::uint32_t gid) {
  auto [at, is_new] = owners_.try_emplace(std::uint64_t{uid} << 32 | gid);
  if (is_new)
    at->second = account_name<passwd>(uid, getpwuid_r, &passwd::pw_name) + ":" +
                 account_name<group>(gid, getgrgid_r, &group::gr_name);
  return at->second;
}

}  // namespace reverse
