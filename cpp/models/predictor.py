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
    allowed = torch.sigmoid(resize(masks, height, width)).flatten(2) >= 0.5  # B×Q×(h·w)
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

    # Mask logits B×Q×h×w in the dtype of mask_embed, as the reference has them when it makes its attention masks
    def masks(self, queries: Tensor, mask_features: Tensor) -> Tensor:
        return torch.einsum("bqc,bhwc->bqhw", [self.mask_embed.forward(queries), mask_features])

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
        mask_features = mask_features.to(children(self.mask_embed.layers)[0].weight.dtype)
        position = widen(self.query_embed.weight).unsqueeze(0)
        x = widen(self.query_feat.weight).unsqueeze(0).expand([batch, -1, -1])
        queries = self.post_norm.forward(x, 1e-5)
        masks = self.masks(queries, mask_features)
        self_attention = children(self.transformer_self_attention_layers)
        feed_forward = children(self.transformer_ffn_layers)
        for (i, cross_attention) in enumerate(cross_attentions):
            level = i % len(levels)
            allowed = allowed_positions(masks, levels[level].size(1), levels[level].size(2))
            x = cross_attention.forward(x, position, keys[level], values[level], allowed)
            x = self_attention[i].forward(x, position)
            x = feed_forward[i].forward(x)
            queries = self.post_norm.forward(x, 1e-5)
            masks = self.masks(queries, mask_features)
        return queries, widen(masks)
