#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/json.h"
#include "cli/latency_engine.h"
#include "cli/python_process.h"
#include "engine/formats/npy/npy.h"

namespace oag::cli {
namespace {

namespace fs = std::filesystem;

// Says {version, load_ms}, then answers each line "run" with the milliseconds that it took, and "save" with
// the number of outputs that it wrote.
constexpr const char* kScript = R"(
import json, sys, time
import numpy, torch
source, folder, threads, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if threads: torch.set_num_threads(threads)
begin = time.perf_counter()
model = torch.export.load(source).module() if source.endswith(".pt2") else torch.jit.load(source).eval()
inputs = [torch.from_numpy(numpy.load(f"{folder}/input_{k}.npy")) for k in range(count)]
print(json.dumps({"version": torch.__version__, "load_ms": (time.perf_counter() - begin) * 1e3}), flush=True)
with torch.inference_mode():
    for line in sys.stdin:
        if line == "run\n":
            begin = time.perf_counter()
            result = model(*inputs)
            print((time.perf_counter() - begin) * 1e3, flush=True)
        else:
            flat = torch.utils._pytree.tree_leaves(result)
            for k, value in enumerate(flat): numpy.save(f"{folder}/output_{k}.npy", value.contiguous().numpy())
            print(len(flat), flush=True)
)";

// A folder for the values that two processes share.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string path = (fs::temp_directory_path() / "oag_bench_XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) fail(ErrorCode::kIo, path, "cannot be made");
    path_ = path;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

class PytorchEngine final : public LatencyEngine {
 public:
  PytorchEngine(const std::string& source, const std::vector<Tensor>& inputs, int threads) {
    for (size_t k = 0; k < inputs.size(); ++k)
      write_npy(values_.path() / fmt::format("input_{}.npy", k), inputs[k]);
    process_.emplace(kScript,
                     std::vector<std::string>{source, values_.path().string(), std::to_string(threads),
                                              std::to_string(inputs.size())});
    const Json loaded = Json::parse(process_->ask("", RunControl()));
    name_ = "pytorch@" + loaded.at("version").get<std::string>();
    load_ms_ = loaded.at("load_ms").get<double>();
  }

  double run_ms(const RunControl& control) override {
    const double taken = std::stod(process_->ask("run", control));
    if (outputs_.empty()) read_outputs(control);
    return taken;
  }

 private:
  void read_outputs(const RunControl& control) {
    const int count = std::stoi(process_->ask("save", control));
    for (int k = 0; k < count; ++k)
      outputs_.push_back(read_npy(values_.path() / fmt::format("output_{}.npy", k)));
  }

  ScratchFolder values_;
  std::optional<PythonProcess> process_;
};

}  // namespace

std::unique_ptr<LatencyEngine> open_pytorch_engine(const std::string& source,
                                                   const std::vector<Tensor>& inputs, int threads) {
  if (!fs::is_regular_file(source))
    fail(ErrorCode::kNotFound, source,
         "there is no such file; expected an exported program (.pt2) or a TorchScript");
  return std::make_unique<PytorchEngine>(source, inputs, threads);
}

}  // namespace oag::cli
