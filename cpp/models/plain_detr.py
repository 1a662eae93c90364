# Plain-DETR (Lin et al. 2023, "DETR Doesn't Need Multi-Scale or Locality Design"): a plain encoder, proposals of four strides
# and a decoder that attends to one map by where it lies in relation to the boxes. Float32 throughout: boxes are in pixels.
# Boxes …×4 are centre x, centre y, width, height unless said.


# x0, y0, x1, y1
def corners_of(boxes: Tensor) -> Tensor:
    half = boxes[..., 2:] / 2.0
    return torch.cat([boxes[..., :2] - half, boxes[..., :2] + half], -1)


# Boxes moved by deltas …×4 and cut at the image's edges: the centre by a share of the size, the size by a factor's logarithm,
# at most ln(1000/16). (Plain-DETR, "box regression reparameterization".)
def refine_boxes(boxes: Tensor, deltas: Tensor, height: int, width: int) -> Tensor:
    bound = 4.135166556742356
    centre = boxes[..., :2] + boxes[..., 2:] * deltas[..., :2]
    size = boxes[..., 2:] * torch.exp(torch.clamp(deltas[..., 2:], -bound, bound))
    corners = corners_of(torch.cat([centre, size], -1))
    low = torch.stack([torch.clamp(corners[..., 0], 0, width), torch.clamp(corners[..., 1], 0, height)], -1)
    high = torch.stack([torch.clamp(corners[..., 2], 0, width), torch.clamp(corners[..., 3], 0, height)], -1)
    return torch.cat([(low + high) / 2.0, high - low], -1)


# Pixels from the image's edge to the middle of each of `places` places of a map
def place_centres(places: int, stride: int, like: Tensor) -> Tensor:
    return (torch.arange(places, dtype=like.dtype, device=like.device) + 0.5) * stride


# A box for each place of the maps that a map of rows×columns at stride 16 is turned into (ProposalMaps), 1×N×4, 50 pixels
# wide at stride 8 and twice as wide at each next
def proposal_boxes(rows: int, columns: int, like: Tensor) -> Tensor:
    boxes: List[Tensor] = []
    stride, length = PATCH_SIZE // 2, 50
    sizes = [(2 * rows, 2 * columns), (rows, columns), (rows // 2, columns // 2), (rows // 4, columns // 4)]
    for (height, width) in sizes:
        y = place_centres(height, stride, like).unsqueeze(1).expand([height, width])
        x = place_centres(width, stride, like).unsqueeze(0).expand([height, width])
        size = torch.full_like(x, length)
        boxes.append(torch.stack([x, y, size, size], -1).reshape(1, height * width, 4))
        stride, length = 2 * stride, 2 * length
    return torch.cat(boxes, 1)


# Where all four numbers of boxes are between 1 % and 99 % of the image's size: …×1
def is_inside(boxes: Tensor, height: int, width: int) -> Tensor:
    x, y = boxes[..., 0::2], boxes[..., 1::2]
    x_inside = torch.logical_and(x > 0.01 * width, x < 0.99 * width)
    y_inside = torch.logical_and(y > 0.01 * height, y < 0.99 * height)
    return torch.logical_and(x_inside, y_inside).all(-1, keepdim=True)


# The boxes of proposal_boxes, 1×N×4, of which those too near to an edge of the image are one box beyond it, and which
# ones that are, 1×N×1
def proposal_places(rows: int, columns: int, height: int, width: int, like: Tensor) -> Tuple[Tensor, Tensor]:
    boxes = proposal_boxes(rows, columns, like)
    outside = torch.logical_not(is_inside(boxes, height, width))
    return boxes.masked_fill(outside, max(height, width)), outside


# What the places of one axis, `stride` pixels apart, are to boxes with edges B×Q×1×2 in pixels: B×M×Q×n for the M heads, of an
# MLP of the pixels from a place to both edges. Less each query's largest: see box_bias.
def axis_bias(edges: Tensor, places: int, stride: int, hidden: Tensor, shift: Tensor, weight: Tensor) -> Tensor:
    x = edges - place_centres(places, stride, edges).unsqueeze(1)
    x = torch.linear(torch.relu(torch.linear(x, hidden, shift)), weight).permute([0, 3, 1, 2])
    return x - x.amax([3], True)


# What is added to the logits of boxes B×Q×4 at the places of a map height×width: for the M heads B×M×Q×(h·w) in `dtype`, of two
# MLPs: first layers H×2 and H, second layers M×H. (Plain-DETR, "box-to-pixel relative position bias".) The best of
# each axis counts 0, which softmax does not see: sums are small where they matter, for dtypes that are coarse elsewhere.
def box_bias(
    boxes: Tensor,
    height: int,
    width: int,
    stride: int,
    x_hidden: Tensor,
    x_shift: Tensor,
    x_weight: Tensor,
    y_hidden: Tensor,
    y_shift: Tensor,
    y_weight: Tensor,
    dtype: int,
) -> Tensor:
    corners = corners_of(boxes).unsqueeze(2)  # B×Q×1×4
    x = axis_bias(corners[..., 0::2], width, stride, x_hidden, x_shift, x_weight)  # B×M×Q×w
    y = axis_bias(corners[..., 1::2], height, stride, y_hidden, y_shift, y_weight)  # B×M×Q×h
    return (y.unsqueeze(4) + x.unsqueeze(3)).flatten(3).to(dtype)


class DetrEncoderLayer:
    self_attn: MultiheadAttention
    linear1: Linear
    linear2: Linear
    norm1: LayerNorm
    norm2: LayerNorm

    # Post-norm; the value has no position.
    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        query = x + position
        x = self.norm1.added(x, self.self_attn.forward(query, query, x, None), 1e-5)
        return self.norm2.added(x, self.linear2.forward(relu_linear(x, self.linear1.weight, self.linear1.bias)), 1e-5)


class DetrEncoder:
    layers: ModuleList[DetrEncoderLayer]

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        for layer in children(self.layers):
            x = layer.forward(x, position)
        return x


# Maps B×H×W×C; an odd last row or column is left out.
class HalvingMap:
    __annotations__["0"] = Conv2d

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self, "0").forward(x.permute([0, 3, 1, 2]), 2, 0).permute([0, 2, 3, 1])


class MapNorm:
    ln: LayerNorm


class QuarteringMap:
    __annotations__["0"] = Conv2d
    __annotations__["1"] = MapNorm
    __annotations__["3"] = Conv2d

    def forward(self, x: Tensor) -> Tensor:
        x = getattr(self, "0").forward(x.permute([0, 3, 1, 2]), 2, 0).permute([0, 2, 3, 1])
        x = torch.gelu(getattr(self, "1").ln.forward(x, 1e-5))
        return getattr(self, "3").forward(x.permute([0, 3, 1, 2]), 2, 0).permute([0, 2, 3, 1])


class DoublingMap:
    __annotations__["0"] = UpConv

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self, "0").forward(x)


