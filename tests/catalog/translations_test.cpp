#include "libcore/catalog/translations.h"

#include <catch2/catch.hpp>

#include "libcore/base/temp_dir.h"
#include "libcore/hash/hasher.h"
#include "tests/catalog/cache_files.h"
#include "tests/catalog/rows.h"

using namespace reverse;

namespace {

constexpr char kId[] = "47afa9b6-d5e4-4fd2-b38f-353d50396d69";

Sums md5(const std::string& content) {
  return hash_bytes(DigestKind::md5, content);
}
Sums sha256(const std::string& content) {
  return hash_bytes(DigestKind::sha256, content);
}

struct Fixture {
  std::unique_ptr<Translations> open() {
    return Translations::open(home.path(), kId, warnings.sink());
  }
  std::string file() const { return home / ("translations-" + std::string(kId) + "-1.sqlite"); }

  TempDir home;
  Warnings warnings;
};

}  // namespace

TEST_CASE("translations are remembered, either way", "[catalog]") {
  Fixture f;
  {
    const auto memory = f.open();
    for (int i = 0; i < 5000; ++i) {
      const std::string text = std::to_string(i);
      i % 2 ? memory->note(md5(text), sha256(text)) : memory->note(sha256(text), md5(text));
    }
    CHECK(memory->find(md5("1")) == sha256("1"));
    memory->save();
  }
  const auto memory = f.open();
  CHECK(memory->find(md5("4999")) == sha256("4999"));
  CHECK(memory->find(sha256("4998")) == md5("4998"));
  CHECK_FALSE(memory->find(md5("4998")));
  CHECK(f.warnings.texts.empty());
}

TEST_CASE("a content of another size is another content", "[catalog]") {
  Fixture f;
  const auto memory = f.open();
  memory->note(md5("a"), sha256("a"));
  Sums longer = md5("a");
  ++longer.size;
  CHECK_FALSE(memory->find(longer));
  memory->save();
  CHECK_FALSE(memory->find(longer));
}

TEST_CASE("a memory of translations that fails is told of once, and knows nothing", "[catalog]") {
  Fixture f;
  f.open()->save();
  run_sql(f.file(), "DROP TABLE translation");
  const auto again = f.open();  // made anew
  CHECK(f.warnings.texts.size() == 1);
  again->note(md5("a"), sha256("a"));
  run_sql(f.file(), "DROP TABLE translation");
  again->save();
  again->note(md5("b"), sha256("b"));
  CHECK_FALSE(again->find(md5("b")));
  CHECK(f.warnings.texts.size() == 2);
}
