// SPDX-License-Identifier: MIT
// The whole library but for xtensor's and CUDA's parts: mtlx.hpp and what that leaves out. The single header has it all but
// what belongs to devices.
#pragma once

#include <mtlx/mtlx.hpp>
#if __has_include(<mtlx/data/csv.hpp>)
#include <mtlx/balancing/combine.hpp>
#include <mtlx/data/arff.hpp>
#include <mtlx/data/conllu.hpp>
#include <mtlx/data/corpus.hpp>
#include <mtlx/data/csv.hpp>
#include <mtlx/data/mapped.hpp>
#include <mtlx/data/ngram.hpp>
#include <mtlx/data/npy.hpp>
#include <mtlx/data/table.hpp>
#include <mtlx/study/delta_m.hpp>
#include <mtlx/study/report.hpp>
#include <mtlx/study/report_text.hpp>
#include <mtlx/study/statistics.hpp>
#include <mtlx/testing/backend_laws.hpp>
#include <mtlx/testing/balancer_laws.hpp>
#include <mtlx/testing/device_laws.hpp>
#include <mtlx/testing/emulated_device.hpp>
#include <mtlx/testing/layer_laws.hpp>
#include <mtlx/testing/loss_laws.hpp>
#include <mtlx/testing/metric_laws.hpp>
#include <mtlx/testing/report.hpp>
#include <mtlx/testing/targets.hpp>
#include <mtlx/testing/task_laws.hpp>
#include <mtlx/training/device_learner.hpp>
#endif
