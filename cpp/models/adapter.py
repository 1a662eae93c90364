# The ViT adapter (Chen et al. 2023) around the frozen backbone: maps at 1/4, 1/8, 1/16 and 1/32 of the image.


class Stem:
    __annotations__["0"] = Conv2d
    __annotations__["1"] = BatchNorm
    __annotations__["3"] = Conv2d
    __annotations__["4"] = BatchNorm
    __annotations__["6"] = Conv2d
    __annotations__["7"] = BatchNorm

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(getattr(self, "1").forward(getattr(self, "0").forward(x, 2, 1)))
        x = torch.relu(getattr(self, "4").forward(getattr(self, "3").forward(x, 1, 1)))
        x = torch.relu(getattr(self, "7").forward(getattr(self, "6").forward(x, 1, 1)))
        return torch.max_pool2d(x, [3, 3], [2, 2], [1, 1])


class HalvingConv:
    __annotations__["0"] = Conv2d
    __annotations__["1"] = BatchNorm

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(getattr(self, "1").forward(getattr(self, "0").forward(x, 2, 1)))


class SpatialPrior:
    stem: Stem
    conv2: HalvingConv
    conv3: HalvingConv
    conv4: HalvingConv
    fc1: Optional[PointConv]
    fc2: PointConv
    fc3: PointConv
    fc4: PointConv

    # Maps at 1/4, 1/8, 1/16 and 1/32, B×h×w×C; the first, without fc1, as the stem left it
    def forward(self, images: Tensor) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
        c1 = self.stem.forward(images)
        c2 = self.conv2.forward(c1)
        c3 = self.conv3.forward(c2)
        c4 = self.conv4.forward(c3)
        c1 = c1.permute([0, 2, 3, 1])
        if hasattr(self, "fc1"):
            c1 = self.fc1.forward(c1)
        c2 = self.fc2.forward(c2.permute([0, 2, 3, 1]))
        c3 = self.fc3.forward(c3.permute([0, 2, 3, 1]))
        c4 = self.fc4.forward(c4.permute([0, 2, 3, 1]))
        return c1, c2, c3, c4


