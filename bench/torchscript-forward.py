"""A TorchScript file in plain PyTorch, for bench/cpu-forward.mjs: reads "run" a line, and answers with the milliseconds of a pass, and of
processor time in all threads.

    torchscript-forward.py MODEL.pt IMAGES.bin SIZE OUTPUT.bin

IMAGES.bin: 1×3×SIZE×SIZE float32, and OUTPUT.bin gets the mask logits of the first pass.
"""
import sys
import time

import torch

model_path, images_path, size, output_path = sys.argv[1:]
size = int(size)
images = torch.from_file(images_path, size=3 * size * size, dtype=torch.float32).reshape(1, 3, size, size)
model = torch.jit.load(model_path).eval()
print(torch.__version__, torch.get_num_threads(), flush=True)
with torch.inference_mode():
    first = True
    for line in sys.stdin:
        started = time.perf_counter(), time.process_time()
        _, masks = model(images)
        ended = time.perf_counter(), time.process_time()
        print(*((end - start) * 1000 for start, end in zip(started, ended)), flush=True)
        if first:
            masks = masks.float().contiguous()
            torch.from_file(output_path, shared=True, size=masks.numel(), dtype=torch.float32).copy_(masks.flatten())
            first = False
