/**
 * Time and memory of a conversion, as JSON.
 *   node bench/convert.mjs [architecture] [float32|bfloat16] [folder]
 * Default: dinov3_vitl16_m2f (a checkpoint of 4 GB) to bfloat16, in the system's folder for temporary files. A plain copy writes
 * as many bytes as the conversion does, from a file to a file, synced as well. Files are in the page cache where it holds them.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { convert } from '../dist/index.js';
import { engine } from '../dist/native/engine.js';
import { watchMemory } from './anonymous-memory.mjs';

const [architecture = 'dinov3_vitl16_m2f', dtype = 'bfloat16', place = tmpdir()] = process.argv.slice(2);
const folder = mkdtempSync(join(place, 'dinov3-seg-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name) => join(folder, name);
const checkpoint = { backbone: at('backbone.safetensors'), head: at('head.safetensors') };

// In a process of its own, since all of it is in memory there.
const operands = [architecture, 1, checkpoint.backbone, checkpoint.head];
const make =
  `import { engine } from ${JSON.stringify(new URL('../dist/native/engine.js', import.meta.url).href)};` +
  `await engine().callOperator('dinov3_seg_reference::init_checkpoint', ${JSON.stringify(operands)});`;
execFileSync(process.execPath, ['--input-type=module', '-e', make], { stdio: 'inherit' });

function copy(from, to) {
  const [source, target] = [openSync(from, 'r'), openSync(to, 'w')];
  const block = Buffer.alloc(16 << 20);
  for (let count; (count = readSync(source, block)) > 0;) writeSync(target, block, 0, count);
  fsyncSync(target);
  closeSync(source);
  closeSync(target);
}

const { torch, threads } = engine().info();
const out = at('network.pt');
const conversion = await watchMemory(() => convert({ ...checkpoint, out, dtype }));
const copied = await watchMemory(async () => copy(out, at('copy.pt')));
const inputBytes = statSync(checkpoint.backbone).size + statSync(checkpoint.head).size;
const outputBytes = statSync(out).size;
console.log(
  JSON.stringify(
    {
      architecture,
      dtype,
      device: `cpu (${cpus().length} × ${cpus()[0].model})`,
      versions: { node: process.version, libtorch: torch },
      threads,
      inputBytes,
      outputBytes,
      seconds: conversion.seconds,
      outputBytesPerSecond: outputBytes / conversion.seconds,
      anonymousBytesBefore: conversion.before,
      peakAnonymousBytes: conversion.peak,
      copySeconds: copied.seconds,
      ratioToCopy: conversion.seconds / copied.seconds,
    },
    null,
    2,
  ),
);
