# Layers shared by all networks. TorchScript source: compiled by libtorch when a network is built, never run by Python.
#
# A class lists what a checkpoint holds for it (`Parameter`, `Buffer`, another class, `ModuleList[…]` for numbered
# children) under the checkpoint's own names, and its methods. `Optional[…]` fields may be absent: `hasattr` is decided
# when the class is compiled. Names in capitals come from the builder; `children(x)` are the modules inside x, and a loop
# over them is unrolled.
#
# Precision: a linear or convolution computes in the dtype of its weight, everything else at least in float32. The
# dtypes of the weights thus are the precision plan, and all float32 or all float64 weights compute in that dtype.
# Legend: B batch, N tokens, C channels, H×W image or map, Q queries, M heads, D channels a head.


def widen(x: Tensor) -> Tensor:
    if x.dtype == torch.bfloat16 or x.dtype == torch.float16:
        return x.to(torch.float32)
    return x


class Linear:
    weight: Parameter
    bias: Optional[Parameter]
    bias_mask: Optional[Buffer]

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight
        if hasattr(self, "bias_mask"):
            y = torch.linear(x.to(w.dtype), w, self.bias * self.bias_mask.to(w.dtype))
        elif hasattr(self, "bias"):
            y = torch.linear(x.to(w.dtype), w, self.bias)
        else:
            y = torch.linear(x.to(w.dtype), w)
        return y


# A map as the convolutions of a weight's dtype take it. Tokens are maps whose channels lie together, which suits
# bfloat16; in float32 proper cuDNN takes many times longer on such.
def conv_input(x: Tensor, w: Tensor) -> Tensor:
    x = x.to(w.dtype)
    if w.dtype == torch.float32:
        x = x.contiguous()
    return x


class Conv2d:
    weight: Parameter
    bias: Optional[Parameter]

    def forward(self, x: Tensor, stride: int, padding: int) -> Tensor:
        w = self.weight
        x = conv_input(x, w)
        groups = x.size(1) // w.size(1)
        if hasattr(self, "bias"):
            y = torch.conv2d(x, w, self.bias, [stride, stride], [padding, padding], [1, 1], groups)
        else:
            y = torch.conv2d(x, w, None, [stride, stride], [padding, padding], [1, 1], groups)
        return y


class LayerNorm:
    weight: Parameter
    bias: Parameter

    def forward(self, x: Tensor, eps: float) -> Tensor:
        x = widen(x)
        return torch.layer_norm(x, [x.size(-1)], self.weight.to(x.dtype), self.bias.to(x.dtype), eps)

    # Of x + y
    def added(self, x: Tensor, y: Tensor, eps: float) -> Tensor:
        return add_norm(x, y, None, self.weight, self.bias, eps, x.dtype)[1]


# x + y·gamma, and its layer norm. The norm is for what computes in `dtype`, which casts what it is given itself: an
# operator in this function's place may do it at once. x B×N×C in the residual stream's dtype, y B×N×C, gamma C or None (1).
def add_norm(
    x: Tensor, y: Tensor, gamma: Optional[Tensor], weight: Tensor, bias: Tensor, eps: float, dtype: int
) -> Tuple[Tensor, Tensor]:
    if gamma is None:
        total = x + y
    else:
        total = x + y * gamma
    wide = widen(total)
    normed = torch.layer_norm(wide, [wide.size(-1)], weight.to(wide.dtype), bias.to(wide.dtype), eps)
    return total, normed


class GroupNorm:
    weight: Parameter
    bias: Parameter

    def forward(self, x: Tensor) -> Tensor:
        x = widen(x)
        return torch.group_norm(x, GROUPS, self.weight.to(x.dtype), self.bias.to(x.dtype), 1e-5)


# Inference only: the stored statistics. Keeps the dtype of x, as the reference does under autocast.
class BatchNorm:
    weight: Parameter
    bias: Parameter
    running_mean: Buffer
    running_var: Buffer
    num_batches_tracked: Buffer

    def forward(self, x: Tensor) -> Tensor:
        return torch.batch_norm(
            x, self.weight, self.bias, self.running_mean, self.running_var, False, 0.1, 1e-5, False
        )


class Embedding:
    weight: Parameter


def resize(x: Tensor, height: int, width: int) -> Tensor:
    return torch.upsample_bilinear2d(x, [height, width], False)


# B×C×H×W to B×(H·W)×C, row by row
def to_tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def to_map(x: Tensor, height: int, width: int) -> Tensor:
    return x.transpose(1, 2).reshape(x.size(0), x.size(2), height, width)


# Sine position embedding of a map, 1×(H·W)×channels: the first half of the channels for y, the second for x; sines
# and cosines alternate. Coordinates run from 1 to the length, normalised to 2π. (Mask2Former, "PositionEmbeddingSine".)
def sine_positions(height: int, width: int, channels: int, like: Tensor) -> Tensor:
    half = channels // 2
    scale = 6.283185307179586
    index = torch.arange(half, dtype=like.dtype, device=like.device)
    frequency = torch.pow(10000.0, 2.0 * torch.floor(index / 2.0) / half)
    y = torch.arange(1, height + 1, dtype=like.dtype, device=like.device) / (height + 1e-6) * scale
    x = torch.arange(1, width + 1, dtype=like.dtype, device=like.device) / (width + 1e-6) * scale
    y = y.unsqueeze(1) / frequency
    x = x.unsqueeze(1) / frequency
    y = torch.stack([torch.sin(y[:, 0::2]), torch.cos(y[:, 1::2])], 2).flatten(1)  # H×half
    x = torch.stack([torch.sin(x[:, 0::2]), torch.cos(x[:, 1::2])], 2).flatten(1)  # W×half
    y = y.unsqueeze(1).expand([height, width, half])
    x = x.unsqueeze(0).expand([height, width, half])
    return torch.cat([y, x], 2).reshape(1, height * width, channels)
