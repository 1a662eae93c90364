/** A random network for the benches: the released structure with 1.1 million parameters. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SegmentationModel, convert } from '../dist/index.js';
import { engine } from '../dist/native/engine.js';
import { median } from './figures.mjs';

/** Writes checkpoints and network to a folder that goes with the process; returns their paths. */
export async function writeNetwork() {
  const folder = mkdtempSync(join(tmpdir(), 'dinov3-seg-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const paths = {
    folder,
    backbone: join(folder, 'backbone.safetensors'),
    head: join(folder, 'head.safetensors'),
    model: join(folder, 'model.pt'),
  };
  await engine().callOperator('dinov3_seg_reference::init_checkpoint', [
    'tiny',
    1,
    paths.backbone,
    paths.head,
  ]);
  await convert({ backbone: paths.backbone, head: paths.head, out: paths.model });
  return paths;
}

export async function loadNetwork(options) {
  const paths = await writeNetwork();
  return { paths, model: await SegmentationModel.load(paths.model, options) };
}

/** Pixels of a made-up image. */
export function picture(width, height) {
  return { data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) >> 3), width, height };
}

/** Median and largest of numbers, as text. */
export function summary(values, unit = 'ms', digits = 1) {
  const worst = Math.max(...values);
  return `median ${median(values).toFixed(digits)} ${unit}, worst ${worst.toFixed(digits)} ${unit}`;
}

/** A tensor's handle on another device. */
export function toDevice(handle, device) {
  return engine().callOperator('aten::to.dtype_layout', [handle, undefined, undefined, device]);
}

export function setting(text) {
  const { torch, threads } = engine().info();
  console.log(`# ${text}; libtorch ${torch}, ${threads} threads, node ${process.version}`);
}
