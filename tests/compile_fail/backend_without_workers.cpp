// SPDX-License-Identifier: MIT
// expect: mtlx: a backend lacks a primitive of the concept: see backend/backend.hpp
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
struct Mine : backend::Reference {
  using backend::Reference::Reference;
};
#else
struct Mine : backend::Reference {
  using backend::Reference::Reference;
  std::size_t workers() const = delete;
};
#endif

using Model = MultiTask<Input<8>, TaskList, sharing::Hard<Trunk>, Mine>;

#include "use_model.inc"
