"""JSON schemas with values that are valid and invalid under them, for make_grammar_cases.py.

Each entry: name, schema, valid values, invalid values (the script asks jsonschema which is which and complains where it
disagrees). Values are written in the schema's order of properties. Under "texts" stand whole texts that are no JSON, or
JSON written in an unusual way, with what they are expected to be.
"""

STRING = {"type": "string"}
INTEGER = {"type": "integer"}


def object_of(properties, required=None, additional=False, **more):
    schema = {"type": "object", "properties": properties, "additionalProperties": additional, **more}
    schema["required"] = list(properties) if required is None else required
    return schema


def in_object(schema):
    return object_of({"value": schema})


# What OpenAI's guide on structured outputs shows, in our words: reasoning steps, extraction, a user interface that
# contains itself, moderation, unions, definitions, a linked list.
OPENAI = [
    ("math_steps", object_of({"steps": {"type": "array", "items": object_of({"explanation": STRING, "output": STRING})},
                              "final_answer": STRING}),
     [{"steps": [], "final_answer": "x = 3"},
      {"steps": [{"explanation": "Take 7 from both sides", "output": "8x = -30"}], "final_answer": "-15/4"},
      {"steps": [{"explanation": "a", "output": "b"}, {"explanation": "", "output": "\"\\\n"}], "final_answer": ""}],
     [{"steps": []}, {"final_answer": "x"}, {"steps": [{"explanation": "a"}], "final_answer": "x"},
      {"steps": {}, "final_answer": "x"}, {"steps": [1], "final_answer": "x"}, {"steps": [], "final_answer": 3},
      {"steps": [], "final_answer": "x", "more": 1}, []]),
    ("calendar_event", object_of({"name": STRING, "date": STRING, "participants": {"type": "array", "items": STRING}}),
     [{"name": "Science fair", "date": "Friday", "participants": ["Alice", "Bob"]},
      {"name": "博览会", "date": "周五", "participants": []}],
     [{"name": "x", "date": "y", "participants": [1]}, {"name": "x", "date": None, "participants": []},
      {"name": "x", "participants": []}]),
    ("user_interface", {"type": "object", "properties": {
        "type": {"type": "string", "enum": ["div", "button", "header", "section", "field", "form"]}, "label": STRING,
        "children": {"type": "array", "items": {"$ref": "#"}},
        "attributes": {"type": "array", "items": object_of({"name": STRING, "value": STRING})}},
        "required": ["type", "label", "children", "attributes"], "additionalProperties": False},
     [{"type": "div", "label": "", "children": [], "attributes": []},
      {"type": "form", "label": "f", "attributes": [], "children": []} and
      {"type": "form", "label": "f", "children": [{"type": "field", "label": "n", "children": [],
       "attributes": [{"name": "id", "value": "1"}]}, {"type": "button", "label": "ok", "children": [{"type": "div",
        "label": "", "children": [], "attributes": []}], "attributes": []}], "attributes": []}],
     [{"type": "span", "label": "", "children": [], "attributes": []},
      {"type": "div", "label": "", "children": [{}], "attributes": []},
      {"type": "div", "label": "", "children": [], "attributes": [{"name": "x"}]}]),
    ("moderation", object_of({"is_violating": {"type": "boolean"},
                              "category": {"type": ["string", "null"], "enum": ["violence", "sexual", "self_harm", None]},
                              "explanation_if_violating": {"type": ["string", "null"]}}),
     [{"is_violating": False, "category": None, "explanation_if_violating": None},
      {"is_violating": True, "category": "violence", "explanation_if_violating": "threats"}],
     [{"is_violating": "no", "category": None, "explanation_if_violating": None},
      {"is_violating": True, "category": "spam", "explanation_if_violating": None},
      {"is_violating": True, "category": None}]),
    ("item_any_of", {"type": "object", "properties": {"item": {"anyOf": [
        {"type": "object", "description": "The user", "properties": {"name": STRING, "age": {"type": "number"}},
         "additionalProperties": False, "required": ["name", "age"]},
        {"type": "object", "description": "The address", "properties": {"number": STRING, "street": STRING, "city": STRING},
         "additionalProperties": False, "required": ["number", "street", "city"]}]}},
        "additionalProperties": False, "required": ["item"]},
     [{"item": {"name": "Ann", "age": 31}}, {"item": {"name": "", "age": -0.5e-3}},
      {"item": {"number": "1", "street": "Main", "city": "X"}}],
     [{"item": {"name": "Ann"}}, {"item": {"number": "1", "street": "Main"}}, {"item": {"name": "Ann", "street": "x"}},
      {"item": None}, {"item": {"name": "Ann", "age": "31"}}]),
    ("definitions", {"type": "object", "properties": {
        "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}}, "final_answer": STRING},
        "$defs": {"step": object_of({"explanation": STRING, "output": STRING})},
        "required": ["steps", "final_answer"], "additionalProperties": False},
     [{"steps": [{"explanation": "e", "output": "o"}], "final_answer": "f"}],
     [{"steps": [{"explanation": "e", "output": 1}], "final_answer": "f"}, {"steps": [], "final_answer": ["f"]}]),
    ("linked_list", {"type": "object", "properties": {"linked_list": {"$ref": "#/$defs/node"}},
                     "$defs": {"node": object_of({"value": {"type": "number"},
                                                  "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}})},
                     "additionalProperties": False, "required": ["linked_list"]},
     [{"linked_list": {"value": 1, "next": None}},
      {"linked_list": {"value": 1, "next": {"value": 2.5, "next": {"value": -3e10, "next": None}}}}],
     [{"linked_list": {"value": 1}}, {"linked_list": {"value": 1, "next": {"value": 2}}},
      {"linked_list": {"value": 1, "next": []}}, {"linked_list": None}]),
    ("weather_tool", object_of({"location": {"type": "string", "description": "City and country"},
                                "units": {"type": ["string", "null"], "enum": ["celsius", "fahrenheit", None]}}),
     [{"location": "Bogotá, Colombia", "units": "celsius"}, {"location": "Paris", "units": None}],
     [{"location": "Paris", "units": "kelvin"}, {"location": "Paris"}, {"units": None, "location": "Paris", "x": 0}]),
    ("strings_with_formats", object_of({"name": STRING, "username": {"type": "string", "pattern": "^@[a-zA-Z0-9_]+$"},
                                        "email": {"type": "string", "format": "email"}}),
     [{"name": "Jane", "username": "@jane_1", "email": "jane@example.com"}],
     [{"name": "Jane", "username": "jane", "email": "jane@example.com"},
      {"name": "Jane", "username": "@", "email": "jane@example.com"},
      {"name": "Jane", "username": "@jane!", "email": "jane@example.com"},
      {"name": "Jane", "username": "@jane", "email": "jane"}]),
    ("numbers_with_bounds", object_of({"location": STRING, "temperature": {"type": "number", "minimum": -130,
                                                                           "maximum": 130}}),
     [{"location": "x", "temperature": t} for t in (-130, -129.99, -0.5, 0, 1.25, 129, 130, 99.9999)],
     [{"location": "x", "temperature": t} for t in (-131, -130.01, 130.5, 1000, "1", None)]),
]

SCALARS = [
    ("string", STRING, ["", "abc", "é", "日本", "😀", "\"", "\\", "/", "\n\t\r\b\f", "\u0001", "\u007f", "a" * 100],
     [1, None, [], {}, True]),
    ("boolean", {"type": "boolean"}, [True, False], [0, 1, "true", None]),
    ("null", {"type": "null"}, [None], [0, "", False, []]),
    ("integer", INTEGER, [0, 1, -1, 10, 1234567890123456789, -987654321], [0.5, -1.25, "1", None, True]),
    ("number", {"type": "number"}, [0, 1, -1, 0.5, -12.75, 1e10, 1.5e-7, 123456.789], ["0", None, [], True]),
    ("string_or_null", {"type": ["string", "null"]}, ["", "x", None], [0, False, [], {}]),
    ("number_or_boolean", {"type": ["number", "boolean"]}, [1, 2.5, True, False], ["", None, []]),
    ("anything", {}, [1, "x", None, True, [], {}, [1, [2, {"a": []}]], {"a": {"b": [None, -1.5e3]}}], []),
    ("true_schema", True, [1, "x", None, [], {"": ""}], []),
    ("enum_strings", {"type": "string", "enum": ["red", "green", "greenish", "re", "a\"b", "\n"]},
     ["red", "green", "greenish", "re", "a\"b", "\n"], ["", "r", "blue", "greeni", 1, None]),
    ("enum_mixed", {"enum": [1, "1", None, True, 2.5, [1, 2], {"a": 1, "b": [None]}]},
     [1, "1", None, True, 2.5, [1, 2], {"a": 1, "b": [None]}], [2, "2", False, [1], [2, 1], {"a": 1}, {}]),
    ("const_string", {"const": "only this"}, ["only this"], ["only", "only this!", None, 1]),
    ("const_object", {"const": {"k": [1, {"z": "é"}]}}, [{"k": [1, {"z": "é"}]}], [{"k": [1]}, {}, {"k": []}]),
    ("enum_filtered_by_type", {"type": ["integer", "null"], "enum": [1, "a", None, 2, 2.5]}, [1, None, 2], ["a", 2.5, 3]),
]

INTEGER_BOUNDS = [(0, 10), (1, 1), (-5, 5), (7, 123), (100, 99999), (-1000, -10), (0, 255), (-128, 127), (None, 0), (0, None),
                  (None, -1), (42, None), (999, 1001), (-10, None)]


def bounds(kind, low, high, **more):
    schema = {"type": kind, **more}
    if low is not None:
        schema["minimum"] = low
    if high is not None:
        schema["maximum"] = high
    return schema


def around(*edges):
    values = set()
    for edge in edges:
        for delta in (-11, -2, -1, 0, 1, 2, 9, 10, 100):
            values.add(edge + delta)
    return sorted(values)


NUMBERS = [(f"integer_{low}_to_{high}", bounds("integer", low, high),
            around(*[e for e in (low, high) if e is not None], 0), []) for low, high in INTEGER_BOUNDS]
NUMBERS += [
    ("number_fractions", bounds("number", 0.5, 2.75), [0.5, 0.51, 0.75, 1, 1.999, 2, 2.7, 2.75],
     [0.49, 0, -1, 2.76, 2.751, 3, 27]),
    ("number_exclusive", {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
     [0.5, 0.001, 0.999, 0.1], [0, 1, -0.5, 1.001, 2]),
    ("number_negative", bounds("number", -2.5, -0.25), [-2.5, -2.49, -1, -0.25, -0.3], [0, -0.2, -2.51, -3, 1, 0.25]),
    ("number_from", {"type": "number", "minimum": 10}, [10, 10.5, 11, 99999, 100], [9.99, 0, -10, 1]),
    ("number_below_zero", {"type": "number", "exclusiveMaximum": 0}, [-0.1, -1, -100, -0.0001], [0, 0.5, 1]),
    ("integer_exclusive", {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 8}, [4, 5, 7], [3, 8, 0, -4, 40]),
    ("number_tiny", bounds("number", -1e-7, 1e-7), [0, 0.00000005, -0.0000001], [0.1, -0.000001, 1]),
    ("integer_between_fractions", bounds("integer", 1.5, 4.5), [2, 3, 4], [1, 5, 0, -2, 45]),
]

STRINGS = [
    ("length_0_to_3", {"type": "string", "maxLength": 3}, ["", "a", "abc", "日本語", "😀😀😀", "\"\\\n"], ["abcd", "日本語x", 1]),
    ("length_2_up", {"type": "string", "minLength": 2}, ["ab", "日本", "a" * 50], ["", "a", "😀", None]),
    ("length_exactly_4", {"type": "string", "minLength": 4, "maxLength": 4}, ["abcd", "é\"\n😀"], ["abc", "abcde", ""]),
    ("pattern_digits", {"type": "string", "pattern": "^\\d{3}-\\d{4}$"}, ["555-1234"], ["5551234", "555-123", "a555-1234",
                                                                                     "555-12345", ""]),
    ("pattern_search", {"type": "string", "pattern": "cat|dog"}, ["cat", "dog", "a cat.", "hotdogs", "\ncat\""],
     ["", "ca", "bird", "do g"]),
    ("pattern_prefix", {"type": "string", "pattern": "^https://"}, ["https://", "https://x.y/z"], ["http://", " https://", ""]),
    ("pattern_suffix", {"type": "string", "pattern": "\\.png$"}, [".png", "a.png", "\\.png"], ["png", "a.pngx", "a.jpg"]),
    ("pattern_quotes", {"type": "string", "pattern": "^[\"\\\\/]+$"}, ["\"", "\\", "/", "\"\\/"], ["", "a", "\"a"]),
    ("pattern_unicode", {"type": "string", "pattern": "^[\u4e00-\u9fff]{2,3}$"}, ["日本", "日本語"], ["日", "日本語日", "ab"]),
    ("pattern_alternatives", {"type": "string", "pattern": "^(yes|no|maybe( not)?)$"}, ["yes", "no", "maybe", "maybe not"],
     ["", "yes no", "maybe ", "not"]),
    ("pattern_with_lengths", {"type": "string", "pattern": "^[A-Z]{2}[0-9]{1,4}$", "minLength": 1, "maxLength": 10},
     ["AB1", "XY1234"], ["A1", "AB", "AB12345", "ab1"]),
    ("format_date", {"type": "string", "format": "date"}, ["2024-02-29", "1999-12-31", "2000-02-29", "2023-04-30"],
     ["2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-04-31", "24-01-01", "2024-1-1", "2024-01-32"]),
    ("format_time", {"type": "string", "format": "time"}, ["00:00:00Z", "23:59:59.5+01:00", "12:30:45-11:30"],
     ["24:00:00Z", "12:60:00Z", "12:00:61Z", "12:00", "1:00:00Z"]),
    ("format_date_time", {"type": "string", "format": "date-time"},
     ["2024-02-29T12:00:00Z", "1985-04-12T23:20:50.52Z", "1996-12-19T16:39:57-08:00"],
     ["2024-02-30T12:00:00Z", "2024-01-01", "2024-01-01T25:00:00Z", "2024-01-01 12:00:00"]),
    ("format_uuid", {"type": "string", "format": "uuid"},
     ["123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000000", "ABCDEF01-2345-6789-abcd-ef0123456789"],
     ["123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400", "g23e4567-e89b-12d3-a456-426614174000"]),
    ("format_ipv4", {"type": "string", "format": "ipv4"}, ["0.0.0.0", "255.255.255.255", "192.168.1.10", "1.2.3.4"],
     ["256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.", ""]),
    ("format_ipv6", {"type": "string", "format": "ipv6"},
     ["::", "::1", "2001:db8::8a2e:370:7334", "1:2:3:4:5:6:7:8", "fe80::", "1::8", "1:2:3:4:5:6::8", "1:2:3:4:5:6:7::"],
     ["1:2:3", ":::", "1::2::3", "12345::", "1:2:3:4:5:6:7:8:9", "g::", ""]),
    ("format_email", {"type": "string", "format": "email"}, ["a@example.com", "first.last+tag@mail.example.org"],
     ["a", "example.com", ""]),
    ("format_duration", {"type": "string", "format": "duration"}, ["P1D", "PT5M", "P1Y2M3DT4H5M6S", "P2W", "PT36H", "P3M"],
     ["P", "1D", "PT", "P1S", "P1D2H", "P1W2D", ""]),
    ("format_hostname", {"type": "string", "format": "hostname"}, ["example.com", "a", "x-1.y2.example"],
     ["-a.com", "a-.com", "a..b", "", "a_b.c"]),
    ("format_uri", {"type": "string", "format": "uri"}, ["https://example.com", "http://a.b:80/c?d=e&f#g", "ftp://x/y%20z"],
     ["example.com", "http//x", "http://a b", ""]),
]

ARRAYS = [
    ("array_any", {"type": "array"}, [[], [1], [1, "a", None, [], {}]], [{}, 1, None, ""]),
    ("array_integers", {"type": "array", "items": INTEGER}, [[], [1], [1, -2, 3]], [["1"], [1.5], [None], {}]),
    ("array_counts", {"type": "array", "items": STRING, "minItems": 1, "maxItems": 3},
     [["a"], ["a", "b"], ["a", "b", "c"]], [[], ["a", "b", "c", "d"], [1], None]),
    ("array_exactly_2", {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
     [[1, 2], [0.5, -1]], [[], [1], [1, 2, 3], ["1", 2]]),
    ("array_none", {"type": "array", "maxItems": 0}, [[]], [[1], [None], [[]]]),
    ("tuple_open", {"type": "array", "prefixItems": [STRING, INTEGER]},
     [[], ["a"], ["a", 1], ["a", 1, None, "more"]], [[1], ["a", "b"], [None]]),
    ("tuple_closed", {"type": "array", "prefixItems": [STRING, INTEGER], "items": False},
     [[], ["a"], ["a", 1]], [["a", 1, 2], [1], ["a", "b"]]),
    ("tuple_whole", {"type": "array", "prefixItems": [STRING, INTEGER, {"type": "boolean"}], "items": False, "minItems": 3},
     [["a", 1, True]], [["a", 1], [], ["a", 1, 0], ["a", 1, True, 1]]),
    ("tuple_then_strings", {"type": "array", "prefixItems": [INTEGER], "items": STRING, "minItems": 2, "maxItems": 4},
     [[1, "a"], [1, "a", "b", "c"]], [[1], [1, 2], [1, "a", "b", "c", "d"], ["a", "b"], []]),
    ("tuple_min_1", {"type": "array", "prefixItems": [INTEGER, STRING], "items": False, "minItems": 1},
     [[1], [1, "a"]], [[], ["a"], [1, 2], [1, "a", 3]]),
    ("matrix", {"type": "array", "items": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}},
     [[], [[1, 2]], [[1, 2], [3.5, -4]]], [[1], [[1]], [[1, 2, 3]], [["1", 2]]]),
]

OBJECTS = [
    ("object_any", {"type": "object"}, [{}, {"a": 1}, {"a": {"b": [1, {"": None}]}, "c": "d"}], [[], 1, None, "{}"]),
    ("object_optional", {"type": "object", "properties": {"a": INTEGER, "b": STRING, "c": {"type": "boolean"}},
                         "additionalProperties": False},
     [{}, {"a": 1}, {"b": ""}, {"c": True}, {"a": 1, "b": "x"}, {"a": 1, "c": False}, {"b": "x", "c": True},
      {"a": 1, "b": "", "c": True}], [{"d": 1}, {"a": "1"}, {"a": 1, "d": 1}, []]),
    ("object_middle_required", {"type": "object", "properties": {"a": INTEGER, "b": INTEGER, "c": INTEGER},
                                "required": ["b"], "additionalProperties": False},
     [{"b": 1}, {"a": 1, "b": 2}, {"b": 1, "c": 2}, {"a": 1, "b": 2, "c": 3}], [{}, {"a": 1}, {"a": 1, "c": 2}, {"c": 1}]),
    ("object_last_required", {"type": "object", "properties": {"a": INTEGER, "b": INTEGER, "c": INTEGER},
                              "required": ["c"], "additionalProperties": False},
     [{"c": 1}, {"a": 1, "c": 2}, {"b": 1, "c": 2}, {"a": 1, "b": 2, "c": 3}], [{}, {"a": 1}, {"a": 1, "b": 2}]),
    ("object_open", {"type": "object", "properties": {"id": INTEGER}, "required": ["id"]},
     [{"id": 1}, {"id": 1, "more": [1]}, {"id": 1, "i": 2, "idx": 3, "": 4, "é": 5}], [{}, {"more": 1}, {"id": "1"},
                                                                                       {"id": None, "x": 1}]),
    ("object_open_optional", {"type": "object", "properties": {"id": INTEGER}},
     [{}, {"id": 1}, {"other": 1}, {"id": 1, "b": 2}], [{"id": "x"}, {"id": 1.5}, []]),
    ("map_of_integers", {"type": "object", "additionalProperties": INTEGER},
     [{}, {"a": 1}, {"a": 1, "b": 2, "c": -3}], [{"a": "1"}, {"a": 1, "b": None}, [1]]),
    ("map_beside_properties", {"type": "object", "properties": {"name": STRING}, "required": ["name"],
                               "additionalProperties": {"type": "number"}},
     [{"name": "x"}, {"name": "x", "n": 1.5}, {"name": "x", "nam": 1, "names": 2}],
     [{"name": 1}, {"name": "x", "n": "y"}, {"n": 1}]),
    ("map_max_2", {"type": "object", "additionalProperties": INTEGER, "maxProperties": 2},
     [{}, {"a": 1}, {"a": 1, "b": 2}], [{"a": 1, "b": 2, "c": 3}, {"a": "x"}]),
    ("map_min_1", {"type": "object", "additionalProperties": INTEGER, "minProperties": 1},
     [{"a": 1}, {"a": 1, "b": 2}], [{}, {"a": None}]),
    ("object_empty", {"type": "object", "properties": {}, "additionalProperties": False}, [{}], [{"a": 1}, [], None]),
    ("required_unlisted", {"type": "object", "required": ["x"], "additionalProperties": INTEGER},
     [{"x": 1}, {"x": 1, "y": 2}], [{}, {"y": 1}, {"x": "1"}]),
    ("odd_names", object_of({"a b": INTEGER, "q\"uote": INTEGER, "é日": INTEGER, "back\\slash": INTEGER, "": INTEGER}),
     [{"a b": 1, "q\"uote": 2, "é日": 3, "back\\slash": 4, "": 5}],
     [{"a b": 1, "q\"uote": 2, "é日": 3, "back\\slash": 4}, {"a b": 1}]),
    ("property_forbidden", {"type": "object", "properties": {"a": INTEGER, "b": False}},
     [{}, {"a": 1}, {"a": 1, "c": 2}], [{"b": 1}, {"a": 1, "b": None}]),
    ("nested_deep", in_object(in_object(in_object(in_object(STRING)))),
     [{"value": {"value": {"value": {"value": "x"}}}}],
     [{"value": {"value": {"value": "x"}}}, {"value": {}}, {"value": {"value": {"value": {"value": 1}}}}]),
]

JOINED = [
    ("any_of_types", {"anyOf": [STRING, INTEGER, {"type": "array", "items": STRING}]},
     ["a", 1, [], ["x"]], [1.5, None, [1], {}]),
    ("one_of_kinds", {"oneOf": [object_of({"kind": {"const": "a"}, "x": INTEGER}), object_of({"kind": {"const": "b"}, "y": STRING})]},
     [{"kind": "a", "x": 1}, {"kind": "b", "y": "z"}], [{"kind": "a", "y": "z"}, {"kind": "b", "x": 1}, {"kind": "c"}, {}]),
    ("any_of_beside_type", {"type": "object", "properties": {"a": INTEGER, "b": INTEGER}, "additionalProperties": False,
                            "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
     [{"a": 1}, {"b": 1}, {"a": 1, "b": 2}], [{}, {"a": "x"}, {"c": 1}]),
    ("all_of_objects", {"allOf": [{"type": "object", "properties": {"a": INTEGER}, "required": ["a"]},
                                  {"properties": {"b": STRING}, "required": ["b"]}]},
     [{"a": 1, "b": "x"}, {"a": 1, "b": "x", "c": None}], [{"a": 1}, {"b": "x"}, {"a": "1", "b": "x"}, {}]),
    ("all_of_bounds", {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 9}, {"minimum": 5}]},
     [5, 6, 9], [3, 4, 10, 0, -5, 50]),
    ("all_of_types", {"allOf": [{"type": ["string", "number"]}, {"type": ["integer", "null"]}]}, [1, -5, 0],
     ["a", None, 1.5]),
    ("reference_and_more", {"$ref": "#/$defs/base", "properties": {"extra": STRING}, "required": ["extra"],
                            "$defs": {"base": {"type": "object", "properties": {"id": INTEGER}, "required": ["id"]}}},
     [{"extra": "x", "id": 1}], [{"id": 1}, {"extra": "x"}, {"extra": 1, "id": 1}, {}]),
    ("closed_base", {"allOf": [{"type": "object", "properties": {"a": INTEGER}, "additionalProperties": False},
                               {"properties": {"a": {"minimum": 5}, "b": INTEGER}}]},
     [{}, {"a": 5}, {"a": 70}], [{"a": 4}, {"b": 1}, {"a": 5, "b": 1}, {"c": 1}]),
    ("nullable_reference", in_object({"anyOf": [{"$ref": "#/$defs/p"}, {"type": "null"}]}) | {
        "$defs": {"p": object_of({"x": {"type": "number"}, "y": {"type": "number"}})}},
     [{"value": None}, {"value": {"x": 1, "y": -2.5}}], [{"value": {}}, {"value": {"x": 1}}, {"value": 1}, {}]),
    ("tree", {"$ref": "#/$defs/tree", "$defs": {"tree": {"anyOf": [INTEGER, {"type": "array", "items": {"$ref": "#/$defs/tree"},
                                                                        "maxItems": 2}]}}},
     [1, [], [1], [[1, [2]], [[], 3]], [[[[[[7]]]]]]], [[1, 2, 3], ["a"], None, [[1, 2, 3]], {}]),
    ("mutual", {"$ref": "#/$defs/a", "$defs": {
        "a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/b"}}, "additionalProperties": False},
        "b": {"type": "array", "items": {"$ref": "#/$defs/a"}}}},
     [{}, {"b": []}, {"b": [{}, {"b": [{"b": []}]}]}], [{"a": 1}, {"b": {}}, {"b": [[]]}, []]),
    ("pointer_into_properties", {"type": "object", "properties": {"first": {"type": "integer", "minimum": 1, "maximum": 3},
                                 "second": {"$ref": "#/properties/first"}}, "additionalProperties": False},
     [{}, {"first": 1, "second": 3}, {"second": 2}], [{"first": 4}, {"second": 0}, {"second": "1"}]),
    ("escaped_pointer", {"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"const": 5}}}, [5], [4, "5", None]),
    ("two_choices", {"allOf": [{"anyOf": [{"type": "string", "maxLength": 2}, INTEGER]}, {"anyOf": [{"type": "string",
                     "minLength": 1}, {"type": "null"}]}]}, ["a", "ab"], ["", "abc", 1, None]),
]

# Schemas that are refused, with a part of the reason.
REFUSED = [
    ({"type": "integer", "multipleOf": 3}, "multipleOf"),
    ({"type": "array", "uniqueItems": True}, "uniqueItems"),
    ({"not": {"type": "string"}}, "not"),
    ({"if": {}, "then": {}}, "if"),
    ({"type": "object", "patternProperties": {"^a": {}}}, "patternProperties"),
    ({"type": "object", "properties": {"a": {"type": "string", "maxlength": 3}}}, "maxlength"),
    ({"type": "string", "format": "iri"}, "iri"),
    ({"type": "string", "pattern": "(?=a)b"}, "lookaround"),
    ({"type": "string", "pattern": "\\bword"}, "word boundaries"),
    ({"type": "string", "pattern": "a*", "minLength": 3}, "minLength"),
    ({"type": "text"}, "text"),
    ({"$ref": "other.json#/a"}, "other.json"),
    ({"$ref": "#/$defs/none"}, "leads nowhere"),
    ({"$ref": "#"}, ""),
    ({"type": "object", "properties": {"a": False}, "required": ["a"]}, "no finite text"),
    ({"$defs": {"a": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "required": ["a"]}}, "$ref": "#/$defs/a"},
     "no finite text"),
    ({"type": "integer", "minimum": 5, "maximum": 4}, "no finite text"),
    ({"enum": []}, "no finite text"),
    (False, "no finite text"),
    ({"type": "array", "items": [{"type": "string"}]}, "prefixItems"),
    ({"type": "object", "required": "a"}, "required"),
    ({"type": "string", "maxLength": -1}, "maxLength"),
    ({"type": "string", "maxLength": 1000000}, "at most"),
    ({"type": "object", "properties": {"a": {}}, "minProperties": 1}, "minProperties"),
    ({"allOf": [{"$ref": "#"}]}, "allOf"),
    (5, "must be an object"),
    ({"anyOf": []}, "not empty"),
]

# Texts that are not JSON, or JSON in unusual forms, and whether the grammar of the schema takes them. jsonschema is asked
# about those that are JSON; "narrow" ones are valid but left out of the grammar on purpose.
TEXTS = {
    "math_steps": ["", "{", "{}}", "null", '{"steps":[],"final_answer":"x"', '{"steps":[],"final_answer":"x"}}',
                   '{"steps":[,],"final_answer":"x"}', "{'steps':[],'final_answer':'x'}"],
    "string": ['"', '"a', 'a"', '"\\x"', '"\\u12"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\/"', '"a\nb"', '"a\tb"', "''",
               '"\\"', '""""', ' "a"'],
    "integer": ["00", "01", "-", "+1", "1.", ".5", "0x1", "1 ", "--1", "-0"],
    "number": ["1.", ".1", "1e", "1e+", "-", "1.5e+10", "1E5", "0.0", "-0.0", "NaN", "Infinity", "1e5.5", "1_0", "01.5"],
    "boolean": ["True", "tru", "truee", "TRUE", "true false"],
    "array_integers": ["[1,]", "[,1]", "[1 2]", "[", "]", "[1,2", "[1,\n2]", "[ 1, 2 ]", "[1],"],
    "object_any": ["{,}", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", '{"a":1 "b":2}', '{"a":1}{}', "{ }", '{ "a": 1 }',
                   '{\n  "a": [\n    1\n  ]\n}'],
    "enum_strings": ['"red', 'red', '"gre"', '"greenish" '],
}
NARROW = {("number_tiny", "5e-08"), ("number_tiny", "-1e-07"), ("string", ' "a"'), ("integer", "1 "), ("enum_strings", '"greenish" ')}

CASES = OPENAI + SCALARS + NUMBERS + STRINGS + ARRAYS + OBJECTS + JOINED
