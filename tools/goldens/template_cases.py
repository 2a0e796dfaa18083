"""The inputs of make_template_cases.py: (name, template, context) and (name, template file, context)."""

PEOPLE = [
    {"name": "ann", "age": 31, "city": {"zip": "b"}, "admin": True},
    {"name": "Bob", "age": 25, "city": {"zip": "a"}, "admin": False},
    {"name": "cid", "age": 31, "city": {"zip": "c"}, "email": None},
]
LANGUAGE_CONTEXT = {
    "s": "Hello World", "e": "", "u": "Grüße, 世界 😀", "n": 7, "neg": -7, "f": 2.5, "yes": True, "no": False,
    "nothing": None, "xs": [3, 1, 2], "empty": [], "d": {"b": 1, "a": [1, "x"], "C": None}, "people": PEOPLE,
    "nested": {"k": {"deep": [{"v": "found"}]}}, "lines": "one\n  two\n\nthree\n",
}

# One feature a line: name = template.
_PLAIN = r'''
text = plain text
empty_template =
trailing_newline_dropped = a\n
two_trailing_newlines = a\n\n
crlf = a\r\nb\r{{ n }}\r\n
output_string = {{ s }}
output_int = {{ n }} {{ neg }}
output_float = {{ f }} {{ 1.0 }} {{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.5e-7 }} {{ 123456789.125 }} {{ 1e100 }}
output_constants = {{ true }} {{ false }} {{ none }} {{ True }} {{ False }} {{ None }}
output_undefined = [{{ missing }}]
output_undefined_attr = [{{ d.missing }}]
output_undefined_of_undefined = {{ missing.foo }}
output_none_attr = [{{ nothing.foo }}]
output_none_attr_attr = [{{ nothing.foo.bar }}]
output_list = {{ xs }} {{ [] }} {{ ['a', "b'c", 'd"e', 'f\'"g'] }}
output_dict = {{ d }} {{ {} }} {{ {1: 'a', none: true, 2.5: []} }}
output_tuple = {{ (1, 2) }} {{ (1,) }} {{ () }} {{ 1, 2 }}
output_nested_undefined = {{ [missing] }}
repr_unicode = {{ [u, 'tab\tnl\ncr\rnul\x00', 'nbsp\xa0', '\u200b', '\U0001F600', 'back\\slash'] }}
string_escapes = {{ 'a\nb\tc\\d\'e\"f\x41\u00e9\101\q' }}
string_concat_adjacent = {{ 'a' "b" 'c' }}
string_multiline = {{ 'line1
line2' }}
comment = a{# comment {{ n }} #}b
comment_lines = a\n  {# x #}\nb
comment_trim = a  {#- x -#}  b
comment_unclosed = a {# b
raw = {% raw %}{{ n }} {% if %}{% endraw %}!
raw_trim = a  {%- raw -%}  {{ x }}  {%- endraw -%}  b
raw_lstrip = a\n   {% raw %}\n x\n   {% endraw %}\nb
raw_unclosed = {% raw %} x
trim_blocks = {% if yes %}\nA\n{% endif %}\nB\n
lstrip_blocks = x\n    {% if yes %}\n    A\n    {% endif %}\nB
lstrip_not_for_output = x\n    {{ n }}\ny
lstrip_text_before = x {% if yes %} y {% endif %}
lstrip_disabled_plus = x\n    {%+ if yes %}y{% endif %}
trim_disabled_plus = {% if yes +%}\ny{% endif %}
trim_minus_left = a  \n {{- n }} b
trim_minus_right = a {{ n -}} \n\n  b
trim_minus_block = a \n {%- if yes -%} \n b \n {%- endif -%} \n c
trim_after_output = {{ n }}\n{{ n }}
trim_tab_before_tag = a\n\t \t{% if yes %}b{% endif %}
lstrip_first_line =    {% if yes %}b{% endif %}
lstrip_after_output = {{ n }}  {% if yes %}b{% endif %}
lstrip_after_trimmed_newline = {% if yes %}\n   {% if yes %}b{% endif %}{% endif %}
trim_only_one_newline = {% if yes %}\n\n\nb{% endif %}
braces_in_text = { } {a} } % {
single_brace_percent = 50% {% if yes %}x{% endif %} 100%}
nested_braces = {{ {'a': {'b': 1}} }}
nested_braces_tight = {{ {'a': {'b': 1}}}}
ops_add = {{ 1 + 2 }} {{ 1 + 2.0 }} {{ 'a' + 'b' }} {{ [1] + [2] }} {{ (1,) + (2,) }} {{ true + 1 }}
ops_add_str_int = {{ 'a' + 1 }}
ops_add_undefined = {{ missing + 'a' }}
ops_add_none = {{ nothing + 'a' }}
ops_add_list_tuple = {{ [1] + (1,) }}
ops_sub = {{ 5 - 7 }} {{ 5 - 0.5 }} {{ 5 -3 }} {{ 5-3 }}
ops_mul = {{ 3 * 4 }} {{ 'ab' * 3 }} {{ 2 * [1, 2] }} {{ 'a' * -1 }} {{ 1.5 * 2 }}
ops_div = {{ 7 / 2 }} {{ 8 / 2 }} {{ 1 / 3 }} {{ 2 / 3 }}
ops_div_zero = {{ 1 / 0 }}
ops_floordiv = {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ 7.5 // 2 }} {{ -7.5 // 2 }}
ops_mod = {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7.5 % 2 }} {{ -7.5 % 2 }} {{ 6 % 3 }}
ops_mod_zero = {{ 1 % 0 }}
ops_pow = {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2.0 ** 3 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 4 ** 0.5 }}
ops_unary = {{ -n }} {{ +n }} {{ - -n }} {{ -f }} {{ not yes }} {{ not not yes }} {{ -true }}
ops_precedence = {{ 1 + 2 * 3 - 4 / 2 }} {{ (1 + 2) * 3 }} {{ '2' + 3 ~ 4 }} {{ 1 ~ 2 * 3 }} {{ not 1 == 2 }}
ops_concat = {{ 'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1] ~ missing }}
ops_compare = {{ 1 < 2 }} {{ 2 <= 2 }} {{ 3 > 4 }} {{ 3 >= 4 }} {{ 1 == 1.0 }} {{ 1 != true }} {{ 'a' < 'b' }} {{ 'B' < 'a' }}
ops_compare_chain = {{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1 in [1] }} {{ 1 < n <= 7 != 8 }}
ops_compare_lists = {{ [1, 2] < [1, 3] }} {{ [1] < [1, 0] }} {{ (1, 2) == (1, 2) }} {{ [1] == (1,) }} {{ {'a': 1} == {'a': 1.0} }}
ops_compare_types = {{ 1 < 'a' }}
ops_compare_none = {{ nothing < 1 }}
ops_compare_undefined = {{ missing == missing }} {{ missing == none }} {{ missing != 1 }}
ops_less_undefined = {{ missing < 1 }}
ops_in = {{ 1 in xs }} {{ 9 in xs }} {{ 9 not in xs }} {{ 'World' in s }} {{ 'b' in d }} {{ '' in s }} {{ 1 in (1, 2) }} {{ 1 in missing }}
ops_in_int_str = {{ 1 in s }}
ops_in_none = {{ 1 in nothing }}
ops_and_or = {{ yes and 'x' }} {{ no and 'x' }} {{ 0 or 'y' }} {{ '' or none }} {{ 1 or missing.foo }} {{ no or no and yes }}
ops_ternary = {{ 'a' if yes else 'b' }} {{ 'a' if no else 'b' }} [{{ 'a' if no }}] {{ 1 if no else 2 if no else 3 }} {{ 'x' if yes }}
ops_ternary_undefined_use = {{ ('a' if no).foo }}
ints = {{ 0x1f }} {{ 0b101 }} {{ 0o17 }} {{ 1_000 }} {{ 1_0.5 }} {{ 1e3 }} {{ 1E-2 }} {{ 00 }}
big_int = {{ 9223372036854775807 }} {{ -9223372036854775807 }}
index_list = {{ xs[0] }} {{ xs[-1] }} [{{ xs[9] }}] {{ xs.0 }} {{ [[1, 2], [3, 4]].1.0 }} {{ xs[true] }}
index_string = {{ s[0] }} {{ s[-1] }} {{ u[2] }} {{ u[-1] }} [{{ s[99] }}]
index_dict = {{ d['b'] }} {{ d.b }} {{ d['a'][1] }} {{ d.a.1 }} [{{ d['zz'] }}] {{ nested.k.deep[0].v }} {{ nested['k']['deep'][-1]['v'] }}
index_dict_int = {{ {1: 'one', '1': 'str'}[1] }} {{ {1: 'x'}[1.0] }} {{ {true: 'x'}[1] }}
slices = {{ xs[1:] }} {{ xs[:2] }} {{ xs[-2:] }} {{ xs[::-1] }} {{ xs[::2] }} {{ xs[5:] }} {{ xs[:-1] }} {{ xs[2:0:-1] }} {{ xs[:] }}
slices_string = {{ s[6:] }} {{ s[:-6] }} {{ s[::-1] }} {{ u[-3:] }} {{ s[1:9:3] }} {{ s[-100:3] }} {{ s[100:] }}
slices_tuple = {{ (1, 2, 3)[1:] }} {{ (1, 2, 3)[::-1] }}
slice_step_zero = {{ xs[::0] }}
slice_none = {{ nothing[1:] }}
slice_messages = {% for p in people[1:] %}{{ p.name }};{% endfor %}
dunder_refused = {{ s.__class__.__mro__ }}
dict_method_over_key = {{ {'items': 5}.items() | list }} {{ {'items': 5}['items'] }}
if_else = {% if no %}a{% elif nothing %}b{% elif n == 7 %}c{% else %}d{% endif %}
if_truthiness = {% for x in [0, 1, '', 'a', [], [0], {}, {'a': 1}, none, 0.0, 0.1, missing] %}{{ 'T' if x else 'F' }}{% endfor %}
if_unclosed = {% if yes %}a
if_stray_end = a{% endif %}
if_colon = {% if yes: %}a{% endif %}
for_basic = {% for x in xs %}{{ x }},{% endfor %}
for_else = {% for x in [] %}a{% else %}none{% endfor %}{% for x in [1] %}a{% else %}none{% endfor %}
for_loop_vars = {% for x in ['a', 'b', 'c'] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }};{% endfor %}
for_prev_next = {% for x in [1, 2, 3] %}[{{ loop.previtem }}{{ x }}{{ loop.nextitem }}]{% endfor %}
for_prev_defined = {% for x in [1, 2] %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}
for_filter = {% for x in range(10) if x is odd %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% endfor %}
for_filter_else = {% for x in [1] if x > 5 %}a{% else %}e{% endfor %}
for_unpack = {% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
for_unpack_nested = {% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
for_unpack_wrong = {% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
for_unpack_lists = {% for a, b in [[1, 2], [3, 4]] %}{{ a }}-{{ b }} {% endfor %}
for_dict = {% for k in d %}{{ k }}{% endfor %}
for_string = {% for c in u %}[{{ c }}]{% endfor %}
for_tuple_without_parens = {% for x in 1, 2, 3 %}{{ x }}{% endfor %}
for_undefined = {% for x in missing %}a{% else %}none{% endfor %}
for_none = {% for x in nothing %}a{% endfor %}
for_int = {% for x in 5 %}a{% endfor %}
for_scope = {% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}
for_loop_var_gone = {% for i in [1, 2] %}{% endfor %}[{{ i }}][{{ loop }}]
for_nested_loop = {% for i in [1, 2] %}{% set outer = loop %}{% for j in [1, 2] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
for_cycle = {% for i in range(4) %}{{ loop.cycle('a', 'b', 'c') }}{% endfor %}
for_changed = {% for i in [1, 1, 2, 2, 1] %}{{ loop.changed(i) }} {% endfor %}
for_recursive = {% for n in [{'v': 1, 'c': [{'v': 2, 'c': []}, {'v': 3, 'c': []}]}] recursive %}({{ n.v }}@{{ loop.depth }}{{ loop(n.c) }}){% endfor %}
for_break = {% for i in range(9) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}
for_continue = {% for i in range(5) %}{% if i == 3 %}{% continue %}{% endif %}{{ i }}{% endfor %}
for_break_nested = {% for i in range(3) %}{% for j in range(3) %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}
break_outside = {% break %}
for_ternary_iterable = {% for x in (xs if yes else []) %}{{ x }}{% endfor %}
for_assign_constant = {% for true in xs %}{% endfor %}
set_basic = {% set a = 1 %}{% set b, c = 2, 3 %}{{ a }}{{ b }}{{ c }}
set_tuple = {% set a = 1, 2 %}{{ a }}
set_tuple_swap = {% set a, b = 1, 2 %}{% set a, b = b, a %}{{ a }}{{ b }}
set_in_if = {% if yes %}{% set a = 5 %}{% endif %}{{ a }}
set_block = {% set a %}x{{ n }}y{% endset %}[{{ a }}]
set_block_filter = {% set a | upper | replace('X', 'z') %}x{{ n }}y{% endset %}[{{ a }}]
set_block_scope = {% set q = 1 %}{% set a %}{% set q = 2 %}{{ q }}{% endset %}{{ a }}{{ q }}
set_attr_of_dict = {% set d.x = 1 %}
set_undefined = {% set a = missing %}{{ a is defined }}
set_constant = {% set none = 1 %}
namespace = {% set ns = namespace(a=1, b='x') %}{% for i in xs %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}[{{ ns.zz }}]
namespace_from_dict = {% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns['a'] }}
namespace_new_attr = {% set ns = namespace() %}{% set ns.x = [1] %}{% set ns.x = ns.x + [2] %}{{ ns.x }}
namespace_tuple_set = {% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}
namespace_print = {{ namespace(a=1) }}
namespace_tests = {{ namespace() is mapping }} {{ namespace() is defined }} {{ namespace() is iterable }}
with = {% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}[{{ a }}]
with_outer = {% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}
filter_block = {% filter upper | replace('A', '4') %}abc {{ s }}{% endfilter %}
generation = {% generation %}a{{ n }}{% endgeneration %}b
generation_scope = {% set a = 1 %}{% generation %}{% set a = 2 %}{{ a }}{% endgeneration %}{{ a }}
macro = {% macro m(a, b=2) %}[{{ a }},{{ b }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}
macro_missing_arg = {% macro m(a) %}[{{ a }}{{ a is defined }}]{% endmacro %}{{ m() }}
macro_too_many = {% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
macro_unknown_kwarg = {% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, z=2) }}
macro_twice = {% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
macro_varargs = {% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, z=4) }}
macro_default_uses_arg = {% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}
macro_default_order = {% macro m(a=1, b) %}{% endmacro %}
macro_recursive = {% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
macro_sees_globals = {% set g = 'G' %}{% macro m() %}{{ g }}{{ s }}{% endmacro %}{{ m() }}
macro_late_global = {% macro m() %}{{ g }}{% endmacro %}{% set g = 'late' %}{{ m() }}
macro_scope = {% macro m() %}{% set z = 1 %}{{ z }}{% endmacro %}{{ m() }}[{{ z }}]
macro_in_loop = {% macro m(x) %}<{{ x }}>{% endmacro %}{% for x in xs %}{{ m(x) }}{% endfor %}
macro_whitespace = {% macro m() %}\n  a\n{% endmacro %}\n[{{ m() }}]
macro_result_is_string = {% macro m() %}x{% endmacro %}{{ m() + 'y' }} {{ m() | upper }} {{ m() is string }}
macro_spread = {% macro m(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*[1, 2], **{'c': 3}) }}
macro_name_attr = {% macro m() %}{% endmacro %}{{ m.name }}
call_block = {% macro m(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call m('b') %}body {{ n }}{% endcall %}
call_block_args = {% macro m() %}{% for i in [1, 2] %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(x) m() %}[{{ x }}]{% endcall %}
call_block_no_caller = {% macro m() %}a{% endmacro %}{% call m() %}b{% endcall %}
call_undefined = {{ missing() }}
call_string = {{ s() }}
call_missing_method = {{ s.nope() }}
f_trim = [{{ '  a b\n' | trim }}] [{{ 'xxaxx' | trim('x') }}] [{{ missing | trim }}] [{{ 5 | trim }}] [{{ '\u3000a\u00a0' | trim }}]
f_case = {{ s | upper }} {{ s | lower }} {{ 'hello wORLD-foo (bar)' | title }} {{ 'hELLO' | capitalize }} {{ u | upper }} {{ 'ÉCOLE ΣΑΣ ЖУК' | lower }}
f_replace = {{ s | replace('l', 'L') }} {{ s | replace('l', 'L', 1) }} {{ s | replace('zz', 'y') }} {{ 5 | replace('5', '6') }} {{ 'ab' | replace('', '-') }}
f_join = {{ xs | join(', ') }} {{ xs | join }} {{ people | join('|', attribute='name') }} {{ 'abc' | join('-') }} {{ [1, none, true, missing] | join('/') }}
f_length = {{ xs | length }} {{ s | count }} {{ d | length }} {{ u | length }} {{ missing | length }} {{ range(4) | length }}
f_length_int = {{ 5 | length }}
f_first_last = {{ xs | first }} {{ xs | last }} {{ s | first }}{{ s | last }} [{{ empty | first }}] [{{ empty | last }}] {{ d | first }}
f_list = {{ 'abc' | list }} {{ d | list }} {{ (1, 2) | list }} {{ range(3) | list }}
f_default = {{ missing | default('x') }} {{ '' | default('x') }} {{ '' | default('x', true) }} {{ none | d('y') }} {{ none | d('y', boolean=true) }} [{{ missing | default }}] {{ d.zz | default(1) }}
f_tojson = {{ d | tojson }} {{ [1, 2.0, 'a"b\\c', true, none, 'ü', '<&>\''] | tojson }} {{ 'x\ty\n\x01\x7f' | tojson }} {{ {} | tojson }} {{ [] | tojson }}
f_tojson_indent = {{ d | tojson(indent=2) }}
f_tojson_indent_4 = {{ people[:1] | tojson(indent=4) }}{{ {'a': [], 'b': {}} | tojson(indent=1) }}
f_tojson_ascii = {{ u | tojson(ensure_ascii=true) }} {{ u | tojson(ensure_ascii=False) }}
f_tojson_sort = {{ {'b': 1, 'a': {'d': 1, 'c': 2}} | tojson(sort_keys=true) }} {{ {'b': 1} | tojson(separators=(',', ':')) }}
f_tojson_keys = {{ {1: 'a', none: 'b', true: 'c', 2.5: 'd'} | tojson }}
f_tojson_tuple = {{ (1, (2, 3)) | tojson }} {{ d.items() | list | tojson }}
f_tojson_undefined = {{ missing | tojson }}
f_tojson_floats = {{ [1e16, 0.1, 1e-7, 100.0, -0.0] | tojson }}
f_items = {% for k, v in d | items %}{{ k }}{{ v }};{% endfor %}{{ missing | items | list }}
f_items_list = {{ xs | items | list }}
f_dictsort = {{ d | dictsort }} {{ d | dictsort(true) }} {{ {'a': 2, 'b': 1} | dictsort(by='value') }} {{ {'a': 2, 'b': 1} | dictsort(reverse=true) }}
f_selectattr = {{ people | selectattr('age', 'equalto', 31) | map(attribute='name') | list }} {{ people | selectattr('admin') | map(attribute='name') | list }} {{ people | selectattr('email', 'defined') | list | length }}
f_rejectattr = {{ people | rejectattr('age', 'equalto', 31) | map(attribute='name') | list }} {{ people | rejectattr('admin') | map(attribute='name') | join(',') }}
f_selectattr_nested = {{ people | selectattr('city.zip', 'in', ['a', 'b']) | map(attribute='city.zip') | list }}
f_select = {{ range(6) | select('odd') | list }} {{ [0, 1, '', 'a'] | select | list }} {{ xs | select('>', 1) | list }}
f_reject = {{ range(6) | reject('odd') | list }} {{ [0, 1, none] | reject('none') | list }} {{ xs | reject('in', [1]) | list }}
f_map = {{ ['a', 'b'] | map('upper') | list }} {{ people | map(attribute='email', default='-') | list }} {{ ['a-b'] | map('replace', '-', '+') | first }} {{ people | map(attribute='zz') | list }}
f_map_unknown = {{ ['a'] | map('nope') | list }}
f_generator_truth = {{ 'T' if ([] | map('upper')) else 'F' }} {{ 'T' if ([] | select | list) else 'F' }}
f_generator_once = {% set g = xs | map('string') %}{{ g | join }}{{ g | join }}.
f_generator_length = {{ xs | map('string') | length }}
f_string = {{ 5 | string + 'x' }} {{ none | string }} {{ [1] | string }} {{ 1.0 | string }}
f_int = {{ '42' | int }} {{ '4.9' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ 4.9 | int }} {{ -4.9 | int }} {{ true | int }} {{ 'ff' | int(base=16) }} {{ '0x1F' | int(0, 16) }} {{ ' 7 ' | int }} {{ none | int }} {{ '1_000' | int }}
f_int_undefined = {{ missing | int }}
f_float = {{ '4.5' | float }} {{ 'x' | float }} {{ 3 | float }} {{ 'x' | float(1.5) }} {{ '1e3' | float }} {{ ' +2 ' | float }} {{ 'inf' | float }}
f_abs = {{ -5 | abs }} {{ neg | abs }} {{ (-2.5) | abs }}
f_round = {{ 2.567 | round }} {{ 2.567 | round(2) }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 2.1 | round(method='ceil') }} {{ 2.9 | round(0, 'floor') }} {{ 7 | round }} {{ 2.675 | round(2) }} {{ 1234.5 | round(-2) }}
f_sort = {{ xs | sort }} {{ xs | sort(reverse=true) }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A'] | sort(case_sensitive=true) }} {{ people | sort(attribute='age') | map(attribute='name') | list }} {{ people | sort(attribute='age,name', reverse=true) | map(attribute='name') | list }}
f_case_greek = {{ 'ΣΑΣ ΑΣ, ΣΣ Σ' | lower }} {{ 'ΑΣ'.title() }} {{ 'ΟΣΟΣ'.lower() }}
f_sort_mixed = {{ [1, 'a'] | sort }}
f_sort_dict = {{ d | sort }}
f_reverse = {{ s | reverse }} {{ xs | reverse | list }} {% for x in xs | reverse %}{{ x }}{% endfor %} {{ u | reverse }}
f_unique = {{ [1, 2, 1, 3, 2] | unique | list }} {{ ['a', 'A', 'b'] | unique | list }} {{ ['a', 'A'] | unique(case_sensitive=true) | list }} {{ people | unique(attribute='age') | map(attribute='name') | list }}
f_indent = {{ lines | indent }}|{{ lines | indent(2, true) }}|{{ lines | indent(2, first=true, blank=true) }}|{{ 'a\nb' | indent('> ') }}
f_safe_escape = {{ '<a href="x">\'&</a>' | escape }} {{ '<b>' | safe }} {{ '<b>' | e }}
f_safe_joins = {{ '<a>' | safe + '<b>' }} {{ '<b>' + '<a>' | safe }} {{ '<a>' | safe ~ '<b>' }} {{ '<a>' | safe + {'a': '<'} | tojson }} {{ ('<' | safe + '<') | upper + '>' }}
f_safe_methods = {{ ('<a>' | safe).replace('a', '<') }} {{ ('<' | safe).join(['a', '<b>']) }} {{ ('<a> <b>' | safe).split()[0] + '<' }} {{ ('<a>' | safe)[1:] + '<' }} {{ '%s<' | safe % '<' }} {{ ('{}<' | safe).format('<') }} {{ '<' | safe * 2 + '<' }} {{ ' <' | safe | trim + '<' }} {{ ('<' | safe).upper() is escaped }} {{ '<' is escaped }} {{ '<' | e | e }} {{ '<' | e | forceescape }}
f_safe_filters = {{ ['<', '<' | safe] | join('>') }} {{ '<a' | safe | replace('a', '<') + '<' }} {{ '<a' | safe | title + '<' }} {{ '<a' | safe | string + '<' }} {{ '<a' | safe | capitalize + '<' }}
f_map_none = {{ nothing | map('upper') | list }} {{ nothing | selectattr('a') | list }} {{ 0 | select | list }} {{ nothing | rejectattr('a', 'equalto', 1) | list }}
f_map_number = {{ 5 | map('upper') | list }}
f_sum = {{ xs | sum }} {{ people | sum(attribute='age') }} {{ [] | sum }} {{ [1.5, 2] | sum(start=1) }}
f_min_max = {{ xs | min }} {{ xs | max }} {{ ['b', 'A'] | min }} [{{ [] | max }}] {{ people | max(attribute='age') | tojson }}
f_batch = {{ range(5) | batch(2) | list }} {{ range(5) | batch(2, 'x') | list }}
f_groupby = {% for k, g in people | groupby('age') %}{{ k }}:{{ g | map(attribute='name') | join(',') }};{% endfor %}
f_format = {{ '%s-%d-%.2f' | format('a', 3, 1.5) }} {{ '%(a)s' | format(a=1) }} {{ '%5s|%-5s|%05d|%x|%%' | format('a', 'b', 42, 255) }}
f_format_bad = {{ '%d' | format('a') }}
f_wordcount = {{ 'a b-c  d' | wordcount }}
f_unknown = {{ s | nope }}
f_chain_precedence = {{ 'a' ~ 'b' | upper }} {{ -1 | abs }} {{ 1 + 2 | string | length }} {{ (1 + 2) | string }} {{ not empty | length }}
t_defined = {{ s is defined }} {{ missing is defined }} {{ missing is undefined }} {{ d.zz is defined }} {{ d.b is not defined }} {{ nothing is defined }}
t_none = {{ nothing is none }} {{ missing is none }} {{ s is not none }}
t_types = {% for x in ['a', 1, 1.5, true, none, [1], (1,), {'a': 1}] %}{{ x is string }}{{ x is number }}{{ x is integer }}{{ x is float }}{{ x is boolean }}{{ x is mapping }}{{ x is iterable }}{{ x is sequence }} {% endfor %}
t_types_undefined = {{ missing is string }}{{ missing is number }}{{ missing is mapping }}{{ missing is iterable }}{{ missing is sequence }}
t_views = {{ d.items() is iterable }} {{ d.items() is sequence }} {{ range(2) is sequence }} {{ xs | map('string') is sequence }} {{ xs | map('string') is iterable }}
t_bool = {{ true is true }} {{ 1 is true }} {{ false is false }} {{ 0 is false }}
t_equal = {{ 1 is equalto 1 }} {{ 1 is eq(2) }} {{ 'a' is eq 'b' }}
t_equal_words = {{ 1 is sameas 1 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 3 is ge 3 }} {{ 3 is greaterthan 2 }}
t_in = {{ 1 is in [1, 2] }} {{ 'a' is in 'abc' }} {{ 5 is not in xs }}
t_parity = {{ 2 is even }} {{ 3 is odd }} {{ 2 is odd }} {{ -3 is odd }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }}
t_case = {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'aB' is lower }} {{ '1' is lower }} {{ 'a1' is lower }}
t_callable = {{ range is callable }} {{ s is callable }} {{ s.upper is callable }}
t_filter_test = {{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }} {{ 'nope' is test }}
t_unknown = {{ s is nope }}
t_not_precedence = {{ not s is none }} {{ s is not none and yes }} {{ s is string and n is number }}
t_args_postfix = {{ 3 is in xs[:1] }} {{ n is divisibleby people[0].age }}
t_undefined_chain = {{ missing is defined and missing.x }} {{ d.q is defined and d.q.r is defined }}
m_strip = [{{ '  a '.strip() }}] [{{ '  a '.lstrip() }}] [{{ '  a '.rstrip() }}] [{{ 'xyaxy'.strip('yx') }}] [{{ '\n\na\n'.strip('\n') }}]
m_split = {{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a b c d'.split(' ', 1) }} {{ 'a b c d'.rsplit(' ', 1) }} {{ ' a  b c '.split(none, 1) }} {{ ' a  b c '.rsplit(none, 1) }} {{ ''.split() }} {{ ''.split(',') }}
m_split_index = {{ 'x</think>y'.split('</think>')[-1] }} {{ 'x</think>y'.split('</think>')[0].split('<think>')[-1] }} {{ 'abc'.split('zz') | last }}
m_split_empty_sep = {{ 'abc'.split('') }}
m_splitlines = {{ 'a\nb\r\nc\n'.splitlines() }} {{ 'a\nb'.splitlines(true) }}
m_starts_ends = {{ s.startswith('Hello') }} {{ s.endswith('x') }} {{ s.startswith(('x', 'H')) }} {{ s.startswith('World', 6) }} {{ ''.startswith('') }}
m_replace = {{ s.replace('l', '') }} {{ s.replace('l', 'L', 2) }} {{ 'aaa'.replace('aa', 'b') }} {{ 'ab'.replace('', '.') }}
m_case = {{ s.upper() }} {{ s.lower() }} {{ "they're bill's".title() }} {{ 'aBC'.capitalize() }} {{ 'aB'.swapcase() }}
m_join = {{ ', '.join(['a', 'b']) }} {{ ''.join('abc') }} {{ '-'.join(d) }} {{ ','.join(xs | map('string')) }}
m_join_int = {{ ','.join([1]) }}
m_find = {{ s.find('o') }} {{ s.rfind('o') }} {{ s.find('zz') }} {{ s.index('W') }} {{ s.count('l') }} {{ u.find('世') }} {{ s.find('o', 5) }}
m_index_missing = {{ s.index('zz') }}
m_is = {{ 'abc'.isalpha() }} {{ '12'.isdigit() }} {{ 'a1'.isalnum() }} {{ ' '.isspace() }} {{ ''.isspace() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ '世'.isalpha() }}
m_format = {{ '{} {}'.format('a', 1) }} {{ '{1}{0}'.format('a', 'b') }} {{ '{x}!'.format(x=5) }} {{ '{:>5}|{:<5}|{:^5}'.format('a', 'b', 'c') }} {{ '{:.2f} {:05d} {:,} {:x}'.format(3.14159, 42, 1234567, 255) }} {{ '{{}}'.format() }} {{ '{!r}'.format('a') }}
m_format_missing = {{ '{} {}'.format('a') }}
m_misc = {{ 'a'.zfill(3) }} {{ '-5'.zfill(4) }} {{ 'a'.ljust(3) }}| {{ 'a'.rjust(3, '.') }} {{ 'ab'.center(5, '*') }} {{ 'a-b'.partition('-') }} {{ 'a-b-c'.rpartition('-') }} {{ 'prefix'.removeprefix('pre') }} {{ 'prefix'.removesuffix('fix') }}
m_dict = {{ d.keys() | list }} {{ d.values() | list }} {{ d.items() | list }} {{ d.get('b') }} {{ d.get('zz') }} {{ d.get('zz', 'x') }}
m_dict_print = {{ d.keys() }} {{ d.values() }} {{ d.items() }}
m_dict_copy = {{ d.copy() == d }}
m_list = {{ xs.index(1) }} {{ [1, 1, 2].count(1) }} {{ xs.copy() }}
m_list_append = {{ xs.append(1) }}
m_dict_update = {{ d.update({'x': 1}) }}
m_dict_pop = {{ d.pop('b') }}
percent = {{ '%s' % s }} {{ '%d items' % 3 }} {{ '%s %s' % (1, 2) }} {{ '%(k)s' % {'k': 'v'} }} {{ '%5.1f|%+d|%e' % (2.25, 3, 12345.678) }} {{ '%r' % 'a' }} {{ '%s' % none }} {{ '%g %G' % (0.00001, 1e20) }} {{ '%c' % 'x' }} {{ '%-4d|' % 5 }} {{ '%i' % 3.9 }}
percent_few = {{ '%s %s' % 1 }}
percent_many = {{ 'a' % 1 }}
g_range = {{ range(3) | list }} {{ range(1, 4) | list }} {{ range(5, 0, -2) | list }} {{ range(0) | list }} {{ range(3) }} {{ range(1, 7, 2) }} {{ range(3)[1] }}
g_range_huge = {{ range(100001) | length }}
g_range_zero_step = {{ range(1, 2, 0) }}
g_dict = {{ dict(a=1, b=2) }} {{ dict({'a': 1}, c=3) }} {{ dict([('x', 1)]) }} {{ dict() }}
g_joiner = {% set j = joiner('; ') %}{% for x in xs %}{{ j() }}{{ x }}{% endfor %}
g_raise = {{ raise_exception('bad roles') }}
g_raise_not_reached = {% if no %}{{ raise_exception('bad roles') }}{% endif %}ok
g_strftime = {{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d %H:%M:%S %A %B %j %p %I %y') }} {{ strftime_now('%-d/%-m %%') }} {{ strftime_now('%F %T %D %e') }}
unhashable_key = {{ {[]: 1} }}
syntax_bad_operator = {{ 1 +* 2 }}
syntax_unclosed = {{ n
syntax_unclosed_string = {{ 'abc }}
syntax_empty_output = {{ }}
syntax_bad_char = {{ a ? b }}
syntax_unbalanced = {{ (1 }}
syntax_wrong_bracket = {{ [1) }}
syntax_unknown_tag = {% frobnicate %}
syntax_two_exprs = {{ a b }}
syntax_kwarg_first = {{ range(step=1, 2) }}
syntax_end_mismatch = {% if yes %}{% endfor %}
syntax_missing_in = {% for x xs %}{% endfor %}
syntax_include = {% include 'x' %}
syntax_chained_is = {{ 1 is is 2 }}
identifier_unicode = {% set größe = 1 %}{{ größe }}
shadow_global = {% set range = 5 %}{{ range }}
shadow_filter_name = {% set upper = 'x' %}{{ upper | upper }}
keyword_like_names = {{ {'if': 1, 'in': 2}['in'] }} {{ dict(if=1).if }}
trailing_commas = {{ [1, 2,] }} {{ {'a': 1,} }} {{ range(3,) | list }} {{ (1, 2,) }}
deep_access_mixed = {{ nested.k['deep'][0].v.upper()[1:3] | lower }}
loop_var_in_macro = {% macro m() %}{{ loop is defined }}{% endmacro %}{% for x in [1] %}{{ m() }}{% endfor %}
if_in_for_set_ns = {% set ns = namespace(found=false) %}{% for m in people %}{% if m.name == 'Bob' and not ns.found %}{% set ns.found = true %}{{ loop.index0 }}{% endif %}{% endfor %}{{ ns.found }}
loop_index_mod = {% for m in people %}{{ (loop.index0 % 2 == 0) != (m.age == 31) }}{% endfor %}
messages_slice_loop = {% for m in people[::-1] %}{% set index = (people | length - 1) - loop.index0 %}{{ index }}{{ m.name }} {% endfor %}
inline_macro_json = {% macro j(x) %}{{ x | tojson }}{% endmacro %}{{ j(d) }}
dict_in_loop = {% for m in [{'role': 'user', 'content': 'a'}, {'role': 'x'}] %}{{ m.content | default('none') }}{{ m['content'] is defined }}{% endfor %}
tojson_separators_none = {{ [1, 2] | tojson(indent=none) }}
none_content = {{ people[2].email }}{{ people[2].email or '' }}{{ people[2].email is none }}
string_mult_cond = {{ '=' * 10 if yes }}
float_format = {{ 1.10 }} {{ 3.0 }} {{ 1e22 }} {{ 123456789012345680.0 }} {{ 5e-324 }} {{ 1.7976931348623157e308 }}
escape_in_json = {{ '\u2028\u00e9"\\/' | tojson }}
attr_int_chain = {{ [[5, 6]].0.1 }}
method_on_literal = {{ 'a b'.split()[1] }} {{ [3, 1].index(1) }} {{ {'a': 1}.get('a') }} {{ "x".join(["1", "2"]) }}
method_spread = {{ 'a-b-c'.split(*['-', 1]) }}
compare_bool_str = {{ yes == 'true' }} {{ 'a' == none }} {{ 1 == '1' }} {{ [] == false }}
'''


