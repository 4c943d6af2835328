// SPDX-License-Identifier: MIT
// expect: mtlx: a backend lacks a primitive of the concept: see backend/backend.hpp
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
using Samples = backend::ReferenceSlice;
#else
struct Samples : backend::ReferenceSlice {
  static void add(ConstView, View) = delete;
};
#endif

struct Mine : backend::Reference {
  using backend::Reference::Reference;
  template <std::size_t>
  using Slice = Samples;
};

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_model.inc"
