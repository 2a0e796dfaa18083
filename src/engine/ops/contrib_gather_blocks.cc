// GatherBlockQuantized of com.microsoft: rows of a table of a few bits a value, with a scale for each block.
#include <algorithm>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

constexpr DTypeSet kScaleTypes = {DType::kF32, DType::kF16, DType::kBF16};
constexpr DTypeSet kSmallFloats = {DType::kF8E4M3FN, DType::kF8E4M3FNUZ, DType::kF8E5M2, DType::kF8E5M2FNUZ,
                                   DType::kF4E2M1};
constexpr DTypeSet kTableTypes = kSmallFloats | DTypeSet{DType::kI4, DType::kU4, DType::kU8};

// Of the integers of a table; those of u8 may share a byte.
template <typename Context>
int64_t read_bits(const Context& context, DType dtype) {
  if (dtype != DType::kU8) return 4;
  const int64_t bits = context.node().int_attribute("bits", 4);
  if (bits != 2 && bits != 4 && bits != 8) context.refuse("bits is {}; it must be 2, 4 or 8", bits);
  return bits;
}

template <typename Context>
int64_t values_per_byte(const Context& context, DType dtype) {
  return dtype == DType::kU8 ? 8 / read_bits(context, dtype) : 1;
}

// 0: one block for the whole axis.
template <typename Context>
int64_t read_block_size(const Context& context, DType dtype) {
  const int64_t size = context.node().int_attribute("block_size", 128);
  if (size == 0 && kSmallFloats.contains(dtype)) return 0;
  if (size < 16 || size > (1 << 20) || (size & (size - 1)) != 0)
    context.refuse("block_size is {}; it must be a power of two from 16", size);
  return size;
}

void infer_gather(InferenceContext& context) {
  read_block_size(context, context.dtype(0));
  if (context.has_input(3) && kSmallFloats.contains(context.dtype(0)))
    context.refuse("{} has no zero points", dtype_name(context.dtype(0)));
  if (!context.has_shape(0) || !context.has_shape(1))
    return context.set_output(0, context.dtype(2), std::nullopt);
  Shape data = context.shape(0);
  if (data.empty()) context.refuse("data is a scalar");
  data.back() = data.back() * Dim(values_per_byte(context, context.dtype(0)));
  const auto axis = normalize_axis(context, context.node().int_attribute("gather_axis", 0), data.size());
  Shape out(data.begin(), data.begin() + axis);
  out.insert(out.end(), context.shape(1).begin(), context.shape(1).end());
  out.insert(out.end(), data.begin() + axis + 1, data.end());
  context.set_output(0, context.dtype(2), std::move(out));
}

// What the elements of the table mean.
class BlockTable {
 public:
  explicit BlockTable(const KernelContext& context)
      : dims(context.input(0).dims()),
        data_(context.input(0)),
        scales_(context.input(2)),
        bits_(read_bits(context, data_.dtype())) {
    if (dims.empty()) context.refuse("data is a scalar");
    dims.back() *= values_per_byte(context, data_.dtype());
    along_ = normalize_axis(context, context.node().int_attribute("quantize_axis", 1), dims.size());
    const int64_t block = read_block_size(context, data_.dtype());
    block_ = block > 0 ? block : std::max<int64_t>(1, dims[along_]);
    Dims wanted = dims;
    wanted[along_] = (dims[along_] + block_ - 1) / block_;
    check_scales(context, wanted);
    if (context.has_input(3)) read_zero_points(context, wanted);
  }

  double value(int64_t at) const {
    int64_t rest = at, place = 0;
    for (size_t d = dims.size(); d-- > 0; rest /= dims[d])
      place += (d == along_ ? rest % dims[d] / block_ : rest % dims[d]) * scale_strides_[d];
    double scale = 0;
    load_elements<double>(scales_, place, 1, std::span(&scale, 1));
    return (code(data_, at) - zero_point(place)) * scale;
  }

  Dims dims;

 private:
  void check_scales(const KernelContext& context, const Dims& wanted) {
    const bool may_repeat = kSmallFloats.contains(data_.dtype());
    bool fits = scales_.rank() == wanted.size();
    for (size_t d = 0; fits && d < wanted.size(); ++d)
      fits = scales_.dim(d) == wanted[d] || (may_repeat && d != along_ && scales_.dim(d) == 1);
    if (!fits) context.refuse("scales {} must be {}", to_string(scales_.dims()), to_string(wanted));
    scale_strides_ = broadcast_strides(scales_.dims(), wanted);
  }