def _cases():
    for line in _joined_lines(_PLAIN):
        name, _, template = line.partition(" =")
        template = template[1:] if template.startswith(" ") else template
        # \n, \r and \t between tags stand for themselves; inside tags they are the template's own escapes
        yield name.strip(), _unescape_text(template), LANGUAGE_CONTEXT


def _joined_lines(text):
    """Cases, one a line; a line without ' =' after a word goes on from the line before."""
    out = []
    for line in text.strip("\n").split("\n"):
        head = line.split(" =")[0]
        if head and all(c.isalnum() or c == "_" for c in head) and " =" in line:
            out.append(line)
        else:
            out[-1] += "\n" + line
    return out


def _unescape_text(template):
    out, depth, i = [], 0, 0
    while i < len(template):
        pair = template[i:i + 2]
        if pair in ("{{", "{%", "{#"):
            depth += 1
        elif pair in ("}}", "%}", "#}"):
            depth = max(0, depth - 1)
        if depth == 0 and pair in ("\\n", "\\r", "\\t"):
            out.append({"n": "\n", "r": "\r", "t": "\t"}[pair[1]])
            i += 2
            continue
        out.append(template[i])
        i += 1
    return "".join(out)


LANGUAGE_CASES = list(_cases())

# --- conversations for the templates of real families ---------------------------------------------------------------

