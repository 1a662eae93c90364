"""Lists the operators in the code of TorchScript files, and those that cpp/models/allowed_operators.cpp lacks.

    python3 scripts/networks/operators.py FILE.pt …     of these files
    python3 scripts/networks/operators.py --standard    of torchvision's networks, and of the layers of torch.nn and
                                                        torch.ao, scripted and traced (needs torch and torchvision)

The files are read and not loaded. How the list of allowed operators was found: docs/networks.md.
"""

import collections
import os
import pathlib
import re
import sys
import tempfile
import warnings
import zipfile

LIST = pathlib.Path(__file__).parents[2] / "cpp/models/allowed_operators.cpp"


def allowed():
    source = LIST.read_text().split("groups[] = {")[1].split("};")[0]
    names = set()
    for space, texts in re.findall(r'\{"(\w+)",((?:\s*"[^"]*")+)\}', source):
        names |= {f"{space}::{word}" for text in re.findall(r'"([^"]*)"', texts) for word in text.split()}
    return names


def operators_of(path):
    """Names that the printed code of a file gives to operators: torch.NAME, ops.SPACE.NAME."""
    names = set()
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            if "/code/" in entry and entry.endswith(".py"):
                # Texts name functions of Python.
                code = re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', archive.read(entry).decode())
                names |= {f"aten::{name}" for name in re.findall(r"(?<![\w.])torch\.(\w+)", code)}
                names |= {f"{space}::{name}" for space, name in re.findall(r"(?<![\w.])ops\.(\w+)\.(\w+)", code)}
    return names


def standard_networks():
    """Modules with their inputs."""
    import torch
    import torchvision.models as models
    from torch import nn

    image, maps, tokens = torch.zeros(1, 3, 224, 224), torch.rand(1, 4, 8, 8), torch.rand(2, 4, 8)
    for name in (
        "alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 maxvit_t mnasnet0_5 mobilenet_v2 "
        "mobilenet_v3_small regnet_y_400mf resnet18 resnext50_32x4d shufflenet_v2_x0_5 squeezenet1_0 swin_t swin_v2_t vgg11_bn vit_b_16"
    ).split():
        options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        yield name, models.get_model(name, weights=None, **options), image
    for name in ("fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"):
        yield name, getattr(models.segmentation, name)(weights=None, weights_backbone=None), image
    yield "fcos", models.detection.fcos_resnet50_fpn(weights=None, weights_backbone=None), None
    for mode in ("nearest", "bilinear", "bicubic", "nearest-exact"):
        up = [nn.Conv2d(4, 8, 3, padding=1), nn.ConvTranspose2d(8, 8, 2, 2), nn.Upsample(scale_factor=2, mode=mode)]
        yield f"up {mode}", nn.Sequential(*up, nn.PixelShuffle(2), nn.PixelUnshuffle(2)), maps
    for layer in (
        [nn.ReLU(), nn.ReLU6(), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Mish(), nn.Hardswish(), nn.Hardsigmoid(), nn.Hardtanh()]
        + [nn.ELU(), nn.SELU(), nn.CELU(), nn.LeakyReLU(), nn.PReLU(), nn.RReLU(), nn.Softplus(), nn.Softsign(), nn.Tanh()]
        + [nn.Tanhshrink(), nn.Sigmoid(), nn.LogSigmoid(), nn.Softmax(1), nn.LogSoftmax(1), nn.Softmin(1), nn.Softmax2d()]
        + [nn.GLU(1), nn.Hardshrink(), nn.Softshrink(), nn.Threshold(0.0, 0.0), nn.Identity(), nn.Dropout(), nn.Dropout2d()]
        + [nn.AlphaDropout(), nn.FeatureAlphaDropout(), nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4)]
        + [nn.InstanceNorm2d(4, affine=True, track_running_stats=True), nn.LayerNorm([4, 8, 8]), nn.RMSNorm([4, 8, 8])]
        + [nn.LocalResponseNorm(2), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.LPPool2d(2, 2), nn.AdaptiveAvgPool2d(1)]
        + [nn.AdaptiveMaxPool2d(1), nn.FractionalMaxPool2d(2, output_size=2), nn.ZeroPad2d(1), nn.ReflectionPad2d(1)]
        + [nn.ReplicationPad2d(1), nn.ConstantPad2d(1, 0.0), nn.CircularPad2d(1), nn.Unfold(2), nn.Flatten()]
        + [nn.Unflatten(1, (2, 2)), nn.ChannelShuffle(2), nn.Conv2d(4, 4, 3, padding="same")]
        + [nn.Conv2d(4, 4, 3, padding=1, padding_mode=mode) for mode in ("reflect", "circular", "replicate")]
        + [nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 4, 3)), nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3))]
    ):
        yield f"layer {type(layer).__name__}", layer, maps
    for layer in [nn.Linear(8, 8), nn.LSTM(8, 8), nn.GRU(8, 8), nn.RNN(8, 8), nn.Conv1d(4, 4, 3), nn.MaxPool1d(2), nn.AvgPool1d(2)]:
        yield f"layer {type(layer).__name__}", layer, tokens
    yield "embedding", nn.Embedding(10, 4), torch.zeros(2, 3, dtype=torch.long)
    yield "bilinear", nn.Bilinear(8, 8, 3), (tokens, tokens)
    yield "attention", nn.MultiheadAttention(8, 2, batch_first=True), (tokens, tokens, tokens)
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    yield "encoder", nn.TransformerEncoder(encoder, 2), tokens
    yield "decoder", nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), 2), (tokens, tokens)
    yield "quantised", quantised(), torch.rand(1, 3, 8, 8)


def quantised():
    import torch
    import torch.ao.quantization as quantization
    from torch import nn

    layers = [quantization.QuantStub(), nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)]
    network = nn.Sequential(*layers, quantization.DeQuantStub()).eval()
    network.qconfig = quantization.get_default_qconfig("x86")
    prepared = quantization.prepare(quantization.fuse_modules(network, ["1", "2"]))
    prepared(torch.rand(1, 3, 8, 8))
    return quantization.convert(prepared)


def export_standard(folder):
    """Writes each network scripted and traced, one file at a time."""
    import torch

    torch.set_num_threads(1)  # more wait for each other on a machine with other work: ten times slower
    for name, network, inputs in standard_networks():
        network.eval()
        for way in ("script", "trace"):
            if way == "trace" and inputs is None:
                continue
            try:
                if way == "script":
                    script = torch.jit.script(network)
                else:  # the check of a trace runs the network twice more, and refuses those that have a faster way without gradients
                    script = torch.jit.trace(network, inputs, strict=False, check_trace=False)
            except Exception as error:  # TorchScript does not take every module
                print(f"{name}: no {way}: {str(error).splitlines()[0][:100]}", file=sys.stderr)
                continue
            path = os.path.join(folder, "network.pt")
            script.save(path)
            yield f"{name} ({way})", path


def main(arguments):
    warnings.filterwarnings("ignore")
    found = collections.defaultdict(set)
    networks = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, path in export_standard(folder) if arguments == ["--standard"] else ((each, each) for each in arguments):
            networks += 1
            for operator in operators_of(path):
                found[operator].add(name)
    missing = sorted(set(found) - allowed())
    for operator in sorted(found):
        print(operator, "NOT ALLOWED: " + ", ".join(sorted(found[operator])) if operator in missing else "")
    print(f"{networks} networks use {len(found)} operators; {len(missing)} are not allowed", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
