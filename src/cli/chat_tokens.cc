#include "cli/chat_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <iterator>

#include "api/model_path.h"
#include "base/error.h"
#include "base/file.h"
#include "base/image.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "llm/bundle/chat_prompt.h"
#include "llm/generate/prompt_images.h"

namespace oag::cli {
namespace {

constexpr size_t kMostMessageBytes = size_t{256} << 20;

bool is_data_uri(std::string_view source) {
  return source.starts_with("data:");
}

// The pictures of the messages, one file for each place without data. Empty where nothing tells their sizes.
std::vector<ImageGrid> picture_grids(const ChatTokensOptions& options, const ModelBundle& bundle,
                                     const std::vector<std::string>& places) {
  const auto without_data = static_cast<size_t>(
      std::ranges::count_if(places, [](const std::string& place) { return !is_data_uri(place); }));
  if (options.images.empty() && (without_data > 0 || places.empty())) return {};
  // A picture that brings its data needs no other.
  if (options.images.size() != without_data)
    fail_image_places("messages", without_data, options.images.size());
  const GlmImageProcessor processor(bundle.vision->images, options.image_options);
  std::vector<ImageGrid> grids;
  size_t next_file = 0;
  for (size_t i = 0; i < places.size(); ++i) {
    std::string name = fmt::format("picture {}", i + 1);
    RgbImage image;
    if (is_data_uri(places[i])) {
      image = decode_data_uri(places[i], name);
    } else {
      const std::string& source = options.images[next_file++];
      if (!is_data_uri(source)) name = printable(source);
      image = read_image(source, name);
    }
    const auto merge = static_cast<int>(bundle.vision->config.merge_size);
    const ImageGrid grid = processor.grid_of(image.width, image.height, name);
    grids.push_back({1, grid.rows / merge, grid.columns / merge});
  }
  return grids;
}

// "t 0-14" of text, "t 15, h 15-19, w 15-18" of a picture.
std::string position_text(const ChatTokens& chat, const PromptRun& run, size_t first) {
  const size_t total = chat.ids.size();
  const auto axis = [&](size_t number) {
    const auto begin = chat.positions.ids.begin() + static_cast<std::ptrdiff_t>(number * total + first);
    const auto [low, high] = std::minmax_element(begin, begin + run.tokens);
    return *low == *high ? std::to_string(*low) : fmt::format("{}-{}", *low, *high);
  };
  if (!run.is_image()) return axis(0);
  return chat.mrope ? fmt::format("time {}, height {}, width {}", axis(0), axis(1), axis(2)) : axis(0);
}

std::string prompt_text(std::string_view prompt) {
  std::string text;
  while (!prompt.empty()) {
    const size_t end = std::min(prompt.find('\n'), prompt.size() - 1) + 1;
    text += fmt::format("  {}\n", quoted(prompt.substr(0, end)));
    prompt.remove_prefix(end);
  }
  return text;
}

size_t special_count(const ChatTokens& chat, const Tokenizer& tokenizer) {
  return static_cast<size_t>(
      std::ranges::count_if(chat.ids, [&](TokenId id) { return is_special(tokenizer, id); }));
}

}  // namespace

bool is_special(const Tokenizer& tokenizer, TokenId id) {
  const TokenType type = tokenizer.vocabulary().type(id);
  return type == TokenType::kControl || type == TokenType::kUserDefined || type == TokenType::kUnknown;
}

Json read_messages(const std::string& name) {
  const bool piped = name == "-";
  if (piped && stdin_is_terminal())
    print_stderr("reading the messages from the keyboard; Ctrl-D ends them\n");
  const std::string where = piped ? "standard input" : printable(name);
  const std::string text =
      piped ? std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>())
            : read_stream(name, kMostMessageBytes);
  Json document = parse_json(text, where);
  if (!document.is_object()) return document;
  if (document.contains("tools") && !document["tools"].empty())
    fail(ErrorCode::kUnsupported, where, "has tools, which are not rendered; leave them out");
  if (!document.contains("messages"))
    fail(ErrorCode::kInvalidArgument, where,
         "is an object without messages; expected these or a list of them");
  return document["messages"];
}

ModelBundle load_for_chat(const ChatTokensOptions& options, const Json& messages) {
  const std::filesystem::path path = find_model_file(options.model);
  const ChatMessages chat = read_chat_messages(*load_tokenizer(path), messages, ContentFormat::kList);
  const bool sized =
      !options.images.empty() || (!chat.pictures.empty() && std::ranges::all_of(chat.pictures, is_data_uri));
  ModelBundle bundle = load_bundle(path, {sized || !options.vision_file.empty(), options.vision_file});
  // A template of texts alone would leave them out without a word.
  if (!chat.pictures.empty()) check_takes_pictures(bundle);
  return bundle;
}

