# The whole detector: backbone and Plain-DETR. Keys: the head's own, and `backbone.0._backbone.backbone.…`.


# The convolution of the backbone's features. In a network that predicts (folded_chains.h) `whole` and `local` are its halves,
# in the place of "0": products and resizing change places, so that the whole image's features stay at a window's size.
class DetectorInput:
    __annotations__["0"] = Optional[PointConv]
    __annotations__["1"] = GroupNorm
    whole: Optional[Linear]
    local: Optional[Linear]

    # Of the parts that a WindowedBackbone gives; B×H/16×W/16×C
    def forward(self, whole: Tensor, local: Tensor) -> Tensor:
        if hasattr(self, "whole"):
            x = add_resized(self.local.forward(local), self.whole.forward(whole), None, None)
        else:
            x = getattr(self, "0").forward(join_parts(whole, local))
        return getattr(self, "1").forward(x, False)


class Detector:
    backbone: DetectorBackbone
    transformer: DetrTransformer
    class_embed: ModuleList[Linear]
    bbox_embed: ModuleList[Mlp]
    query_embed: Embedding
    input_proj: ModuleList[DetectorInput]

    # images B×3×H×W, normalised, H and W multiples of 16 from 80. The backbone's features that the head takes,
    # B×(2·taps·C)×H/16×W/16: of the whole image, then of the windows.
    def features(self, images: Tensor) -> Tensor:
        whole, local = self.backbone.parts(images)
        return join_parts(whole, local).permute([0, 3, 1, 2]).contiguous()

    # Class logits B×Q×K (before the sigmoid) and boxes B×Q×4 (centre x, centre y, width, height in pixels of the images),
    # both float32. Q is half of query_embed: the other half serves training alone.
    def forward(self, images: Tensor) -> Tuple[Tensor, Tensor]:
        height, width = images.size(2), images.size(3)
        head = self.transformer
        whole, local = self.backbone.parts(images)
        x = children(self.input_proj)[0].forward(whole, local)
        batch, rows, columns, channels = x.shape
        position = sine_positions(rows, columns, channels, 0.5, x) + widen(head.level_embed)[0]
        memory = head.encoder.forward(x.flatten(1, 2), position)  # B×(h·w)×C

        queries = self.query_embed.weight.size(0) // 2
        places, tokens = head.proposals(to_map(memory, rows, columns), height, width)
        scores = children(self.class_embed)[PROPOSAL_LAYER].forward(tokens)[..., 0]
        order = torch.topk(scores, queries, 1)[1].unsqueeze(2)
        boxes = torch.gather(places.expand([batch, -1, 4]), 1, order.expand([batch, queries, 4]))
        tokens = torch.gather(tokens, 1, order.expand([batch, queries, channels]))
        boxes = refine_boxes(boxes, children(self.bbox_embed)[PROPOSAL_LAYER].forward(tokens), height, width)

        query_position = head.position(boxes)
        key = memory + position
        x = widen(self.query_embed.weight)[:queries].unsqueeze(0).expand([batch, queries, channels])
        normed = x
        for (i, layer) in enumerate(children(head.decoder.layers)):
            x = layer.forward(x, query_position, boxes, key, memory, (rows, columns))
            normed = head.decoder.final_layer_norm.forward(x, 1e-5)
            boxes = refine_boxes(boxes, children(self.bbox_embed)[i].forward(normed), height, width)
        logits = children(self.class_embed)[FINAL_LAYER].forward(normed)
        return widen(logits), widen(boxes)
