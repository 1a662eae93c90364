"""Reads a run's event files with TensorBoard's own reader and compares them with metrics.jsonl.

    pip install tensorboard
    python scripts/check-tensorboard.py RUN

Ends with 0 where every figure of every epoch is there once, as float32.
"""

import json
import struct
import sys
from pathlib import Path

import tensorboard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TAGS = {
    "trainLoss": "loss/train",
    "valLoss": "loss/val",
    "mIoU": "mIoU/val",
    "perImageIoU": "mIoU/val_per_image",
    "pixelAccuracy": "accuracy/val",
    "lr": "lr",
    "seconds": "time/epoch_seconds",
    "imagesPerSecond": "time/images_per_second",
}


def float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def expected_curves(lines):
    """Tag -> [(epoch, value)]; curves of classes by their place among the IoU tags of the files."""
    curves = {tag: [(e["epoch"], float32(e[key])) for e in lines if e[key] is not None] for key, tag in TAGS.items()}
    classes = []
    for index in range(len(lines[0]["classIoU"])):
        points = [(e["epoch"], float32(e["classIoU"][index])) for e in lines if e["classIoU"][index] is not None]
        if points:
            classes.append(points)
    return curves, classes


def check(folder, lines):
    # The folder may hold folders of heads, which are runs of their own: not a multiplexer.
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    reader.Reload()
    tags = reader.Tags()
    read = {tag: [(p.step, p.value) for p in reader.Scalars(tag)] for tag in tags["scalars"]}
    curves, classes = expected_curves(lines)
    faults = [f"{tag}: {read.get(tag)} instead of {points}" for tag, points in curves.items() if points and read.get(tag) != points]
    own = [points for tag, points in read.items() if tag.startswith("IoU/")]
    if sorted(own) != sorted(classes):
        faults.append(f"IoU of classes: {len(own)} curves instead of {len(classes)}, or other values")
    for tag in tags["images"]:
        for image in reader.Images(tag):
            if not image.encoded_image_string.startswith(b"\x89PNG") or image.width < 1 or image.height < 1:
                faults.append(f"{tag}: no PNG")
    files = len(list(folder.glob("events.out.tfevents.*")))
    print(
        f"{folder}: {files} files, {len(read)} curves, {sum(map(len, read.values()))} points, "
        f"{len(tags['images'])} images, texts {[t for t in tags['tensors'] if t not in read]}"
    )
    return faults


def main(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    heads = sorted({line["head"] for line in lines if "head" in line})
    faults = []
    if not heads:
        faults += check(run, lines)
    for head in heads:
        folder = next(path for part in ("head", "fold") if (path := run / f"{part}-{head}").is_dir())
        faults += check(folder, [line for line in lines if line["head"] == head])
    print("\n".join(faults) or f"as in metrics.jsonl, read by TensorBoard {tensorboard.__version__}")
    return 1 if faults else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
