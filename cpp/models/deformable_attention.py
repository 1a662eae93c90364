# Multi-scale deformable attention (Zhu et al. 2021, "Deformable DETR"), used by the adapter and the pixel decoder.


# The sampling itself, in one function so that a runtime can put a fused operator in its place.
# value B×S×M×D: the maps of all levels, row by row, one after the other; shapes: (height, width) of each level;
# locations B×Q×M×L×P×2: (x, y) with 0…1 across the map, zeros beyond; weights B×Q×M×L×P. Returns B×Q×(M·D).
def deformable_sample(value: Tensor, shapes: List[Tuple[int, int]], locations: Tensor, weights: Tensor) -> Tensor:
    batch, _, heads, channels = value.shape
    queries, points = locations.size(1), locations.size(4)
    grids = 2.0 * locations - 1.0
    out = torch.zeros([batch * heads, channels, queries], dtype=value.dtype, device=value.device)
    start = 0
    for level in range(len(shapes)):
        height, width = shapes[level]
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


class DeformableAttention:
    sampling_offsets: Linear
    attention_weights: Linear
    value_proj: Linear
    output_proj: Linear

    # query B×Q×C, reference 1×Q×2, feat B×S×C with the tokens of all levels
    def forward(self, query: Tensor, reference: Tensor, feat: Tensor, shapes: List[Tuple[int, int]]) -> Tensor:
        batch, queries = query.size(0), query.size(1)
        levels = len(shapes)
        value = widen(self.value_proj.forward(feat))
        value = value.reshape(batch, feat.size(1), HEADS, value.size(2) // HEADS)
        offsets = widen(self.sampling_offsets.forward(query))
        offsets = offsets.reshape(batch, queries, HEADS, levels, POINTS, 2)
        weights = widen(self.attention_weights.forward(query))
        weights = torch.softmax(weights.reshape(batch, queries, HEADS, levels * POINTS), -1)
        weights = weights.reshape(batch, queries, HEADS, levels, POINTS)
        # Filled on the device: a tensor made from numbers would be copied there and wait for it.
        sizes: List[Tensor] = []
        for (height, width) in shapes:
            sizes.append(torch.full([1], width, dtype=offsets.dtype, device=offsets.device))
            sizes.append(torch.full([1], height, dtype=offsets.dtype, device=offsets.device))
        size = torch.cat(sizes).reshape(levels, 1, 2)
        locations = reference.reshape(1, queries, 1, 1, 1, 2) + offsets / size
        return self.output_proj.forward(deformable_sample(value, shapes, locations, weights))
