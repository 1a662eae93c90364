/** Linear heads of DINOv3's evaluation, and their logits by plain arithmetic in float64. */
import type { ProbeValues } from '../../lib/model/probe-file.js';
import type { Stored } from './safetensors.js';
import { torchSave } from './torch-save.js';

/** Values that keep logits apart from each other. */
export function linearHead(classes: number, width: number): ProbeValues {
  const wave = (length: number, step: number, base: number, scale: number) =>
    Float32Array.from({ length }, (_, i) => base + scale * Math.sin(step * (i + 1)));
  return {
    ...{ classes, width, layers: 1 },
    weight: wave(classes * width, 1.7, 0, 0.3),
    bias: wave(classes, 2.3, 0, 0.5),
    gamma: wave(width, 0.9, 1, 0.4),
    beta: wave(width, 1.1, 0, 0.3),
    runningMean: wave(width, 1.3, 0.1, 0.4),
    runningVar: wave(width, 0.7, 1.2, 0.8),
  };
}

/** Writes a head as DINOv3's training script does; returns the path. */
export async function writeLinearHead(path: string, head: ProbeValues): Promise<string> {
  const { classes, width } = head;
  const norm = 'segmentation_model.1.batchnorm_layer.';
  const conv = 'segmentation_model.1.conv.';
  await torchSave(path, {
    iteration: 1,
    model: {
      [`${norm}weight`]: { shape: [width], data: head.gamma },
      [`${norm}bias`]: { shape: [width], data: head.beta },
      [`${norm}running_mean`]: { shape: [width], data: head.runningMean },
      [`${norm}running_var`]: { shape: [width], data: head.runningVar },
      [`${norm}num_batches_tracked`]: { shape: [], data: [1], dtype: 'int64' },
      [`${conv}weight`]: { shape: [classes, width, 1, 1], data: head.weight },
      [`${conv}bias`]: { shape: [classes], data: head.bias },
    },
  });
  return path;
}

/** Patch tokens B×P×C of layers as maps B×(layers·C)×P, side by side. */
export function patchMaps(layers: readonly Stored[]): Float32Array {
  const [batch, patches, width] = layers[0]!.shape as [number, number, number];
  const channels = width * layers.length;
  const maps = new Float32Array(batch * channels * patches);
  for (const [layer, { data }] of layers.entries())
    for (let i = 0; i < data.length; i++) {
      const [b, p, c] = [Math.floor(i / (patches * width)), Math.floor(i / width) % patches, i % width];
      maps[(b * channels + layer * width + c) * patches + p] = Number(data[i]);
    }
  return maps;
}

/** Logits B×K×H×W of maps B×C×h×w (h = H/16, w = W/16), resized bilinearly with corners not aligned. */
export function linearLogits(
  head: ProbeValues,
  maps: Float32Array,
  [batch, , height, width]: readonly [number, number, number, number],
): Float64Array {
  const [h, w] = [height / 16, width / 16];
  const scores = new Float64Array(batch * head.classes * h * w);
  for (let b = 0; b < batch; b++)
    for (let k = 0; k < head.classes; k++)
      for (let p = 0; p < h * w; p++) {
        let score = head.bias[k]!;
        for (let c = 0; c < head.width; c++) {
          const x = maps[(b * head.width + c) * h * w + p]!;
          const normed = (x - head.runningMean[c]!) / Math.sqrt(head.runningVar[c]! + 1e-5);
          score += head.weight[k * head.width + c]! * (normed * head.gamma[c]! + head.beta[c]!);
        }
        scores[(b * head.classes + k) * h * w + p] = score;
      }
  const logits = new Float64Array(batch * head.classes * height * width);
  for (let map = 0; map < batch * head.classes; map++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const [top, bottom, down] = neighbours(y, height, h);
        const [left, right, along] = neighbours(x, width, w);
        const at = (row: number, column: number) => scores[(map * h + row) * w + column]!;
        logits[(map * height + y) * width + x] =
          (1 - down) * ((1 - along) * at(top, left) + along * at(top, right)) +
          down * ((1 - along) * at(bottom, left) + along * at(bottom, right));
      }
  return logits;
}

/** The two grid places between which a pixel lies, and how far it is from the first. */
function neighbours(pixel: number, pixels: number, places: number): [number, number, number] {
  const place = Math.max(0, ((pixel + 0.5) * places) / pixels - 0.5);
  const first = Math.floor(place);
  return [first, Math.min(first + 1, places - 1), place - first];
}
