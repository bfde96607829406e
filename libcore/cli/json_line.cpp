#include <nlohmann/json.hpp>

#include "libcore/base/text.h"
#include "libcore/cli/output.h"

namespace reverse {

struct JsonLine::Fields {
  nlohmann::ordered_json object;
};

JsonLine::JsonLine(std::string_view message_type) : fields_(std::make_unique<Fields>()) {
  add("message_type", message_type);
}
JsonLine::~JsonLine() = default;
JsonLine::JsonLine(JsonLine&&) noexcept = default;
JsonLine& JsonLine::operator=(JsonLine&&) noexcept = default;

JsonLine& JsonLine::add(std::string_view key, std::string_view value) {
  fields_->object[std::string(key)] = std::string(value);
  return *this;
}

JsonLine& JsonLine::add(std::string_view key, bool value) {
  fields_->object[std::string(key)] = value;
  return *this;
}

JsonLine& JsonLine::add(std::string_view key, std::int64_t value) {
  fields_->object[std::string(key)] = value;
  return *this;
}

JsonLine& JsonLine::add(std::string_view key, std::uint64_t value) {
  fields_->object[std::string(key)] = value;
  return *this;
}

JsonLine& JsonLine::add(std::string_view key, double value) {
  fields_->object[std::string(key)] = value;
  return *this;
}

JsonLine& JsonLine::add(std::string_view key, Timestamp value) {
  return add(key, to_rfc3339_local(value));
}

JsonLine& JsonLine::add(std::string_view key, std::span<const std::string> values) {
  auto list = nlohmann::ordered_json::array();
  for (const std::string& value : values) list.push_back(value);
  fields_->object[std::string(key)] = std::move(list);
  return *this;
}

JsonLine& JsonLine::add_path(std::string_view key, std::string_view raw) {
  if (is_clean(raw)) return add(key, raw);
  return add(std::string(key) + "x", percent_encode(raw));
}

JsonLine& JsonLine::add_object(std::string_view key, const JsonLine& value) {
  nlohmann::ordered_json object = value.fields_->object;
  object.erase("message_type");
  fields_->object[std::string(key)] = std::move(object);
  return *this;
}

std::string JsonLine::text() const {
  return fields_->object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace reverse
