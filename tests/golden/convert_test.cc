// Conversions of tiny models against the files that gguf-py and transformers wrote of the same weights, see
// tests/data/models/README.md, tests/data/hugging_face/README.md and tests/data/glm4v/README.md.
#include "llm/bundle/convert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "base/error.h"
#include "engine/formats/safetensors/safetensors_file.h"
#include "tests/glm4v_folder.h"
#include "tests/golden/model_probe.h"
#include "tests/npy.h"

namespace oag::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModels[] = {"llama", "llama3", "qwen2", "qwen3", "glm4", "glm", "glm4moe"};

ConvertOptions with(std::optional<QuantRecipe> recipe) {
  ConvertOptions options;
  options.recipe = recipe;
  options.threads = 2;
  return options;
}

// What convert_model throws.
template <typename Call>
Error error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kInternal, "", "no error");
}

std::string bytes_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The bytes of a tensor, or of q, k and v one after the other where a file has these apart.
std::string tensor_bytes(const GgufFile& file, const std::string& name) {
  const size_t at = name.find("attn_qkv");
  if (at == std::string::npos || file.find_tensor(name) != nullptr)
    return bytes_text(file.tensor(name).bytes);
  std::string bytes;
  for (const char* part : {"attn_q", "attn_k", "attn_v"}) {
    std::string part_name = name;
    bytes += bytes_text(file.tensor(part_name.replace(at, 8, part)).bytes);
  }
  return bytes;
}

std::vector<float> decoded(const GgufTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(element_count(Dims(tensor.dims))));
  decode_blocks(tensor.dtype, tensor.bytes, values);
  return values;
}

bool same_value(const GgufValue& a, const GgufValue& b) {
  if (a.type != b.type || a.data.index() != b.data.index()) return false;
  const auto* list = std::get_if<GgufArray>(&a.data);
  if (list == nullptr) return a.describe() == b.describe();
  const auto& other = std::get<GgufArray>(b.data);
  if (list->element != other.element || list->numbers != other.numbers || list->size() != other.size())
    return false;
  for (size_t i = 0; i < list->strings.size(); ++i) {
    if (list->strings[i] != other.strings[i]) return false;
  }
  return true;
}

// Keys in which files differ though they mean the same model: names are the folder's, and the bos token of
// the references is one that their tokenizer_config.json does not name. No text begins with it.
bool may_differ(const std::string& key) {
  return key == "general.name" || key == "tokenizer.ggml.bos_token_id";
}

// The glm4moe reference has a layer more, which predicts further tokens and which folders are converted
// without.
bool is_of_further_layer(const GgufFile& reference, const std::string& name) {
  const uint64_t further = reference.find_u64("glm4moe.nextn_predict_layers").value_or(0);
  if (further == 0) return false;
  const uint64_t layers = reference.get_u64("glm4moe.block_count") - further;
  return name == "glm4moe.nextn_predict_layers" || name == "glm4moe.block_count" ||
         name.starts_with(fmt::format("blk.{}.", layers));
}

void expect_keys_of(const GgufFile& reference, const GgufFile& made) {
  for (const GgufMetadata::Entry& entry : reference.entries()) {
    if (may_differ(entry.key) || is_of_further_layer(reference, entry.key)) continue;
    const GgufValue* value = made.find(entry.key);
    ASSERT_NE(value, nullptr) << entry.key;
    EXPECT_TRUE(same_value(*value, entry.value)) << entry.key << " is " << value->describe();
  }
}

fs::path made_file(const std::string& model, const char* name, std::optional<QuantRecipe> recipe) {
  const fs::path out = fresh_folder(std::string("convert_") + model + name) / "out.gguf";
  convert_model(hugging_face_folder(model), out, with(recipe));
  return out;
}

class ConvertModel : public ::testing::TestWithParam<const char*> {};

TEST_P(ConvertModel, FolderBecomesTheGgufOfGgufPy) {
  const std::string model = GetParam();
  const auto made = GgufFile::open(made_file(model, "f32", std::nullopt));
  const auto reference = GgufFile::open(tiny_model(model, "f32"));
  expect_keys_of(*reference, *made);
  for (const GgufTensor& tensor : reference->tensors()) {
    if (is_of_further_layer(*reference, tensor.name)) continue;
    EXPECT_EQ(tensor_bytes(*made, tensor.name), bytes_text(tensor.bytes)) << tensor.name;
    if (made->find_tensor(tensor.name) != nullptr) {
      EXPECT_EQ(made->tensor(tensor.name).dims, tensor.dims) << tensor.name;
    }
  }
}

