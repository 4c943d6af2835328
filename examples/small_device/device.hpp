// SPDX-License-Identifier: MIT
#pragma once

/// What a program on the device calls. Pictures are 14 x 14 bytes, row by row.
namespace device {

/// Takes the last layer as the host trained it. Call it once before the others.
void start();
/// The most probable class.
int predict(const unsigned char* picture);
/// One step of gradient descent on the last layer.
void learn(const unsigned char* picture, int label);

}  // namespace device
