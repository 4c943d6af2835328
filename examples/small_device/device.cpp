// SPDX-License-Identifier: MIT
// What runs on a small device: it predicts, and trains the last layer on new samples. The layers, the loss and the
// optimizer are the library's own, on backend::PlainSlice<float>; all memory is in the arrays below. No heap, no
// exceptions, no files, no Eigen: of other code it calls expf, logf and memcpy.
//
// Size, as the test small_device_needs_nothing prints it (g++ 12.2 for x86-64, -Os -fno-exceptions -fno-rtti
// -ffunction-sections -fdata-sections): 17.8 kB of code and constants, 15.1 of them the weights; 7.4 kB of memory; and
// less than 1 kB of stack (-fstack-usage).
#include "device.hpp"

#include "network.hpp"
#include "weights.hpp"  // made by host.cpp

#include <mtlx/backend/reference.hpp>
#include <mtlx/nn/loss.hpp>
#include <mtlx/optim/sgd.hpp>

namespace device {

namespace {

using namespace mtlx;
using Slice = backend::PlainSlice<float>;

constexpr Shape hidden = Trunk::output(picture);
constexpr std::size_t trunk_size = nn::parameter_count<Trunk>(picture);
constexpr std::size_t head_size = nn::parameter_count<Head>(hidden);
static_assert(sizeof(garment::parameters) == (trunk_size + head_size) * sizeof(float), "the weights of these layers");

// The trunk's parameters stay where constants lie; the head's move.
float head[head_size], velocity[head_size], gradient[head_size];
float x[picture.size()], saved[nn::saved<Trunk>(picture)], features[hidden.size()], z[classes], dz[classes];
std::uint64_t steps = 0;

void forward(const unsigned char* bytes) {
  for (std::size_t i = 0; i < picture.size(); ++i) x[i] = brightness(bytes[i]);
  nn::forward<Trunk, picture>(nn::Forward<Slice>{garment::parameters, {x}, {features}, {saved}, {}, false});
  nn::forward<Head, hidden>(nn::Forward<Slice>{head, {features}, {z}, {}, {}, false});
}

}  // namespace

void start() {
  for (std::size_t i = 0; i < head_size; ++i) {
    head[i] = garment::parameters[trunk_size + i];
    velocity[i] = 0;
  }
  steps = 0;
}

int predict(const unsigned char* bytes) {
  forward(bytes);
  int best = 0;
  for (int i = 1; i < classes; ++i)
    if (z[i] > z[best]) best = i;
  return best;
}

void learn(const unsigned char* bytes, int label) {
  forward(bytes);
  const float target = static_cast<float>(label), present = 1;
  nn::SoftmaxCrossEntropy::evaluate<classes>(nn::LossSample<Slice>{{z}, {&target}, {&present}, {dz}, 1});
  for (float& g : gradient) g = 0;
  nn::backward<Head, hidden, false>(nn::Backward<Slice>{head, {features}, {z}, {}, {dz}, {}, gradient, {}, {}, true});
  const auto rule = optim::Sgd{.learning_rate = 0.01, .momentum = 0.5}.rule(optim::Now{.step = ++steps});
  for (std::size_t i = 0; i < head_size; ++i) {
    std::array<float, 1> state{velocity[i]};
    rule(head[i], gradient[i], state);
    velocity[i] = state[0];
  }
}

}  // namespace device
