/**
 * Time and memory of loading a detector alone, and beside a segmentor whose backbone it shares. JSON.
 *   node bench/shared-load.mjs [device] [detector] [float32|bfloat16] [folder]
 * Default: cpu, dinov3_vitl16_detr, bfloat16 (0.9 GB, and 2.4 GB of the segmentor). Host memory: anonymous, at its peak above the
 * start. Device memory: what is free less than before, right after loading.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DetectionModel,
  SegmentationModel,
  architectures,
  detectorArchitectures,
  initModel,
} from '../dist/index.js';
import { engine } from '../dist/native/engine.js';
import { watchMemory } from './anonymous-memory.mjs';

const [device = 'cpu', arch = 'dinov3_vitl16_detr', dtype = 'bfloat16', place = tmpdir()] =
  process.argv.slice(2);
const folder = mkdtempSync(join(place, 'dinov3-seg-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name) => join(folder, name);
const segmentorArch = architectures[detectorArchitectures.indexOf(arch)];
await initModel({ arch, dtype, device, out: at('detector.pt') });
await initModel({ arch: segmentorArch, dtype, device, out: at('segmentor.pt') });
const name = device === 'cuda' ? 'cuda:0' : device;
const freeNow = () =>
  engine()
    .devices()
    .find((found) => found.name === name).freeBytes;
const segmentor = await SegmentationModel.load(at('segmentor.pt'), { device });

async function measure(options) {
  const free = freeNow();
  let detector;
  const { seconds, before, peak } = await watchMemory(async () => {
    detector = await DetectionModel.load(at('detector.pt'), { device, ...options });
  });
  const deviceBytes = name === 'cpu' ? null : free - freeNow();
  const { sharedBytes } = detector;
  const weightBytes = engine().storageBytes([detector.handle]);
  detector.dispose();
  return { seconds, peakHostBytes: peak - before, deviceBytes, weightBytes, sharedBytes };
}

const shared = await measure({ shareWith: segmentor });
const alone = await measure({});
console.log(
  JSON.stringify(
    {
      bench: 'shared-load',
      arch,
      dtype,
      device: name,
      versions: { node: process.version, libtorch: engine().info().torch },
      fileBytes: statSync(at('detector.pt')).size,
      shared,
      alone,
    },
    null,
    2,
  ),
);
process.exit(0);
