# EoMT (Kerssies et al. 2025): a vision transformer whose last blocks also carry the queries. Keys: the backbone's under
# `segmentation_model.0.backbone.…`, the rest under `segmentation_model.1.…`.


class MaskHead:
    fc1: Linear
    fc2: Linear
    fc3: Linear

    def forward(self, x: Tensor) -> Tensor:
        x = torch.gelu(self.fc1.forward(x))
        return self.fc3.forward(torch.gelu(self.fc2.forward(x)))


# Layer norm over the channels of a depthwise convolution of 3×3 (no bias, zeros around). x B×H×W×(2·2·C): the four places
# (row, column) that each pixel becomes. Gives B×2H×2W×C, for what computes in `dtype`, as add_norm does.
def upscaled_norm(x: Tensor, weight: Tensor, norm_weight: Tensor, norm_bias: Tensor, eps: float, dtype: int) -> Tensor:
    batch, height, width, _ = x.shape
    channels = weight.size(0)
    x = x.to(weight.dtype).reshape(batch, height, width, 2, 2, channels).permute([0, 5, 1, 3, 2, 4])
    x = x.reshape(batch, channels, 2 * height, 2 * width)
    x = widen(torch.conv2d(x, weight, None, [1, 1], [1, 1], [1, 1], channels).permute([0, 2, 3, 1]))
    return torch.layer_norm(x, [channels], norm_weight.to(x.dtype), norm_bias.to(x.dtype), eps)


class DepthwiseKernel:
    weight: Parameter


class Upscale:
    conv1: UpConv
    conv2: DepthwiseKernel
    norm: LayerNorm

    # B×H×W×C to B×2H×2W×C
    def forward(self, x: Tensor) -> Tensor:
        x = torch.gelu(self.conv1.product(x))
        dtype = self.conv1.weight.dtype
        return upscaled_norm(x, self.conv2.weight, self.norm.weight, self.norm.bias, 1e-6, dtype)


class EomtHead:
    query: Embedding
    class_embed: Linear
    mask_head: MaskHead
    upscale: ModuleList[Upscale]
    attn_mask_probs: Buffer

    # Normalised patches B×H/16×W/16×C, four times as fine after two blocks
    def upscaled(self, patches: Tensor) -> Tensor:
        for block in children(self.upscale):
            patches = block.forward(patches)
        return patches

    # Mask logits B×Q×h×w of normalised queries B×Q×C and an upscaled map B×h×w×C
    def masks(self, queries: Tensor, upscaled: Tensor) -> Tensor:
        embedded = self.mask_head.forward(queries)
        return torch.einsum("bqc,bhwc->bqhw", [embedded, upscaled.to(embedded.dtype)])


class EomtEncoder:
    backbone: Vit


class EomtModel:
    __annotations__["0"] = EomtEncoder
    __annotations__["1"] = EomtHead


class Eomt:
    segmentation_model: EomtModel

    # The normalised tokens after the last block, B×(Q + 1 + storage + H/16·W/16)×C
    def tokens(self, images: Tensor) -> Tensor:
        vit = getattr(self.segmentation_model, "0").backbone
        x, sin, cos = vit.embed(images)
        query = widen(getattr(self.segmentation_model, "1").query.weight)
        query = query.unsqueeze(0).expand([x.size(0), query.size(0), query.size(1)])
        y, gamma = torch.zeros_like(x), torch.ones_like(x[0, 0])
        for (i, block) in enumerate(children(vit.blocks)):
            if i == QUERY_LAYER:
                # In front, so that the patches stay last. What the stream has yet to take in is nothing for them.
                x = torch.cat([query, x], 1)
                y = torch.cat([torch.zeros_like(query, dtype=y.dtype), y], 1)
            x, y = block.forward(x, y, gamma, sin, cos)
            gamma = block.ls2.gamma
        return add_norm(x, y, gamma, vit.norm.weight, vit.norm.bias, 1e-5, x.dtype)[1]

    # Queries B×Q×C and patches B×H/16×W/16×C of them
    def parts(self, tokens: Tensor, images: Tensor) -> Tuple[Tensor, Tensor]:
        queries = tokens[:, : getattr(self.segmentation_model, "1").query.weight.size(0)].contiguous()
        height, width = images.size(2) // PATCH_SIZE, images.size(3) // PATCH_SIZE
        return queries, to_map(patch_tokens(tokens, images), height, width)

    # images B×3×H×W, normalised, H and W multiples of 32. Queries B×Q×C (the input of class_embed) and mask logits
    # B×Q×H/4×W/4, both float32.
    def decode(self, images: Tensor) -> Tuple[Tensor, Tensor]:
        return self.decode_tokens(images, self.tokens(images))

    # The same of those tokens
    def decode_tokens(self, images: Tensor, tokens: Tensor) -> Tuple[Tensor, Tensor]:
        head = getattr(self.segmentation_model, "1")
        queries, patches = self.parts(tokens, images)
        return queries, widen(head.masks(queries, head.upscaled(patches)))

    # Class logits B×Q×K and mask logits B×Q×H/4×W/4
    def forward(self, images: Tensor) -> Tuple[Tensor, Tensor]:
        queries, masks = self.decode(images)
        return widen(getattr(self.segmentation_model, "1").class_embed.forward(queries)), masks

    # Every intermediate array by name, for tests: an error names the part it is in.
    def taps(self, images: Tensor) -> Dict[str, Tensor]:
        head = getattr(self.segmentation_model, "1")
        out: Dict[str, Tensor] = {}
        queries, patches = self.parts(self.tokens(images), images)
        out["queries"] = queries
        out["patches"] = patches.permute([0, 3, 1, 2])
        upscaled = head.upscaled(patches)
        out["upscaled"] = upscaled.permute([0, 3, 1, 2])
        out["mask_embedding"] = head.mask_head.forward(queries)
        out["pred_logits"] = widen(head.class_embed.forward(queries))
        out["pred_masks"] = widen(head.masks(queries, upscaled))
        return out