USER = {"role": "user", "content": "Hi there"}
SYSTEM = {"role": "system", "content": "Be brief."}
ASSISTANT = {"role": "assistant", "content": "Hello!"}
THOUGHT = {"role": "assistant", "content": "<think>\nhmm, 2+2\n</think>\n\nIt is 4."}
IMAGE_USER = {"role": "user", "content": [{"type": "image", "url": "a.png"}, {"type": "text", "text": "What is this?"}]}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city — 天气",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "the city", "enum": ["Paris", "Bonn"]},
                "days": {"type": "integer", "default": 3},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["city"],
        },
    },
}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "call00001", "type": "function",
                    "function": {"name": "get_weather", "arguments": {"city": "Paris", "days": 2}}}],
}
CALL_TEXT = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"id": "call00001", "function": {"name": "get_weather", "arguments": '{"city": "Bonn"}'}}],
}
RESULT = {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "{\"t\": 21.5}"}

CHAT = [SYSTEM, USER, ASSISTANT, {"role": "user", "content": "  More <text> & \"quotes\" 'x' 世界\n\n"}]


def _context(messages, **extra):
    return {"messages": messages, "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>", **extra}


_SHAPES = [
    ("one", _context([USER])),
    ("chat", _context(CHAT)),
    ("no_prompt", _context(CHAT + [ASSISTANT], add_generation_prompt=False)),
    ("empty", _context([])),
]
_TOOLS = [
    ("tools", _context([SYSTEM, USER], tools=[TOOL])),
    ("tool_result", _context([USER, CALL, RESULT], tools=[TOOL])),
    ("two_results", _context([USER, CALL, RESULT, RESULT, ASSISTANT, USER], tools=[TOOL, TOOL])),
]
_THINKING = [
    ("history", _context([USER, THOUGHT, USER])),
    ("no_thinking", _context([USER], enable_thinking=False)),
    ("reasoning_field", _context([USER, {"role": "assistant", "content": "4", "reasoning_content": "2+2"}], add_generation_prompt=False)),
]
_IMAGES = [
    ("image", _context([IMAGE_USER])),
    ("image_chat", _context([SYSTEM, IMAGE_USER, ASSISTANT, USER])),
    ("parts", _context([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}])),
]
# Turns and contents as clients of GLM models send them, also what no client should.
_GLM = [
    ("turns", _context([SYSTEM, USER, {"role": "assistant", "metadata": "get_weather", "content": "{\"city\": \"Bonn\"}"},
                        {"role": "observation", "content": "21.5"}, ASSISTANT, {"role": "user", "content": "Danke 谢谢"}])),
    ("two_systems", _context([SYSTEM, USER, ASSISTANT, SYSTEM, USER])),
    ("pictures", _context([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "this\n"}, {"image": "b.png"},
                                                        {"type": "text", "text": " or that?"}]}, ASSISTANT,
                           {"role": "user", "content": [{"type": "text", "text": "and"}, {"type": "image"}]}])),
    ("empty_content", _context([{"role": "system", "content": ""}, {"role": "user", "content": ""}, {"role": "assistant", "content": ""}])),
    ("empty_list", _context([{"role": "user", "content": []}])),
    ("null_content", _context([{"role": "user", "content": None}])),
    ("missing_content", _context([{"role": "user"}, {"role": "assistant"}])),
    ("number_content", _context([{"role": "user", "content": 7.5}, {"role": "assistant", "content": True}])),
    ("object_content", _context([{"role": "user", "content": {"text": "a", "image": "b.png"}}])),
    ("unknown_parts", _context([{"role": "user", "content": ["a", {"type": "audio"}, {"text": "no type"}, 3]}])),
    ("spaces", _context([{"role": "user", "content": "  a \n\n"}, {"role": "assistant", "content": "\n b\t"}, USER])),
]
_WRONG = [("wrong_order", _context([ASSISTANT, ASSISTANT]))]