# gelu of a depthwise convolution of 3×3. x B×N×C: the tokens of the maps of `sizes`, each convolved on its own
def depthwise_gelu(x: Tensor, sizes: List[int], weight: Tensor, bias: Tensor) -> Tensor:
    parts: List[Tensor] = []
    start = 0
    for i in range(len(sizes) // 2):
        height, width = sizes[2 * i], sizes[2 * i + 1]
        part = to_map(x[:, start : start + height * width], height, width).permute([0, 3, 1, 2]).contiguous()
        part = torch.conv2d(part, weight, bias, [1, 1], [1, 1], [1, 1], x.size(2))
        parts.append(part.flatten(2).transpose(1, 2))
        start += height * width
    return torch.gelu(torch.cat(parts, 1))


class DepthwiseWeights:
    weight: Parameter
    bias: Parameter


class DepthwiseConv:
    dwconv: DepthwiseWeights


class ConvFeedForward:
    fc1: Linear
    dwconv: DepthwiseConv
    fc2: Linear

    def forward(self, x: Tensor, shapes: List[Tuple[int, int]]) -> Tensor:
        conv = self.dwconv.dwconv
        x = self.fc1.forward(x).to(conv.weight.dtype)
        return self.fc2.forward(depthwise_gelu(x, sizes_of(shapes), conv.weight, conv.bias))


class Extractor:
    query_norm: LayerNorm
    feat_norm: LayerNorm
    attn: DeformableAttention
    ffn: ConvFeedForward
    ffn_norm: LayerNorm

    # query B×N×C on the maps of `shapes`, which has yet to take in y, as has what is returned; feat: the patch tokens of
    # a tapped layer, on a map of `feat_shape`
    def forward(
        self,
        query: Tensor,
        y: Tensor,
        reference: Tensor,
        shapes: List[Tuple[int, int]],
        feat: Tensor,
        feat_shape: Tuple[int, int],
    ) -> Tuple[Tensor, Tensor]:
        norm, dtype = self.query_norm, self.attn.value_proj.weight.dtype
        query, normed = add_norm(query, y, None, norm.weight, norm.bias, 1e-6, dtype)
        attended = self.attn.forward(normed, reference, self.feat_norm.forward(feat, 1e-6), [feat_shape])
        norm, dtype = self.ffn_norm, self.ffn.fc1.weight.dtype
        query, normed = add_norm(query, attended, None, norm.weight, norm.bias, 1e-6, dtype)
        return query, self.ffn.forward(normed, shapes)


class Interaction:
    extractor: Extractor
    extra_extractors: Optional[ModuleList[Extractor]]

    def forward(
        self,
        query: Tensor,
        y: Tensor,
        reference: Tensor,
        shapes: List[Tuple[int, int]],
        feat: Tensor,
        feat_shape: Tuple[int, int],
    ) -> Tuple[Tensor, Tensor]:
        query, y = self.extractor.forward(query, y, reference, shapes, feat, feat_shape)
        if hasattr(self, "extra_extractors"):
            for extractor in children(self.extra_extractors):
                query, y = extractor.forward(query, y, reference, shapes, feat, feat_shape)
        return query, y


# B×H×W×(2·2·D), each place's four pixels, as B×H×2×W×2×D
def spread(x: Tensor) -> Tensor:
    x = x.reshape(x.size(0), x.size(1), x.size(2), 2, 2, x.size(3) // 4)
    return x.permute([0, 1, 3, 2, 4, 5])


# A transposed convolution of 2×2 with stride 2: every pixel becomes four on its own, so that it is one product.
class UpConv:
    weight: Parameter
    bias: Parameter

    # x B×H×W×C to B×H×W×(2·2·D): what each place becomes
    def product(self, x: Tensor) -> Tensor:
        w = self.weight  # C×D×2×2
        matrix = w.permute([2, 3, 1, 0]).reshape(4 * w.size(1), w.size(0))
        return torch.linear(x.to(w.dtype), matrix, self.bias.repeat([4]))

    # B×2H×2W×D
    def forward(self, x: Tensor) -> Tensor:
        return spread(self.product(x)).reshape(x.size(0), 2 * x.size(1), 2 * x.size(2), self.weight.size(1))

    # The result added to y B×2H×2W×D
    def added(self, x: Tensor, y: Tensor) -> Tensor:
        up = spread(self.product(x))
        return (y.reshape(up.shape) + up).reshape(y.shape)


# The adapter's finest map as the pixel decoder's lateral convolution leaves it, which alone reads it: fc1, up, norm1 and
# that convolution multiplied out (folded_chains.h). Only in networks that run.
class FineMap:
    up: Linear  # of a place of c2 and the four of the stem's map in it, to four of D channels
    tap: Linear

    # c1 B×2H×2W×P: the stem's map; c2 B×H×W×C; tap B×h×w×C. Returns B×2H×2W×D.
    def forward(self, c1: Tensor, c2: Tensor, tap: Tensor) -> Tensor:
        height, width = c2.size(1), c2.size(2)
        quads = c1.reshape(c1.size(0), height, 2, width, 2, c1.size(3)).permute([0, 1, 3, 2, 4, 5]).flatten(3)
        x = spread(self.up.forward(torch.cat([c2, quads.to(c2.dtype)], 3)))
        x = x.reshape(x.size(0), 2 * height, 2 * width, x.size(5))
        return add_resized(x, self.tap.forward(tap), None, None)


class Adapter:
    level_embed: Parameter
    backbone: Vit
    spm: SpatialPrior
    interactions: ModuleList[Interaction]
    up: Optional[UpConv]
    norm1: Optional[BatchNorm]
    fine: Optional[FineMap]
    norm2: BatchNorm
    norm3: BatchNorm
    norm4: BatchNorm

    # images B×3×H×W and the patch tokens of the four tapped layers; the maps f1…f4, fine to coarse, B×h×w×C; f1 as FineMap gives it where
    # there is one
    def forward(self, images: Tensor, taps: List[Tensor]) -> List[Tensor]:
        height, width = images.size(2) // PATCH_SIZE, images.size(3) // PATCH_SIZE
        shapes = [(2 * height, 2 * width), (height, width), (height // 2, width // 2)]
        c1, c2, c3, c4 = self.spm.forward(images)
        embed = widen(self.level_embed)
        query = torch.cat(
            [c2.flatten(1, 2) + embed[0], c3.flatten(1, 2) + embed[1], c4.flatten(1, 2) + embed[2]], 1
        )
        reference = cell_centres(shapes, query)
        y = torch.zeros_like(query, dtype=c1.dtype)
        for (i, interaction) in enumerate(children(self.interactions)):
            query, y = interaction.forward(query, y, reference, shapes, taps[i], (height, width))
        query = query + y
        fine, middle = 4 * height * width, 5 * height * width
        c2 = to_map(query[:, :fine], 2 * height, 2 * width)
        c3 = to_map(query[:, fine:middle], height, width)
        c4 = to_map(query[:, middle:], height // 2, width // 2)
        if hasattr(self, "fine"):
            f1 = self.fine.forward(c1, c2, to_map(taps[0], height, width))
        else:
            f1 = self.norm1.added(self.up.added(c2, c1), to_map(taps[0], height, width))
        f2 = self.norm2.added(c2, to_map(taps[1], height, width))
        f3 = self.norm3.added(c3, to_map(taps[2], height, width))
        f4 = self.norm4.added(c4, to_map(taps[3], height, width))
        return [f1, f2, f3, f4]
