// SPDX-License-Identifier: MIT
// The same seed gives the same bits, for any number of threads: slices of 16 samples here, so that the batch sizes fall
// on either side of a slice and of several slots.
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include "small.hpp"

using namespace mtlx;

namespace {

constexpr Shape wide{2200};
using Trunk = nn::Sequential<nn::Dense<4>, nn::Dropout<30>, nn::Tanh>;
template <class Balancing>
using Model = MultiTask<Input<2200>, small::Kinds, sharing::Hard<Trunk>, Balancing>;
using Plain = Model<balancing::EqualWeights>;
using Surgery = Model<balancing::PcGrad>;

static_assert(Plain::Learner::Slice::width == 16);
static_assert(Surgery::Learner::Slice::width == 16);

const data::DataSet& shared_inputs() {
  static const data::DataSet data = small::shared(70, 0.3, 0, wide);
  return data;
}
const data::DataSet& own_inputs() {
  static const data::DataSet data = small::own(70, 37, 0.3, wide);
  return data;
}

template <class M>
std::vector<float> trained(int threads, const data::DataSet& data, std::size_t batch_size,
                           training::Sampling sampling = training::Sampling::together, std::uint64_t seed = 5) {
  M model{{.optimizer = {.learning_rate = 1e-2}, .backend = {.threads = threads}, .seed = seed}};
  model.fit(data, {.epochs = 2, .batch_size = batch_size, .sampling = sampling});
  return small::copy(model.parameters());
}

}  // namespace

TEST_CASE_TEMPLATE("the same bits for 1, 2 and 3 threads, at any batch size", M, Plain, Surgery) {
  for (const auto* data : {&shared_inputs(), &own_inputs()})
    for (const std::size_t batch_size : std::initializer_list<std::size_t>{1, 5, 16, 17, 50, 64}) {
      CAPTURE(batch_size);
      const auto one = trained<M>(1, *data, batch_size);
      CHECK(small::same_bits(one, trained<M>(1, *data, batch_size)));
      CHECK(small::same_bits(one, trained<M>(2, *data, batch_size)));
      CHECK(small::same_bits(one, trained<M>(3, *data, batch_size)));
    }
}

TEST_CASE_TEMPLATE("the same bits where one stream takes part at a time", M, Plain, Surgery) {
  for (const auto sampling : {training::Sampling::round_robin, training::Sampling::proportional}) {
    const auto one = trained<M>(1, own_inputs(), 17, sampling);
    CHECK(small::same_bits(one, trained<M>(3, own_inputs(), 17, sampling)));
    CHECK_FALSE(small::same_bits(one, trained<M>(1, own_inputs(), 17)));
  }
}

TEST_CASE_TEMPLATE("other seeds give other bits", M, Plain, Surgery) {
  CHECK_FALSE(small::same_bits(trained<M>(1, shared_inputs(), 16),
                               trained<M>(1, shared_inputs(), 16, training::Sampling::together, 6)));
}

TEST_CASE("a seed's every part matters: first parameters, order, dropout") {
  Plain a{{.seed = 1}}, b{{.seed = 1 + (std::uint64_t{1} << 32)}};
  CHECK_FALSE(small::same_bits(a.parameters(), b.parameters()));
  // From the same first parameters, on one batch without shuffling, dropout alone is left.
  std::copy(a.parameters().begin(), a.parameters().end(), b.parameters().begin());
  Plain c = a;
  for (Plain* model : {&a, &b, &c}) model->fit(shared_inputs(), {.batch_size = 70, .shuffle = false});
  CHECK(small::same_bits(a.parameters(), c.parameters()));
  CHECK_FALSE(small::same_bits(a.parameters(), b.parameters()));
}