TEST_P(ConvertModel, FolderBecomesTheQuantisedGgufOfGgufPy) {
  const std::string model = GetParam();
  const auto eights = GgufFile::open(tiny_model(model, "q8_0"));
  const auto fours = GgufFile::open(tiny_model(model, "q4_0"));
  const auto made_eights = GgufFile::open(made_file(model, "q8", QuantRecipe::kQ8_0));
  const auto made_fours = GgufFile::open(made_file(model, "q4", QuantRecipe::kQ4_0));
  expect_keys_of(*eights, *made_eights);
  expect_keys_of(*fours, *made_fours);
  const bool tied = eights->find_tensor("output.weight") == nullptr;
  const bool is_mixture = eights->find("glm4moe.expert_count") != nullptr;
  for (const GgufTensor& tensor : eights->tensors()) {
    if (is_of_further_layer(*eights, tensor.name)) continue;
    EXPECT_EQ(tensor_bytes(*made_eights, tensor.name), bytes_text(tensor.bytes)) << tensor.name;
    // The recipe q4_0 keeps the head, whose rows are too short for q6_k, as q8_0; with eight experts the
    // small matrices of k and v too.
    const bool is_head = tensor.name == (tied ? "token_embd.weight" : "output.weight");
    const bool is_small =
        is_mixture && (tensor.name.ends_with(".attn_k.weight") || tensor.name.ends_with(".attn_v.weight"));
    const GgufFile& expected = is_head || is_small ? *eights : *fours;
    EXPECT_EQ(tensor_bytes(*made_fours, tensor.name), tensor_bytes(expected, tensor.name)) << tensor.name;
  }
}

TEST_P(ConvertModel, ConvertedFileGivesTheTokensOfTransformers) {
  const std::string model = GetParam();
  const ModelBundle bundle = load_bundle(made_file(model, "run", std::nullopt));
  const fs::path ref = tiny_models_folder() / model / "ref";
  ModelProbe probe(bundle, {.cache_dtype = DType::kF32});
  Lane lane;
  lane.prompt = load_npy<int32_t>(ref / "long.input_ids.npy").values;
  lane.answer_tokens = 8;
  probe.run(lane);
  EXPECT_EQ(lane.greedy, load_npy<int32_t>(ref / "long.tokens.npy").values);
}

TEST_P(ConvertModel, GgufToFolderToGgufIsTheSameTensorsAndWords) {
  const std::string model = GetParam();
  const fs::path folder = fresh_folder("round_" + model), back = folder / "back.gguf";
  const fs::path source = tiny_model(model, "bf16");
  convert_model(source, folder / "hf", with(std::nullopt));
  convert_model(folder / "hf", back, with(std::nullopt));
  const auto before = GgufFile::open(source), after = GgufFile::open(back);
  for (const GgufTensor& tensor : before->tensors()) {
    if (is_of_further_layer(*before, tensor.name)) continue;
    EXPECT_EQ(tensor_bytes(*after, tensor.name), bytes_text(tensor.bytes)) << tensor.name;
  }
  EXPECT_EQ(load_tokenizer(*before)->vocabulary().merges, load_tokenizer(*after)->vocabulary().merges);
  for (const GgufMetadata::Entry& entry : before->entries()) {
    if (entry.key == "general.name" || is_of_further_layer(*before, entry.key)) continue;
    const GgufValue* value = after->find(entry.key);
    ASSERT_NE(value, nullptr) << entry.key;
    EXPECT_TRUE(same_value(*value, entry.value)) << entry.key << " is " << value->describe();
  }
}

INSTANTIATE_TEST_SUITE_P(All, ConvertModel, ::testing::ValuesIn(kModels),
                         [](const auto& info) { return std::string(info.param); });

// --- mixtures of experts

TEST(ConvertExperts, StandInOneTensorALayerOfTheRecipesTypeAndRoutersStayExact) {
  const auto file = GgufFile::open(made_file("glm4moe", "experts", QuantRecipe::kQ8_0));
  for (const char* part : {"gate", "up", "down"}) {
    const GgufTensor& stack = file->tensor(fmt::format("blk.1.ffn_{}_exps.weight", part));
    EXPECT_EQ(stack.dims, (std::vector<int64_t>{8, 32, 32}));
    EXPECT_EQ(stack.dtype, DType::kQ8_0);
    EXPECT_EQ(file->tensor(fmt::format("blk.2.ffn_{}_shexp.weight", part)).dtype, DType::kQ8_0);
  }
  EXPECT_EQ(file->tensor("blk.1.ffn_gate_inp.weight").dtype, DType::kF32);
  EXPECT_EQ(file->tensor("blk.1.exp_probs_b.bias").dtype, DType::kF32);
  EXPECT_EQ(file->find_tensor("blk.0.ffn_gate_exps.weight"), nullptr);
}

TEST(ConvertExperts, RoutersStayExactWithoutARecipeToo) {
  const fs::path folder = fresh_folder("experts_bf16");
  ConvertOptions options = with(QuantRecipe::kBF16);
  convert_model(hugging_face_folder("glm4moe"), folder / "hf", options);
  convert_model(folder / "hf", folder / "out.gguf", with(std::nullopt));
  const auto file = GgufFile::open(folder / "out.gguf");
  EXPECT_EQ(file->tensor("blk.1.ffn_gate_exps.weight").dtype, DType::kBF16);
  EXPECT_EQ(file->tensor("blk.1.ffn_gate_inp.weight").dtype, DType::kF32);
}

TEST(ConvertExperts, LayersThatPredictFurtherTokensAreLeftOutWithAWarning) {
  const ConvertReport report =
      convert_model(tiny_model("glm4moe", "bf16"), fresh_folder("further") / "hf", with(std::nullopt));
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_NE(report.warnings[0].find("from number 3 on"), std::string::npos) << report.warnings[0];
}

