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
    self_attn: DeformableAttention
    norm1: LayerNorm
    linear1: Linear
    linear2: Linear
    norm2: LayerNorm

    def forward(self, x: Tensor, position: Tensor, reference: Tensor, shapes: List[Tuple[int, int]]) -> Tensor:
        x = self.norm1.added(x, self.self_attn.forward(x + position, reference, x, shapes), 1e-5)
        return self.norm2.added(x, self.linear2.forward(relu_linear(x, self.linear1.weight, self.linear1.bias)), 1e-5)


class EncoderLayers:
    layers: ModuleList[EncoderLayer]

    def forward(self, x: Tensor, position: Tensor, shapes: List[Tuple[int, int]]) -> Tensor:
        reference = cell_centres(shapes, x)
        for layer in children(self.layers):
            x = layer.forward(x, position, reference, shapes)
        return x


class Encoder:
    level_encoding: Parameter
    encoder: EncoderLayers

    # Maps of one width, coarse to fine, B×h×w×C; the same after the encoder
    def forward(self, maps: List[Tensor]) -> List[Tensor]:
        shapes: List[Tuple[int, int]] = []
        tokens: List[Tensor] = []
        positions: List[Tensor] = []
        for (level, x) in enumerate(maps):
            height, width = x.size(1), x.size(2)
            shapes.append((height, width))
            tokens.append(x.flatten(1, 2))
            positions.append(sine_positions(height, width, x.size(3), 1.0, x) + widen(self.level_encoding)[level])
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
