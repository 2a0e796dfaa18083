#include <algorithm>
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE and size_t
#include <cstring>
#include <string>

#include <jpeglib.h>

#include <jerror.h>

#include "base/error.h"
#include "base/image_formats.h"

namespace oag {
namespace {

constexpr int kMaxScans = 64;                 // of a progressive file; each costs a walk over all its blocks
constexpr int64_t kMaxBytesPerPixel = 16;     // of the library's own memory: coefficients of four components
constexpr int64_t kMaxFixedBytes = 64 << 20;  // beside them: row buffers, and saved markers
constexpr JOCTET kEndOfImage[] = {0xFF, JPEG_EOI};

// What libjpeg works with. Its errors leave by longjmp, so the functions that set the jump hold only plain
// data.
struct Jpeg {
  Jpeg() { std::memset(&library, 0, sizeof library); }
  ~Jpeg() { jpeg_destroy_decompress(&library); }
  Jpeg(const Jpeg&) = delete;
  Jpeg& operator=(const Jpeg&) = delete;

  jpeg_decompress_struct library;
  jpeg_error_mgr errors = {};
  jpeg_source_mgr source = {};
  jpeg_progress_mgr progress = {};
  std::jmp_buf on_error = {};
  int code = 0;  // of the error or the harmful warning
  char message[JMSG_LENGTH_MAX] = {};
  bool ran_out = false;  // the file ended before its end-of-image marker
  bool too_many_scans = false;
};

Jpeg& jpeg_of(j_common_ptr library) {
  return *static_cast<Jpeg*>(library->client_data);
}

[[noreturn]] void leave(j_common_ptr library) {
  Jpeg& jpeg = jpeg_of(library);
  jpeg.code = library->err->msg_code;
  library->err->format_message(library, jpeg.message);
  std::longjmp(jpeg.on_error, 1);  // NOLINT(cert-err52-cpp): through C frames
}

// Warnings after which pixels are guesses are errors here; others (junk between markers) cost nothing.
void on_message(j_common_ptr library, int level) {
  if (level >= 0) return;
  switch (library->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_JPEG_EOF: leave(library);
    default: break;
  }
}

void no_output(j_common_ptr) {}

void on_progress(j_common_ptr library) {
  if (!library->is_decompressor) return;
  if (reinterpret_cast<j_decompress_ptr>(library)->input_scan_number <= kMaxScans) return;
  jpeg_of(library).too_many_scans = true;
  leave(library);
}

void source_nothing(j_decompress_ptr) {}

// At the end of the file: the marker that ends a picture. What lacked data then gives JWRN_HIT_MARKER.
boolean source_end(j_decompress_ptr library) {
  jpeg_of(reinterpret_cast<j_common_ptr>(library)).ran_out = true;
  library->src->next_input_byte = kEndOfImage;
  library->src->bytes_in_buffer = sizeof kEndOfImage;
  return TRUE;
}

void source_skip(j_decompress_ptr library, long count) {
  if (count <= 0) return;
  if (static_cast<size_t>(count) > library->src->bytes_in_buffer) {
    source_end(library);
    return;
  }
  library->src->next_input_byte += count;
  library->src->bytes_in_buffer -= static_cast<size_t>(count);
}

// Each of these three returns false when the library gave up; jpeg.message says why.
bool read_header(Jpeg& jpeg, const std::byte* bytes, size_t size) {
  jpeg.library.err = jpeg_std_error(&jpeg.errors);
  jpeg.errors.error_exit = leave;
  jpeg.errors.emit_message = on_message;
  jpeg.errors.output_message = no_output;
  jpeg.library.client_data = &jpeg;
  if (setjmp(jpeg.on_error)) return false;  // NOLINT(cert-err52-cpp)
  jpeg_create_decompress(&jpeg.library);
  jpeg.source.init_source = source_nothing;
  jpeg.source.fill_input_buffer = source_end;
  jpeg.source.skip_input_data = source_skip;
  jpeg.source.resync_to_restart = jpeg_resync_to_restart;
  jpeg.source.term_source = source_nothing;
  jpeg.source.next_input_byte = reinterpret_cast<const JOCTET*>(bytes);
  jpeg.source.bytes_in_buffer = size;
  jpeg.library.src = &jpeg.source;
  jpeg.progress.progress_monitor = on_progress;
  jpeg.library.progress = &jpeg.progress;
  jpeg.library.mem->max_memory_to_use = kMaxFixedBytes;
  jpeg_save_markers(&jpeg.library, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&jpeg.library, TRUE);
  return true;
}

bool start(Jpeg& jpeg) {
  if (setjmp(jpeg.on_error)) return false;  // NOLINT(cert-err52-cpp)
  jpeg_start_decompress(&jpeg.library);
  return true;
}

bool read_row(Jpeg& jpeg, uint8_t* out) {
  if (setjmp(jpeg.on_error)) return false;  // NOLINT(cert-err52-cpp)
  JSAMPROW row = out;
  return jpeg_read_scanlines(&jpeg.library, &row, 1) == 1;
}

class JpegDecoder {
 public:
  JpegDecoder(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits)
      : where_(where) {
    if (!read_header(jpeg_, bytes.data(), bytes.size())) fail_with_message();
    check_image_size(jpeg_.library.image_width, jpeg_.library.image_height, where, limits);
  }

