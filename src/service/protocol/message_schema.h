#pragma once

#include <string_view>

namespace oag {

// A conversation. Parts are lists of objects with a type; which types there are is said where they are read,
// since models differ. Pictures are always read in full, which is the detail "high".
inline constexpr std::string_view kMessagesSchema =
    R"({"type":"array","minItems":1,"maxItems":8192,"items":{"type":"object",
 "required":["role"],"properties":{
  "role":{"type":"string","enum":["system","developer","user","assistant","tool","function"]},
  "content":{"anyOf":[{"type":"string"},{"type":"array","maxItems":4096,"items":{"type":"object","required":["type"],"properties":{
    "type":{"type":"string","enum":["text","image_url","image","refusal","thinking"]},
    "text":{"type":"string"},"image_url":{"anyOf":[{"type":"string"},{"type":"object","required":["url"],"properties":{"url":{"type":"string"},"detail":{"type":"string","enum":["auto","high"]}}}]},
    "image":{},"url":{"type":"string"},"refusal":{},"thinking":{}}}}]},
  "name":{"type":"string"},
  "tool_call_id":{"type":"string"},
  "tool_calls":{"type":"array","maxItems":512,"items":{"type":"object","required":["function"],"properties":{"id":{"type":"string"},"type":{"type":"string"},"index":{"type":"integer"},
    "function":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"arguments":{"type":["string","object"]}}}}}},
  "function_call":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"arguments":{"type":["string","object"]}}},
  "reasoning_content":{"type":"string"},
  "refusal":{"type":"string"},"annotations":{"type":"array","items":{"type":"object"}}}}})";

// Tools as OpenAI describes them.
inline constexpr std::string_view kToolsSchema =
    R"({"type":"array","maxItems":512,"items":{"type":"object","required":["type","function"],"properties":{
  "type":{"type":"string","enum":["function"]},
  "function":{"type":"object","required":["name"],"properties":{"name":{"type":"string","minLength":1,"maxLength":256},"description":{"type":"string"},"parameters":{"type":"object"},"strict":{"type":"boolean"}}}}}})";

}  // namespace oag
