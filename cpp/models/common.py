# Layers shared by all networks. TorchScript source: compiled by libtorch when a network is built, never run by Python.
#
# A class lists what a checkpoint holds for it (`Parameter`, `Buffer`, another class, `ModuleList[…]` for numbered
# children) under the checkpoint's own names, and its methods. `Optional[…]` fields may be absent: `hasattr` is decided
# when the class is compiled. Names in capitals come from the builder; `children(x)` are the modules inside x, and a loop
# over them is unrolled.
#
# Precision: a linear or convolution computes in the dtype of its weight, everything else at least in float32. The
# dtypes of the weights thus are the precision plan, and all float32 or all float64 weights compute in that dtype.
# Maps are B×H×W×C, channels last, unless said: tokens are maps as they are. Convolutions take B×C×H×W views of them.
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


# A map in the layout of the weight that it is convolved with: tokens are maps whose channels lie together, and where
# convolutions are faster on such, whoever loads the network lays its weights out so.
def conv_input(x: Tensor, w: Tensor) -> Tensor:
    x = x.to(w.dtype)
    if w.is_contiguous():
        x = x.contiguous()
    return x


class Conv2d:
    weight: Parameter
    bias: Optional[Parameter]

    def forward(self, x: Tensor, stride: int, padding: int) -> Tensor:
        w = self.weight
        x = conv_input(x, w)
        if hasattr(self, "bias"):
            y = torch.conv2d(x, w, self.bias, [stride, stride], [padding, padding], [1, 1], 1)
        else:
            y = torch.conv2d(x, w, None, [stride, stride], [padding, padding], [1, 1], 1)
        return y


# A convolution of 1×1, of places …×C
class PointConv:
    weight: Parameter
    bias: Optional[Parameter]

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight.flatten(1)
        if hasattr(self, "bias"):
            y = torch.linear(x.to(w.dtype), w, self.bias)
        else:
            y = torch.linear(x.to(w.dtype), w)
        return y


# relu of a linear. x B×N×C
def relu_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    y = torch._addmm_activation(bias, x.to(weight.dtype).flatten(0, 1), weight.t())
    return y.reshape(x.size(0), x.size(1), weight.size(0))


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


# Of tokens B×N×C, with relu or without
def group_norm_tokens(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, relu: bool) -> Tensor:
    x = widen(x)
    x = torch.group_norm(x.transpose(1, 2), groups, weight.to(x.dtype), bias.to(x.dtype), eps).transpose(1, 2)
    if relu:
        x = torch.relu(x)
    return x


class GroupNorm:
    weight: Parameter
    bias: Parameter

    # B×H×W×C
    def forward(self, x: Tensor, relu: bool) -> Tensor:
        return group_norm_tokens(x.flatten(1, 2), GROUPS, self.weight, self.bias, 1e-5, relu).reshape(x.shape)


# Inference only: the stored statistics.
class BatchNorm:
    weight: Parameter
    bias: Parameter
    running_mean: Buffer
    running_var: Buffer
    num_batches_tracked: Buffer

    # Keeps the dtype of x, as the reference does under autocast.
    def forward(self, x: Tensor) -> Tensor:
        return torch.batch_norm(
            x, self.weight, self.bias, self.running_mean, self.running_var, False, 0.1, 1e-5, False
        )

    # Of x + y resized to it, both B×h×w×C, in float32
    def added(self, x: Tensor, y: Tensor) -> Tensor:
        scale = self.weight * torch.rsqrt(self.running_var + 1e-5)
        return add_resized(x, y, scale, self.bias - self.running_mean * scale)


class Embedding:
    weight: Parameter


# relu between its layers
class Mlp:
    layers: ModuleList[Linear]

    def forward(self, x: Tensor) -> Tensor:
        for (i, layer) in enumerate(children(self.layers)):
            x = layer.forward(x if i == 0 else torch.relu(x))
        return x


# Attention of projected queries B×Q×C, keys and values B×K×C with `heads` heads; mask: where a query may attend, or what
# is added to its logits, B×1×Q×K or B×heads×Q×K. Returns B×Q×C.
def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Optional[Tensor]) -> Tensor:
    batch, queries, width = q.shape
    q = q.reshape(batch, queries, heads, width // heads).transpose(1, 2)
    k = k.reshape(batch, k.size(1), heads, width // heads).transpose(1, 2)
    v = v.reshape(batch, v.size(1), heads, width // heads).transpose(1, 2)
    x = torch.scaled_dot_product_attention(q, k, v, mask)
    return x.transpose(1, 2).reshape(batch, queries, width)


def resize(x: Tensor, height: int, width: int) -> Tensor:
    return torch.upsample_bilinear2d(x, [height, width], False)


# x + y resized to its size; then, if given, ·scale + shift. x B×H×W×C, y B×h×w×C, scale and shift C
def add_resized(x: Tensor, y: Tensor, scale: Optional[Tensor], shift: Optional[Tensor]) -> Tensor:
    y = widen(y)
    if x.size(1) != y.size(1) or x.size(2) != y.size(2):
        y = resize(y.permute([0, 3, 1, 2]), x.size(1), x.size(2)).permute([0, 2, 3, 1])
    total = widen(x) + y
    if scale is not None and shift is not None:
        total = total * scale + shift
    return total


# Tokens B×(H·W)×C, row by row, as a map B×H×W×C
def to_map(x: Tensor, height: int, width: int) -> Tensor:
    return x.reshape(x.size(0), height, width, x.size(2))


# Heights and widths one after the other, as operators take them
def sizes_of(shapes: List[Tuple[int, int]]) -> List[int]:
    sizes: List[int] = []
    for (height, width) in shapes:
        sizes.append(height)
        sizes.append(width)
    return sizes


# Radians that `channels` sines and cosines of decreasing frequency divide their coordinate by
def sine_lengths(channels: int, like: Tensor) -> Tensor:
    index = torch.arange(channels, dtype=like.dtype, device=like.device)
    return torch.pow(10000.0, 2.0 * torch.floor(index / 2.0) / channels)


# Sines and cosines, alternating, of coordinates x in radians and lower frequencies of them: … to …×channels
def sines(x: Tensor, channels: int) -> Tensor:
    x = x.unsqueeze(-1) / sine_lengths(channels, x)
    return torch.stack([torch.sin(x[..., 0::2]), torch.cos(x[..., 1::2])], -1).flatten(-2)


# Sine embedding of the coordinates of one side of a map, length×channels. Coordinates run from `first` in steps of 1, the
# length being 2π. (Mask2Former, "PositionEmbeddingSine".)
def sine_side(length: int, channels: int, first: float, like: Tensor) -> Tensor:
    x = (torch.arange(length, dtype=like.dtype, device=like.device) + first) / (length + 1e-6) * 6.283185307179586
    return sines(x, channels)


# Sine position embedding of a map, 1×(H·W)×channels: the first half of the channels for y, the second for x.
def sine_positions(height: int, width: int, channels: int, first: float, like: Tensor) -> Tensor:
    half = channels // 2
    y = sine_side(height, half, first, like).unsqueeze(1).expand([height, width, half])
    x = sine_side(width, half, first, like).unsqueeze(0).expand([height, width, half])
    return torch.cat([y, x], 2).reshape(1, height * width, channels)
