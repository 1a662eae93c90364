# Mask2Former's masked-attention transformer decoder (Cheng et al. 2022).


class MultiheadAttention:
    in_proj_weight: Parameter
    in_proj_bias: Parameter
    out_proj: Linear

    # query, key, value B×N×C; allowed: where a query may attend, B×1×Q×K, or None for everywhere
    def forward(self, query: Tensor, key: Tensor, value: Tensor, allowed: Optional[Tensor]) -> Tensor:
        w, b = self.in_proj_weight, self.in_proj_bias
        width = query.size(2)
        q = torch.linear(query.to(w.dtype), w[:width], b[:width])
        k = torch.linear(key.to(w.dtype), w[width : 2 * width], b[width : 2 * width])
        v = torch.linear(value.to(w.dtype), w[2 * width :], b[2 * width :])
        return self.out_proj.forward(attend(q, k, v, HEADS, allowed))


class CrossAttentionLayer:
    multihead_attn: MultiheadAttention
    norm: LayerNorm

    def forward(self, x: Tensor, position: Tensor, key: Tensor, value: Tensor, allowed: Optional[Tensor]) -> Tensor:
        attended = self.multihead_attn.forward(x + position, key, value, allowed)
        return self.norm.added(x, attended, 1e-5)


class SelfAttentionLayer:
    self_attn: MultiheadAttention
    norm: LayerNorm

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        attended = self.self_attn.forward(x + position, x + position, x, None)
        return self.norm.added(x, attended, 1e-5)


class FeedForwardLayer:
    linear1: Linear
    linear2: Linear
    norm: LayerNorm

    def forward(self, x: Tensor) -> Tensor:
        return self.norm.added(x, self.linear2.forward(torch.relu(self.linear1.forward(x))), 1e-5)


# Where each query may attend on a level: where its mask is at least one half, or everywhere if that is nowhere.
def allowed_positions(masks: Tensor, height: int, width: int) -> Tensor:
    if masks.size(2) != height or masks.size(3) != width:
        masks = resize(masks, height, width)
    allowed = torch.sigmoid(masks).flatten(2) >= 0.5  # B×Q×(h·w)
    allowed = torch.logical_or(allowed, torch.logical_not(allowed.any(2, keepdim=True)))
    return allowed.unsqueeze(1)


class Predictor:
    transformer_self_attention_layers: ModuleList[SelfAttentionLayer]
    transformer_cross_attention_layers: ModuleList[CrossAttentionLayer]
    transformer_ffn_layers: ModuleList[FeedForwardLayer]
    post_norm: LayerNorm
    query_feat: Embedding
    query_embed: Embedding
    level_embed: Embedding
    class_embed: Linear
    mask_embed: Mlp
    # The last layer of mask_embed with the pixel decoder's mask_feature multiplied into it (folded_chains.h). Of each query
    # it gives C factors, a number that is added, and zeros. Only in networks that run.
    mask_kernels: Optional[Linear]

    # Mask logits B×Q×h×w of features B×h×w×C in their dtype, as the reference has them when it makes its attention masks
    def masks(self, queries: Tensor, features: Tensor) -> Tensor:
        if hasattr(self, "mask_kernels"):
            kernels = self.mask_kernels.forward(torch.relu(self.mask_embed.forward(queries)))
            channels = features.size(3)
            added = kernels[:, :, channels : channels + 1]
            masks = torch.baddbmm(added, kernels[:, :, :channels], features.flatten(1, 2).transpose(1, 2))
            masks = masks.reshape(masks.size(0), masks.size(1), features.size(1), features.size(2))
        else:
            masks = torch.einsum("bqc,bhwc->bqhw", [self.mask_embed.forward(queries), features])
        return masks

    # What `masks` takes, of the pixel decoder's mask features: at their size, and for the attention on each level. There it
    # is resized to the level where masks can be made of that: they are linear in it.
    def mask_features(self, features: Tensor, levels: List[Tensor]) -> Tuple[Tensor, List[Tensor]]:
        if hasattr(self, "mask_kernels"):
            dtype = self.mask_kernels.weight.dtype
        else:
            dtype = children(self.mask_embed.layers)[0].weight.dtype
        narrow = features.to(dtype)
        of_levels: List[Tensor] = []
        for level in levels:
            if hasattr(self, "mask_kernels"):
                small = resize(features.permute([0, 3, 1, 2]), level.size(1), level.size(2))
                of_levels.append(small.permute([0, 2, 3, 1]).to(dtype))
            else:
                of_levels.append(narrow)
        return narrow, of_levels

    # levels and mask_features: the pixel decoder's maps, B×h×w×C; levels coarse to fine. Returns the normalised queries B×Q×C, the input of class_embed,
    # and the mask logits B×Q×h×w at the size of mask_features.
    def forward(self, levels: List[Tensor], mask_features: Tensor) -> Tuple[Tensor, Tensor]:
        batch = mask_features.size(0)
        embed = widen(self.level_embed.weight)
        cross_attentions = children(self.transformer_cross_attention_layers)
        dtype = cross_attentions[0].multihead_attn.in_proj_weight.dtype
        keys: List[Tensor] = []
        values: List[Tensor] = []
        for (i, x) in enumerate(levels):
            memory = x.flatten(1, 2) + embed[i]
            keys.append((memory + sine_positions(x.size(1), x.size(2), x.size(3), 1.0, x)).to(dtype))
            values.append(memory.to(dtype))
        mask_features, features_of_levels = self.mask_features(mask_features, levels)
        position = widen(self.query_embed.weight).unsqueeze(0)
        x = widen(self.query_feat.weight).unsqueeze(0).expand([batch, -1, -1])
        queries = self.post_norm.forward(x, 1e-5)
        self_attention = children(self.transformer_self_attention_layers)
        feed_forward = children(self.transformer_ffn_layers)
        for (i, cross_attention) in enumerate(cross_attentions):
            level = i % len(levels)
            masks = self.masks(queries, features_of_levels[level])
            allowed = allowed_positions(masks, levels[level].size(1), levels[level].size(2))
            x = cross_attention.forward(x, position, keys[level], values[level], allowed)
            x = self_attention[i].forward(x, position)
            x = feed_forward[i].forward(x)
            queries = self.post_norm.forward(x, 1e-5)
        return queries, widen(self.masks(queries, mask_features))
