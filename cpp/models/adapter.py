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
    fc1: Conv2d
    fc2: Conv2d
    fc3: Conv2d
    fc4: Conv2d

    def forward(self, images: Tensor) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
        c1 = self.stem.forward(images)
        c2 = self.conv2.forward(c1)
        c3 = self.conv3.forward(c2)
        c4 = self.conv4.forward(c3)
        c1 = self.fc1.forward(c1, 1, 0)
        c2 = self.fc2.forward(c2, 1, 0)
        c3 = self.fc3.forward(c3, 1, 0)
        c4 = self.fc4.forward(c4, 1, 0)
        return c1, c2, c3, c4


class DepthwiseConv:
    dwconv: Conv2d

    # x B×N×C: the tokens of three maps, each convolved on its own
    def forward(self, x: Tensor, shapes: List[Tuple[int, int]]) -> Tensor:
        parts: List[Tensor] = []
        start = 0
        for (height, width) in shapes:
            # Channels apart: libtorch's own kernel for depthwise convolutions wants them so.
            part = to_map(x[:, start : start + height * width], height, width).contiguous()
            parts.append(to_tokens(self.dwconv.forward(part, 1, 1)))
            start += height * width
        return torch.cat(parts, 1)


class ConvFeedForward:
    fc1: Linear
    dwconv: DepthwiseConv
    fc2: Linear

    def forward(self, x: Tensor, shapes: List[Tuple[int, int]]) -> Tensor:
        x = self.dwconv.forward(self.fc1.forward(x), shapes)
        return self.fc2.forward(torch.gelu(x))


class Extractor:
    query_norm: LayerNorm
    feat_norm: LayerNorm
    attn: DeformableAttention
    ffn: ConvFeedForward
    ffn_norm: LayerNorm

    # query B×N×C on the maps of `shapes`; feat: the patch tokens of a tapped layer, on a map of `feat_shape`
    def forward(
        self,
        query: Tensor,
        reference: Tensor,
        shapes: List[Tuple[int, int]],
        feat: Tensor,
        feat_shape: Tuple[int, int],
    ) -> Tensor:
        attended = self.attn.forward(
            self.query_norm.forward(query, 1e-6), reference, self.feat_norm.forward(feat, 1e-6), [feat_shape]
        )
        norm, dtype = self.ffn_norm, self.ffn.fc1.weight.dtype
        query, normed = add_norm(query, attended, None, norm.weight, norm.bias, 1e-6, dtype)
        return query + self.ffn.forward(normed, shapes)


class Interaction:
    extractor: Extractor
    extra_extractors: Optional[ModuleList[Extractor]]

    def forward(
        self,
        query: Tensor,
        reference: Tensor,
        shapes: List[Tuple[int, int]],
        feat: Tensor,
        feat_shape: Tuple[int, int],
    ) -> Tensor:
        query = self.extractor.forward(query, reference, shapes, feat, feat_shape)
        if hasattr(self, "extra_extractors"):
            for extractor in children(self.extra_extractors):
                query = extractor.forward(query, reference, shapes, feat, feat_shape)
        return query


# A transposed convolution of 2×2 with stride 2: every pixel becomes four on its own, so that it is one product.
class UpConv:
    weight: Parameter
    bias: Parameter

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight  # C×D×2×2
        batch, _, height, width = x.shape
        channels = w.size(1)
        matrix = w.permute([2, 3, 1, 0]).reshape(4 * channels, w.size(0))
        y = torch.linear(x.to(w.dtype).permute([0, 2, 3, 1]), matrix, self.bias.repeat([4]))  # B×H×W×(2·2·D)
        y = y.reshape(batch, height, width, 2, 2, channels).permute([0, 1, 3, 2, 4, 5])
        return y.reshape(batch, 2 * height, 2 * width, channels).permute([0, 3, 1, 2])


class Adapter:
    level_embed: Parameter
    backbone: Vit
    spm: SpatialPrior
    interactions: ModuleList[Interaction]
    up: UpConv
    norm1: BatchNorm
    norm2: BatchNorm
    norm3: BatchNorm
    norm4: BatchNorm

    # images B×3×H×W and the patch tokens of the four tapped layers; the maps f1…f4, fine to coarse, B×C×h×w
    def forward(self, images: Tensor, taps: List[Tensor]) -> List[Tensor]:
        height, width = images.size(2) // PATCH_SIZE, images.size(3) // PATCH_SIZE
        shapes = [(2 * height, 2 * width), (height, width), (height // 2, width // 2)]
        c1, c2, c3, c4 = self.spm.forward(images)
        embed = widen(self.level_embed)
        query = torch.cat([to_tokens(c2) + embed[0], to_tokens(c3) + embed[1], to_tokens(c4) + embed[2]], 1)
        reference = cell_centres(shapes, query)
        for (i, interaction) in enumerate(children(self.interactions)):
            query = interaction.forward(query, reference, shapes, taps[i], (height, width))
        fine, middle = 4 * height * width, 5 * height * width
        c2 = to_map(query[:, :fine], 2 * height, 2 * width)
        c3 = to_map(query[:, fine:middle], height, width)
        c4 = to_map(query[:, middle:], height // 2, width // 2)
        c1 = self.up.forward(c2) + c1
        f1 = self.norm1.forward(c1 + resize(to_map(taps[0], height, width), 4 * height, 4 * width))
        f2 = self.norm2.forward(c2 + resize(to_map(taps[1], height, width), 2 * height, 2 * width))
        f3 = self.norm3.forward(c3 + to_map(taps[2], height, width))
        f4 = self.norm4.forward(c4 + resize(to_map(taps[3], height, width), height // 2, width // 2))
        return [f1, f2, f3, f4]
