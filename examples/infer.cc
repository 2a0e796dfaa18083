// Runs an ONNX model once on zeros and prints what it gives: infer MODEL.onnx
#include <openautoglm/openautoglm.h>

#include <iostream>
#include <stdexcept>

int main(int argc, char** argv) try {
  if (argc < 2) throw std::invalid_argument("usage: infer MODEL.onnx");
  openautoglm::Runtime runtime;
  const openautoglm::Session session(runtime, argv[1]);

  std::vector<openautoglm::Input> inputs;
  std::vector<std::vector<float>> memory(session.inputs().size());  // read in place
  for (const openautoglm::Port& port : session.inputs()) {
    openautoglm::Dims dims;
    size_t count = 1;
    for (const openautoglm::PortDim& dim : port.shape.value_or(std::vector<openautoglm::PortDim>{})) {
      dims.push_back(dim.size >= 0 ? dim.size : 1);
      count *= static_cast<size_t>(dims.back());
    }
    std::vector<float>& values = memory[inputs.size()];
    values.resize(count);
    std::cout << "input " << port.name << " " << port.type << "\n";
    inputs.push_back(openautoglm::Input::of<float>(port.name, values, dims));
  }

  openautoglm::Run run = session.submit(inputs);
  const auto in_a_minute = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  if (run.wait(in_a_minute) == openautoglm::RunState::kRunning) run.cancel();
  const openautoglm::Outputs outputs = run.outputs();  // throws what went wrong
  for (const openautoglm::Port& port : session.outputs()) {
    const openautoglm::TensorView& output = outputs[port.name];
    std::cout << "output " << port.name << " " << openautoglm::dtype_name(output.dtype) << ", "
              << output.count << " values\n";
  }
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
