"""The reference's forward pass in PyTorch, to stand beside bench/forward.mjs: milliseconds an image and memory. JSON.

    python bench/reference-forward.py FOLDER [cuda|cpu] [batch,...]

FOLDER: a clone of github.com/facebookresearch/dinov3, which has a licence of its own; nothing of it is part of this
package. Needs torch, and what that repository imports (numpy). Random weights of its own initialisation, images from a
normal distribution with a fixed seed, from normalised images of 512x512 to the class of each pixel.

Rows: `published`, float32 weights under bfloat16 autocast; `tf32`, the same with TF32 products and the backbone's weights in
bfloat16. On the CPU a small network (ViT-S, 64x64) shows only that the script runs: the reference's autocast is for CUDA.
"""

import contextlib
import gc
import json
import statistics
import sys
import time
import types

import torch

FOLDER = sys.argv[1]
DEVICE = sys.argv[2] if len(sys.argv) > 2 else "cuda"
BATCHES = [int(batch) for batch in (sys.argv[3] if len(sys.argv) > 3 else "1,4,8").split(",")]
IS_CUDA = DEVICE.startswith("cuda")
SIZE = 512 if IS_CUDA else 64
WARMUP, PASSES = (5, 21) if IS_CUDA else (1, 3)

sys.path.insert(0, FOLDER)
# Evaluations need torchvision, torchmetrics and more. The networks take one class from there, for a linear decoder.
evaluation = types.ModuleType("dinov3.eval.utils")
evaluation.ModelWithIntermediateLayers = None
sys.modules[evaluation.__name__] = evaluation
from dinov3.eval.segmentation.models import build_segmentation_decoder  # noqa: E402
from dinov3.hub import backbones  # noqa: E402


def network():
    """On the device at once: the host may not have room for the 7B in float32."""
    torch.manual_seed(1)
    make = backbones.dinov3_vit7b16 if IS_CUDA else backbones.dinov3_vits16
    with torch.device(DEVICE):
        backbone = make(pretrained=False)
        return build_segmentation_decoder(
            backbone_model=backbone,
            decoder_type="m2f",
            hidden_dim=2048 if IS_CUDA else 64,
            autocast_dtype=torch.bfloat16,
        ).to(DEVICE).eval()  # some parameters are made on the CPU whatever the default device


def class_map(model, images):
    with torch.inference_mode():
        out = model.predict(images, rescale_to=(SIZE, SIZE))
        # Scores are sums over queries of class by mask probabilities; the last class is "no object".
        classes = out["pred_logits"].float().softmax(-1)[..., :-1]
        return torch.einsum("bqk,bqhw->bkhw", classes, out["pred_masks"].float().sigmoid()).argmax(1)


def synchronize():
    if IS_CUDA:
        torch.cuda.synchronize()


def timed(model, batch):
    images = torch.randn(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)).to(DEVICE)
    for _ in range(WARMUP):
        class_map(model, images)
    synchronize()
    if IS_CUDA:
        torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(PASSES):
        started = time.perf_counter()
        class_map(model, images)
        synchronize()
        times.append((time.perf_counter() - started) * 1000 / batch)
    result = {"msPerImage": {name: round(of(times), 3) for name, of in
                             {"median": statistics.median, "least": min, "most": max}.items()}}
    if IS_CUDA:
        result["peakAllocatedGB"] = round(torch.cuda.max_memory_allocated() / 1e9, 3)
        result["peakReservedGB"] = round(torch.cuda.max_memory_reserved() / 1e9, 3)
    return result


def row_of(name, model):
    row = {"run": name, "parameters": sum(p.numel() for p in model.parameters())}
    for batch in BATCHES:
        try:
            row[f"batch{batch}"] = timed(model, batch)
        except torch.OutOfMemoryError as error:  # the smaller batches stand all the same
            row[f"batch{batch}"] = {"error": str(error).splitlines()[0][:200]}
            gc.collect()
            torch.cuda.empty_cache()
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def main():
    report = {
        "bench": "reference-forward",
        "device": torch.cuda.get_device_name() if IS_CUDA else "cpu",
        "size": SIZE,
        "versions": {"torch": torch.__version__},
        "rows": [],
    }
    with contextlib.redirect_stdout(sys.stderr):  # the reference says there what it builds
        model = network()
    report["rows"].append(row_of("published", model))
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    if IS_CUDA:  # without autocast, the CPU does not mix dtypes
        model.segmentation_model[0].backbone.to(torch.bfloat16)
        report["rows"].append(row_of("tf32", model))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
