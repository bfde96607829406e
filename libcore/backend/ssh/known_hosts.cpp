#include "libcore/backend/ssh/known_hosts.h"

#include <fcntl.h>
#include <libssh/libssh.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "libcore/backend/ssh/handles.h"
#include "libcore/base/error.h"
#include "libcore/base/fd.h"
#include "libcore/base/text.h"

namespace reverse::ssh {

namespace {

constexpr std::uint16_t kUsualPort = 22;

using LineHandle = std::unique_ptr<ssh_knownhosts_entry, decltype(&ssh_knownhosts_entry_free)>;

/// The key that a line of known_hosts holds for a host; nullopt if it is about others.
std::optional<HostKey> key_in(std::string line, const std::string& host) {
  std::replace(line.begin(), line.end(), '\t', ' ');  // libssh splits at blanks only
  ssh_knownhosts_entry* parsed = nullptr;
  if (ssh_known_hosts_parse_line(host.c_str(), line.c_str(), &parsed) != SSH_OK)
    return std::nullopt;
  const LineHandle entry(parsed, &ssh_knownhosts_entry_free);
  char* base64 = nullptr;
  if (ssh_pki_export_pubkey_base64(entry->publickey, &base64) != SSH_OK) return std::nullopt;
  HostKey key{ssh_key_type_to_char(ssh_key_type(entry->publickey)), base64};
  ssh_string_free_char(base64);
  return key;
}

std::string lower(std::string name) {
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return name;
}

/// The names under which a type of key is negotiated.
bool makes(const std::string& type, std::string_view algorithm) {
  return algorithm == type || (type == "ssh-rsa" && algorithm.starts_with("rsa-sha2-"));
}

}  // namespace

KnownHosts::KnownHosts(const Settings& settings) {
  const std::string host = lower(settings.host);
  const bool usual = settings.port == kUsualPort;
  name_ = usual ? host : fmt::format("[{}]:{}", host, settings.port);
  for (const auto* files : {&settings.known_hosts, &settings.system_known_hosts})
    for (const std::string& file : *files) {
      if (::access(file.c_str(), F_OK) != 0) continue;
      read(file, name_, false);
      if (!usual) read(file, host, true);
    }
}

void KnownHosts::read(const std::string& file, const std::string& name, bool any_port) {
  const std::string text = read_file(file);
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    if (std::optional<HostKey> key = key_in(std::string(line), name))
      entries_.push_back(
          {.key = std::move(*key), .file = file, .line = number, .any_port = any_port});
  }
}

bool KnownHosts::knows(const HostKey& key) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& entry) { return entry.key == key; });
}

const KnownHosts::Entry* KnownHosts::contradiction() const {
  for (const Entry& entry : entries_)
    if (!entry.any_port) return &entry;
  return nullptr;
}

std::string KnownHosts::prefer_known(const std::string& algorithms) const {
  std::vector<std::string_view> names = split(algorithms, ',');
  std::stable_partition(names.begin(), names.end(), [&](std::string_view algorithm) {
    return std::any_of(entries_.begin(), entries_.end(),
                       [&](const Entry& entry) { return makes(entry.key.type, algorithm); });
  });
  std::string result;
  for (const std::string_view name : names) {
    if (!result.empty()) result += ',';
    result += name;
  }
  return result;
}

void add_known_host(const std::string& file, const std::string& name, const HostKey& key) {
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  std::error_code error;  // opening the file tells
  if (std::filesystem::create_directory(folder, error))
    std::filesystem::permissions(folder, std::filesystem::perms{0700}, error);
  std::string line = fmt::format("{} {} {}\n", name, key.type, key.base64);
  const UniqueFd fd = open_file(file, O_RDWR | O_CREAT | O_APPEND, 0600);
  char last = '\n';
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  if (size > 0 && ::pread(fd.get(), &last, 1, size - 1) == 1 && last != '\n')
    line.insert(0, 1, '\n');
  write_full(fd.get(), line, file);
}

}  // namespace reverse::ssh