TEST(ConvertExperts, RefusesAFolderThatLacksOne) {
  const fs::path folder = fresh_folder("lost_expert");
  copy_small_files("glm4moe", folder);
  const HuggingFaceConfig config = read_hugging_face_config(read_test_json(folder / "config.json"), "");
  MadeTensors tensors = made_tensors("glm4moe", config, DType::kF32);
  for (int layer : {1, 2}) tensors.erase(fmt::format("model.layers.{}.mlp.experts.5.up_proj.weight", layer));
  write_weights(folder, tensors);
  const Error error = error_of([&] { convert_model(folder, folder / "out.gguf", with(std::nullopt)); });
  EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
  EXPECT_NE(error.message().find("expert 5"), std::string::npos) << error.message();
}

TEST(ConvertExperts, NamesTheExpertWhoseWeightsAreNoNumbers) {
  const fs::path folder = fresh_folder("nan_expert");
  copy_small_files("glm4moe", folder);
  const HuggingFaceConfig config = read_hugging_face_config(read_test_json(folder / "config.json"), "");
  MadeTensors tensors = made_tensors("glm4moe", config, DType::kF32);
  const std::string name = "model.layers.2.mlp.experts.6.down_proj.weight";
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(&tensors.at(name).bytes[(3 * 32 + 4) * 4], &nan, sizeof nan);
  write_weights(folder, tensors);
  const Error error = error_of([&] { convert_model(folder, folder / "out.gguf", with(std::nullopt)); });
  EXPECT_NE(error.message().find(name + " holds a NaN (row 3, value 4)"), std::string::npos)
      << error.message();
}

// --- models that take pictures

void expect_same_values(const GgufFile& made, const GgufFile& reference) {
  EXPECT_EQ(made.tensors().size(), reference.tensors().size());
  for (const GgufTensor& tensor : reference.tensors()) {
    EXPECT_EQ(made.tensor(tensor.name).dims, tensor.dims) << tensor.name;
    EXPECT_EQ(decoded(made.tensor(tensor.name)), decoded(tensor)) << tensor.name;
  }
}

TEST(ConvertVision, FolderBecomesATextFileAndAVisionFile) {
  const fs::path folder = fresh_folder("convert_glm4v");
  ConvertOptions options = with(std::nullopt);
  options.vision_recipe = QuantRecipe::kF32;
  const ConvertReport report = convert_model(glm4v_folder(), folder / "out.gguf", options);
  ASSERT_EQ(report.files.size(), 2u);
  EXPECT_EQ(report.files[1].path.filename(), "mmproj-out.gguf");
  const auto text = GgufFile::open(folder / "out.gguf"), tower = GgufFile::open(report.files[1].path);
  const auto text_reference = GgufFile::open(glm4v_data() / "glm4v.bf16.gguf");
  const auto tower_reference = GgufFile::open(glm4v_data() / "mmproj-glm4v.bf16.gguf");
  expect_keys_of(*text_reference, *text);
  expect_same_values(*text, *text_reference);
  expect_same_values(*tower, *tower_reference);
  EXPECT_EQ(tower->get_string("general.type"), "mmproj");
  EXPECT_NO_THROW(load_bundle(folder / "out.gguf", {.vision = true, .vision_path = {}}));
}

TEST(ConvertVision, VisionFileKeepsVectorsAndPositionsExactAndKernelsAsHalves) {
  const fs::path out = fresh_folder("convert_glm4v_q8") / "out.gguf";
  ConvertOptions options = with(QuantRecipe::kQ8_0);
  options.vision_recipe = QuantRecipe::kQ8_0;
  const ConvertReport report = convert_model(glm4v_folder(), out, options);
  const auto tower = GgufFile::open(report.files.at(1).path);
  EXPECT_EQ(tower->tensor("v.position_embd.weight").dtype, DType::kF32);
  EXPECT_EQ(tower->tensor("v.patch_embd.weight.1").dtype, DType::kF16);
  EXPECT_EQ(tower->tensor("mm.patch_merger.weight").dtype, DType::kF16);
  EXPECT_EQ(tower->tensor("mm.post_norm.bias").dtype, DType::kF32);
  EXPECT_EQ(tower->tensor("v.blk.0.attn_qkv.weight").dtype, DType::kQ8_0);
}

TEST(ConvertVision, GgufAndItsVisionFileBecomeAFolderAndComeBackAsTheSame) {
  const fs::path folder = fresh_folder("round_glm4v");
  convert_model(glm4v_data() / "glm4v.bf16.gguf", folder / "hf", with(std::nullopt));
  ConvertOptions options = with(std::nullopt);
  options.vision_recipe = QuantRecipe::kF32;
  convert_model(folder / "hf", folder / "back.gguf", options);
  expect_same_values(*GgufFile::open(folder / "back.gguf"),
                     *GgufFile::open(glm4v_data() / "glm4v.bf16.gguf"));
  expect_same_values(*GgufFile::open(folder / "mmproj-back.gguf"),
                     *GgufFile::open(glm4v_data() / "mmproj-glm4v.bf16.gguf"));
}

