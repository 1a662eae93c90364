# Mask2Former's pixel decoder (Cheng et al. 2022): a deformable encoder over 1/32, 1/16 and 1/8, and one FPN step to 1/4.
# The reference runs it in float32 with autocast off, so its weights stay float32.


class InputConv:
    __annotations__["0"] = PointConv
    __annotations__["1"] = GroupNorm

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self, "1").forward(getattr(self, "0").forward(x), False)


# Without a weight, of a map that FineMap (adapter.py) made
class LateralConv:
    weight: Optional[Parameter]
    norm: GroupNorm

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "weight"):
            w = self.weight.flatten(1)
            x = torch.linear(x.to(w.dtype), w)
        return self.norm.forward(x, False)


class OutputConv:
    weight: Parameter
    norm: GroupNorm

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight
        x = conv_input(x.permute([0, 3, 1, 2]), w)
        x = torch.conv2d(x, w, None, [1, 1], [1, 1], [1, 1], 1)
        return self.norm.forward(x.permute([0, 2, 3, 1]), True)


class EncoderLayer:
    self_attn: Optional[DeformableAttention]
    placed_attn: Optional[PlacedAttention]
    norm1: LayerNorm
    linear1: Linear
    linear2: Linear
    norm2: LayerNorm

    # position: as Encoder makes it, of all layers; i: this one's number
    def forward(
        self, x: Tensor, position: Tensor, i: int, reference: Tensor, shapes: List[Tuple[int, int]]
    ) -> Tensor:
        if hasattr(self, "placed_attn"):
            added = self.placed_attn.added(position, i)
            attended = self.placed_attn.forward(x, added, reference, shapes)
        else:
            attended = self.self_attn.forward(x + position, reference, x, shapes)
        x = self.norm1.added(x, attended, 1e-5)
        return self.norm2.added(x, self.linear2.forward(relu_linear(x, self.linear1.weight, self.linear1.bias)), 1e-5)


class EncoderLayers:
    layers: ModuleList[EncoderLayer]

    def forward(self, x: Tensor, position: Tensor, shapes: List[Tuple[int, int]]) -> Tensor:
        reference = cell_centres(shapes, x)
        for (i, layer) in enumerate(children(self.layers)):
            x = layer.forward(x, position, i, reference, shapes)
        return x


class Encoder:
    level_encoding: Parameter
    # What positions add to the offsets and logits of all layers, (layers·3N)×C (folded_chains.h). Only in networks that run.
    placed: Optional[Parameter]
    encoder: EncoderLayers

    # Of a map of level `level`: 1×(h·w)×C, or with `placed` what it adds in all layers
    def position(self, height: int, width: int, level: int, x: Tensor) -> Tensor:
        channels = x.size(3)
        encoding = widen(self.level_encoding)[level]
        if hasattr(self, "placed"):
            # Of rows and columns alone: a position's first half depends on its row, the second on its column.
            w = self.placed
            half = channels // 2
            rows = torch.linear(sine_side(height, half, 1.0, x) + encoding[:half], w[:, :half])
            columns = torch.linear(sine_side(width, half, 1.0, x) + encoding[half:], w[:, half:])
            position = (rows.unsqueeze(1) + columns.unsqueeze(0)).reshape(1, height * width, w.size(0))
        else:
            position = sine_positions(height, width, channels, 1.0, x) + encoding
        return position

    # Maps of one width, coarse to fine, B×h×w×C; the same after the encoder
    def forward(self, maps: List[Tensor]) -> List[Tensor]:
        shapes: List[Tuple[int, int]] = []
        tokens: List[Tensor] = []
        positions: List[Tensor] = []
        for (level, x) in enumerate(maps):
            height, width = x.size(1), x.size(2)
            shapes.append((height, width))
            tokens.append(x.flatten(1, 2))
            positions.append(self.position(height, width, level, x))
        encoded = self.encoder.forward(torch.cat(tokens, 1), torch.cat(positions, 1), shapes)
        out: List[Tensor] = []
        start = 0
        for (height, width) in shapes:
            out.append(to_map(encoded[:, start : start + height * width], height, width))
            start += height * width
        return out


class PixelDecoder:
    input_convs: ModuleList[InputConv]
    encoder: Encoder
    mask_feature: Optional[PointConv]
    lateral_convs: ModuleList[LateralConv]
    output_convs: ModuleList[OutputConv]

    # features: the adapter's maps, fine to coarse. Returns the mask features (1/4), or without mask_feature what they are
    # made of, and the levels 1/32, 1/16, 1/8; all B×h×w×C.
    def forward(self, features: List[Tensor]) -> Tuple[Tensor, List[Tensor]]:
        maps: List[Tensor] = []
        for (i, conv) in enumerate(children(self.input_convs)):
            maps.append(conv.forward(features[3 - i]))
        levels = self.encoder.forward(maps)
        x = children(self.lateral_convs)[0].forward(features[0])
        x = children(self.output_convs)[0].forward(add_resized(x, levels[2], None, None))
        if hasattr(self, "mask_feature"):
            x = widen(self.mask_feature.forward(x))
        return x, levels
