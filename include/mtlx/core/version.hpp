// SPDX-License-Identifier: MIT
#pragma once

// The only place where the version is written: the build reads it from here.
#define MTLX_VERSION_MAJOR 0
#define MTLX_VERSION_MINOR 1
#define MTLX_VERSION_PATCH 0
