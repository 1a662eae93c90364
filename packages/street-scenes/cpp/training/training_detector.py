# The detector in training: stands in place of its namesake, as training.py's functions and classes do.


class Detector:
    backbone: DetectorBackbone
    transformer: DetrTransformer
    class_embed: ModuleList[Linear]
    bbox_embed: ModuleList[Mlp]
    query_embed: Embedding
    input_proj: ModuleList[DetectorInput]

    # images as forward (detector.py) takes them. Of the N proposals logits B×1×N×1 of anything's being there and boxes
    # B×1×N×4; then, of the L decoder layers, class logits B×L×Q×K and boxes B×L×Q×4: with the half of query_embed that
    # inference uses, the last layer's being forward's, and with the other half, which begins at the next best proposals.
    def predictions(self, images: Tensor) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        height, width = images.size(2), images.size(3)
        head = self.transformer
        whole, local = self.backbone.parts(images)
        x = children(self.input_proj)[0].forward(whole, local)
        batch, rows, columns, channels = x.shape
        position = sine_positions(rows, columns, channels, 0.5, x) + widen(head.level_embed)[0]
        memory = head.encoder.forward(x.flatten(1, 2), position)

        boxes, tokens = head.proposals(to_map(memory, rows, columns), height, width)
        boxes = refine_boxes(boxes, children(self.bbox_embed)[PROPOSAL_LAYER].forward(tokens), height, width)
        scores = children(self.class_embed)[PROPOSAL_LAYER].forward(tokens)[..., 0]
        stored = self.query_embed.weight.size(0)
        order = torch.topk(scores.detach(), stored, 1)[1]
        first = torch.gather(boxes.detach(), 1, order.unsqueeze(2).expand([batch, stored, 4]))

        queries = stored // 2
        size = (rows, columns)
        logits, found = self.decoded(0, first[:, :queries], memory + position, memory, size, height, width)
        more_logits, more = self.decoded(queries, first[:, queries:], memory + position, memory, size, height, width)
        return scores.unsqueeze(1).unsqueeze(3), boxes.unsqueeze(1), logits, found, more_logits, more

    # What the queries of query_embed from `start` on make of boxes B×Q×4, after each layer. No gradient goes from a
    # layer's boxes into those before.
    def decoded(
        self, start: int, boxes: Tensor, key: Tensor, value: Tensor, size: Tuple[int, int], height: int, width: int
    ) -> Tuple[Tensor, Tensor]:
        head = self.transformer
        batch, queries = boxes.size(0), boxes.size(1)
        position = head.position(boxes)
        x = self.query_embed.weight[start : start + queries].unsqueeze(0).expand([batch, queries, key.size(2)])
        logits: List[Tensor] = []
        found: List[Tensor] = []
        for (i, layer) in enumerate(children(head.decoder.layers)):
            x = layer.forward(x, position, boxes, key, value, size)
            normed = head.decoder.final_layer_norm.forward(x, 1e-5)
            logits.append(children(self.class_embed)[i].forward(normed))
            refined = refine_boxes(boxes, children(self.bbox_embed)[i].forward(normed), height, width)
            found.append(refined)
            boxes = refined.detach()
        return torch.stack(logits, 1), torch.stack(found, 1)