  // Those in bytes fill each row of blocks up to whole bytes.
  void read_zero_points(const KernelContext& context, Dims wanted) {
    scale_row_ = wanted.back();
    if (data_.dtype() == DType::kU8) wanted.back() = (wanted.back() * bits_ + 7) / 8;
    zero_points_ = &context.input(3);
    if (zero_points_->dims() != wanted)
      context.refuse("zero_points {} must be {}", to_string(zero_points_->dims()), to_string(wanted));
    zero_row_ = data_.dtype() == DType::kU8 ? wanted.back() * 8 / bits_ : wanted.back();
  }

  double zero_point(int64_t place) const {
    if (zero_points_ != nullptr)
      return code(*zero_points_, place / scale_row_ * zero_row_ + place % scale_row_);
    return data_.dtype() == DType::kU8 ? static_cast<double>(1 << (bits_ - 1)) : 0;
  }

  // Element i, the first of a byte in its low bits.
  double code(const Tensor& tensor, int64_t i) const {
    double value = 0;
    if (tensor.dtype() != DType::kU8) {
      load_elements<double>(tensor, i, 1, std::span(&value, 1));
      return value;
    }
    const auto bit = static_cast<size_t>(i * bits_);
    return tensor.values<uint8_t>()[bit / 8] >> (bit % 8) & ((1 << bits_) - 1);
  }

  const Tensor& data_;
  const Tensor& scales_;
  const Tensor* zero_points_ = nullptr;
  int64_t bits_, block_ = 1, scale_row_ = 1, zero_row_ = 1;
  size_t along_ = 0;
  Strides scale_strides_;
};

void gather_reference(KernelContext& context) {
  const BlockTable table(context);
  const Dims& dims = table.dims;
  const size_t axis = normalize_axis(context, context.node().int_attribute("gather_axis", 0), dims.size());
  const std::vector<int64_t> indices = read_integers(context.input(1));
  const auto split = static_cast<std::ptrdiff_t>(axis);
  const Dims left(dims.begin(), dims.begin() + split), right(dims.begin() + split + 1, dims.end());
  Dims out_dims = left;
  out_dims.insert(out_dims.end(), context.input(1).dims().begin(), context.input(1).dims().end());
  out_dims.insert(out_dims.end(), right.begin(), right.end());
  const Tensor& out = context.allocate_output(0, context.input(2).dtype(), out_dims);
  const int64_t after = element_count(right), chosen = std::ssize(indices);
  context.env().parallel_for(element_count(left) * chosen, 20 * after, [&](int64_t tile, int) {
    const int64_t index = indices[static_cast<size_t>(tile % chosen)];
    const int64_t row = index < 0 ? index + dims[axis] : index;
    std::vector<double> values(static_cast<size_t>(after), 0.0);
    for (int64_t i = 0; i < after && row >= 0 && row < dims[axis]; ++i)
      values[static_cast<size_t>(i)] = table.value((tile / chosen * dims[axis] + row) * after + i);
    store_elements<double>(out, tile * after, 1, values);
  });
}

}  // namespace

// Gather from a table that is quantised in blocks along quantize_axis; u8 packs `bits` bits a value along the
// last dim. Indices outside of the table give zeros.
extern constinit const OpSchema kMicrosoftGatherBlockQuantized = {
    .domain = "com.microsoft",
    .op = "GatherBlockQuantized",
    .since_version = 1,
    .inputs = {{"data", "T1", kTableTypes},
               {"indices", "", {DType::kI32, DType::kI64}},
               {"scales", "T2", kScaleTypes},
               {"zero_points", "T1", kTableTypes, true}},
    .outputs = {{"output", "T2", kScaleTypes}},
    .attributes = {{"bits", AttributeKind::kInt},
                   {"block_size", AttributeKind::kInt},
                   {"gather_axis", AttributeKind::kInt},
                   {"quantize_axis", AttributeKind::kInt}},
    .infer = infer_gather,
    .reference = gather_reference,
};

}  // namespace oag
