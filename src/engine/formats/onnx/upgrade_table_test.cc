#include "engine/formats/onnx/upgrade_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "engine/ops/schema.h"

namespace oag {
namespace {

// A line of tests/data/onnx/versions.tsv, which tools/goldens/make_onnx_versions.py makes of ONNX's schemas.
struct SchemaHistory {
  std::string domain, op;
  std::vector<int64_t> versions;
  int64_t well_formed_from = 0;
};

int64_t number(const std::string& text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<SchemaHistory> read_histories() {
  std::ifstream file(OAG_SOURCE_DIR "/tests/data/onnx/versions.tsv");
  std::vector<SchemaHistory> all;
  for (std::string line, versions, from; std::getline(file, line);) {
    std::istringstream fields(line);
    SchemaHistory history;
    std::getline(fields, history.domain, '\t');
    std::getline(fields, history.op, '\t');
    std::getline(fields, versions, '\t');
    std::getline(fields, from, '\t');
    if (history.domain == "ai.onnx") history.domain.clear();
    history.well_formed_from = number(from);
    std::istringstream list(versions);
    for (std::string version; std::getline(list, version, ',');) history.versions.push_back(number(version));
    all.push_back(std::move(history));
  }
  return all;
}

TEST(UpgradeTable, KnowsEveryVersionOfEveryOperator) {
  const auto histories = read_histories();
  ASSERT_GT(histories.size(), 200u);
  for (const SchemaHistory& schema : histories) {
    SCOPED_TRACE(schema.domain + "." + schema.op);
    const OperatorHistory* known = find_history(schema.domain, schema.op);
    ASSERT_NE(known, nullptr);
    EXPECT_EQ(known->newest, schema.versions.back());
    EXPECT_GE(known->current_from, schema.well_formed_from);
    EXPECT_TRUE(known->current_from == kNeverCurrent ||
                std::ranges::find(schema.versions, known->current_from) != schema.versions.end());
    EXPECT_EQ(known->upgrade != nullptr, known->current_from > schema.versions.front());
  }
}

TEST(UpgradeTable, HasNoOperatorsThatOnnxLacks) {
  const auto histories = read_histories();
  for (const std::string domain : {"", "ai.onnx.ml"}) {
    const auto table = operator_histories(domain);
    EXPECT_TRUE(std::ranges::is_sorted(table, {}, &OperatorHistory::op));
    EXPECT_EQ(std::ranges::count(histories, domain, &SchemaHistory::domain), std::ssize(table));
  }
}

TEST(UpgradeTable, LeadsToTheDefinitionsThatTheEngineHas) {
  for (const OpSchema* schema : OperatorRegistry::builtin().all()) {
    const OperatorHistory* known = find_history(schema->domain, schema->op);
    if (known == nullptr) continue;  // of other domains
    EXPECT_EQ(known->newest, schema->since_version) << schema->op;
  }
}

}  // namespace
}  // namespace oag
