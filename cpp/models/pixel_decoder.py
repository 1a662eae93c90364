# Mask2Former's pixel decoder (Cheng et al. 2022): a deformable encoder over 1/32, 1/16 and 1/8, and one FPN step to 1/4.
# The reference runs it in float32 with autocast off, so its weights stay float32.


class InputConv:
    __annotations__["0"] = Conv2d
    __annotations__["1"] = GroupNorm

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self, "1").forward(getattr(self, "0").forward(x, 1, 0))


class NormedConv:
    weight: Parameter
    norm: GroupNorm

    def forward(self, x: Tensor, padding: int) -> Tensor:
        w = self.weight
        x = torch.conv2d(conv_input(x, w), w, None, [1, 1], [padding, padding], [1, 1], 1)
        return self.norm.forward(x)


class EncoderLayer:
    self_attn: DeformableAttention
    norm1: LayerNorm
    linear1: Linear
    linear2: Linear
    norm2: LayerNorm

    def forward(self, x: Tensor, position: Tensor, reference: Tensor, shapes: List[Tuple[int, int]]) -> Tensor:
        x = self.norm1.added(x, self.self_attn.forward(x + position, reference, x, shapes), 1e-5)
        return self.norm2.added(x, self.linear2.forward(torch.relu(self.linear1.forward(x))), 1e-5)


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

    # Maps of one width, coarse to fine; the same after the encoder
    def forward(self, maps: List[Tensor]) -> List[Tensor]:
        shapes: List[Tuple[int, int]] = []
        tokens: List[Tensor] = []
        positions: List[Tensor] = []
        for (level, x) in enumerate(maps):
            height, width = x.size(2), x.size(3)
            shapes.append((height, width))
            tokens.append(to_tokens(x))
            positions.append(sine_positions(height, width, x.size(1), x) + widen(self.level_encoding)[level])
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
    mask_feature: Conv2d
    lateral_convs: ModuleList[NormedConv]
    output_convs: ModuleList[NormedConv]

    # features: the adapter's maps, fine to coarse. Returns the mask features (1/4) and the levels 1/32, 1/16, 1/8.
    def forward(self, features: List[Tensor]) -> Tuple[Tensor, List[Tensor]]:
        maps: List[Tensor] = []
        for (i, conv) in enumerate(children(self.input_convs)):
            maps.append(conv.forward(widen(features[3 - i])))
        levels = self.encoder.forward(maps)
        x = children(self.lateral_convs)[0].forward(widen(features[0]), 0)
        x = x + resize(levels[2], x.size(2), x.size(3))
        x = torch.relu(children(self.output_convs)[0].forward(x, 1))
        return widen(self.mask_feature.forward(x, 1, 0)), levels
