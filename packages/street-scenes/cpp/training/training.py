# What training has besides the networks' sources: these functions and classes stand in place of those of the same
# names. Files that are written hold none of it.


# relu of a linear. x B×N×C. The fused operator has no derivative.
def relu_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.relu(torch.linear(x, weight, bias))


# In train mode the statistics of the batch, which move the stored ones; else the stored ones.
class BatchNorm:
    weight: Parameter
    bias: Parameter
    running_mean: Buffer
    running_var: Buffer
    num_batches_tracked: Buffer

    def forward(self, x: Tensor) -> Tensor:
        return torch.batch_norm(
            x, self.weight, self.bias, self.running_mean, self.running_var, self.training, 0.1, 1e-5, True
        )

    # Of x + y resized to it, both B×h×w×C
    def added(self, x: Tensor, y: Tensor) -> Tensor:
        total = add_resized(x, y, None, None).permute([0, 3, 1, 2]).contiguous()
        return self.forward(total).permute([0, 2, 3, 1])


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

    # What forward (predictor.py) gives after each layer and before the first: class logits B×L×Q×K and mask logits
    # B×L×Q×h×w of L = layers + 1 predictions, the last one forward's.
    def predictions(self, levels: List[Tensor], mask_features: Tensor) -> Tuple[Tensor, Tensor]:
        keys: List[Tensor] = []
        values: List[Tensor] = []
        for (i, x) in enumerate(levels):
            memory = x.flatten(1, 2) + self.level_embed.weight[i]
            keys.append(memory + sine_positions(x.size(1), x.size(2), x.size(3), 1.0, x))
            values.append(memory)
        position = self.query_embed.weight.unsqueeze(0)
        x = self.query_feat.weight.unsqueeze(0).expand([mask_features.size(0), -1, -1])
        self_attention = children(self.transformer_self_attention_layers)
        feed_forward = children(self.transformer_ffn_layers)
        queries = [self.post_norm.forward(x, 1e-5)]
        masks = [self.masks(queries[0], mask_features)]
        for (i, cross_attention) in enumerate(children(self.transformer_cross_attention_layers)):
            level = i % len(levels)
            allowed = allowed_positions(masks[-1].detach(), levels[level].size(1), levels[level].size(2))
            x = cross_attention.forward(x, position, keys[level], values[level], allowed)
            x = self_attention[i].forward(x, position)
            x = feed_forward[i].forward(x)
            queries.append(self.post_norm.forward(x, 1e-5))
            masks.append(self.masks(queries[-1], mask_features))
        return self.class_embed.forward(torch.stack(queries, 1)), torch.stack(masks, 1)

    # B×Q×h×w
    def masks(self, queries: Tensor, mask_features: Tensor) -> Tensor:
        batch, height, width, channels = mask_features.shape
        places = mask_features.reshape(batch, height * width, channels).transpose(1, 2)
        return torch.matmul(self.mask_embed.forward(queries), places).reshape(batch, queries.size(1), height, width)


class Segmentor:
    segmentation_model: SegmentationModel

    # images B×3×H×W, normalised, H and W multiples of 32; as Predictor.predictions
    def predictions(self, images: Tensor) -> Tuple[Tensor, Tensor]:
        adapter = getattr(self.segmentation_model, "0")
        head = getattr(self.segmentation_model, "1")
        taps = [patch_tokens(layer, images) for layer in adapter.backbone.forward(images)]
        mask_features, levels = head.pixel_decoder.forward(adapter.forward(images, taps))
        return head.predictor.predictions(levels, mask_features)
