#include "llm/models/glm4v_vision.h"

#include <cmath>
#include <cstring>

#include "base/error.h"

#include "engine/tensor/block_format.h"
#include "llm/models/graph_pieces.h"

namespace oag {
namespace {

Tensor position_table(const VisionConfig& config, const Weights& weights) {
  return weights.get("v.position_embd.weight", {config.table_side * config.table_side, config.hidden_size});
}

class VisionGraph : GraphPieces {
 public:
  VisionGraph(const VisionConfig& config, const Weights& weights)
      : GraphPieces(weights, "glm4v_vision", true), config_(config) {}

  Graph build() {
    position_table(config_, weights_);  // whose samples are an input
    ValueId x = embed(graph_.add_input("patches", matrix(config_.patch_values())));
    const ValueId positions = graph_.add_input("positions", matrix(config_.hidden_size));
    cos_ = graph_.add_input("cos", angles());
    sin_ = graph_.add_input("sin", angles());
    x = add(norm(x, "v.norm_embd.weight"), positions);
    for (int64_t i = 0; i < config_.layers; ++i) x = block(i, x);
    graph_.outputs = {merge(norm(x, "v.post_ln.weight"))};
    return std::move(graph_);
  }

 private:
  static ValueType matrix(int64_t columns) {
    return ValueType::tensor(DType::kF32, Shape{Dim::symbol("N"), columns});
  }
  ValueType angles() const {
    return ValueType::tensor(DType::kF32, Shape{1, Dim::symbol("N"), config_.head_size() / 2});
  }
  ValueId add(ValueId a, ValueId b) { return graph_.add("", "Add", {a, b}); }
  ValueId norm(ValueId x, std::string_view tensor) {
    return rms_norm(x, tensor, config_.hidden_size, config_.epsilon);
  }

  // A convolution whose stride is its kernel: a product of each patch with the kernels as rows.
  ValueId embed(ValueId patches) {
    const ValueId kernels = constant("v.patch_embd.kernels", patch_kernels());
    const ValueId bias =
        vector("v.patch_embd.bias", weights_.get("v.patch_embd.bias", {config_.hidden_size}));
    return product(patches, kernels, bias, "v.patch_embd");
  }

  // [hidden, colour, frame, y, x] as rows; GGUF keeps the kernels of each frame apart.
  Tensor patch_kernels() const {
    const int64_t size = config_.patch_size, frames = config_.temporal_patch_size;
    const StoredTensor* whole = weights_.entry("v.patch_embd.weight");
    if (whole != nullptr && whole->dims.size() == 5) {
      return weights_.get("v.patch_embd.weight", {config_.hidden_size, 3, frames, size, size})
          .reshaped({config_.hidden_size, config_.patch_values()});
    }
    const auto square = static_cast<size_t>(size * size);
    const Tensor joined = Tensor::host(DType::kF32, {config_.hidden_size, config_.patch_values()});
    float* to = joined.values<float>().data();
    for (int64_t frame = 0; frame < frames; ++frame) {
      const std::string name =
          frame == 0 ? "v.patch_embd.weight" : fmt::format("v.patch_embd.weight.{}", frame);
      const Tensor stored = weights_.get(name, {config_.hidden_size, 3, size, size});
      std::vector<float> values(static_cast<size_t>(stored.count()));
      decode_blocks(stored.dtype(), stored.bytes(), values);
      for (int64_t kernel = 0; kernel < config_.hidden_size * 3; ++kernel)
        std::memcpy(to + static_cast<size_t>(kernel * frames + frame) * square,
                    values.data() + static_cast<size_t>(kernel) * square, square * sizeof(float));
    }
    return joined;
  }

  ValueId rotate(ValueId x) {
    return graph_.add("", "RotaryEmbedding", {reshape(x, {1, -1, config_.hidden_size}), cos_, sin_},
                      {{"num_heads", config_.heads}});
  }

  ValueId attention(int64_t i, ValueId x) {
    const int64_t hidden = config_.hidden_size;
    const auto parts =
        split(linear(x, layer_tensor("v.blk", i, "attn_qkv"), 3 * hidden, hidden), {hidden, hidden, hidden});
    const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_size()));
    const ValueId out =
        graph_.add("", "Attention", {rotate(parts[0]), rotate(parts[1]), reshape(parts[2], {1, -1, hidden})},
                   {{"q_num_heads", config_.heads}, {"kv_num_heads", config_.heads}, {"scale", scale}},
                   layer_tensor("v.blk", i, "attention"));
    return linear(reshape(out, {-1, hidden}), layer_tensor("v.blk", i, "attn_out"), hidden, hidden);
  }

