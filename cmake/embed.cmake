# oag_embed(TARGET FILE NAME): compiles a text file into TARGET as `extern const std::string_view NAME` in
# namespace oag. A change of the file reconfigures.
function(oag_embed TARGET FILE NAME)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${FILE})
  file(READ ${FILE} hex HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  set(source ${CMAKE_BINARY_DIR}/embedded/${NAME}.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "#include <string_view>

namespace oag {
extern const std::string_view @NAME@;
namespace {
constexpr char kBytes[] = {
@bytes@};
}  // namespace
const std::string_view @NAME@(kBytes, sizeof kBytes);
}  // namespace oag
" @ONLY)
  target_sources(${TARGET} PRIVATE ${source})
endfunction()
