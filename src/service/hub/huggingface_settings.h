#pragma once

#include <chrono>
#include <filesystem>
#include <string>

namespace oag {

// How to reach a Hugging Face compatible hub, and the cache that its tools share.
struct HuggingFaceSettings {
  std::string endpoint = "https://huggingface.co";  // without a '/' at its end
  std::string token;                                // a secret: sent to the endpoint alone, never shown
  std::filesystem::path cache_folder;
  bool offline = false;  // nothing is asked of the network

  std::chrono::milliseconds connect_timeout{15'000};
  std::chrono::milliseconds stall_timeout{30'000};
  std::chrono::milliseconds retry_delay{500};
};

// What the variables say that huggingface_hub reads too: HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH,
// HF_HUB_DISABLE_IMPLICIT_TOKEN, HF_HUB_OFFLINE and those of the folder. Errors: kInvalidArgument, naming the
// variable and never the token.
HuggingFaceSettings huggingface_settings();

// HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub; empty
// when none of these variables is set.
std::filesystem::path huggingface_cache_folder();

}  // namespace oag
