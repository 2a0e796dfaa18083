#include <algorithm>

#include "llm/text/chat_template.h"

namespace oag {

namespace {

constexpr std::string_view kChatMl =
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message.role + '\\n' -}}"
    "{%- if message.content is string -%}{{- message.content -}}"
    "{%- else -%}{%- for part in message.content if part.type == 'text' -%}{{- part.text -}}{%- endfor "
    "-%}{%- endif -%}"
    "{{- '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}";

// The system text stands inside the first user turn.
constexpr std::string_view kLlama2 =
    "{%- set ns = namespace(system='') -%}"
    "{%- for message in messages -%}"
    "{%- if message.role == 'system' -%}"
    "{%- set ns.system = '<<SYS>>\\n' + message.content + '\\n<</SYS>>\\n\\n' -%}"
    "{%- elif message.role == 'user' -%}"
    "{{- (bos_token | default('<s>')) + '[INST] ' + ns.system + message.content | trim + ' [/INST]' -}}"
    "{%- set ns.system = '' -%}"
    "{%- elif message.role == 'assistant' -%}"
    "{{- ' ' + message.content | trim + ' ' + (eos_token | default('</s>')) -}}"
    "{%- else -%}{{- raise_exception('Llama 2 knows the roles system, user and assistant, not ' ~ "
    "message.role) -}}"
    "{%- endif -%}"
    "{%- endfor -%}";

constexpr std::string_view kLlama3 =
    "{{- bos_token | default('<|begin_of_text|>') -}}"
    "{%- for message in messages -%}"
    "{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + message.content | trim + "
    "'<|eot_id|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}{%- endif "
    "-%}";

// GLM-4, GLM-4-0414 and, with parts of type image, GLM-4.1V.
constexpr std::string_view kGlm4 =
    "{{- '[gMASK]<sop>' -}}"
    "{%- for message in messages -%}"
    "{{- '<|' + message.role + '|>\\n' -}}"
    "{%- if message.content is string -%}{{- message.content -}}"
    "{%- else -%}{%- for part in message.content -%}"
    "{%- if part.type == 'text' -%}{{- part.text -}}"
    "{%- elif part.type == 'image' or part.type == 'image_url' or 'image' in part -%}"
    "{{- '<|begin_of_image|><|image|><|end_of_image|>' -}}"
    "{%- elif part.type == 'video' or 'video' in part -%}"
    "{{- '<|begin_of_video|><|video|><|end_of_video|>' -}}"
    "{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>\\n' -}}{%- endif -%}";

// A blank follows the newline after each role: it is part of the format.
constexpr std::string_view kChatGlm3 =
    "{{- '[gMASK]sop' -}}"
    "{%- for message in messages -%}"
    "{{- '<|' + message.role + '|>\\n ' + message.content -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}";

}  // namespace

FallbackTemplate fallback_chat_template(std::string_view architecture, const Vocabulary& vocabulary) {
  const auto has = [&](std::string_view token) {
    return std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), token) != vocabulary.tokens.end();
  };
  constexpr FallbackTemplate kNamedChatMl = {"chatml", kChatMl};
  if (has("<|im_start|>")) return kNamedChatMl;
  if (has("<|start_header_id|>")) return {"llama-3", kLlama3};
  const bool sentencepiece = vocabulary.model == "llama";
  if (architecture == "llama" && sentencepiece) return {"llama-2", kLlama2};
  if (architecture == "chatglm" && sentencepiece) return {"chatglm3", kChatGlm3};
  if (architecture == "chatglm" || architecture.starts_with("glm4")) return {"glm4", kGlm4};
  return kNamedChatMl;
}

}  // namespace oag
