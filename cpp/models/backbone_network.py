# A backbone alone: the vision transformer as a network, with a linear head on its features or without one. Keys: those of
# the reference's linear segmentor, `segmentation_model.0.backbone.…` and `segmentation_model.1.…`.


# Batch norm and a 1×1 convolution (dinov3/eval/segmentation/models/heads/linear_head.py)
class LinearHead:
    batchnorm_layer: BatchNorm
    conv: PointConv

    # Class logits B×K×h×w of features B×C×h×w
    def forward(self, features: Tensor) -> Tensor:
        normed = self.batchnorm_layer.forward(features).permute([0, 2, 3, 1])
        return self.conv.forward(normed).permute([0, 3, 1, 2])


class BareBackbone:
    backbone: Vit


class LinearSegmentor:
    __annotations__["0"] = BareBackbone
    __annotations__["1"] = Optional[LinearHead]


class BackboneNetwork:
    segmentation_model: LinearSegmentor

    # images B×3×H×W, normalised, H and W multiples of 16. Normalised patch features of the last block,
    # B×C×H/16×W/16 float32
    def features(self, images: Tensor) -> Tensor:
        return patch_map(getattr(self.segmentation_model, "0").backbone.last(images), images)

    # Of the tapped blocks side by side, B×(taps·C)×H/16×W/16; the last C channels are those of `features`.
    def layer_features(self, images: Tensor) -> Tensor:
        return layer_map(getattr(self.segmentation_model, "0").backbone.forward(images), images)

    # With a linear head class logits B×K×H×W, without one the features
    def forward(self, images: Tensor) -> Tensor:
        if hasattr(self.segmentation_model, "1"):
            head = getattr(self.segmentation_model, "1")
            width = getattr(self.segmentation_model, "0").backbone.norm.weight.size(0)
            if head.conv.weight.size(1) > width:
                features = self.layer_features(images)
            else:
                features = self.features(images)
            y = torch.upsample_bilinear2d(head.forward(features), [images.size(2), images.size(3)], False)
        else:
            y = self.features(images)
        return y

    # Every array by name, for tests: as a segmentor's, and the class logits of `forward`.
    def taps(self, images: Tensor) -> Dict[str, Tensor]:
        out: Dict[str, Tensor] = {}
        add_layer_taps(out, getattr(self.segmentation_model, "0").backbone.forward(images), images)
        if hasattr(self.segmentation_model, "1"):
            out["logits"] = self.forward(images)
        return out
