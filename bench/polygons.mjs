/**
 * IDD's polygons to label images: annotations a second. The aim is 200 on two cores, files and all.
 *   node bench/polygons.mjs [annotations] [jobs]
 * Two cores: taskset -c 0,1. On a busy machine the processor's milliseconds an annotation tell more than the seconds.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareIdd } from '../dist/index.js';
import { encodePng } from '../dist/data/decode.js';
import { encodeLabelFile } from '../dist/data/label-file.js';
import { drawPolygons, parsePolygons } from '../dist/data/polygons.js';
import { annotation } from './polygon-scenes.mjs';

const count = Number(process.argv[2] ?? 400);
const jobs = process.argv[3] === undefined ? {} : { jobs: Number(process.argv[3]) };
const root = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'polygons-'));
const rows = (name, ...cells) =>
  console.log([name.padEnd(44), ...cells.map((cell) => cell.padStart(12))].join(''));

/** Runs `one` for each text, a few times; wall time and processor time of an annotation in ms. */
async function time(name, inputs, one, repeat = 10) {
  for (const input of inputs) await one(input);
  const cpu = process.cpuUsage();
  const started = performance.now();
  for (let i = 0; i < repeat; i++) for (const input of inputs) await one(input);
  const calls = repeat * inputs.length;
  const { user, system } = process.cpuUsage(cpu);
  rows(name, ((performance.now() - started) / calls).toFixed(2), ((user + system) / 1000 / calls).toFixed(2));
}

try {
  const texts = Array.from({ length: 8 }, (_, i) => JSON.stringify(annotation(i)));
  const parsed = texts.map((text) => parsePolygons(JSON.parse(text), 'bench'));
  const corners = parsed.map(({ points }) => points.length / 2);
  const mean = (values) => Math.round(values.reduce((a, b) => a + b) / values.length);
  console.log(
    `${count} annotations of 1920×1080, on the average ${mean(parsed.map(({ counts }) => counts.length))} objects, ` +
      `${mean(corners)} corners, ${mean(texts.map((text) => text.length))} bytes; ${availableParallelism()} cores`,
  );
  const labels = [];
  for (const one of parsed) {
    const { width, height } = one;
    labels.push({
      width,
      height,
      rows: await drawPolygons(one, { margin: 1 }),
      data: await drawPolygons(one),
    });
  }

  rows('part, one after the other', 'wall ms', 'CPU ms');
  const buffers = texts.map((text) => Buffer.from(text));
  await time('SHA-256', buffers, (bytes) => createHash('sha256').update(bytes).digest('hex'));
  await time('JSON.parse', buffers, (bytes) => JSON.parse(bytes.toString('utf8')));
  await time(
    'checks',
    texts.map((text) => JSON.parse(text)),
    (value) => parsePolygons(value, 'bench'),
  );
  await time('drawPolygons', parsed, (one) => drawPolygons(one, { margin: 1 }));
  await time('encodeLabelFile', labels, (label) => encodeLabelFile(label, 'bench'));
  await time("encodePng (the codec's, for comparison)", labels, ({ data, width, height }) =>
    encodePng(data, width, height, 1),
  );
  const sizes = async (encode) => mean((await Promise.all(labels.map(encode))).map(({ length }) => length));
  rows(
    'bytes of both',
    String(await sizes((label) => encodeLabelFile(label, 'bench'))),
    String(await sizes(({ data, width, height }) => encodePng(data, width, height, 1))),
  );

  mkdirSync(join(root, 'gtFine/train/a'), { recursive: true });
  for (let i = 0; i < count; i++) {
    const path = join(root, 'gtFine/train/a', `${i}_gtFine_polygons.json`);
    writeFileSync(path, JSON.stringify(annotation(i)));
  }
  rows('prepareIdd, whole folder', 'a second', 'CPU ms');
  for (const [name, options] of [
    ['all made', {}],
    ['all made again', { force: true }],
    ['all up to date', {}],
  ]) {
    const cpu = process.cpuUsage();
    const { seconds } = await prepareIdd(root, { ...options, ...jobs });
    const { user, system } = process.cpuUsage(cpu);
    rows(name, (count / seconds).toFixed(0), ((user + system) / 1000 / count).toFixed(2));
  }
} finally {
  rmSync(root, { recursive: true });
}