  ValueId feed_forward(const std::string& prefix, ValueId x, int64_t width, int64_t size) {
    const ValueId gate = linear(x, prefix + "gate", width, size), up = linear(x, prefix + "up", width, size);
    return linear(gated(gate, up), prefix + "down", size, width);
  }

  ValueId block(int64_t i, ValueId x) {
    x = add(x, attention(i, norm(x, layer_tensor("v.blk", i, "ln1.weight"))));
    return add(x,
               feed_forward(layer_tensor("v.blk", i, "ffn_"), norm(x, layer_tensor("v.blk", i, "ln2.weight")),
                            config_.output_size, config_.hidden_size));
  }

  // Joins merge_size² patches, which stand together, by a convolution, then a gated network.
  ValueId merge(ValueId x) {
    const int64_t merge = config_.merge_size, hidden = config_.hidden_size, out = config_.output_size;
    const Tensor stored = weights_.get("mm.patch_merger.weight", {out, hidden, merge, merge});
    const ValueId kernels =
        constant("mm.patch_merger.kernels", stored.reshaped({out, hidden * merge * merge}));
    const ValueId bias = vector("mm.patch_merger.bias", weights_.get("mm.patch_merger.bias", {out}));
    // The kernels count patches innermost, so the patches are brought there.
    const ValueId blocks = reshape(x, {-1, merge * merge, hidden});
    const ValueId turned = graph_.add("", "Transpose", {blocks}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
    const ValueId joined =
        product(reshape(turned, {-1, hidden * merge * merge}), kernels, bias, "mm.patch_merger");
    const ValueId projected = linear(joined, "mm.model.fc", out, out);
    const ValueId normed =
        graph_.add("", "LayerNormalization",
                   {projected, vector("mm.post_norm.weight", weights_.get("mm.post_norm.weight", {out})),
                    vector("mm.post_norm.bias", weights_.get("mm.post_norm.bias", {out}))},
                   {{"axis", int64_t{-1}}, {"epsilon", 1e-5f}});
    return feed_forward("mm.", graph_.add("", "Gelu", {normed}), config_.merger_ffn_size, out);
  }

  const VisionConfig& config_;
  ValueId cos_ = kNoValue, sin_ = kNoValue;
};

constexpr NameRule kRules[] = {
    {"visual.patch_embed.proj", "v.patch_embd"},
    {"visual.embeddings.position_embedding", "v.position_embd"},
    {"visual.post_conv_layernorm", "v.norm_embd"},
    {"visual.post_layernorm", "v.post_ln"},
    {"visual.blocks.{}.norm1", "v.blk.{}.ln1"},
    {"visual.blocks.{}.norm2", "v.blk.{}.ln2"},
    {"visual.blocks.{}.attn.qkv", "v.blk.{}.attn_qkv"},
    {"visual.blocks.{}.attn.proj", "v.blk.{}.attn_out"},
    {"visual.blocks.{}.mlp.gate_proj", "v.blk.{}.ffn_gate"},
    {"visual.blocks.{}.mlp.up_proj", "v.blk.{}.ffn_up"},
    {"visual.blocks.{}.mlp.down_proj", "v.blk.{}.ffn_down"},
    {"visual.downsample", "mm.patch_merger"},
    {"visual.merger.proj", "mm.model.fc"},
    {"visual.merger.post_projection_norm", "mm.post_norm"},
    {"visual.merger.gate_proj", "mm.gate"},
    {"visual.merger.up_proj", "mm.up"},
    {"visual.merger.down_proj", "mm.down"},
};

}  // namespace

constexpr NameTable kGlm4vVisionNames = {"model.", kRules};

Graph build_glm4v_vision(const VisionConfig& config, const Weights& weights) {
  return VisionGraph(config, weights).build();
}

std::vector<float> read_position_table(const VisionConfig& config, const Weights& weights) {
  const Tensor stored = position_table(config, weights);
  std::vector<float> values(static_cast<size_t>(stored.count()));
  decode_blocks(stored.dtype(), stored.bytes(), values);
  return values;
}

}  // namespace oag
