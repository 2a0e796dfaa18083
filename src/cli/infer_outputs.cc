#include "cli/infer_outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "cli/output.h"
#include "cli/tensor_values.h"
#include "cli/terminal.h"
#include "engine/formats/npy/npy.h"
#include "engine/formats/onnx/onnx_value.h"
#include "engine/tensor/container.h"

namespace oag::cli {
namespace {

constexpr int64_t kShownValues = 4;
constexpr size_t kShownElements = 8;  // of a container
constexpr size_t kLongestName = 200;  // bytes of a file's name, which systems limit to 255
constexpr size_t kLongestText = 24;   // of a value in the table

struct Statistics {
  double least = std::numeric_limits<double>::infinity(), greatest = -least;
  double mean = 0;
  int64_t numbers = 0, nans = 0;
};

// Of the numbers that are not NaN.
Statistics statistics_of(const Tensor& tensor) {
  Statistics statistics;
  long double sum = 0;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const long double value = number_at(tensor, i).real();
    if (std::isnan(value)) {
      ++statistics.nans;
      continue;
    }
    statistics.least = std::min(statistics.least, static_cast<double>(value));
    statistics.greatest = std::max(statistics.greatest, static_cast<double>(value));
    sum += value;
    ++statistics.numbers;
  }
  if (statistics.numbers > 0)
    statistics.mean = static_cast<double>(sum / static_cast<long double>(statistics.numbers));
  return statistics;
}

bool is_real(DType dtype) {
  return holds_numbers(dtype) && dtype != DType::kC64 && dtype != DType::kC128;
}

std::string shortened(std::string text) {
  if (text.size() <= kLongestText) return text;
  size_t end = kLongestText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // not inside a character
  return text.substr(0, end) + "…";
}

std::string first_values(const Tensor& tensor) {
  std::string text;
  for (int64_t i = 0; i < std::min(kShownValues, tensor.count()); ++i) {
    text += (text.empty() ? "" : " ") + shortened(element_text(tensor, i));
  }
  return text + (tensor.count() > kShownValues ? " …" : "");
}

std::string shape_text(const Tensor& tensor) {
  return is_container(tensor.dtype()) ? "" : to_string(tensor.dims());
}

void add_rows(const std::string& name, const Tensor& tensor, std::vector<std::vector<std::string>>& rows) {
  if (is_container(tensor.dtype())) {
    rows.push_back({name, type_text(tensor), "", "", "", "", ""});
    const auto elements = elements_of(tensor);
    for (size_t i = 0; i < std::min(kShownElements, elements.size()); ++i)
      add_rows(fmt::format("{}[{}]", name, i), elements[i], rows);
    if (elements.size() > kShownElements)
      rows.push_back({fmt::format("{} more", elements.size() - kShownElements), "", "", "", "", "", ""});
    return;
  }
  std::vector<std::string> row = {name, std::string(dtype_name(tensor.dtype())), shape_text(tensor)};
  const Statistics statistics = is_real(tensor.dtype()) ? statistics_of(tensor) : Statistics();
  for (const double figure : {statistics.least, statistics.greatest, statistics.mean})
    row.push_back(statistics.numbers > 0 ? fmt::format("{:.6g}", figure) : "");
  row.push_back(first_values(tensor) +
                (statistics.nans > 0 ? fmt::format(" ({} NaN)", statistics.nans) : ""));
  rows.push_back(std::move(row));
}

Json element_json(const Tensor& tensor, int64_t i) {
  if (tensor.dtype() == DType::kString) return strings_of(tensor)[static_cast<size_t>(i)];
  const double number = static_cast<double>(number_at(tensor, i).real());
  if (tensor.dtype() == DType::kBool) return number != 0;
  if (tensor.dtype() == DType::kU64) return static_cast<uint64_t>(number_at(tensor, i).real());
  if (is_integer(tensor.dtype())) return static_cast<int64_t>(number_at(tensor, i).real());
  return number;
}

Json shape_json(const Tensor& tensor) {
  return is_container(tensor.dtype()) ? Json::array({tensor.count()}) : Json(tensor.dims());
}

std::string file_stem(const std::string& name) {
  std::string stem = name.empty() ? "output" : name.substr(0, kLongestName);
  for (char& c : stem) {
    if (c == '/' || c == '\0') c = '_';
  }
  return stem;
}

}  // namespace

std::vector<std::string> output_files(std::span<const NamedTensor> outputs) {
  std::vector<std::string> files;
  std::set<std::string> taken;  // stems: the two kinds share them
  for (const NamedTensor& output : outputs) {
    const std::string stem = file_stem(output.name);
    std::string own = stem;
    for (int number = 2; !taken.insert(own).second; ++number) own = fmt::format("{}_{}", stem, number);
    files.push_back(own + (npy_holds(output.tensor.dtype()) ? ".npy" : ".pb"));
  }
  return files;
}

void write_outputs(const std::filesystem::path& folder, std::span<const NamedTensor> outputs) {
  std::filesystem::create_directories(folder);
  const std::vector<std::string> files = output_files(outputs);
  Json list = Json::array();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto& [name, tensor] = outputs[i];
    if (npy_holds(tensor.dtype())) {
      write_npy(folder / files[i], tensor);
    } else {
      AtomicFile file(folder / files[i]);
      file.write(write_value_proto(tensor, name));
      file.commit();
    }
    list.push_back({{"name", name},
                    {"file", files[i]},
                    {"dtype", dtype_name(tensor.dtype())},
                    {"shape", shape_json(tensor)}});
  }
  AtomicFile index(folder / "outputs.json");
  index.write(json_text(list));
  index.commit();
}

std::string outputs_table(std::span<const NamedTensor> outputs) {
  std::vector<std::vector<std::string>> rows = {
      {"output", "type", "shape", "min", "max", "mean", "first values"}};
  for (const NamedTensor& output : outputs) add_rows(printable(output.name), output.tensor, rows);
  return format_table(rows);
}

Json output_json(const NamedTensor& output) {
  const Tensor& tensor = output.tensor;
  Json json = {{"name", output.name}, {"dtype", dtype_name(tensor.dtype())}, {"shape", shape_json(tensor)}};
  const Statistics statistics = is_real(tensor.dtype()) ? statistics_of(tensor) : Statistics();
  const bool any = statistics.numbers > 0;
  json["min"] = any ? Json(statistics.least) : Json(nullptr);
  json["max"] = any ? Json(statistics.greatest) : Json(nullptr);
  json["mean"] = any ? Json(statistics.mean) : Json(nullptr);
  json["nans"] = statistics.nans;
  Json first = Json::array();
  if (is_real(tensor.dtype()) || tensor.dtype() == DType::kString) {
    for (int64_t i = 0; i < std::min(kShownValues, tensor.count()); ++i)
      first.push_back(element_json(tensor, i));
  }
  json["first"] = std::move(first);
  return json;
}

}  // namespace oag::cli
