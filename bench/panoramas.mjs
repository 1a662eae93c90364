/**
 * A table of panoramas of 16384×8192 within 4 GB: peak memory and seconds an image, counted at full size, at 4 megapixels, and as four
 * perspective views. JSON.
 *   node bench/panoramas.mjs [device] [arch] [images] [images at full size] [limit in GB]
 * Random weights; three drawn JPEG files stand for all panoramas. Each measurement is a process of its own in a memory control group
 * (v1 or v2, needs root), except at full size (0 images: not measured), which does not fit; without control groups the limit is not set, which `limit` says.
 * Default: cpu, tiny, 200, 4, 4.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { extractTable, initModel, listPanoramaViews, openFeatureExtractor } from '../dist/index.js';
import { drawScene } from '../packages/street-scenes/index.mjs';
import { round } from './figures.mjs';

const [width, height] = [16384, 8192];
const modes = {
  'full size': { countSize: 1000 },
  'count at 4 megapixels': {},
  'four views, a row each': { panorama: {} },
  'four views, their mean': { panorama: {}, panoramaRows: 'mean' },
};

/** A group with a limit of memory that a process can enter; undefined where there are none. */
function controlGroup(bytes) {
  const name = `dinov3-seg-bench-${process.pid}`;
  for (const [root, limit] of [
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
    ['/sys/fs/cgroup', 'memory.max'],
  ])
    try {
      const folder = join(root, name);
      mkdirSync(folder);
      if (!existsSync(join(folder, limit))) {
        rmdirSync(folder);
        continue;
      }
      writeFileSync(join(folder, limit), String(bytes));
      return folder;
    } catch {
      // Not here.
    }
  return undefined;
}

async function measure({ device, model, mode, files, images, folder }) {
  const options = modes[mode];
  const extractor = await openFeatureExtractor({
    ...{ model, device, imageSize: 512, set: '230', ...options },
  });
  const entries = Array.from({ length: images }, (_, i) => ({
    ...{ id: String(i), path: files[i % files.length], carried: [] },
  }));
  const given = { carried: [], entries };
  const list = mode === 'four views, a row each' ? listPanoramaViews(given, options.panorama) : given;
  const started = performance.now();
  const output = join(folder, `${mode}.csv`);
  const summary = await extractTable(extractor, list, { output });
  const seconds = (performance.now() - started) / 1000;
  await extractor[Symbol.asyncDispose]();
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1];
  return {
    ...{ mode, images, rows: summary.rows, failures: summary.failures.length },
    secondsAnImage: round(seconds / images),
    peakGb: round(Number(peak) / 2 ** 20),
  };
}

if (process.argv[2] === '--measure') {
  console.log(JSON.stringify(await measure(JSON.parse(process.argv[3]))));
  process.exit(0);
}

const [device = 'cpu', arch = 'tiny', images = '200', atFullSize = '4', limitGb = '4'] =
  process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'dinov3-seg-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const model = join(folder, 'model.pt');
await initModel({ arch, seed: 1, out: model });
const files = [];
for (let index = 0; index < 3; index++) {
  const { image } = await drawScene({ seed: 1, index, width: width / 8, height: height / 8 });
  const file = join(folder, `${index}.jpg`);
  await sharp(image.data, { raw: { width: width / 8, height: height / 8, channels: 3 } })
    .resize(width, height)
    .jpeg({ quality: 90 })
    .toFile(file);
  files.push(file);
}
const rows = [];
for (const mode of Object.keys(modes)) {
  const isWhole = mode === 'full size';
  const group = isWhole ? undefined : controlGroup(Number(limitGb) * 2 ** 30);
  const given = { device, model, mode, files, images: Number(isWhole ? atFullSize : images), folder };
  if (given.images === 0) continue;
  const enter = group ? `echo $$ > ${group}/cgroup.procs && ` : '';
  const command = `${enter}exec "$0" "$@"`;
  const { stdout, status, signal } = spawnSync(
    'sh',
    ['-c', command, process.execPath, import.meta.filename, '--measure', JSON.stringify(given)],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const limit = group ? `${limitGb} GB` : 'none';
  rows.push(status === 0 ? { ...JSON.parse(stdout), limit } : { mode, limit, ended: signal ?? status });
  console.error(JSON.stringify(rows.at(-1)));
  if (group) execFileSync('rmdir', [group]);
}
const machine = { device, cores: availableParallelism(), node: process.version };
console.log(JSON.stringify({ bench: 'panoramas', arch, width, height, ...machine, rows }, null, 2));