class ProposalMaps:
    __annotations__["0"] = DoublingMap
    __annotations__["2"] = HalvingMap
    __annotations__["3"] = QuarteringMap

    # A map at stride 16, B×H×W×C, at strides 8, 16, 32 and 64
    def forward(self, x: Tensor) -> List[Tensor]:
        return [getattr(self, "0").forward(x), x, getattr(self, "2").forward(x), getattr(self, "3").forward(x)]


class PlaceMlp:
    __annotations__["0"] = Linear
    __annotations__["2"] = Linear


class BoxCrossAttention:
    cpb_mlp1: PlaceMlp
    cpb_mlp2: PlaceMlp
    q: Linear
    k: Linear
    v: Linear
    proj: Linear

    # query B×Q×C, boxes B×Q×4, key and value B×(h·w)×C of a map h×w at stride 16
    def forward(self, query: Tensor, boxes: Tensor, key: Tensor, value: Tensor, size: Tuple[int, int]) -> Tensor:
        q, k, v = self.q.forward(query), self.k.forward(key), self.v.forward(value)
        x_hidden, x_weight = getattr(self.cpb_mlp1, "0"), getattr(self.cpb_mlp1, "2").weight
        y_hidden, y_weight = getattr(self.cpb_mlp2, "0"), getattr(self.cpb_mlp2, "2").weight
        bias = box_bias(
            boxes,
            size[0],
            size[1],
            PATCH_SIZE,
            x_hidden.weight,
            x_hidden.bias,
            x_weight,
            y_hidden.weight,
            y_hidden.bias,
            y_weight,
            q.dtype,
        )
        return self.proj.forward(attend(q, k, v, HEADS, bias))


class DetrDecoderLayer:
    cross_attn: BoxCrossAttention
    norm1: LayerNorm
    self_attn: MultiheadAttention
    norm2: LayerNorm
    linear1: Linear
    linear2: Linear
    norm3: LayerNorm

    # Pre-norm: self-attention, cross-attention, feed-forward
    def forward(
        self, x: Tensor, position: Tensor, boxes: Tensor, key: Tensor, value: Tensor, size: Tuple[int, int]
    ) -> Tensor:
        normed = self.norm2.forward(x, 1e-5)
        query = normed + position
        y = self.self_attn.forward(query, query, normed, None)
        x, normed = add_norm(x, y, None, self.norm1.weight, self.norm1.bias, 1e-5, x.dtype)
        y = self.cross_attn.forward(normed + position, boxes, key, value, size)
        x, normed = add_norm(x, y, None, self.norm3.weight, self.norm3.bias, 1e-5, x.dtype)
        return x + self.linear2.forward(relu_linear(normed, self.linear1.weight, self.linear1.bias))


class DetrDecoder:
    layers: ModuleList[DetrDecoderLayer]
    final_layer_norm: LayerNorm


class DetrTransformer:
    level_embed: Parameter
    decoder: DetrDecoder
    enc_output: Linear
    enc_output_norm: LayerNorm
    pos_trans: Linear
    pos_trans_norm: LayerNorm
    enc_output_proj: ProposalMaps
    encoder: DetrEncoder

    # Places that boxes can begin at, 1×N×4, and what is known of each, B×N×C. memory B×h×w×C at stride 16. Places too
    # near to an edge count as one box beyond it, of which nothing is known.
    def proposals(self, memory: Tensor, height: int, width: int) -> Tuple[Tensor, Tensor]:
        maps = self.enc_output_proj.forward(memory)
        boxes, outside = proposal_places(memory.size(1), memory.size(2), height, width, memory)
        tokens = torch.cat([x.flatten(1, 2) for x in maps], 1).masked_fill(outside, 0.0)
        return boxes, self.enc_output_norm.forward(self.enc_output.forward(tokens), 1e-5)

    # The decoder's position of boxes B×Q×4 in pixels, B×Q×C
    def position(self, boxes: Tensor) -> Tensor:
        width = self.enc_output.weight.size(0)
        x = sines(boxes * 6.283185307179586, width // 2).flatten(2)  # B×Q×2C
        return self.pos_trans_norm.forward(self.pos_trans.forward(x), 1e-5)[..., :width]
