# What the detector sees of an image: the backbone's tapped layers of windows, and of the whole at a window's size.


# The rows×columns windows of x B×C×H×W, (rows·columns·B)×C×h×w
def windows_of(x: Tensor, rows: int, columns: int) -> Tensor:
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, rows, height // rows, columns, width // columns)
    return x.permute([2, 4, 0, 1, 3, 5]).flatten(0, 2)


# The reverse for their maps, (rows·columns·B)×h×w×C to B×(rows·h)×(columns·w)×C
def join_windows(x: Tensor, rows: int, columns: int) -> Tensor:
    windows, height, width, channels = x.shape
    x = x.reshape(rows, columns, windows // (rows * columns), height, width, channels)
    return x.permute([2, 0, 3, 1, 4, 5]).reshape(-1, rows * height, columns * width, channels)


# Antialiased. x B×C×H×W
def resize_smooth(x: Tensor, height: int, width: int) -> Tensor:
    return torch._upsample_bilinear2d_aa(x, [height, width], False)


class TappedBackbone:
    backbone: Vit

    # Patch features of the tapped layers side by side, B×H/16×W/16×(taps·C)
    def forward(self, images: Tensor) -> Tensor:
        height, width = images.size(2) // PATCH_SIZE, images.size(3) // PATCH_SIZE
        maps: List[Tensor] = []
        for tokens in self.backbone.forward(images):
            maps.append(to_map(patch_tokens(tokens, images), height, width))
        return torch.cat(maps, 3)


class WindowedBackbone:
    _backbone: TappedBackbone

    # Pixels of a window along a side; the last one has what is left.
    def window_length(self, length: int) -> int:
        return (length // WINDOWS + PATCH_SIZE - 1) // PATCH_SIZE * PATCH_SIZE

    # Of the rows×columns windows of x
    def windows(self, x: Tensor, rows: int, columns: int) -> Tensor:
        return join_windows(self._backbone.forward(windows_of(x, rows, columns)), rows, columns)

    # Of the whole image at a window's size, B×h×w×(taps·C), and of the windows, B×H/16×W/16×(taps·C)
    def parts(self, images: Tensor) -> Tuple[Tensor, Tensor]:
        batch, _, height, width = images.shape
        tall, wide = self.window_length(height), self.window_length(width)
        rows = WINDOWS if tall * WINDOWS == height else WINDOWS - 1
        columns = WINDOWS if wide * WINDOWS == width else WINDOWS - 1
        # Windows of other sizes lie below and to the right of these, which go through the backbone with the whole.
        bottom, right = rows * tall, columns * wide
        alike = windows_of(images[:, :, :bottom, :right], rows, columns)
        features = self._backbone.forward(torch.cat([resize_smooth(images, tall, wide), alike], 0))
        whole, local = features[:batch], join_windows(features[batch:], rows, columns)
        if right < width:
            local = torch.cat([local, self.windows(images[:, :, :bottom, right:], rows, 1)], 2)
        if bottom < height:
            below = self.windows(images[:, :, bottom:, :right], 1, columns)
            if right < width:
                below = torch.cat([below, self.windows(images[:, :, bottom:, right:], 1, 1)], 2)
            local = torch.cat([local, below], 1)
        return whole, local


# Both parts of a WindowedBackbone at the windows' size, side by side: B×H/16×W/16×(2·taps·C)
def join_parts(whole: Tensor, local: Tensor) -> Tensor:
    whole = resize_smooth(whole.permute([0, 3, 1, 2]), local.size(1), local.size(2))
    return torch.cat([whole.permute([0, 2, 3, 1]), local], 3)


class DetectorBackbone:
    __annotations__["0"] = WindowedBackbone

    def parts(self, images: Tensor) -> Tuple[Tensor, Tensor]:
        return getattr(self, "0").parts(images)
