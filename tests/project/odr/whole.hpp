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
#include <mtlx/data/word_parts.hpp>
#include <mtlx/sharing/cgc.hpp>
#include <mtlx/sharing/cross_stitch.hpp>
#include <mtlx/sharing/d_select_k.hpp>
#include <mtlx/sharing/di_sparse.hpp>
#include <mtlx/sharing/iterative_magnitude.hpp>
#include <mtlx/sharing/learning_to_branch.hpp>
#include <mtlx/sharing/magnitude.hpp>
#include <mtlx/sharing/mask_analysis.hpp>
#include <mtlx/sharing/mmoe.hpp>
#include <mtlx/sharing/mtan.hpp>
#include <mtlx/sharing/ple.hpp>
#include <mtlx/sharing/random_masks.hpp>
#include <mtlx/sharing/sluice.hpp>
#include <mtlx/sharing/snip.hpp>
#include <mtlx/study/across.hpp>
#include <mtlx/study/compare.hpp>
#include <mtlx/study/delta_m.hpp>
#include <mtlx/study/mask_figure.hpp>
#include <mtlx/study/partners.hpp>
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
#include <mtlx/testing/sharing_laws.hpp>
#include <mtlx/testing/targets.hpp>
#include <mtlx/testing/task_laws.hpp>
#include <mtlx/training/conflicts.hpp>
#include <mtlx/training/device_learner.hpp>
#include <mtlx/training/subnet.hpp>
#endif
