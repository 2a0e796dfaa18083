#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace oag::jinja {

// Text operations as Python's str defines them, on valid UTF-8. Lengths and indices count code points.

// Whether `text` is well-formed UTF-8.
bool is_utf8(std::string_view text);

// Decodes the code point at `offset` and moves past it.
uint32_t next_code_point(std::string_view text, size_t& offset);
void append_code_point(std::string& out, uint32_t code_point);

size_t count_code_points(std::string_view text);
// Byte offset of code point `index`, or the size of the text if there are fewer.
size_t byte_offset(std::string_view text, size_t index);

bool is_space(uint32_t code_point);
bool is_alphabetic(uint32_t code_point);
bool is_digit(uint32_t code_point);
// A character that may stand in a Python identifier.
bool is_word(uint32_t code_point);
// What repr() prints as it is.
bool is_printable(uint32_t code_point);
bool is_upper(uint32_t code_point);
bool is_lower(uint32_t code_point);

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string capitalize(std::string_view text);
// str.title(): a capital after every character that is not a letter.
std::string title_case(std::string_view text);
std::string swap_case(std::string_view text);

// Which ends strip() works on.
enum class Side { kLeft, kRight, kBoth };
// Removes white space.
std::string_view strip(std::string_view text, Side side = Side::kBoth);
// Removes the characters in `set`.
std::string_view strip(std::string_view text, std::string_view set, Side side);

// str.splitlines().
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

// repr() of a Python float: the shortest digits that read back the same.
std::string float_text(double value);

}  // namespace oag::jinja
