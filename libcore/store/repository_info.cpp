#include <yaml-cpp/yaml.h>

#include "libcore/base/error.h"
#include "libcore/base/timestamp.h"
#include "libcore/store/flow_text.h"
#include "libcore/store/repository.h"
#include "libcore/store/yaml_lines.h"

namespace reverse {

std::string format_repository_info(const RepositoryInfo& info) {
  std::string out = "format: 1\nid: ";
  append_quoted(out, info.id);
  append_quoted(out.append("\ndigest: "), to_string(info.digest));
  append_quoted(out.append("\ncreated: "), info.created);
  return out.append("\n");
}

RepositoryInfo parse_repository_info(std::string_view text, std::string_view name) {
  return with_context(name, [&] {
    expect_format_1(text, "format", "this repository");
    expect_plain_yaml(text);
    std::string known = without_extensions(text);
    RepositoryInfo info;
    std::string digest;
    with_yaml_errors([&] {
      YAML::Node node = YAML::Load(known);
      info.id = node["id"].as<std::string>();
      digest = node["digest"].as<std::string>();
      info.created = node["created"].as<std::string>();
    });
    std::optional<DigestKind> kind = parse_digest_kind(digest);
    if (!kind || !layout::is_uuid(info.id) || !parse_rfc3339(info.created))
      fail(ErrorKind::corrupt, "an id, digest or time that cannot be");
    info.digest = *kind;
    expect_spelling(known, format_repository_info(info));
    return info;
  });
}

}  // namespace reverse
