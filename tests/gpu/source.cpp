// SPDX-License-Identifier: MIT
// The CUDA C++ text of a training step of LeNet28 (two tasks, Adam, float), as a GPU would get it, for other compilers
// to read: FOLDER/step_0.cu, FOLDER/step_1.cu, ... Says how long NVRTC needs for it. Needs the toolkit, no GPU.
//
//   source FOLDER
#include <mtlx/mtlx.hpp>
#include <mtlx/testing/emulated_device.hpp>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <mtlx/cuda.hpp>

using namespace mtlx;

namespace {

std::vector<std::string> sources;

// Runs nothing, and keeps what it is given to compile.
class Reader : public testing::EmulatedDevice {
 public:
  using EmulatedDevice::EmulatedDevice;
  static constexpr unsigned threads = backend::CudaDevice::threads;
  Module compile(const std::string& source) {
    sources.push_back(source);
    return {};
  }
  Kernel kernel(const Module&, const char*) { return {}; }
  void launch(const Kernel&, const backend::Launch&, void**, std::string_view) {}
};

using Trunk = nn::Sequential<nn::Conv2d<10, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                             nn::Relu, nn::Dense<50>, nn::Relu>;
using Pair = Tasks<Classification<"left", 10>, Classification<"right", 10>>;
using Model = MultiTask<Input<1, 28, 28>, Pair, sharing::Hard<Trunk>, optim::Adam, backend::Recorded<Reader, float>>;

}  // namespace

int main(int count, char** words) try {
  if (count != 2) {
    std::fputs("usage: source FOLDER\n", stderr);
    return 2;
  }
  constexpr std::size_t samples = 64;
  const auto labels = data::Targets::classes(std::vector<int>(samples, 1));
  const data::DataSet data(data::Inputs({1, 28, 28}, std::vector<float>(samples * 784)),
                           {{"left", labels}, {"right", labels}});
  Model().fit(data, {.epochs = 1, .batch_size = samples});
  double seconds = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    write_file(join(words[1], "/step_", i, ".cu"), backend::detail::cuda_preamble + sources[i]);
    const auto begin = std::chrono::steady_clock::now();
    const std::string code = backend::compile_for(sources[i], "sm_90");
    const double time = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("step_%zu.cu: %zu bytes, NVRTC makes %zu of them in %.2f s\n", i, sources[i].size(), code.size(), time);
    seconds += time;
  }
  std::printf("%zu sources in %.2f s\n", sources.size(), seconds);
  return sources.size() == 2 ? 0 : 1;  // the pass and the update
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
