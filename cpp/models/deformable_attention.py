# Multi-scale deformable attention (Zhu et al. 2021, "Deformable DETR"), used by the adapter and the pixel decoder.


# The attention itself, in one function so that a runtime can put a fused operator in its place.
# value B×S×M×D: the maps of all levels, row by row, one after the other; sizes: height and width of each level, one after
# the other; reference 1×Q×2: (x, y) with 0…1 across the map, zeros beyond; offsets B×Q×M×L×P×2 in pixels of the level;
# logits B×Q×M×(L·P). Returns B×Q×(M·D).
def deformable_attend(
    value: Tensor, sizes: List[int], reference: Tensor, offsets: Tensor, logits: Tensor
) -> Tensor:
    value, offsets = widen(value), widen(offsets)
    batch, _, heads, channels = value.shape
    queries, levels, points = offsets.size(1), offsets.size(3), offsets.size(4)
    weights = torch.softmax(widen(logits), -1).reshape(batch, queries, heads, levels, points)
    # Filled on the device: a tensor made from numbers would be copied there and wait for it.
    lengths: List[Tensor] = []
    for level in range(levels):
        for length in [sizes[2 * level + 1], sizes[2 * level]]:
            lengths.append(torch.full([1], length, dtype=offsets.dtype, device=offsets.device))
    size = torch.cat(lengths).reshape(levels, 1, 2)
    locations = reference.reshape(1, queries, 1, 1, 1, 2) + offsets / size
    grids = 2.0 * locations - 1.0
    out = torch.zeros([batch * heads, channels, queries], dtype=value.dtype, device=value.device)
    start = 0
    for level in range(levels):
        height, width = sizes[2 * level], sizes[2 * level + 1]
        level_map = value[:, start : start + height * width].permute([0, 2, 3, 1])  # B×M×D×(H·W)
        level_map = level_map.reshape(batch * heads, channels, height, width)
        grid = grids[:, :, :, level].transpose(1, 2).reshape(batch * heads, queries, points, 2)
        sampled = torch.grid_sampler(level_map, grid, 0, 0, False)  # (B·M)×D×Q×P, bilinear, zero padding
        weight = weights[:, :, :, level].transpose(1, 2).reshape(batch * heads, 1, queries, points)
        out = out + (sampled * weight).sum(-1)
        start += height * width
    return out.reshape(batch, heads * channels, queries).transpose(1, 2)


# Centres of the cells of maps, 1×N×2: (x, y) with 0…1 across the map
def cell_centres(shapes: List[Tuple[int, int]], like: Tensor) -> Tensor:
    centres: List[Tensor] = []
    for (height, width) in shapes:
        y = (torch.arange(height, dtype=like.dtype, device=like.device) + 0.5) / height
        x = (torch.arange(width, dtype=like.dtype, device=like.device) + 0.5) / width
        y = y.unsqueeze(1).expand([height, width])
        x = x.unsqueeze(0).expand([height, width])
        centres.append(torch.stack([x, y], -1).reshape(1, height * width, 2))
    return torch.cat(centres, 1)


# Offsets B×Q×M×L×P×2 and logits B×Q×M×(L·P), of 2N and N numbers side by side, B×Q×3N
def split_places(x: Tensor, heads: int, levels: int, points: int) -> Tuple[Tensor, Tensor]:
    batch, queries, samples = x.size(0), x.size(1), heads * levels * points
    offsets = x[:, :, : 2 * samples].reshape(batch, queries, heads, levels, points, 2)
    return offsets, x[:, :, 2 * samples :].reshape(batch, queries, heads, levels * points)


# Of tokens that attend to themselves: offsets, logits and values as one product (folded_chains.h). Only in networks that
# run.
class PlacedAttention:
    projections: Linear  # C values, 2N offsets and N logits
    output_proj: Linear

    # What a position adds to the tokens' offsets and logits, of layer `i` of `all`, 1×S×(layers·3N)
    def added(self, all: Tensor, i: int) -> Tensor:
        width = self.projections.weight.size(0) - self.projections.weight.size(1)
        return all[:, :, i * width : (i + 1) * width]

    # x B×S×C on the maps of `shapes`, reference 1×S×2, added 1×S×3N
    def forward(self, x: Tensor, added: Tensor, reference: Tensor, shapes: List[Tuple[int, int]]) -> Tensor:
        batch, tokens, channels = x.size(0), x.size(1), x.size(2)
        projected = self.projections.forward(x)
        value = projected[:, :, :channels].reshape(batch, tokens, HEADS, channels // HEADS)
        offsets, logits = split_places(projected[:, :, channels:] + added, HEADS, len(shapes), POINTS)
        return self.output_proj.forward(deformable_attend(value, sizes_of(shapes), reference, offsets, logits))


class DeformableAttention:
    sampling_offsets: Optional[Linear]
    attention_weights: Optional[Linear]
    places: Optional[Linear]  # both as one product (folded_chains.h). Only in networks that run.
    value_proj: Linear
    output_proj: Linear

    # query B×Q×C, reference 1×Q×2, feat B×S×C with the tokens of all levels
    def forward(self, query: Tensor, reference: Tensor, feat: Tensor, shapes: List[Tuple[int, int]]) -> Tensor:
        batch, queries = query.size(0), query.size(1)
        levels = len(shapes)
        value = self.value_proj.forward(feat)
        value = value.reshape(batch, feat.size(1), HEADS, value.size(2) // HEADS)
        if hasattr(self, "places"):
            offsets, logits = split_places(self.places.forward(query), HEADS, levels, POINTS)
        else:
            offsets = self.sampling_offsets.forward(query)
            offsets = offsets.reshape(batch, queries, HEADS, levels, POINTS, 2)
            logits = self.attention_weights.forward(query)
            logits = logits.reshape(batch, queries, HEADS, levels * POINTS)
        attended = deformable_attend(value, sizes_of(shapes), reference, offsets, logits)
        return self.output_proj.forward(attended)
