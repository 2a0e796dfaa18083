#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/backends/cpu/kernel_runner.h"
#include "engine/ops/paged_cache.h"

namespace oag::cpu {
namespace {

struct Layout {
  int64_t query_heads, heads, width, page_tokens;
};
struct Part {
  int64_t new_tokens, context;
};

// A batch of sequences over shuffled pages whose past is filled with seeded values.
struct Batch {
  Batch(DType storage, const Layout& layout, const std::vector<Part>& parts, Attributes wanted = {})
      : attributes(std::move(wanted)) {
    int64_t most_pages = 1, pages = 0, tokens = 0;
    for (const Part& part : parts) {
      const int64_t used = (part.context + layout.page_tokens - 1) / layout.page_tokens;
      most_pages = std::max(most_pages, used);
      pages += used;
      tokens += part.new_tokens;
    }
    std::vector<int32_t> order(static_cast<size_t>(pages + 3));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937(5));
    state = Tensor::host(storage, {pages + 3, 2, layout.heads, layout.page_tokens, layout.width});
    std::memset(state.data(), 0x7e, state.size_bytes());  // what was never stored must not matter
    starts = Tensor::host(DType::kI32, {static_cast<int64_t>(parts.size()) + 1});
    lengths = Tensor::host(DType::kI32, {static_cast<int64_t>(parts.size())});
    table = Tensor::host(DType::kI32, {static_cast<int64_t>(parts.size()), most_pages});
    std::fill(table.values<int32_t>().begin(), table.values<int32_t>().end(), -1);
    int32_t at = 0, page = 0;
    for (size_t s = 0; s < parts.size(); ++s) {
      starts.values<int32_t>()[s] = at;
      at += static_cast<int32_t>(parts[s].new_tokens);
      lengths.values<int32_t>()[s] = static_cast<int32_t>(parts[s].context);
      for (int64_t p = 0; p * layout.page_tokens < parts[s].context; ++p) {
        table.values<int32_t>()[s * static_cast<size_t>(most_pages) + static_cast<size_t>(p)] =
            order[static_cast<size_t>(page++)];
      }
      fill_past(s, parts[s].context, layout, static_cast<uint32_t>(s));
    }
    starts.values<int32_t>()[parts.size()] = at;
    q = random_f32({tokens, layout.query_heads, layout.width}, 1, -2, 2);
    k = random_f32({tokens, layout.heads, layout.width}, 2);
    v = random_f32({tokens, layout.heads, layout.width}, 3);
  }
  void fill_past(size_t s, int64_t context, const Layout& layout, uint32_t seed) const {
    const auto width = static_cast<size_t>(table.dim(1));
    const PagedBatch::Sequence sequence{0, 0, 0, context, table.values<int32_t>().subspan(s * width, width)};
    const Tensor rows = random_f32({context, 2, layout.heads * layout.width}, 6 + seed);
    const auto row = static_cast<size_t>(layout.heads * layout.width);
    for (int64_t p = 0; p < context; ++p) {
      const auto both = rows.values<float>().subspan(static_cast<size_t>(p) * 2 * row, 2 * row);
      PagedCache(state).store(sequence, p, both.first(row), both.last(row));
    }
  }
  OperatorCase operation() const {
    return {"oag", "PagedAttention", attributes, {q, k, v, state, starts, lengths, table}, 2};
  }
  Attributes attributes;
  Tensor q, k, v, state, starts, lengths, table;
};

constexpr DType kStorages[] = {DType::kF32, DType::kF16, DType::kQ8_0};

class AttentionOnIsa : public testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(EveryIsa, AttentionOnIsa, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

TEST_P(AttentionOnIsa, MatchesTheReferenceOverMixedBatchesAndShuffledPages) {
  const auto device = make_device(GetParam(), 2);
  const std::vector<Part> parts = {{1, 1}, {5, 5}, {1, 300}, {12, 270}, {2, 700}, {0, 9}, {33, 33}};
  for (const DType storage : kStorages) {
    for (const Layout& layout : {Layout{9, 3, 64, 16},
                                 {4, 4, 32, 32},
                                 {8, 1, 128, 7},
                                 {2, 2, 96, 64},
                                 {6, 2, 160, 16},
                                 {30, 1, 32, 16}}) {
      for (const Attributes& attributes :
           {Attributes{}, Attributes{{"window", int64_t{50}}}, Attributes{{"causal", int64_t{0}}},
            Attributes{{"scale", 0.3f}, {"window", int64_t{260}}}}) {
        if (!attributes.empty() && layout.width != 64) continue;
        Batch batch(storage, layout, parts, attributes);
        Batch twin = batch;
        twin.state = copy_of(batch.state);
        const KernelRunner runner(device, batch.operation());
        ASSERT_TRUE(runner.accepted()) << runner.refusals();
        const Tensor out = runner.run()[0], expected = KernelRunner(device, twin.operation()).reference()[0];
        ASSERT_EQ(std::memcmp(batch.state.data(), twin.state.data(), twin.state.size_bytes()), 0)
            << "stored keys and values";
        for (int64_t i = 0; i < out.count(); ++i) {
          ASSERT_NEAR(out.values<float>()[static_cast<size_t>(i)],
                      expected.values<float>()[static_cast<size_t>(i)], 2e-6)
              << dtype_name(storage) << " width " << layout.width << " at " << i;
        }
      }
    }
  }
}

TEST_P(AttentionOnIsa, ATokenIsTheSameHoweverItsPromptWasCutAndWhateverRunsBesideIt) {
  const Layout layout{6, 2, 64, 16};
  constexpr int64_t kTokens = 280;  // two chunks of positions
  for (const DType storage : kStorages) {
    for (const int64_t window : {0, 100}) {
      const Attributes attributes = {{"window", window}};
      const Batch whole(storage, layout, {{kTokens, kTokens}}, attributes);
      const Tensor all = KernelRunner(make_device(GetParam(), 3), whole.operation()).run()[0];
      const int64_t row = layout.query_heads * layout.width;
      for (const std::vector<int64_t>& cuts :
           {std::vector<int64_t>{1, 2, 130, 7, 100, 1, 1, 14, 4, 20}, {256, 24}, {3, 255, 22}}) {
        Batch part = whole;
        part.state = Tensor::host(storage, whole.state.dims());
        std::memset(part.state.data(), 0x7e,
                    part.state.size_bytes());  // what was never stored must not matter
        int64_t done = 0;
        for (const int64_t count : cuts) {
          const auto slice = [&](const Tensor& from) {
            const int64_t width = from.dim(1) * from.dim(2);
            return Tensor(DType::kF32, {count, from.dim(1), from.dim(2)}, from.buffer(),
                          static_cast<size_t>(done * width) * sizeof(float));
          };
          part.q = slice(whole.q), part.k = slice(whole.k), part.v = slice(whole.v);
          part.starts.values<int32_t>()[1] = static_cast<int32_t>(count);
          part.lengths.values<int32_t>()[0] = static_cast<int32_t>(done + count);
          const Tensor some = KernelRunner(make_device(GetParam(), 1), part.operation()).run()[0];
          ASSERT_EQ(std::memcmp(some.data(), all.values<float>().data() + done * row, some.size_bytes()), 0)
              << dtype_name(storage) << " tokens from " << done << ", " << count;
          done += count;
        }
        ASSERT_EQ(done, kTokens);
      }
    }
  }
}

TEST_P(AttentionOnIsa, OtherHeadSizesAreRefusedWithAReason) {
  const KernelRunner runner(make_device(GetParam(), 1),
                            Batch(DType::kF32, {2, 2, 12, 16}, {{1, 1}}).operation());
  EXPECT_FALSE(runner.accepted());
  EXPECT_NE(runner.refusals().find("multiple of 8"), std::string::npos);
}

TEST_P(AttentionOnIsa, APageOutsideTheCacheIsAnError) {
  const Batch batch(DType::kF32, {2, 2, 32, 16}, {{1, 1}});
  batch.table.values<int32_t>()[0] = 1000;
  EXPECT_THROW(KernelRunner(make_device(GetParam(), 1), batch.operation()).run(), Error);
}

}  // namespace
}  // namespace oag::cpu
