# SPDX-License-Identifier: MIT
"""Writes tests/study/event_oracle.inc: the bytes of an event file as TensorBoard's own writer makes them."""

import io

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


def main():
    file = io.BytesIO()
    writer = RecordWriter(file)
    writer.write(Event(wall_time=1.5, file_version="brain.Event:2").SerializeToString())
    values = [Summary.Value(tag="left/loss", simple_value=0.1), Summary.Value(tag="größe/loss", simple_value=-2.0)]
    writer.write(Event(wall_time=2.5, step=300, summary=Summary(value=values)).SerializeToString())
    writer.write(Event(wall_time=3.5, step=2**40, summary=Summary(value=[
        Summary.Value(tag="x" * 200, simple_value=1e-30)])).SerializeToString())
    numbers = [str(byte) for byte in file.getvalue()]
    lines = [", ".join(numbers[i:i + 24]) for i in range(0, len(numbers), 24)]
    print("// SPDX-License-Identifier: MIT")
    print("// Written by scripts/oracle/event_file.py: TensorBoard's own bytes.")
    print("inline constexpr unsigned char event_bytes[] = {")
    for line in lines:
        print(f"    {line},")
    print("};")


if __name__ == "__main__":
    main()
