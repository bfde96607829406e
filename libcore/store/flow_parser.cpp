#include "libcore/store/flow_parser.h"

#include <simdjson.h>

#include "libcore/base/error.h"
#include "libcore/base/text.h"

namespace reverse {

namespace {

namespace json = simdjson::ondemand;

FlowField read_value(std::string_view key, json::value value) {
  switch (value.type()) {
    case json::json_type::string:
      return {key, FlowField::Kind::text, value.get_string(), 0};
    case json::json_type::number:
      return {key, FlowField::Kind::number, {}, value.get_uint64()};
    case json::json_type::boolean:
      if (!value.get_bool()) fail(ErrorKind::corrupt, "'{}' is false", printable(key));
      return {key, FlowField::Kind::yes, {}, 0};
    case json::json_type::object:
      return {key, FlowField::Kind::mapping, {}, 0};
    default:
      fail(ErrorKind::corrupt, "'{}' has a value of the wrong kind", printable(key));
  }
}

void read_inner(json::object mapping, std::vector<FlowField>& fields) {
  std::size_t owner = fields.size() - 1;
  for (auto field : mapping) {
    std::string_view key = field.unescaped_key();
    fields.push_back(read_value(key, field.value()));
    if (fields.back().kind == FlowField::Kind::mapping)
      fail(ErrorKind::corrupt, "mappings nested too deeply");
  }
  fields[owner].number = fields.size() - owner - 1;
}

}  // namespace

struct FlowParser::Json {
  json::parser parser;
  std::string text;  // what is being read, with room behind it as the parser wants

  void read(std::vector<FlowField>& fields, std::string& canonical);
};

/// The parser's own text is kept in `text`; "x-" fields are cut from `canonical`, each with the ",
/// " behind it.
void FlowParser::Json::read(std::vector<FlowField>& fields, std::string& canonical) {
  std::size_t size = text.size() - simdjson::SIMDJSON_PADDING;
  json::document document = parser.iterate(text.data(), size, text.size());
  std::size_t copied = 0;
  bool passing = false;
  for (auto field : json::object(document.get_object())) {
    auto at = static_cast<std::size_t>(field.key().raw() - 1 - text.data());
    if (passing) copied = at;
    std::string_view key = field.unescaped_key();
    FlowField value = read_value(key, field.value());
    passing = key.starts_with("x-");
    if (!passing) {
      fields.push_back(value);
      if (value.kind == FlowField::Kind::mapping) read_inner(field.value().get_object(), fields);
      continue;
    }
    if (value.kind != FlowField::Kind::text)
      fail(ErrorKind::corrupt, "'{}' is not a string", printable(key));
    canonical.append(text, copied, at - copied);
  }
  if (passing) fail(ErrorKind::corrupt, "an 'x-' key is last");
  canonical.append(text, copied, size - copied);
}

FlowParser::FlowParser() : json_(std::make_unique<Json>()) {}
FlowParser::~FlowParser() = default;
FlowParser::FlowParser(FlowParser&&) noexcept = default;

void FlowParser::read(std::string_view mapping) {
  fields_.clear();
  canonical_.clear();
  next_ = 0;
  json_->text.assign(mapping).append(simdjson::SIMDJSON_PADDING, '\0');
  try {
    json_->read(fields_, canonical_);
  } catch (const simdjson::simdjson_error& error) {
    fail(ErrorKind::corrupt, "not JSON: {}", error.what());
  }
}

const FlowField* FlowParser::take(std::string_view key, FlowField::Kind kind) {
  if (next_ == fields_.size() || fields_[next_].key != key) return nullptr;
  const FlowField& field = fields_[next_++];
  if (field.kind != kind) fail(ErrorKind::corrupt, "'{}' has a value of the wrong kind", key);
  return &field;
}

std::string_view FlowParser::text(std::string_view key) {
  const FlowField* field = take(key, FlowField::Kind::text);
  if (field == nullptr) fail(ErrorKind::corrupt, "'{}' is missing or misplaced", key);
  return field->text;
}

std::uint64_t FlowParser::number(std::string_view key) {
  const FlowField* field = take(key, FlowField::Kind::number);
  if (field == nullptr) fail(ErrorKind::corrupt, "'{}' is missing or misplaced", key);
  return field->number;
}

std::string FlowParser::name(std::string_view key) {
  if (const FlowField* field = take(key, FlowField::Kind::text)) return std::string(field->text);
  std::string encoded = std::string(key) + 'x';
  const FlowField* field = take(encoded, FlowField::Kind::text);
  if (field == nullptr) fail(ErrorKind::corrupt, "'{}' is missing or misplaced", key);
  std::optional<std::string> raw = percent_decode(field->text);
  if (!raw) fail(ErrorKind::corrupt, "'{}' is not percent form", encoded);
  return std::move(*raw);
}

const FlowField& FlowParser::any() {
  if (next_ == fields_.size()) fail(ErrorKind::corrupt, "a mapping ends early");
  return fields_[next_++];
}

void FlowParser::expect_end() const {
  if (next_ < fields_.size())
    fail(ErrorKind::corrupt, "key '{}' is unknown, repeated or misplaced",
         printable(fields_[next_].key));
}

}  // namespace reverse
