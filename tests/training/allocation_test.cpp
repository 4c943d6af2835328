// SPDX-License-Identifier: MIT
// After the first step, training allocates nothing.
#include <mtlx/balancing/db_mtl.hpp>
#include <mtlx/balancing/grad_drop.hpp>
#include <mtlx/balancing/on_representation.hpp>
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/balancing/per_layer.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include "small.hpp"
#include "support/allocation_counter.hpp"

using namespace mtlx;

namespace {

template <class Balancing>
using Model = MultiTask<Input<4>, small::Kinds, sharing::Hard<small::Trunk>, Balancing>;
using Plain = Model<balancing::EqualWeights>;
using Surgery = Model<balancing::PcGrad>;
// Between them: memory, own weights, layers, coordinates, the representation.
using Layered = Model<balancing::PerLayer<balancing::DbMtl>>;
using There = Model<balancing::OnRepresentation<balancing::GradDrop>>;

// Calls of operator new up to the end of each step, and up to the end of each epoch.
class Counter : public training::Observer {
 public:
  Counter() { counts_.reserve(1000); }
  void on_begin(const training::Run&) override { counts_.push_back(support::allocations()); }
  void on_step(const training::Step&) override { counts_.push_back(support::allocations()); }

  std::size_t steps() const { return counts_.size() - 1; }
  std::size_t first_step() const { return counts_[1] - counts_[0]; }
  std::size_t after(std::size_t step) const { return counts_.back() - counts_[step]; }

 private:
  std::vector<std::size_t> counts_;
};

}  // namespace

TEST_CASE("the counter counts") {
  // Whose address is seen elsewhere: clang leaves out an allocation that nobody can notice.
  static const int* volatile seen = nullptr;
  CHECK(support::count_allocations([] {
          const std::vector<int> one(1000);
          seen = one.data();
        }) >= 1);
  CHECK(seen != nullptr);
  CHECK(support::count_allocations([] {}) == 0);
}

TEST_CASE_TEMPLATE("training steps allocate nothing after the first", M, Plain, Surgery, Layered, There) {
  const auto shared = small::shared(300, 0.3), own = small::own(300, 90, 0.3);
  for (const int threads : {1, 2})
    for (const auto* data : {&shared, &own}) {
      CAPTURE(threads);
      CAPTURE(data == &own);
      M model{{.backend = {.threads = threads}}};
      Counter counter;
      // Several epochs: dealing anew, and the short last batch, allocate nothing either.
      model.fit(*data, {.epochs = 3, .batch_size = 64, .observers = {&counter}});
      REQUIRE(counter.steps() == 15);
      CHECK(counter.first_step() > 0);
      CHECK(counter.after(1) == 0);
    }
}

TEST_CASE_TEMPLATE("nor where streams take turns, once each has had one", M, Plain, Surgery, Layered, There) {
  const auto own = small::own(300, 90, 0.3);
  M model{{.backend = {.threads = 2}}};
  Counter counter;
  model.fit(own, {.batch_size = 64, .sampling = training::Sampling::round_robin, .observers = {&counter}});
  REQUIRE(counter.steps() == 7);
  CHECK(counter.after(2) == 0);
}
