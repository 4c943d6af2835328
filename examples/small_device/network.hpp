// SPDX-License-Identifier: MIT
// The network on which host and device agree: it reads a garment from a picture of 14 x 14.
#pragma once

#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/max_pool2d.hpp>
#include <mtlx/nn/sequential.hpp>

inline constexpr mtlx::Shape picture{1, 14, 14};
inline constexpr int classes = 10;
using Trunk = mtlx::nn::Sequential<mtlx::nn::Conv2d<4, 3>, mtlx::nn::MaxPool2d<2>, mtlx::nn::Relu, mtlx::nn::Dense<24>,
                                   mtlx::nn::Relu>;
using Head = mtlx::nn::Dense<classes, mtlx::nn::glorot_uniform>;

// What the device sees: bytes, black to white.
inline float brightness(unsigned char byte) { return static_cast<float>(byte) / 255.0F; }
