"""Runs networks of plain PyTorch, made elsewhere, through this package, and compares the outputs with PyTorch's.

    python3 scripts/networks/foreign.py [--reference FOLDER] OUT

OUT: a folder for the network files and their outputs. Needs torch, torchvision, numpy, and this package built
(`npm run setup`). Prints a row for each network, and ends with 1 if one is refused or differs.

- torchvision's DeepLabV3, scripted, with queries that stand for its classes, and its ResNet-50, traced, as a backbone alone.
- With --reference, a clone of github.com/facebookresearch/dinov3 (which has a licence of its own; nothing of it is part of
  this package): its vision transformer alone, and with its adapter and Mask2Former head, small, with random weights, traced.
"""

import json
import pathlib
import subprocess
import sys
import types
import warnings

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

COMMAND = pathlib.Path(__file__).parents[2] / "dist/cli/main.js"
SIZE = 64


class ClassQueries(nn.Module):
    """A network that gives a map for each class, as one of queries and masks: a query stands for a class."""

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__()
        self.network = network
        self.query_feat = nn.Parameter(torch.randn(classes, 16))
        self.class_embed = nn.Linear(16, classes + 1)

    @torch.jit.export
    def decode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.network(images)["out"]
        masks = functional.interpolate(maps, scale_factor=0.25, mode="bilinear", align_corners=False)
        return self.query_feat.unsqueeze(0).expand(images.size(0), -1, -1).contiguous(), masks

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        queries, masks = self.decode(images)
        return self.class_embed(queries), masks


class Features(nn.Module):
    """A backbone alone; `features_of` takes the backbone and the images."""

    def __init__(self, backbone: nn.Module, features_of) -> None:
        super().__init__()
        self.backbone = backbone
        self.features_of = features_of

    def features(self, images: Tensor) -> Tensor:
        return self.features_of(self.backbone, images)

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images)


class ReferenceQueries(nn.Module):
    """The reference's segmentor. It does not give its queries: they are what its class_embed takes last."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.segmentation_model = decoder.segmentation_model
        self.queries = None
        self.segmentation_model[1].predictor.class_embed.register_forward_pre_hook(self.keep_queries)

    def keep_queries(self, _, inputs) -> None:
        self.queries = inputs[0]

    def run(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        out = self.segmentation_model[1](self.segmentation_model[0](images))
        return self.queries, out["pred_logits"], out["pred_masks"]

    def decode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        queries, _, masks = self.run(images)
        return queries, masks

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.run(images)[1:]


def spread_statistics(network: nn.Module) -> nn.Module:
    """Batch norms that change what they are given, and no weight that is zero or not set."""
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if tensor.is_floating_point() and not name.endswith(("periods", "bias_mask")):
            tensor.data = torch.rand_like(tensor) + 0.5 if name.endswith("running_var") else tensor.data
            if name.endswith(("running_mean", "bias")) or not tensor.isfinite().all():
                tensor.data = torch.randn_like(tensor) / 10
    return network.eval()


def of_torchvision():
    make = models.segmentation.deeplabv3_mobilenet_v3_large
    deeplab = spread_statistics(make(weights=None, weights_backbone=None, num_classes=7))
    yield "deeplabv3-scripted", ClassQueries(deeplab, 7), "script"
    layers = list(spread_statistics(models.resnet50(weights=None)).children())[:-3]
    yield "resnet50-traced", Features(nn.Sequential(*layers), lambda backbone, images: backbone(images)), "trace"


def of_reference(folder):
    sys.path.insert(0, folder)
    # The evaluations need more packages. The networks take one class from there, for a linear decoder.
    evaluation = types.ModuleType("dinov3.eval.utils")
    evaluation.ModelWithIntermediateLayers = None
    sys.modules[evaluation.__name__] = evaluation
    from dinov3.eval.segmentation.models import build_segmentation_decoder
    from dinov3.eval.segmentation.models.utils import ms_deform_attn
    from dinov3.models.vision_transformer import DinoVisionTransformer

    # A function of autograd is Python, which no TorchScript file holds; this is what it computes.
    ms_deform_attn.MSDeformAttnFunction = types.SimpleNamespace(
        apply=lambda value, shapes, _, places, weights, __: ms_deform_attn.ms_deform_attn_core_pytorch(
            value, shapes, places, weights
        )
    )
    for layer in ("mlp", "swiglu64"):
        backbone = DinoVisionTransformer(
            embed_dim=64, depth=4, num_heads=4, ffn_ratio=2, ffn_layer=layer, n_storage_tokens=4, mask_k_bias=True,
            layerscale_init=0.5, norm_layer="layernormbf16", pos_embed_rope_dtype="fp32",
        )
        backbone.init_weights()
        spread_statistics(backbone)
        features = Features(backbone, lambda vit, images: vit.get_intermediate_layers(images, reshape=True)[0])
        yield f"reference-vit-{layer}-traced", features, "trace"
        decoder = build_segmentation_decoder(backbone, decoder_type="m2f", hidden_dim=64, num_classes=150)
        yield f"reference-segmentor-{layer}-traced", ReferenceQueries(spread_statistics(decoder)), "trace"


def write_tensor(path, name, tensor):
    """A safetensors file."""
    header = json.dumps({name: {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [0, 4 * tensor.numel()]}})
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + tensor.numpy().tobytes())


def read_tensors(path):
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    header.pop("__metadata__", None)
    for name, entry in header.items():
        first, last = (begin + offset for offset in entry["data_offsets"])
        yield name, torch.from_numpy(numpy.frombuffer(content[first:last], numpy.float32).reshape(entry["shape"]).copy())


def compare(out, name, module, way):
    """The largest difference of each output, as a part of its largest value."""
    images = torch.randn(1, 3, SIZE, SIZE)
    methods = {method: images for method in ("forward", "decode", "features") if hasattr(module, method)}
    script = torch.jit.script(module) if way == "script" else torch.jit.trace_module(module, methods, check_trace=False)
    script.save(out / f"{name}.pt")
    images = torch.randn(1, 3, SIZE, SIZE)  # others than were traced
    write_tensor(out / "images.safetensors", "image", images)
    files = ["--model", f"{name}.pt", "--input", "images.safetensors", "--output", "outputs.safetensors"]
    command = ["node", COMMAND, "forward", *files, "--device", "cpu"]
    ended = subprocess.run(command, cwd=out, capture_output=True, text=True)
    if ended.returncode != 0:
        return ended.stderr.strip()
    # Of the module itself, not of what became of it.
    if "decode" in methods:
        expected = dict(zip(("queries", "pred_masks"), module.decode(images)))
        expected["pred_logits"] = module(images)[0]
    else:
        expected = {"features": module.features(images)}
    got = dict(read_tensors(out / "outputs.safetensors"))
    return {key: ((got[key] - value).abs().max() / value.abs().max()).item() for key, value in expected.items()}


def main(arguments):
    folder = arguments.pop(arguments.index("--reference") + 1) if "--reference" in arguments else None
    out = pathlib.Path([each for each in arguments if each != "--reference"][0])
    out.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore")
    torch.set_grad_enabled(False)  # the reference's checkpoints of autograd cannot be traced
    torch.set_num_threads(1)
    torch.manual_seed(0)
    failed = 0
    for networks in (of_torchvision(), of_reference(folder) if folder else ()):
        for name, module, way in networks:
            result = compare(out, name, module.eval(), way)
            is_same = isinstance(result, dict) and all(difference < 1e-5 for difference in result.values())
            failed += not is_same
            print("same  " if is_same else "FAILED", name, result, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
