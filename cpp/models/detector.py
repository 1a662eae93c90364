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

    # What the encoder makes of the backbone's parts, B×(h·w)×C at stride 16, and the positions of its places, 1×(h·w)×C
    def encode(self, whole: Tensor, local: Tensor) -> Tuple[Tensor, Tensor]:
        x = children(self.input_proj)[0].forward(whole, local)
        _, rows, columns, channels = x.shape
        position = sine_positions(rows, columns, channels, 0.5, x) + widen(self.transformer.level_embed)[0]
        return self.transformer.encoder.forward(x.flatten(1, 2), position), position

    # The boxes that the decoder begins with, B×Q×4: of images height×width, the best of all proposals
    def propose(self, memory: Tensor, height: int, width: int) -> Tensor:
        head = self.transformer
        batch, _, channels = memory.shape
        queries = self.query_embed.weight.size(0) // 2
        maps = to_map(memory, height // PATCH_SIZE, width // PATCH_SIZE)
        places, tokens = head.proposals(maps, height, width)
        scores = children(self.class_embed)[PROPOSAL_LAYER].forward(tokens)[..., 0]
        order = torch.topk(scores, queries, 1)[1].unsqueeze(2)
        boxes = torch.gather(places.expand([batch, -1, 4]), 1, order.expand([batch, queries, 4]))
        tokens = torch.gather(tokens, 1, order.expand([batch, queries, channels]))
        return refine_boxes(boxes, children(self.bbox_embed)[PROPOSAL_LAYER].forward(tokens), height, width)

    # What forward() gives, of the results of encode() and propose()
    def predict(
        self, memory: Tensor, position: Tensor, boxes: Tensor, height: int, width: int
    ) -> Tuple[Tensor, Tensor]:
        head = self.transformer
        size = (height // PATCH_SIZE, width // PATCH_SIZE)
        query_position = head.position(boxes)
        key = memory + position
        x = widen(self.query_embed.weight)[: boxes.size(1)].unsqueeze(0).expand([boxes.size(0), -1, -1])
        normed = x
        for (i, layer) in enumerate(children(head.decoder.layers)):
            x = layer.forward(x, query_position, boxes, key, memory, size)
            normed = head.decoder.final_layer_norm.forward(x, 1e-5)
            boxes = refine_boxes(boxes, children(self.bbox_embed)[i].forward(normed), height, width)
        logits = children(self.class_embed)[FINAL_LAYER].forward(normed)
        return widen(logits), widen(boxes)

    # Class logits B×Q×K (before the sigmoid) and boxes B×Q×4 (centre x, centre y, width, height in pixels of the images),
    # both float32. Q is half of query_embed: the other half serves training alone.
    def forward(self, images: Tensor) -> Tuple[Tensor, Tensor]:
        height, width = images.size(2), images.size(3)
        whole, local = self.backbone.parts(images)
        memory, position = self.encode(whole, local)
        return self.predict(memory, position, self.propose(memory, height, width), height, width)
