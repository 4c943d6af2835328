// SPDX-License-Identifier: MIT
// Everything but the optional parts: xtensor's overloads (data/xtensor.hpp) and the law suites (testing/).
#pragma once

#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/balancing/equal_weights.hpp>
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/core/version.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/data/idx.hpp>
#include <mtlx/data/multi_fashion.hpp>
#include <mtlx/grouping/together.hpp>
#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/nn/max_pool2d.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/nn/task.hpp>
#include <mtlx/optim/adam.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/sharing/single.hpp>
#include <mtlx/study/results.hpp>
#include <mtlx/training/history.hpp>
#include <mtlx/training/multi_task.hpp>
#include <mtlx/training/progress.hpp>
