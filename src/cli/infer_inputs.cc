#include "cli/infer_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/image.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/port_value.h"
#include "cli/random_values.h"
#include "cli/tensor_values.h"
#include "engine/formats/npy/npy.h"
#include "engine/ops/element.h"

namespace oag::cli {
namespace {

namespace fs = std::filesystem;

using Ports = std::span<const OnnxPort>;

std::string input_list(Ports inputs) {
  std::string list;
  for (const OnnxPort& input : inputs) {
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", printable(input.name), to_string(input.type));
  }
  return list.empty() ? "none" : list;
}

// The two halves of "NAME=VALUE": names may hold a '=' themselves.
std::pair<const OnnxPort*, std::string> split(Ports inputs, std::string_view option,
                                              const std::string& text) {
  for (size_t at = text.find('='); at != std::string::npos; at = text.find('=', at + 1)) {
    for (const OnnxPort& input : inputs) {
      if (input.name == text.substr(0, at)) return {&input, text.substr(at + 1)};
    }
  }
  const size_t at = text.find('=');
  if (at == std::string::npos) usage_error(option, "{} is not NAME=VALUE", cli::quoted(text));
  fail(ErrorCode::kNotFound, fmt::format("{} {}", option, text), "the model has no input {}; it has: {}",
       cli::quoted(text.substr(0, at)), input_list(inputs));
}

Dims read_dims(const std::string& text) {
  Dims dims;
  for (const char *at = text.data(), *end = at + text.size(); at != end;) {
    int64_t dim = -1;
    const auto [next, error] = std::from_chars(at, end, dim);
    if (error != std::errc() || dim < 0 || (next != end && (*next != ',' || next + 1 == end)))
      usage_error("--shape", "{} is no list of dims such as 1,3,480,640", cli::quoted(text));
    dims.push_back(dim);
    at = next == end ? end : next + 1;
  }
  return dims;
}

bool fits(const Shape& shape, const Dims& dims) {
  if (shape.size() != dims.size()) return false;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (shape[d].is_constant() && shape[d].constant() != dims[d]) return false;
  }
  return true;
}

bool fits(const ValueType& type, const Tensor& tensor) {
  return type.dtype == tensor.dtype() && (!type.shape || fits(*type.shape, tensor.dims()));
}

// Height, width and channel of the picture as dims of an input in one layout.
struct Layout {
  Dims dims;
  bool channels_first;
};

std::vector<Layout> layouts_of(const RgbImage& image, size_t rank) {
  const Dims first = {3, image.height, image.width}, last = {image.height, image.width, 3};
  std::vector<Layout> layouts;
  for (const bool channels_first : {true, false}) {
    Dims dims = channels_first ? first : last;
    if (rank == 4) dims.insert(dims.begin(), 1);
    layouts.push_back({dims, channels_first});
  }
  return layouts;
}

Tensor picture_values(const RgbImage& image, DType dtype, const Layout& layout) {
  Tensor tensor = Tensor::host(dtype, layout.dims);
  const auto plane = static_cast<int64_t>(image.width) * image.height;
  std::vector<uint64_t> row(static_cast<size_t>(plane));
  for (int64_t channel = 0; channel < 3; ++channel) {
    for (int64_t i = 0; i < plane; ++i)
      row[static_cast<size_t>(i)] = image.pixels[static_cast<size_t>(3 * i + channel)];
    const int64_t start = layout.channels_first ? channel * plane : channel;
    store_elements<uint64_t>(tensor, start, layout.channels_first ? 1 : 3, row);
  }
  return tensor;
}

Tensor picture_tensor(const OnnxPort& input, const std::string& file) {
  const RgbImage image = read_image(file, printable(file));
  const ValueType& type = input.type;
  const size_t rank = type.shape ? type.shape->size() : 4;
  const bool takes_pixels = type.dtype == DType::kU8 || type.dtype == DType::kF32 ||
                            type.dtype == DType::kF16 || type.dtype == DType::kF64 ||
                            type.dtype == DType::kBF16;
  if (takes_pixels && (rank == 3 || rank == 4)) {
    for (const Layout& layout : layouts_of(image, rank)) {
      if (!type.shape || fits(*type.shape, layout.dims)) return picture_values(image, type.dtype, layout);
    }
  }
  fail(ErrorCode::kInvalidArgument, file,
       "is a picture of 3 channels, {} rows and {} columns, and the input {} takes {}; bring it to that "
       "size, or give "
       "the values as .npy",
       image.height, image.width, cli::quoted(input.name), to_string(type));
}

Tensor read_input(const OnnxPort& input, const std::string& file) {
  constexpr std::string_view kPictures[] = {".png", ".jpg", ".jpeg", ".webp", ".bmp",
                                            ".pnm", ".ppm", ".pgm",  ".pbm"};
  std::string extension = fs::path(file).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (extension == ".npy") return read_npy(file);
  if (extension == ".pb") return read_port_value(input, file);
  if (std::find(std::begin(kPictures), std::end(kPictures), extension) != std::end(kPictures))
    return picture_tensor(input, file);
  fail(is_there(file) ? ErrorCode::kUnsupported : ErrorCode::kNotFound, file,
       "{}; inputs are .npy, .pb and pictures (.png, .jpg, .webp, .bmp, .pnm)",
       is_there(file) ? "is none that is read" : "is not there");
}

// What the options say of each input, by its name.
class Given {
 public:
  Given(Ports inputs, const InputOptions& options) : inputs_(inputs) {
    for (const std::string& text : options.files) {
      const auto [input, file] = split(inputs, "--input", text);
      if (tensors_.contains(input->name))
        usage_error("--input", "{} is given twice", cli::quoted(input->name));
      Tensor tensor = read_input(*input, file);
      if (!fits(input->type, tensor)) {
        fail(ErrorCode::kInvalidArgument, file, "holds {}, and the input {} takes {}", type_text(tensor),
             cli::quoted(input->name), to_string(input->type));
      }
      learn(*input, tensor.dims());
      tensors_[input->name] = std::move(tensor);
    }
    for (const std::string& text : options.shapes) add_shape(text, options.random);
  }