ChatTokens chat_tokens(const ChatTokensOptions& options, const ModelBundle& bundle, const Json& messages) {
  const Tokenizer& tokenizer = *bundle.tokenizer;
  ChatTokens chat;
  chat.content_format = options.content_format.value_or(own_content_format(bundle));
  const ChatMessages read = read_chat_messages(tokenizer, messages, chat.content_format);
  const std::vector<ImageGrid> pictures = picture_grids(options, bundle, read.pictures);
  const ChatTemplate chat_template = compile_chat_template(bundle);
  const std::string rendered = render_chat(chat_template, tokenizer, read.list, options.generation_prompt);
  chat.template_source = bundle.template_is_fallback() ? "fallback" : "file";
  chat.prompt = shown_chat(rendered);
  chat.ids = encode_rendered_chat(tokenizer, rendered);
  chat.picture_count = read.pictures.size();
  chat.pictures = pictures;
  chat.mrope = !bundle.config.rope_sections.empty();
  if (!chat.pictures.empty()) {
    chat.ids = expand_image_tokens(chat.ids, *bundle.image_token, chat.pictures, 1, "prompt");
    chat.runs = split_prompt(chat.ids, *bundle.image_token, chat.pictures, 1, "prompt");
  } else if (!chat.ids.empty()) {
    chat.runs = {{static_cast<int64_t>(chat.ids.size()), {}}};
  }
  chat.positions = mrope_positions(chat.runs, 1);
  return chat;
}

Json chat_tokens_json(const ChatTokens& chat, const Tokenizer& tokenizer, const ChatTokensOptions& options) {
  Json pieces = Json::array(), special = Json::array(), runs = Json::array(), axes = Json::array();
  for (size_t i = 0; i < chat.ids.size(); ++i) {
    pieces.push_back(std::string(tokenizer.token_bytes(chat.ids[i], true)));
    if (is_special(tokenizer, chat.ids[i])) special.push_back(i);
  }
  size_t first = 0;
  for (const PromptRun& run : chat.runs) {
    Json each = {{"kind", run.is_image() ? "image" : "text"},
                 {"first_token", first},
                 {"tokens", run.tokens},
                 {"position", chat.positions.ids[first]}};
    if (run.is_image()) each.update({{"rows", run.grid.rows}, {"columns", run.grid.columns}});
    runs.push_back(std::move(each));
    first += static_cast<size_t>(run.tokens);
  }
  const auto total = static_cast<std::ptrdiff_t>(chat.ids.size());
  for (std::ptrdiff_t axis = 0; axis < (chat.mrope ? 3 : 1); ++axis) {
    const auto begin = chat.positions.ids.begin() + axis * total;
    axes.push_back(std::vector<int32_t>(begin, begin + total));
  }
  int64_t image_tokens = 0;
  for (const ImageGrid& grid : chat.pictures) image_tokens += grid.patches();
  return {{"schema", "oag.tokenize/1"},
          {"count", chat.ids.size()},
          {"ids", chat.ids},
          {"pieces", std::move(pieces)},
          {"chat",
           {{"prompt", chat.prompt},
            {"chat_template", chat.template_source},
            {"content_format", content_format_name(chat.content_format)},
            {"generation_prompt", options.generation_prompt},
            {"special", std::move(special)},
            {"pictures", chat.picture_count},
            {"pictures_expanded", chat.picture_count == chat.pictures.size()},
            {"image_tokens", image_tokens},
            {"runs", std::move(runs)},
            {"positions", std::move(axes)},
            {"next_position", chat.positions.next}}}};
}

std::string chat_tokens_text(const ChatTokens& chat, const Tokenizer& tokenizer) {
  std::string text = fmt::format("prompt\n{}\n", prompt_text(chat.prompt));
  std::vector<std::vector<std::string>> rows = {{"token", "id", "piece", ""}};
  for (size_t i = 0; i < chat.ids.size();) {
    size_t end = i + 1;
    if (is_special(tokenizer, chat.ids[i]))
      while (end < chat.ids.size() && chat.ids[end] == chat.ids[i]) ++end;
    rows.push_back({std::to_string(i), std::to_string(chat.ids[i]),
                    quoted(tokenizer.token_bytes(chat.ids[i], true)),
                    !is_special(tokenizer, chat.ids[i]) ? ""
                    : end > i + 1                       ? fmt::format("special, {} times", end - i)
                                                        : "special"});
    i = end;
  }
  text += format_table(rows) + "\n";
  rows = {{"first token", "tokens", "what", "positions"}};
  size_t first = 0;
  for (const PromptRun& run : chat.runs) {
    rows.push_back(
        {std::to_string(first), std::to_string(run.tokens),
         run.is_image() ? fmt::format("picture, {} rows of {}", run.grid.rows, run.grid.columns) : "text",
         position_text(chat, run, first)});
    first += static_cast<size_t>(run.tokens);
  }
  text += format_table(rows);
  text += fmt::format("\n{} tokens, {} of them special; {}; the next position is {}\n", chat.ids.size(),
                      special_count(chat, tokenizer),
                      chat.picture_count == 1 ? "1 picture" : fmt::format("{} pictures", chat.picture_count),
                      chat.positions.next);
  if (chat.pictures.size() != chat.picture_count)
    text += "pictures stand as one token each: give them with --image, their sizes say how many they take\n";
  return text;
}

}  // namespace oag::cli
