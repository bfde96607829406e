#include "tools/reverse-snapshot/revision_json.h"

namespace reverse {

JsonLine revision_json(const Head& head, const Mark* mark) {
  JsonLine line("revision");
  line.add("id", head.id).add("short_id", head.id.substr(0, 8)).add("revision", head.revision());
  line.add("set", head.set()).add("hostname", head.host).add("label", head.label);
  line.add_path("source", head.source).add("time", head.started).add("finished", head.finished);
  line.add("timezone", head.timezone).add("outcome", to_string(head.outcome));
  line.add("tags", std::span<const std::string>(head.tags));
  if (head.previous) line.add("previous", *head.previous);
  line.add("total_entries_processed", head.entries).add("total_files_processed", head.files);
  line.add("total_bytes_processed", head.bytes).add("data_added", head.new_bytes);
  line.add("problems", head.problem_count);
  if (mark != nullptr) line.add("forgotten_since", mark->made);
  return line;
}

}  // namespace reverse
