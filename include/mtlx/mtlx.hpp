// SPDX-License-Identifier: MIT
// Everything but what costs those who don't use it: the readers of tables, text, arrays and mapped files
// (data/{csv,arff,table,conllu,corpus,npy,mapped,ngram,word_parts}.hpp), xtensor's overloads (data/xtensor.hpp), balancers on Eigen's
// matrices (balancing/combine.hpp), sharing strategies that are rarer, mask rules and what is made of masks (sharing/...,
// training/subnet.hpp), grouping rules but Together and what they are made of (grouping/...), the observer of conflicts
// (training/conflicts.hpp), pictures and fonts (data/{image,image_file,resize,degradation,glyphs}.hpp, nn/{image_quality,
// super_resolution}.hpp), studies
// (study/{compare,statistics,delta_m,report}.hpp) and the law suites (testing/).
#pragma once

#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/balancing/aligned_mtl.hpp>
#include <mtlx/balancing/ca_grad.hpp>
#include <mtlx/balancing/con_fig.hpp>
#include <mtlx/balancing/db_mtl.hpp>
#include <mtlx/balancing/dual_projection.hpp>
#include <mtlx/balancing/dynamic_weight_average.hpp>
#include <mtlx/balancing/equal_weights.hpp>
#include <mtlx/balancing/excess_risk.hpp>
#include <mtlx/balancing/fair_grad.hpp>
#include <mtlx/balancing/famo.hpp>
#include <mtlx/balancing/fixed_weights.hpp>
#include <mtlx/balancing/geometric_mean.hpp>
#include <mtlx/balancing/go4_align.hpp>
#include <mtlx/balancing/grad_drop.hpp>
#include <mtlx/balancing/grad_norm.hpp>
#include <mtlx/balancing/grad_vac.hpp>
#include <mtlx/balancing/imtl_g.hpp>
#include <mtlx/balancing/imtl_l.hpp>
#include <mtlx/balancing/log_loss.hpp>
#include <mtlx/balancing/mgda.hpp>
#include <mtlx/balancing/mo_co.hpp>
#include <mtlx/balancing/mo_do.hpp>
#include <mtlx/balancing/nash_mtl.hpp>
#include <mtlx/balancing/on_representation.hpp>
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/balancing/per_layer.hpp>
#include <mtlx/balancing/random_weights.hpp>
#include <mtlx/balancing/sdm_grad.hpp>
#include <mtlx/balancing/smooth_tchebycheff.hpp>
#include <mtlx/balancing/sparse_training.hpp>
#include <mtlx/balancing/uncertainty.hpp>
#include <mtlx/balancing/up_grad.hpp>
#include <mtlx/balancing/weighted.hpp>
#include <mtlx/core/version.hpp>
#include <mtlx/data/augmentation.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/data/idx.hpp>
#include <mtlx/data/multi_fashion.hpp>
#include <mtlx/data/safetensors.hpp>
#include <mtlx/grouping/together.hpp>
#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/avg_pool2d.hpp>
#include <mtlx/nn/batch_norm.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/conv_transpose2d.hpp>
#include <mtlx/nn/cross_entropy.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/nn/embedding.hpp>
#include <mtlx/nn/f1.hpp>
#include <mtlx/nn/flatten.hpp>
#include <mtlx/nn/focal.hpp>
#include <mtlx/nn/gelu.hpp>
#include <mtlx/nn/max_pool2d.hpp>
#include <mtlx/nn/norm.hpp>
#include <mtlx/nn/pixel_shuffle.hpp>
#include <mtlx/nn/r2.hpp>
#include <mtlx/nn/ranking.hpp>
#include <mtlx/nn/regression_loss.hpp>
#include <mtlx/nn/sequence_tags.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/nn/task.hpp>
#include <mtlx/nn/upsample.hpp>
#include <mtlx/optim/adagrad.hpp>
#include <mtlx/optim/adam.hpp>
#include <mtlx/optim/adam_w.hpp>
#include <mtlx/optim/averaged.hpp>
#include <mtlx/optim/clipped.hpp>
#include <mtlx/optim/rms_prop.hpp>
#include <mtlx/optim/schedule.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/dynamic_sparse.hpp>
#include <mtlx/sharing/given_masks.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/sharing/hierarchical.hpp>
#include <mtlx/sharing/single.hpp>
#include <mtlx/sharing/soft.hpp>
#include <mtlx/sharing/sparse.hpp>
#include <mtlx/training/extract.hpp>
#include <mtlx/training/history.hpp>
#include <mtlx/training/multi_task.hpp>
#include <mtlx/training/progress.hpp>
#include <mtlx/training/weights.hpp>