  const Tensor* tensor(const OnnxPort& input) const {
    const auto found = tensors_.find(input.name);
    return found == tensors_.end() ? nullptr : &found->second;
  }

  // The dims to draw an input with.
  Dims dims(const OnnxPort& input) const {
    const auto hint = shapes_.find(input.name);
    if (hint != shapes_.end()) return hint->second;
    if (!input.type.shape) {
      fail(ErrorCode::kInvalidArgument, fmt::format("input {}", printable(input.name)),
           "the model does not say its shape; give it: --shape {}=1,3,480,640", printable(input.name));
    }
    Dims dims;
    bool guessed = false;
    for (const Dim& dim : *input.type.shape) {
      const auto known = dim.evaluate(symbols_);
      guessed |= !known;
      dims.push_back(known.value_or(1));
    }
    if (guessed) {
      print_stderr("oag: note: input {} {} is drawn as {}; --shape {}=… gives other dims\n",
                   printable(input.name), printable(to_string(input.type)), to_string(dims),
                   printable(input.name));
    }
    return dims;
  }

 private:
  void add_shape(const std::string& text, bool random) {
    const auto [input, list] = split(inputs_, "--shape", text);
    if (!random || tensors_.contains(input->name))
      usage_error("--shape", "{} is of an input that is not drawn: it goes with --random", cli::quoted(text));
    Dims dims = read_dims(list);
    if (input->type.shape && !fits(*input->type.shape, dims)) {
      fail(ErrorCode::kInvalidArgument, "--shape " + text, "the input {} takes {}", cli::quoted(input->name),
           to_string(input->type));
    }
    learn(*input, dims);
    if (!shapes_.emplace(input->name, std::move(dims)).second)
      usage_error("--shape", "{} is given twice", cli::quoted(input->name));
  }

  // Other inputs may have dims of the same name.
  void learn(const OnnxPort& input, const Dims& dims) {
    if (!input.type.shape) return;
    for (size_t d = 0; d < dims.size(); ++d) {
      if (const auto symbol = (*input.type.shape)[d].symbol_name()) symbols_.emplace(*symbol, dims[d]);
    }
  }

  Ports inputs_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, Dims> shapes_;
  DimBindings symbols_;
};

}  // namespace

void declare_input_options(CLI::App& command, InputOptions& inputs) {
  command
      .add_option(
          kInputOption, inputs.files,
          "The values of an input, once for each; .npy, .pb (TensorProto, SequenceProto,\n"
          "OptionalProto or MapProto, as the input's type is), or a picture (PNG, JPEG, WebP, BMP, PNM) of\n"
          "the size that the input has: RGB from 0 to 255, channels first or last as the input has them")
      ->type_name("NAME=FILE")
      ->allow_extra_args(false);
  command
      .add_option(kSeedOption, inputs.seed, "Seed of inputs that are drawn; equal seeds draw equal values")
      ->check(whole_number(0, UINT64_MAX))
      ->capture_default_str();
  command
      .add_option(
          kShapeOption, inputs.shapes,
          "Dims of an input that is drawn, such as x=1,3,480,640 (default: as the model says, 1 where it\n"
          "leaves them open)")
      ->type_name("NAME=DIMS")
      ->allow_extra_args(false);
}

std::vector<Tensor> make_inputs(std::span<const OnnxPort> inputs, const InputOptions& options) {
  const Given given(inputs, options);
  RandomValues random(options.seed);
  std::vector<Tensor> tensors;
  for (const OnnxPort& input : inputs) {
    if (const Tensor* tensor = given.tensor(input)) {
      tensors.push_back(*tensor);
    } else if (!options.random) {
      fail(ErrorCode::kInvalidArgument, fmt::format("input {}", printable(input.name)),
           "gets no value; the model takes {}: give --input {}=FILE or --random", input_list(inputs),
           printable(input.name));
    } else if (input.type.kind != TypeKind::kTensor) {
      fail(ErrorCode::kUnsupported, fmt::format("input {}", printable(input.name)),
           "is a {}, which is not drawn; give it: --input {}=FILE.pb", to_string(input.type),
           printable(input.name));
    } else {
      tensors.push_back(random.tensor(input.type.dtype, given.dims(input)));
    }
  }
  return tensors;
}

}  // namespace oag::cli