_FAMILIES = {
    "smollm2": _SHAPES,
    "chatml": _SHAPES,
    "llama2": _SHAPES + _WRONG,
    "llama3": _SHAPES,
    "llama31_tools": _SHAPES + _TOOLS + [
        ("date", _context([USER], tools=[TOOL], date_string="1 Jan 2025", tools_in_user_message=False)),
        ("builtin", _context([SYSTEM, USER], builtin_tools=["brave_search", "code_interpreter"])),
        ("two_calls", _context([USER, {**CALL, "tool_calls": CALL["tool_calls"] * 2}], tools=[TOOL])),
    ],
    "qwen25": _SHAPES + _TOOLS,
    "qwen3": _SHAPES + _TOOLS + _THINKING + [("string_arguments", _context([USER, CALL_TEXT, RESULT], tools=[TOOL]))],
    "glm4": _SHAPES + _GLM + [("tools", _context([USER], tools=[TOOL]))],
    "glm41v": _SHAPES + _GLM + _IMAGES + [("video", _context([{"role": "user", "content": [{"type": "video"}]}]))],
    "glm45": _SHAPES + _GLM + _THINKING + _IMAGES + _TOOLS,
    "chatglm3": _SHAPES + _GLM,
    "mistral": _SHAPES + _WRONG + [("tools", _context([USER], tools=[TOOL])), ("tool_result", _context([USER, CALL, RESULT]))],
    "deepseek_r1": _SHAPES + _THINKING + [("tool_result", _context([USER, CALL_TEXT, RESULT]))],
    "gemma": _SHAPES + _WRONG + [("parts", _IMAGES[2][1])],
    "phi": _SHAPES + [("tools", _context([{**SYSTEM, "tools": "[]"}, USER]))],
    "granite": _SHAPES + _TOOLS + [("documents", _context([USER], documents=[{"title": "T", "text": "body\n"}, {"text": "x"}]))],
    "hermes_tools": _SHAPES + _TOOLS,
}

FAMILY_CASES = [(f"{family}/{shape}", family, context) for family, shapes in _FAMILIES.items() for shape, context in shapes]