// gguf-py names the keys; what they count is what llama.cpp's resizing compares: one picture's pixels, where
// transformers counts both frames.
TEST(ConvertVision, PixelBudgetGoesAlongBothWays) {
  const fs::path folder = fresh_folder("budget_glm4v"), source = folder / "source";
  write_glm4v_folder(source);
  const fs::path preprocessor = source / "preprocessor_config.json";
  Json json = read_test_json(preprocessor);
  json["size"] = {{"shortest_edge", 25088}, {"longest_edge", 50176}};
  fs::remove(preprocessor);  // a link to the stored one
  write_test_file(preprocessor, json.dump());
  convert_model(source, folder / "out.gguf", with(std::nullopt));
  const auto tower = GgufFile::open(folder / "mmproj-out.gguf");
  EXPECT_EQ(tower->get_u64("clip.vision.image_min_pixels"), 12544u);
  EXPECT_EQ(tower->get_u64("clip.vision.image_max_pixels"), 25088u);
  const auto bundle = load_vision_bundle(folder / "out.gguf", {});
  EXPECT_EQ(bundle->images.min_pixels, 25088);
  EXPECT_EQ(bundle->images.max_pixels, 50176);
  const GlmImageProcessor of_folder(load_vision_bundle(source, {})->images), of_gguf(bundle->images);
  const ImageGrid expected = of_folder.grid_of(1080, 2400, ""), seen = of_gguf.grid_of(1080, 2400, "");
  EXPECT_EQ(seen.rows, expected.rows);
  EXPECT_EQ(seen.columns, expected.columns);
  EXPECT_LE(seen.rows * seen.columns * 14 * 14, 25088);
  convert_model(folder / "out.gguf", folder / "back", with(std::nullopt));
  EXPECT_EQ(read_test_json(folder / "back" / "preprocessor_config.json").at("size"), json["size"]);
}

// --- interruptions

// Cancels once `tensors` tensors are done.
ConvertOptions stopping_after(ConvertOptions options, RunControl& control, size_t tensors) {
  options.control = &control;
  options.on_progress = [&control, tensors](const ConvertProgress& progress) {
    if (progress.tensor_number > tensors) control.cancel();
  };
  return options;
}

TEST(ConvertInterrupted, RepeatedCallGoesOnToTheSameBytes) {
  const fs::path folder = fresh_folder("interrupted"), out = folder / "out.gguf";
  const fs::path source = hugging_face_folder("glm4");
  RunControl control;
  const Error error =
      error_of([&] { convert_model(source, out, stopping_after(with(QuantRecipe::kQ8_0), control, 10)); });
  EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  EXPECT_FALSE(fs::exists(out));
  const ConvertReport report = convert_model(source, out, with(QuantRecipe::kQ8_0));
  EXPECT_GE(report.kept_tensors, 8u);
  EXPECT_LT(report.kept_tensors, report.tensors);
  EXPECT_EQ(read_file(out), read_file(made_file("glm4", "whole", QuantRecipe::kQ8_0)));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
}

TEST(ConvertInterrupted, OtherTypesBeginAnew) {
  const fs::path out = fresh_folder("interrupted_other") / "out.gguf";
  const fs::path source = hugging_face_folder("glm4");
  RunControl control;
  error_of([&] { convert_model(source, out, stopping_after(with(QuantRecipe::kQ8_0), control, 10)); });
  EXPECT_EQ(convert_model(source, out, with(QuantRecipe::kQ4_0)).kept_tensors, 0u);
}

