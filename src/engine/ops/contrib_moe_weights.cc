#include "engine/ops/contrib_moe.h"
#include "engine/ops/element.h"

namespace oag {
namespace {

int64_t read_bits(const KernelContext& context, std::string_view attribute) {
  const int64_t bits =
      context.node().int_attribute(attribute, context.node().int_attribute("expert_weight_bits", 4));
  if (bits != 2 && bits != 4 && bits != 8) context.refuse("{} is {}; it must be 2, 4 or 8", attribute, bits);
  return bits;
}

// Code i of bytes that hold `bits` each.
int64_t code_at(std::span<const uint8_t> bytes, int64_t i, int64_t bits) {
  const auto bit = static_cast<size_t>(i * bits);
  return bytes[bit / 8] >> (bit % 8) & ((1 << bits) - 1);
}

int64_t bytes_of(int64_t codes, int64_t bits) {
  return (codes * bits + 7) / 8;
}

}  // namespace

ExpertWeights::ExpertWeights(const KernelContext& context, size_t weights, size_t biases,
                             int64_t values_per_byte)
    : tensor_(context.input(weights)), dims_(tensor_.dims()) {
  if (dims_.size() != 3)
    context.refuse("weights {} must be [experts, rows, columns]", to_string(tensor_.dims()));
  dims_[2] *= values_per_byte;
  if (!context.has_input(biases)) return;
  if (context.input(biases).dims() != Dims{experts(), rows()})
    context.refuse("bias {} must be [{}, {}]", to_string(context.input(biases).dims()), experts(), rows());
  biases_.resize(static_cast<size_t>(experts() * rows()));
  load_elements<double>(context.input(biases), 0, 1, biases_);
}

PackedExperts::PackedExperts(const KernelContext& context, const PackedInputs& inputs)
    : ExpertWeights(context, inputs.weights, inputs.biases, 8 / read_bits(context, inputs.bits)),
      context_(context),
      inputs_(inputs),
      bits_(read_bits(context, inputs.bits)),
      block_(context.node().int_attribute("block_size", 0)),
      blocks_(1) {
  if (!context.has_input(inputs.scales))
    context.refuse("the weights of input {} have no scales", inputs.weights);
  const bool by_block = block_ > 0;
  if (by_block) {
    if (columns() % block_ != 0) context.refuse("{} columns are not whole blocks of {}", columns(), block_);
    blocks_ = columns() / block_;
  }
  Dims scales = {experts(), rows()}, points = {experts(), bytes_of(rows(), bits_)};
  if (by_block) scales = {experts(), rows(), blocks_}, points = {experts(), rows(), bytes_of(blocks_, bits_)};
  if (context.input(inputs.scales).dims() != scales)
    context.refuse("scales {} must be {}", to_string(context.input(inputs.scales).dims()), to_string(scales));
  if (context.has_input(inputs.zero_points) && context.input(inputs.zero_points).dims() != points)
    context.refuse("zero points {} must be {}", to_string(context.input(inputs.zero_points).dims()),
                   to_string(points));
}

void PackedExperts::load(int64_t expert, int64_t row, std::span<double> out) const {
  const int64_t at = expert * rows() + row, width = columns() / blocks_;
  std::vector<double> scales(static_cast<size_t>(blocks_));
  load_elements<double>(context_.input(inputs_.scales), at * blocks_, 1, scales);
  const int64_t row_bytes = bytes_of(columns(), bits_);
  const auto codes =
      tensor().values<uint8_t>().subspan(static_cast<size_t>(at * row_bytes), static_cast<size_t>(row_bytes));
  std::span<const uint8_t> points;
  int64_t first_point = 0;
  if (context_.has_input(inputs_.zero_points)) {
    const bool by_block = block_ > 0;
    const int64_t size = bytes_of(by_block ? blocks_ : rows(), bits_);
    points = context_.input(inputs_.zero_points).values<uint8_t>();
    points = points.subspan(static_cast<size_t>((by_block ? at : expert) * size), static_cast<size_t>(size));
    first_point = by_block ? 0 : row;
  }
  for (int64_t i = 0; i < columns(); ++i) {
    const int64_t block = i / width;
    const int64_t zero = points.empty() ? 1 << (bits_ - 1) : code_at(points, first_point + block, bits_);
    out[static_cast<size_t>(i)] =
        static_cast<double>(code_at(codes, i, bits_) - zero) * scales[static_cast<size_t>(block)];
  }
}

}  // namespace oag
