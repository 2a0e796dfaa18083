#include <gtest/gtest.h>

#include <chrono>

#include "base/error.h"
#include "llm/text/chat_template.h"

namespace oag {
namespace {

std::string repeat(std::string_view unit, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += unit;
  return text;
}

struct LimitCase {
  const char* name;
  std::string source;
};

class JinjaLimits : public testing::TestWithParam<LimitCase> {};

// Whatever a template asks for, it ends soon with one Error and bounded memory.
TEST_P(JinjaLimits, EndsWithAnError) {
  const Json context = {{"xs", {1, 2, 3}}, {"s", "text"}};
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROW(ChatTemplate::compile(GetParam().source, "t").render(context), Error);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

const std::string kWide = "{% set n = namespace(x=[1]) %}";

INSTANTIATE_TEST_SUITE_P(
    Hostile, JinjaLimits,
    testing::Values(
        LimitCase{"nested_loops",
                  "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}x"
                  "{% endfor %}{% endfor %}{% endfor %}"},
        LimitCase{"deep_parentheses", "{{ " + repeat("(", 100000) + "1" + repeat(")", 100000) + " }}"},
        LimitCase{"deep_lists", "{{ " + repeat("[", 100000) + repeat("]", 100000) + " }}"},
        LimitCase{"deep_dicts", "{{ " + repeat("{1:", 100000) + "1" + repeat("}", 100000) + " }}"},
        LimitCase{"deep_not", "{{ " + repeat("not ", 100000) + "1 }}"},
        LimitCase{"deep_minus", "{{ " + repeat("-", 100000) + "1 }}"},
        LimitCase{"deep_ternary", "{{ " + repeat("1 if 0 else ", 50000) + "1 }}"},
        LimitCase{"long_sum", "{{ 1" + repeat(" + 1", 100000) + " }}"},
        LimitCase{"long_and", "{{ 1" + repeat(" and 1", 100000) + " }}"},
        LimitCase{"long_attributes", "{{ s" + repeat(".a", 100000) + " }}"},
        LimitCase{"long_calls", "{{ s" + repeat("()", 100000) + " }}"},
        LimitCase{"long_filters", "{{ s" + repeat("|e", 100000) + " }}"},
        LimitCase{"deep_subscripts", "{{ " + repeat("s[", 100000) + "1" + repeat("]", 100000) + " }}"},
        LimitCase{"deep_filter_arguments",
                  "{{ " + repeat("s|e(", 100000) + "1" + repeat(")", 100000) + " }}"},
        LimitCase{"deep_if", repeat("{% if 1 %}", 50000) + repeat("{% endif %}", 50000)},
        LimitCase{"deep_for", repeat("{% for a in xs %}", 20000) + repeat("{% endfor %}", 20000)},
        LimitCase{"deep_set_target", "{% set " + repeat("(", 100000) + "a" + repeat(")", 100000) + " = 1 %}"},
        LimitCase{"deep_call_blocks", repeat("{% call s() %}", 30000) + repeat("{% endcall %}", 30000)},
        LimitCase{"huge_range", "{{ range(1000000000000) }}"},
        LimitCase{"huge_negative_range", "{{ range(0, -9223372036854775807, -1) | length }}"},
        LimitCase{"huge_text", "{{ 'a' * 10**9 }}"},
        LimitCase{"huge_text_overflow", "{{ 'abcdefgh' * 9223372036854775807 }}"},
        LimitCase{"huge_list", "{{ [1, 2] * 10**9 }}"}, LimitCase{"huge_padding", "{{ '%999999999d' % 1 }}"},
        LimitCase{"huge_padding_star", "{{ '%*d' % (9223372036854775807, 1) }}"},
        LimitCase{"huge_precision", "{{ '%.999999999f' % 1.0 }}"},
        LimitCase{"huge_format_width", "{{ '{:999999999}'.format('a') }}"},
        LimitCase{"huge_center", "{{ 'a'.center(10**15) }}"},
        LimitCase{"huge_zfill", "{{ 'a'.zfill(10**15) }}"},
        LimitCase{"huge_indent", "{{ 'a\nb' | indent(10**15) }}"},
        LimitCase{"huge_json_indent", "{{ [1] | tojson(indent=10**15) }}"},
        LimitCase{"huge_batch", "{{ xs | batch(10**15, 1) | list }}"},
        LimitCase{"huge_power", "{{ 10 ** 1000000000 }}"},
        LimitCase{"huge_output", "{% for a in range(100000) %}{{ 'a' * 100000 }}{% endfor %}"},
        LimitCase{"huge_replace", "{{ ('a' * 1000000) | replace('a', 'a' * 1000000) }}"},
        LimitCase{"huge_join", "{{ (['a' * 1000000] * 1000) | join('b' * 1000000) }}"},
        LimitCase{
            "doubling_text",
            kWide + "{% set n.x = 'ab' %}{% for i in range(100) %}{% set n.x = n.x + n.x %}{% endfor %}"},
        LimitCase{"doubling_list", kWide + "{% for i in range(100) %}{% set n.x = n.x + n.x %}{% endfor %}"},
        LimitCase{"doubling_tree_repr",
                  kWide + "{% for i in range(90) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}"},
        LimitCase{"doubling_tree_json",
                  kWide + "{% for i in range(90) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}"},
        LimitCase{"doubling_tree_equal",
                  kWide + "{% set m = namespace(x=[1]) %}{% for i in range(90) %}{% set n.x = [n.x, n.x] "
                          "%}{% set m.x = [m.x, m.x] %}{% endfor %}{{ n.x == m.x }}"},
        LimitCase{"deep_value",
                  kWide + "{% for i in range(90000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}"},
        LimitCase{
            "deep_value_json",
            kWide + "{% for i in range(90000) %}{% set n.x = {'a': n.x} %}{% endfor %}{{ n.x | tojson }}"},
        LimitCase{"self_reference", kWide + "{% set n.x = [n] %}{{ n }}"},
        LimitCase{"macro_recursion", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"},
        LimitCase{"macro_recursion_in_default", "{% macro f(a=f()) %}{% endmacro %}{{ f() }}"},
        LimitCase{"caller_recursion",
                  "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}"},
        LimitCase{"loop_recursion", "{% for a in xs recursive %}{{ loop(xs) }}{% endfor %}"},
        LimitCase{"macro_fan_out",
                  "{% macro f(k) %}{% for i in range(9) %}{{ f(k + 1) if k < 9 }}{% endfor %}{% endmacro "
                  "%}{{ f(0) }}"},
        LimitCase{"slow_find", kWide + "{% set n.a = 'a' * 4000000 %}{% for i in range(100000) %}{{ ('a' * "
                                       "2000000 + 'b') in n.a }}{% endfor %}"},
        LimitCase{"slow_strip",
                  "{% for i in range(100000) %}{{ ('a' * 1000000).strip('b' * 1000000) }}{% endfor %}"},
        LimitCase{"many_characters",
                  "{% for i in range(100000) %}{{ ('a' * 1000000) | list | length }}{% endfor %}"},
        LimitCase{"many_lookups",
                  "{% for i in range(100000) %}" + repeat("{{ x|default('') }}", 1000) + "{% endfor %}"},
        LimitCase{"huge_source", repeat(" ", 2 << 20)}),
    [](const auto& info) { return info.param.name; });

TEST(JinjaBounds, StepsAndOutputCanBeLowered) {
  const ChatTemplate loop = ChatTemplate::compile("{% for i in range(50) %}{{ i }}{% endfor %}", "t");
  RenderLimits limits;
  EXPECT_EQ(loop.render(Json::object(), limits).size(), 90u);
  limits.max_steps = 100;
  EXPECT_THROW(loop.render(Json::object(), limits), Error);
  limits = {};
  limits.max_output_bytes = 89;
  EXPECT_THROW(loop.render(Json::object(), limits), Error);
}

TEST(JinjaBounds, AThousandLongMessagesStayWithinTheDefaultLimits) {
  Json messages = Json::array();
  for (int i = 0; i < 1000; ++i)
    messages.push_back({{"role", i % 2 ? "assistant" : "user"}, {"content", std::string(4000, 'x')}});
  const Json context = {{"messages", messages}, {"add_generation_prompt", true}};
  const ChatTemplate chat = ChatTemplate::compile(
      std::string(fallback_chat_template("llama", {.tokens = {"<|start_header_id|>"}}).source), "t");
  EXPECT_GT(chat.render(context).size(), 4'000'000u);
}

TEST(JinjaBounds, ParsingIsAsDeepAsTemplatesNeed) {
  EXPECT_EQ(ChatTemplate::compile("{{ " + repeat("(", 60) + "1" + repeat(")", 60) + " }}", "t")
                .render(Json::object()),
            "1");
  EXPECT_EQ(ChatTemplate::compile("{{ 1" + repeat(" + 1", 300) + " }}", "t").render(Json::object()), "301");
  const std::string recursion =
      "{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{% else %}end{% endif %}{% endmacro %}{{ f(80) }}";
  EXPECT_EQ(ChatTemplate::compile(recursion, "t").render(Json::object()), "end");
}

}  // namespace
}  // namespace oag