  int64_t pixels() const { return int64_t{jpeg_.library.image_width} * jpeg_.library.image_height; }

  DecodedImage decode() {
    jpeg_decompress_struct& library = jpeg_.library;
    library.mem->max_memory_to_use = kMaxFixedBytes + kMaxBytesPerPixel * pixels();
    const int channels = choose_colours();
    const bool many_scans = jpeg_has_multiple_scans(&library);
    if (!start(jpeg_)) fail_with_message();
    // A progressive file is read to its end here: where that is missing, scans that refine the picture are
    // too.
    if (many_scans && jpeg_.ran_out) fail_cut_off();

    DecodedImage decoded{make_image(library.image_width, library.image_height), orientation()};
    std::vector<uint8_t> row(channels == 3 ? 0 : size_t{library.image_width} * channels);
    for (uint32_t y = 0; y < library.image_height; ++y) {
      uint8_t* out = decoded.image.pixels.data() + size_t{3} * library.image_width * y;
      if (!read_row(jpeg_, channels == 3 ? out : row.data())) fail_with_message();
      if (channels == 1) spread_grey(row.data(), out);
      if (channels == 4) convert_cmyk(row.data(), out);
    }
    return decoded;
  }

 private:
  [[noreturn]] void fail_cut_off() const { fail(ErrorCode::kCorruptData, where_, "the JPEG is cut off"); }

  [[noreturn]] void fail_with_message() const {
    if (jpeg_.too_many_scans)
      fail(ErrorCode::kUnsupported, where_, "the JPEG has more than {} scans: save it anew", kMaxScans);
    switch (jpeg_.code) {
      case JERR_OUT_OF_MEMORY:
      case JERR_NO_BACKING_STORE:
        fail(ErrorCode::kOutOfMemory, where_, "there is no memory to decode the JPEG: {}", jpeg_.message);
      case JERR_ARITH_NOTIMPL:
      case JERR_BAD_PRECISION:
      case JERR_CONVERSION_NOTIMPL:
      case JERR_NOT_COMPILED:
      case JERR_SOF_UNSUPPORTED:
        fail(ErrorCode::kUnsupported, where_, "this kind of JPEG cannot be read: {}", jpeg_.message);
      default: break;
    }
    if (jpeg_.ran_out) fail_cut_off();
    fail(ErrorCode::kCorruptData, where_, "the JPEG is broken: {}", jpeg_.message);
  }

  // Sets the colours that the library gives and returns their number: 1 grey, 3 RGB, 4 CMYK.
  int choose_colours() {
    switch (jpeg_.library.num_components) {
      case 1: jpeg_.library.out_color_space = JCS_GRAYSCALE; return 1;
      case 3: jpeg_.library.out_color_space = JCS_RGB; return 3;
      case 4: jpeg_.library.out_color_space = JCS_CMYK; return 4;
      default:
        fail(ErrorCode::kUnsupported, where_,
             "the JPEG has {} components; 1 (grey), 3 (colour) and 4 (CMYK) can be read",
             jpeg_.library.num_components);
    }
  }

  void spread_grey(const uint8_t* row, uint8_t* out) const {
    for (size_t x = 0; x < jpeg_.library.image_width; ++x) std::fill_n(out + 3 * x, 3, row[x]);
  }

  // Samples are inverted inks, as Adobe writes them: 255 is no ink.
  void convert_cmyk(const uint8_t* row, uint8_t* out) const {
    for (size_t x = 0; x < jpeg_.library.image_width; ++x) {
      const int white = row[4 * x + 3];
      for (size_t c = 0; c < 3; ++c) {
        const int product = (255 - row[4 * x + c]) * white + 128;
        out[3 * x + c] =
            static_cast<uint8_t>(white - (((product >> 8) + product) >> 8));  // product / 255, rounded
      }
    }
  }

  int orientation() const {
    int from_xmp = 0;
    for (auto* marker = jpeg_.library.marker_list; marker; marker = marker->next) {
      const std::string_view text(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (text.starts_with(std::string_view("Exif\0\0", 6))) {
        const int found = exif_orientation(std::as_bytes(std::span(text)));
        if (found != 0) return found;
      } else if (text.starts_with("http://ns.adobe.com/xap/1.0/") && from_xmp == 0) {
        from_xmp = xmp_orientation(text);
      }
    }
    return from_xmp == 0 ? 1 : from_xmp;
  }

  std::string_view where_;
  Jpeg jpeg_;
};

}  // namespace

DecodedImage decode_jpeg(std::span<const std::byte> bytes, std::string_view where,
                         const ImageLimits& limits) {
  return JpegDecoder(bytes, where, limits).decode();
}

int64_t jpeg_pixels(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits) {
  return JpegDecoder(bytes, where, limits).pixels();
}

}  // namespace oag
