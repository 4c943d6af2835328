# SPDX-License-Identifier: MIT
"""usage: lenet36_accuracy.py DUMP SEEDS EPOCHS

The accuracy to expect of LeNet36 with hard sharing: trains in PyTorch on what `dump DUMP pairs 36 SEEDS` wrote (the
same pairs and first parameters; the order of the pairs is PyTorch's own), Adam 1e-3, batches of 256, one thread. mtlx's
side is `dump DUMP accuracy SEEDS EPOCHS`; the means over seeds should be less than half a point apart."""

import sys
import time

import numpy
import torch

import lenet


def accuracies(model, dump, inputs, labels):
    right = torch.zeros(2)
    with torch.no_grad():
        for x, y in zip(inputs.split(1000), labels.split(1000)):
            outputs = model(dump.normalised(x, torch.float32))
            right += torch.tensor([(z.argmax(1) == y[:, t]).sum().item() for t, z in enumerate(outputs)])
    return (100 * right / len(inputs)).tolist()


def train(dump, seed, epochs, inputs, labels):
    model = lenet.LeNet(dump.side)
    model.load_flat(dump.parameters.reshape(-1, sum(p.numel() for p in model.parameters()))[seed - 1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(epochs):
        begin, total = time.monotonic(), numpy.zeros(2)
        batches = torch.randperm(len(inputs), generator=generator).split(dump.batch_size)
        for samples in batches:
            x, y = dump.normalised(inputs[samples], torch.float32), labels[samples]
            each = [torch.nn.functional.cross_entropy(z, y[:, t]) for t, z in enumerate(model(x))]
            optimizer.zero_grad()
            sum(each).backward()
            optimizer.step()
            total += [loss.item() for loss in each]
        left, right = total / len(batches)
        print(f"epoch {epoch + 1}: {time.monotonic() - begin:.1f} s, losses {left:.4f} {right:.4f}", file=sys.stderr,
              flush=True)
    return model


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    lenet.one_thread()
    dump, seeds, epochs = lenet.Dump(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    inputs, labels = dump.inputs("train"), dump.labels("train")
    test_inputs, test_labels = dump.inputs("test"), dump.labels("test")
    for seed in range(1, seeds + 1):
        model = train(dump, seed, epochs, inputs, labels)
        left, right = accuracies(model, dump, test_inputs, test_labels)
        print(f"torch {torch.__version__} seed {seed}: left {left:.2f} right {right:.2f}", flush=True)


if __name__ == "__main__":
    main()
