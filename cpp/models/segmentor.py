# The whole network: backbone, adapter, pixel decoder, predictor. Keys: `segmentation_model.0.…`, `segmentation_model.1.…`.


class SegmentationHead:
    pixel_decoder: PixelDecoder
    predictor: Predictor


class SegmentationModel:
    __annotations__["0"] = Adapter
    __annotations__["1"] = SegmentationHead


# The patch tokens among all tokens, B×(H/16·W/16)×C
def patch_tokens(tokens: Tensor, images: Tensor) -> Tensor:
    patches = (images.size(2) // PATCH_SIZE) * (images.size(3) // PATCH_SIZE)
    return tokens[:, tokens.size(1) - patches :]


# Patch tokens as a map B×C×H/16×W/16
def patch_map(tokens: Tensor, images: Tensor) -> Tensor:
    height, width = images.size(2) // PATCH_SIZE, images.size(3) // PATCH_SIZE
    return to_map(patch_tokens(tokens, images), height, width).permute([0, 3, 1, 2]).contiguous()


# Those of several layers side by side, B×(layers·C)×H/16×W/16
def layer_map(tokens: List[Tensor], images: Tensor) -> Tensor:
    return patch_map(torch.cat(tokens, 2), images)


# Puts the tapped layers' tokens among the arrays of a `taps`; the patch tokens of each.
def add_layer_taps(out: Dict[str, Tensor], layers: List[Tensor], images: Tensor) -> List[Tensor]:
    taps: List[Tensor] = []
    for (i, tokens) in enumerate(layers):
        taps.append(patch_tokens(tokens, images))
        out["vit." + str(i) + ".patch"] = taps[i]
        out["vit." + str(i) + ".cls"] = tokens[:, 0]
    return taps


class Segmentor:
    segmentation_model: SegmentationModel

    # images B×3×H×W, normalised, H and W multiples of 32. Queries B×Q×hidden (the input of class_embed) and mask logits
    # B×Q×H/4×W/4, both float32.
    def decode(self, images: Tensor) -> Tuple[Tensor, Tensor]:
        return self.decode_tokens(images, getattr(self.segmentation_model, "0").backbone.forward(images))

    # The same of the backbone's tapped layers
    def decode_tokens(self, images: Tensor, tokens: List[Tensor]) -> Tuple[Tensor, Tensor]:
        head = getattr(self.segmentation_model, "1")
        taps = [patch_tokens(layer, images) for layer in tokens]
        maps = getattr(self.segmentation_model, "0").forward(images, taps)
        mask_features, levels = head.pixel_decoder.forward(maps)
        return head.predictor.forward(levels, mask_features)

    # Normalised patch features of the backbone's last tapped layer, B×C×H/16×W/16 float32, of the backbone alone
    def features(self, images: Tensor) -> Tensor:
        return patch_map(getattr(self.segmentation_model, "0").backbone.last(images), images)

    # Of the four tapped layers side by side, B×4C×H/16×W/16; the last C channels are those of `features`.
    def layer_features(self, images: Tensor) -> Tensor:
        return layer_map(getattr(self.segmentation_model, "0").backbone.forward(images), images)

    # decode and features of one pass: queries, mask logits, features
    def decode_with_features(self, images: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        tokens = getattr(self.segmentation_model, "0").backbone.forward(images)
        queries, masks = self.decode_tokens(images, tokens)
        return queries, masks, patch_map(tokens[-1], images)

    # The same with layer_features
    def decode_with_layer_features(self, images: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        tokens = getattr(self.segmentation_model, "0").backbone.forward(images)
        queries, masks = self.decode_tokens(images, tokens)
        return queries, masks, layer_map(tokens, images)

    # Class logits B×Q×K and mask logits B×Q×H/4×W/4
    def forward(self, images: Tensor) -> Tuple[Tensor, Tensor]:
        queries, masks = self.decode(images)
        return widen(getattr(self.segmentation_model, "1").predictor.class_embed.forward(queries)), masks

    # Every intermediate array by name, for tests: an error names the part it is in.
    def taps(self, images: Tensor) -> Dict[str, Tensor]:
        adapter = getattr(self.segmentation_model, "0")
        head = getattr(self.segmentation_model, "1")
        out: Dict[str, Tensor] = {}
        taps = add_layer_taps(out, adapter.backbone.forward(images), images)
        features = adapter.forward(images, taps)
        for (i, feature) in enumerate(features):
            out["adapter.f" + str(i + 1)] = feature.permute([0, 3, 1, 2])
        mask_features, levels = head.pixel_decoder.forward(features)
        for (i, level) in enumerate(levels):
            out["pixel_decoder.level" + str(i)] = level.permute([0, 3, 1, 2])
        out["pixel_decoder.mask_features"] = mask_features.permute([0, 3, 1, 2])
        queries, masks = head.predictor.forward(levels, mask_features)
        out["predictor.queries"] = queries
        out["pred_logits"] = widen(head.predictor.class_embed.forward(queries))
        out["pred_masks"] = masks
        return out