TEST(ConvertInterrupted, FolderGoesOnBehindItsLastCompleteShard) {
  const fs::path folder = fresh_folder("interrupted_folder");
  ConvertOptions options = with(std::nullopt);
  options.shard_bytes = 300'000;
  RunControl control;
  const fs::path source = tiny_model("glm4", "bf16");
  error_of([&] { convert_model(source, folder / "hf", stopping_after(options, control, 30)); });
  EXPECT_FALSE(fs::exists(folder / "hf" / "config.json"));
  const ConvertReport report = convert_model(source, folder / "hf", options);
  EXPECT_GT(report.kept_tensors, 0u);
  EXPECT_GT(report.files.size(), 2u);
  convert_model(source, folder / "whole", options);
  for (const auto& entry : fs::directory_iterator(folder / "whole"))
    EXPECT_EQ(read_file(entry.path()), read_file(folder / "hf" / entry.path().filename()));
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

// Stops a conversion to two files while the second is written.
void stop_in_second_file(const fs::path& source, const fs::path& out, ConvertOptions options) {
  RunControl control;
  options.control = &control;
  options.on_progress = [&, in_second = 0](const ConvertProgress& progress) mutable {
    in_second += progress.file.starts_with("mmproj-");
    if (in_second > 10) control.cancel();
  };
  EXPECT_EQ(error_of([&] { convert_model(source, out, options); }).code(), ErrorCode::kCancelled);
  EXPECT_TRUE(fs::exists(out));
  EXPECT_FALSE(fs::exists(out.parent_path() / "mmproj-out.gguf"));
}

TEST(ConvertInterrupted, InTheSecondFileItGoesOnBehindTheFirst) {
  const fs::path folder = fresh_folder("second_file"), whole = fresh_folder("second_file_whole");
  const ConvertOptions options = with(QuantRecipe::kQ8_0);
  stop_in_second_file(glm4v_folder(), folder / "out.gguf", options);
  const auto time = fs::last_write_time(folder / "out.gguf");
  const ConvertReport report = convert_model(glm4v_folder(), folder / "out.gguf", options);
  EXPECT_EQ(fs::last_write_time(folder / "out.gguf"), time);
  EXPECT_GT(report.kept_tensors, GgufFile::open(folder / "out.gguf")->tensors().size());
  EXPECT_LT(report.kept_tensors, report.tensors);
  convert_model(glm4v_folder(), whole / "out.gguf", options);
  EXPECT_EQ(names_in(folder), (std::vector<std::string>{"mmproj-out.gguf", "out.gguf"}));
  for (const char* name : {"out.gguf", "mmproj-out.gguf"})
    EXPECT_EQ(read_file(folder / name), read_file(whole / name)) << name;
  const Error again = error_of([&] { convert_model(glm4v_folder(), folder / "out.gguf", options); });
  EXPECT_NE(again.message().find("exists already"), std::string::npos);
}

TEST(ConvertInterrupted, FirstFileThatWasChangedSinceIsNotTakenForItsOwn) {
  const fs::path folder = fresh_folder("second_file_changed"), out = folder / "out.gguf";
  stop_in_second_file(glm4v_folder(), out, with(std::nullopt));
  std::string bytes = read_file(out);
  bytes.back() ^= 1;
  write_test_file(out, bytes);
  EXPECT_EQ(error_of([&] { convert_model(glm4v_folder(), out, with(std::nullopt)); }).code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(read_file(out), bytes);
}

// A conversion to several shards, stopped behind some of them.
struct StoppedFolder {
  fs::path source = tiny_model("glm4", "bf16"), folder, whole;
  ConvertOptions options = with(std::nullopt);

  explicit StoppedFolder(const std::string& name)
      : folder(fresh_folder(name) / "hf"), whole(fresh_folder(name + "_whole") / "hf") {
    options.shard_bytes = 300'000;
    RunControl control;
    error_of([&] { convert_model(source, folder, stopping_after(options, control, 30)); });
  }
  fs::path first_shard() const {
    for (const std::string& name : names_in(folder)) {
      if (name.starts_with("model-00001-")) return folder / name;
    }
    throw std::runtime_error("no shard was finished");
  }
  void expect_whole_after_repetition() const {
    EXPECT_NO_THROW(convert_model(source, folder, options));
    convert_model(source, whole, options);
    EXPECT_EQ(names_in(folder), names_in(whole));
    for (const std::string& name : names_in(whole))
      EXPECT_EQ(read_file(folder / name), read_file(whole / name)) << name;
  }
};

TEST(ConvertInterrupted, FolderWritesAFinishedShardAgainThatIsGone) {
  const StoppedFolder stopped("lost_shard");
  fs::remove(stopped.first_shard());
  stopped.expect_whole_after_repetition();
}

TEST(ConvertInterrupted, FolderWritesAFinishedShardAgainThatWasDamaged) {
  const StoppedFolder stopped("damaged_shard");
  std::string bytes = read_file(stopped.first_shard());
  bytes.back() ^= 1;
  write_test_file(stopped.first_shard(), bytes);
  stopped.expect_whole_after_repetition();
}

TEST(ConvertInterrupted, FolderClearsTheTemporariesOfACallThatWasKilled) {
  const StoppedFolder stopped("killed");
  write_test_file(stopped.first_shard().string() + ".part.abc234", "half");
  write_test_file(stopped.folder / "config.json.part.abc234", "half");
  stopped.expect_whole_after_repetition();
}

TEST(ConvertInterrupted, FolderIsNotTakenOverByAnotherConversionUnlessAllowed) {
  const StoppedFolder stopped("taken_over");
  write_test_file(stopped.folder / "mine.safetensors", "mine");
  const auto before = names_in(stopped.folder);
  ConvertOptions other = stopped.options;
  other.recipe = QuantRecipe::kF16;
  const Error error = error_of([&] { convert_model(stopped.source, stopped.folder, other); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(error.message().find("unfinished conversion"), std::string::npos) << error.message();
  EXPECT_EQ(names_in(stopped.folder), before);
  other.overwrite = true;
  convert_model(stopped.source, stopped.folder, other);
  convert_model(stopped.source, stopped.whole, other);
  EXPECT_EQ(names_in(stopped.folder), names_in(stopped.whole));
}

TEST(ConvertFolder, IsWrittenByOneCallAtATime) {
  const fs::path folder = fresh_folder("two_calls") / "hf", source = tiny_model("llama", "bf16");
  ConvertOptions options = with(std::nullopt);
  ErrorCode second = ErrorCode::kInternal;
  options.on_progress = [&](const ConvertProgress&) {
    if (second != ErrorCode::kInternal) return;
    second = error_of([&] { convert_model(source, folder, with(std::nullopt)); }).code();
  };
  convert_model(source, folder, options);
  EXPECT_EQ(second, ErrorCode::kBusy);
  EXPECT_NO_THROW(load_bundle(folder));
}

TEST(ConvertFolder, ThatIsOverwrittenKeepsNothingOfTheOldModel) {
  const fs::path folder = fresh_folder("old_model"), fresh = fresh_folder("old_model_fresh") / "hf";
  for (const char* name : {"chat_template.jinja", "preprocessor_config.json", "special_tokens_map.json",
                           "model-00001-of-00002.safetensors", "README.md"})
    write_test_file(folder / name, "old");
  ConvertOptions options = with(std::nullopt);
  options.overwrite = true;
  convert_model(tiny_model("llama", "bf16"), folder, options);
  convert_model(tiny_model("llama", "bf16"), fresh, options);
  auto expected = names_in(fresh);
  expected.insert(expected.begin(), "README.md");
  EXPECT_EQ(names_in(folder), expected);
}

// --- tokens that end an answer

void expect_end_ids_both_ways(const fs::path& source, const std::string& name, const std::string& named) {
  const fs::path folder = fresh_folder("ends_" + name);
  const auto ids = [](const fs::path& path) {
    const auto tokenizer = load_tokenizer(path);
    return std::vector<TokenId>(tokenizer->end_ids().begin(), tokenizer->end_ids().end());
  };
  const std::vector<TokenId> expected = ids(source);
  const ConvertReport report = convert_model(source, folder / "out.gguf", with(std::nullopt));
  EXPECT_EQ(ids(folder / "out.gguf"), expected);
  convert_model(folder / "out.gguf", folder / "copy.gguf", with(QuantRecipe::kQ8_0));
  EXPECT_EQ(ids(folder / "copy.gguf"), expected);
  convert_model(folder / "out.gguf", folder / "back", with(std::nullopt));
  EXPECT_EQ(ids(folder / "back"), expected);
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_NE(report.warnings[0].find(named), std::string::npos) << report.warnings[0];
}

TEST(ConvertEndIds, GoAlongBothWaysHoweverManyThereAre) {
  expect_end_ids_both_ways(glm4v_folder(), "glm4v", "511 (");
  const fs::path qwen = fresh_folder("many_ends");
  copy_small_files("qwen2", qwen);
  const HuggingFaceConfig config = read_hugging_face_config(read_test_json(qwen / "config.json"), "");
  write_weights(qwen, made_tensors("qwen2", config, DType::kF32));
  write_test_file(qwen / "generation_config.json", R"({"eos_token_id": [260, 261, 262, 263]})");
  expect_end_ids_both_ways(qwen, "qwen2", "263 (");
}

TEST(ConvertEndIds, OutsideTheVocabularyAreRefused) {
  const fs::path path = fresh_folder("wrong_ends") / "out.gguf";
  const std::vector<int32_t> ids = {1, 99'999};
  rewrite_keys(tiny_model("llama", "bf16"),
               {{"openautoglm.end_token_ids", GgufValue::of_array(std::span<const int32_t>(ids))}}, path);
  EXPECT_EQ(error_of([&] { load_bundle(path); }).code(), ErrorCode::kCorruptData);
}

// --- a GGUF model with its vision tower

TEST(ConvertVision, GgufSourceTakesItsVisionFileAlong) {
  const fs::path folder = fresh_folder("tower_along");
  ConvertOptions options = with(QuantRecipe::kQ8_0);
  options.vision_recipe = QuantRecipe::kQ8_0;
  const fs::path source = glm4v_data() / "glm4v.bf16.gguf";
  ASSERT_EQ(convert_model(source, folder / "out.gguf", options).files.size(), 2u);
  EXPECT_EQ(GgufFile::open(folder / "mmproj-out.gguf")->tensor("v.blk.0.attn_qkv.weight").dtype,
            DType::kQ8_0);
  EXPECT_NO_THROW(load_bundle(folder / "out.gguf", {.vision = true, .vision_path = {}}));
  convert_model(source, folder / "same.gguf", with(std::nullopt));
  EXPECT_EQ(read_file(folder / "mmproj-same.gguf"), read_file(glm4v_data() / "mmproj-glm4v.bf16.gguf"));
}

TEST(ConvertVision, OptionsOfATowerThatIsNotThereAreRefused) {
  const fs::path folder = fresh_folder("no_tower");
  ConvertOptions recipe = with(std::nullopt), path = with(std::nullopt), wrong = with(std::nullopt);
  recipe.vision_recipe = QuantRecipe::kF32;
  path.vision_path = "/nope";
  wrong.vision_path = tiny_model("llama", "bf16");
  const fs::path text = tiny_model("llama", "bf16"), both = glm4v_data() / "glm4v.bf16.gguf";
  const auto code = [&](const fs::path& source, const char* target, const ConvertOptions& options) {
    return error_of([&] { convert_model(source, folder / target, options); }).code();
  };
  EXPECT_EQ(code(text, "out.gguf", recipe), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(hugging_face_folder("llama"), "out.gguf", recipe), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(both, "hf", recipe), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(glm4v_folder(), "out.gguf", path), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(both, "out.gguf", path), ErrorCode::kNotFound);
  EXPECT_EQ(code(both, "out.gguf", wrong), ErrorCode::kUnsupported);
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST(VisionFileBeside, IsTheOneOfTheModelsOwnName) {
  const fs::path folder = fresh_folder("vision_beside");
  for (const char* name : {"m.gguf", "mmproj-m.gguf", "m-q8.gguf", "mmproj-m-q8.gguf"})
    write_test_file(folder / name, "");
  EXPECT_EQ(vision_file_beside(folder / "m.gguf").filename(), "mmproj-m.gguf");
  EXPECT_EQ(vision_file_beside(folder / "m-q8.gguf").filename(), "mmproj-m-q8.gguf");
  // One that bears another model's name is not in the way of one that bears none.
  fs::remove(folder / "mmproj-m.gguf");
  write_test_file(folder / "mmproj-f16.gguf", "");
  EXPECT_EQ(vision_file_beside(folder / "m.gguf").filename(), "mmproj-f16.gguf");
  fs::remove(folder / "mmproj-f16.gguf");
  EXPECT_EQ(vision_file_beside(folder / "m.gguf").filename(), "mmproj-m-q8.gguf");
}

// --- tensors without values

TEST(ConvertEmpty, TensorsStayEmptyInAFolder) {
  const fs::path folder = fresh_folder("empty"), out = fresh_folder("empty_out");
  copy_small_files("llama", folder);
  const HuggingFaceConfig config = read_hugging_face_config(read_test_json(folder / "config.json"), "");
  MadeTensors tensors = made_tensors("llama", config, DType::kF32);
  const std::string first = "model.rotary_emb.inv_freq",
                    second = "model.layers.0.self_attn.rotary_emb.inv_freq",
                    third = "model.layers.1.self_attn.rotary_emb.inv_freq";
  tensors[first] = {DType::kF32, {0}, {}};
  tensors[second] = {DType::kF32, {3, 0}, {}};
  tensors[third] = {DType::kF32, {0, 3}, {}};
  write_weights(folder, tensors);
  convert_model(folder, out / "same", with(std::nullopt));
  convert_model(folder, out / "bf16", with(QuantRecipe::kBF16));
  for (const char* made : {"same", "bf16"}) {
    const auto file = SafetensorsFile::open(out / made);
    for (const std::string& name : {first, second, third}) {
      const auto found = std::ranges::find(file->tensors(), name, &SafetensorsTensor::name);
      ASSERT_NE(found, file->tensors().end()) << name;
      EXPECT_EQ(Dims(found->dims), tensors[name].dims);
    }
    EXPECT_NO_THROW(load_bundle(out / made));
  }
  EXPECT_NO_THROW(convert_model(folder, out / "out.gguf", with(std::nullopt)));
}

// --- refusals

TEST(ConvertRefuses, ToOverwriteUnlessAllowed) {
  const fs::path folder = fresh_folder("overwrite"), out = folder / "out.gguf";
  const fs::path source = hugging_face_folder("llama");
  write_test_file(out, "mine");
  const Error error = error_of([&] { convert_model(source, out, with(std::nullopt)); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(read_file(out), "mine");
  const Error other =
      error_of([&] { convert_model(tiny_model("llama", "bf16"), folder, with(std::nullopt)); });
  EXPECT_EQ(other.code(), ErrorCode::kInvalidArgument);
  ConvertOptions options = with(std::nullopt);
  options.overwrite = true;
  convert_model(source, out, options);
  EXPECT_NO_THROW(load_bundle(out));
}

TEST(ConvertRefuses, TheVisionFileThatExistsBeforeTheTextIsWritten) {
  const fs::path folder = fresh_folder("overwrite_vision");
  write_test_file(folder / "mmproj-out.gguf", "mine");
  const Error error =
      error_of([&] { convert_model(glm4v_folder(), folder / "out.gguf", with(std::nullopt)); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(folder / "out.gguf"));
}

TEST(ConvertRefuses, ItsSourceAsTarget) {
  ConvertOptions options = with(std::nullopt);
  options.overwrite = true;
  const fs::path source = tiny_model("llama", "bf16");
  EXPECT_EQ(error_of([&] { convert_model(source, source, options); }).code(), ErrorCode::kInvalidArgument);
}

TEST(ConvertRefuses, BlockFormatsInAFolder) {
  const fs::path out = fresh_folder("blocks") / "hf";
  const Error error =
      error_of([&] { convert_model(tiny_model("llama", "bf16"), out, with(QuantRecipe::kQ4_K_M)); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(out));
}

// The folder of the tiny Llama with one value changed.
fs::path damaged_folder(const std::string& name, float value) {
  const fs::path folder = fresh_folder(name);
  copy_small_files("llama", folder);
  const HuggingFaceConfig config = read_hugging_face_config(read_test_json(folder / "config.json"), "");
  MadeTensors tensors = made_tensors("llama", config, DType::kF32);
  std::memcpy(&tensors.at("model.layers.1.mlp.up_proj.weight").bytes[(5 * 128 + 7) * 4], &value,
              sizeof value);
  write_weights(folder, tensors);
  return folder;
}

TEST(ConvertRefuses, WeightsThatAreNoNumbersByName) {
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const fs::path folder = damaged_folder("no_numbers", value);
    for (const auto recipe : {std::optional<QuantRecipe>(), std::optional(QuantRecipe::kQ8_0)}) {
      const Error error = error_of([&] { convert_model(folder, folder / "out.gguf", with(recipe)); });
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
      EXPECT_NE(error.message().find("model.layers.1.mlp.up_proj.weight"), std::string::npos);
      EXPECT_NE(error.message().find("row 5, value 7"), std::string::npos) << error.message();
      for (const std::string& name : names_in(folder)) EXPECT_EQ(name.find("out.gguf"), std::string::npos);
    }
  }
}

TEST(ConvertRefuses, ModelsThatCouldNotBeRun) {
  const fs::path folder = fresh_folder("not_runnable"), out = fresh_folder("not_runnable_out");
  copy_small_files("llama", folder);
  const HuggingFaceConfig config = read_hugging_face_config(read_test_json(folder / "config.json"), "");
  const MadeTensors whole = made_tensors("llama", config, DType::kF32);
  const auto expect_refused = [&](const char* name, const Dims& dims, DType dtype) {
    MadeTensors tensors = whole;
    tensors[name] = {dtype, dims, std::vector<std::byte>(static_cast<size_t>(element_count(dims)) * 4)};
    write_weights(folder, tensors);
    for (const char* target : {"out.gguf", "hf"}) {
      const Error error = error_of([&] { convert_model(folder, out / target, with(std::nullopt)); });
      EXPECT_NE(error.code(), ErrorCode::kInternal) << name << " to " << target;
      EXPECT_NE(error.message().find(name), std::string::npos) << error.message();
      EXPECT_TRUE(fs::is_empty(out));
    }
  };
  const char* up = "model.layers.1.mlp.up_proj.weight";
  const Dims dims = whole.at(up).dims;
  expect_refused(up, {dims[0], dims[1] + 32}, DType::kF32);
  expect_refused(up, {dims[1], dims[0]}, DType::kF32);
  expect_refused(up, dims, DType::kI32);
  expect_refused("model.layers.0.self_attn.k_proj.weight", {32, dims[1]}, DType::kF32);
  expect_refused("model.embed_tokens.weight", {config.text.vocab_size + 32, dims[1]}, DType::kF32);
}

TEST(ConvertRefuses, GgufModelsThatCouldNotBeRun) {
  const fs::path folder = fresh_folder("not_runnable_gguf");
  rewrite_keys(tiny_model("qwen2", "bf16"), {}, folder / "whole.gguf");
  EXPECT_NO_THROW(convert_model(folder / "whole.gguf", folder / "copy.gguf", with(std::nullopt)));
  const auto file = GgufFile::open(folder / "whole.gguf");
  GgufWriter writer(folder / "wrong.gguf");
  for (const auto& [key, value] : file->entries()) {
    const bool is_heads = key == "qwen2.attention.head_count_kv";
    writer.set(key, is_heads ? GgufValue::of(uint32_t{1}) : value);
  }
  for (const GgufTensor& tensor : file->tensors())
    writer.declare_tensor(tensor.name, tensor.dtype, tensor.dims);
  for (const GgufTensor& tensor : file->tensors()) writer.write(tensor.name, tensor.bytes);
  writer.finish();
  for (const char* target : {"out.gguf", "hf"}) {
    const Error error =
        error_of([&] { convert_model(folder / "wrong.gguf", folder / target, with(std::nullopt)); });
    EXPECT_EQ(error.code(), ErrorCode::kCorruptData) << error.message();
    EXPECT_FALSE(fs::exists(folder / target));
  }
}

TEST(ConvertRefuses, EightBitFloatsByName) {
  const fs::path folder = fresh_folder("eight_bits");
  copy_small_files("llama", folder);
  const HuggingFaceConfig config = read_hugging_face_config(read_test_json(folder / "config.json"), "");
  MadeTensors tensors = made_tensors("llama", config, DType::kF32);
  MadeTensor& weight = tensors.at("model.layers.0.mlp.up_proj.weight");
  weight.dtype = DType::kF8E4M3FN;
  weight.bytes.resize(weight.bytes.size() / 4);
  write_weights(folder, tensors);
  const Error error = error_of([&] { convert_model(folder, folder / "out.gguf", with(std::nullopt)); });
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_NE(error.message().find("up_proj.weight is stored as f8e4m3fn"), std::string::npos)
      << error.message();
}

TEST(ConvertRefuses, WeightsThatTheTypeCannotHoldByName) {
  const fs::path folder = damaged_folder("too_large", 1e6f);
  const Error error = error_of([&] { convert_model(folder, folder / "out.gguf", with(QuantRecipe::kF16)); });
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_NE(error.message().find("1e+06"), std::string::npos) << error.message();
  EXPECT_NO_THROW(convert_model(folder, folder / "bf16.gguf", with(QuantRecipe::kBF16)));
}

// --- quantising again

TEST(ConvertAgain, WarnsThatErrorsAddUpAndKeepsWhatItDoesNotChange) {
  const fs::path folder = fresh_folder("again");
  const fs::path source = tiny_model("llama", "q8_0");
  const ConvertReport report = convert_model(source, folder / "q4.gguf", with(QuantRecipe::kQ4_0));
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_NE(report.warnings[0].find("q8_0"), std::string::npos);
  EXPECT_TRUE(convert_model(source, folder / "copy.gguf", with(std::nullopt)).warnings.empty());
  EXPECT_EQ(read_file(folder / "copy.gguf"), read_file(source));
  EXPECT_EQ(GgufFile::open(folder / "q4.gguf")->get_u64("general.file_type"), 2u);
}

TEST(ConvertAgain, KTypesOfARecipeAreThoseOfTheRecipe) {
  const fs::path out = fresh_folder("k_types") / "out.gguf";
  convert_model(hugging_face_folder("llama_k"), out, with(QuantRecipe::kQ4_K_M));
  const auto file = GgufFile::open(out);
  EXPECT_EQ(file->tensor("token_embd.weight").dtype, DType::kQ6_K);  // the head too
  EXPECT_EQ(file->tensor("blk.0.attn_q.weight").dtype, DType::kQ4_K);
  EXPECT_EQ(file->get_u64("general.file_type"), 15u);
  EXPECT_NO_THROW(load_bundle(out));
}

}  // namespace
}  // namespace oag::test
