# The DINOv3 vision transformer (Siméoni et al. 2025). Keys: the backbone's own file.


def rotate_half(x: Tensor) -> Tensor:
    half = x.size(-1) // 2
    return torch.cat([-x[..., half:], x[..., :half]], -1)


# Rotates the queries and keys of patches. qkv B×N×3×M×D; sin, cos P×D for the last P tokens. Computed in the dtype of sin
# (float32), returned in that of qkv.
def rotate_qkv(qkv: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
    first = qkv.size(1) - sin.size(0)
    patches = qkv[:, first:, :2].to(sin.dtype)
    sin, cos = sin.reshape(-1, 1, 1, sin.size(1)), cos.reshape(-1, 1, 1, cos.size(1))
    patches = (patches * cos + rotate_half(patches) * sin).to(qkv.dtype)
    rotated = torch.cat([qkv[:, :first, :2], patches], 1)
    return torch.cat([rotated, qkv[:, :, 2:]], 2)


def gated(gate: Tensor, x: Tensor) -> Tensor:
    return torch.silu(gate) * x


# A convolution of 16×16 with stride 16 sees every patch once: one product.
class PatchEmbed:
    proj: Conv2d

    # B×3×H×W to B×(H/16·W/16)×C
    def forward(self, images: Tensor) -> Tensor:
        w = self.proj.weight
        batch, height, width = images.size(0), images.size(2) // PATCH_SIZE, images.size(3) // PATCH_SIZE
        patches = images.to(w.dtype).reshape(batch, 3, height, PATCH_SIZE, width, PATCH_SIZE)
        patches = patches.permute([0, 2, 4, 1, 3, 5]).reshape(batch, height * width, 3 * PATCH_SIZE * PATCH_SIZE)
        return widen(torch.linear(patches, w.reshape(w.size(0), -1), self.proj.bias))


class RopeEmbed:
    periods: Buffer

    # Sines and cosines of an H×W grid of patches, (H·W)×D each: [y·periods, x·periods] twice
    def forward(self, height: int, width: int) -> Tuple[Tensor, Tensor]:
        periods = widen(self.periods)
        y = (torch.arange(height, dtype=periods.dtype, device=periods.device) + 0.5) / height
        x = (torch.arange(width, dtype=periods.dtype, device=periods.device) + 0.5) / width
        y = y.unsqueeze(1).expand([height, width])
        x = x.unsqueeze(0).expand([height, width])
        coords = 2.0 * torch.stack([y, x], -1).reshape(height * width, 2, 1) - 1.0
        angles = (6.283185307179586 * coords / periods).flatten(1)
        angles = torch.cat([angles, angles], 1)
        return torch.sin(angles), torch.cos(angles)


class Attention:
    qkv: Linear
    proj: Linear

    def forward(self, x: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        head_dim = sin.size(1)
        qkv = self.qkv.forward(x).reshape(batch, tokens, 3, width // head_dim, head_dim)
        q, k, v = torch.unbind(rotate_qkv(qkv, sin, cos).transpose(1, 3), 2)  # B×M×N×D each
        x = torch.scaled_dot_product_attention(q, k, v)
        return self.proj.forward(x.transpose(1, 2).reshape(batch, tokens, width))


class FeedForward:
    fc1: Optional[Linear]
    fc2: Optional[Linear]
    w1: Optional[Linear]
    w2: Optional[Linear]
    w3: Optional[Linear]

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "w3"):
            y = self.w3.forward(gated(self.w1.forward(x), self.w2.forward(x)))
        else:
            y = self.fc2.forward(torch.gelu(self.fc1.forward(x)))
        return y


class LayerScale:
    gamma: Parameter


class Block:
    norm1: LayerNorm
    attn: Attention
    ls1: LayerScale
    norm2: LayerNorm
    mlp: FeedForward
    ls2: LayerScale

    # The residual stream x has yet to take in y·gamma, of the block before; so has what is returned.
    def forward(self, x: Tensor, y: Tensor, gamma: Tensor, sin: Tensor, cos: Tensor) -> Tuple[Tensor, Tensor]:
        dtype = self.attn.proj.weight.dtype
        x, normed = add_norm(x, y, gamma, self.norm1.weight, self.norm1.bias, 1e-5, dtype)
        y = self.attn.forward(normed, sin, cos)
        x, normed = add_norm(x, y, self.ls1.gamma, self.norm2.weight, self.norm2.bias, 1e-5, dtype)
        return x, self.mlp.forward(normed)


class Vit:
    cls_token: Parameter
    storage_tokens: Optional[Parameter]
    mask_token: Parameter
    patch_embed: PatchEmbed
    rope_embed: RopeEmbed
    blocks: ModuleList[Block]
    norm: LayerNorm
    local_cls_norm: Optional[LayerNorm]

    # What goes into the first block, B×(1 + storage + H/16·W/16)×C, and the sines and cosines of the patches' places
    def embed(self, images: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        patches = self.patch_embed.forward(images)
        batch, width = patches.size(0), patches.size(2)
        sin, cos = self.rope_embed.forward(images.size(2) // PATCH_SIZE, images.size(3) // PATCH_SIZE)
        tokens = [widen(self.cls_token).expand([batch, 1, width])]
        if hasattr(self, "storage_tokens"):
            tokens.append(widen(self.storage_tokens).expand([batch, self.storage_tokens.size(1), width]))
        tokens.append(patches)
        return torch.cat(tokens, 1), sin, cos

    # The normalised tokens of blocks, B×(1 + storage + H/16·W/16)×C each
    def tokens_of(self, layers: List[int], images: Tensor) -> List[Tensor]:
        x, sin, cos = self.embed(images)
        y, gamma = torch.zeros_like(x), torch.ones_like(x[0, 0])
        taps: List[Tensor] = []
        for (i, block) in enumerate(children(self.blocks)):
            if i <= layers[-1]:
                x, y = block.forward(x, y, gamma, sin, cos)
                gamma = block.ls2.gamma
                if i in layers:
                    taps.append(add_norm(x, y, gamma, self.norm.weight, self.norm.bias, 1e-5, x.dtype)[1])
        return taps

    # Of the tapped blocks
    def forward(self, images: Tensor) -> List[Tensor]:
        return self.tokens_of(TAPPED_LAYERS, images)

    # Of the last of them alone
    def last(self, images: Tensor) -> Tensor:
        return self.tokens_of([TAPPED_LAYERS[-1]], images)[0]
