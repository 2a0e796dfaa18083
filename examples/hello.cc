// Continues a prompt and prints the answer as it is made: hello MODEL PROMPT
#include <openautoglm/openautoglm.h>

#include <iostream>
#include <stdexcept>

int main(int argc, char** argv) try {
  if (argc != 3) throw std::invalid_argument("usage: hello MODEL PROMPT");
  openautoglm::Runtime runtime;
  openautoglm::Model model(runtime, argv[1]);
  openautoglm::Request request{.prompt = argv[2], .max_tokens = 32, .sampling = {.temperature = 0}};
  request.on_token = [](const openautoglm::Token& token) {
    std::cout << token.text << std::flush;
    return true;
  };
  const openautoglm::Generation answer = model.submit(request);
  const openautoglm::Result& result = answer.result();  // waits for the end
  std::cout << "\n";
  if (result.finish_reason == openautoglm::FinishReason::kError) throw std::runtime_error(result.error);
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
