"""EoMT on DINOv3 in transformers: milliseconds an image and memory, of the network of bench/eomt.mjs. JSON.

    python bench/eomt-transformers.py [size] [queries]

Random weights, images size x size, batch 1 and 8: eager and torch.compile, with float32 weights under bfloat16 autocast and
with bfloat16 weights. Needs torch with CUDA and transformers 5; takes nothing of this package.
"""

import json
import statistics
import sys
import time

import torch
import transformers
from transformers import EomtDinov3Config, EomtDinov3ForUniversalSegmentation

SIZE = int(sys.argv[1]) if len(sys.argv) > 1 else 512
QUERIES = int(sys.argv[2]) if len(sys.argv) > 2 else 100
WARMUP, PASSES = 5, 41
# Compiled code of some shape and weights: recorded as CUDA graphs too.
COMPILED = {"eager": None, "compile": {}, "compile reduce-overhead": {"mode": "reduce-overhead"}}


def network():
    torch.manual_seed(0)
    config = EomtDinov3Config(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        hidden_act="gelu",
        layer_norm_eps=1e-5,
        image_size=SIZE,
        num_blocks=4,
        num_queries=QUERIES,
        num_upscale_blocks=2,
        num_labels=150,
    )
    model = EomtDinov3ForUniversalSegmentation(config).cuda().eval()
    # As at the end of a training: no masks in inference.
    model.attn_mask_probs.zero_()
    return model


def timed(batch, work):
    for _ in range(WARMUP):
        work()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(PASSES):
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - started) * 1000 / batch)
    return {
        "median": round(statistics.median(times), 3),
        "least": round(min(times), 3),
        "most": round(max(times), 3),
        "peakAllocatedGB": round(torch.cuda.max_memory_allocated() / 1e9, 3),
    }


def main():
    report = {
        "bench": "eomt-transformers",
        "size": SIZE,
        "queries": QUERIES,
        "device": torch.cuda.get_device_name(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "rows": [],
    }
    for weights in ("autocast", "bfloat16 weights"):
        model = network()
        report["parameters"] = sum(p.numel() for p in model.parameters())
        dtype = torch.float32 if weights == "autocast" else torch.bfloat16
        model = model.to(dtype)
        for name, options in COMPILED.items():
            row = {"weights": weights, "run": name}
            torch._dynamo.reset()
            run = model if options is None else torch.compile(model, **options)
            for batch in (1, 8):
                images = torch.randn(batch, 3, SIZE, SIZE, device="cuda").to(dtype)

                def work():
                    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=weights == "autocast"):
                        out = run(pixel_values=images)
                    return out.class_queries_logits, out.masks_queries_logits

                try:
                    row[f"batch{batch}"] = timed(batch, work)
                except Exception as error:  # a mode that this version cannot compile is no reason to lose the others
                    row[f"batch{batch}"] = {"error": str(error).splitlines()[0][:200]}
            report["rows"].append(row)
            print(json.dumps(row), file=sys.stderr, flush=True)
        del model, run
        torch.cuda.empty_cache()
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
