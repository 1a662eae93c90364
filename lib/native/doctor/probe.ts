/**
 * The child process of doctor: loads and tries what may crash or hang.
 *   node probe.js sharp
 *   node probe.js libtorch ROOT
 * Writes a line of JSON ({@link ProbeLine}) before and after each step.
 */
import { writeSync } from 'node:fs';
import { DinoSegError } from '../../errors.js';
import { cudaKernels, engine, init } from '../engine.js';
import type { Engine } from '../bindings/engine.js';
import { gib } from './finding.js';
import type { ProbeLine } from './run-probe.js';

function say(line: ProbeLine): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

async function step<T>(
  name: string,
  work: () => Promise<[result: T, detail: string]>,
): Promise<T | undefined> {
  say({ name, state: 'started' });
  try {
    const [result, detail] = await work();
    say({ name, state: 'ok', detail });
    return result;
  } catch (error) {
    const code = error instanceof DinoSegError ? `${error.code}: ` : '';
    // sharp and npm write a page of advice; its first paragraph says what is wrong.
    const message = (error instanceof Error ? error.message : String(error)).split('\n\n')[0]!;
    say({ name, state: 'failed', detail: `${code}${message}` });
    return undefined;
  }
}

async function trySharp(): Promise<void> {
  await step('sharp', async () => {
    // The codec has one importer; here it is only tried.
    const { default: sharp } = await import('sharp');
    const raw = { width: 2, height: 1, channels: 3 as const };
    const png = await sharp(Buffer.from([0, 1, 2, 3, 4, 5]), { raw })
      .png()
      .toBuffer();
    const back = await sharp(png).raw().toBuffer();
    if (!back.equals(Buffer.from([0, 1, 2, 3, 4, 5])))
      throw new Error('a PNG was decoded to other pixels than were encoded');
    return [undefined, `${sharp.versions.sharp}, libvips ${sharp.versions.vips}`];
  });
}

/** A small product on a device: scores of 2 queries with 3 channels for 2 classes, exact in float32. */
async function tryDevice(loaded: Engine, device: string): Promise<void> {
  const weight = loaded.tensor(Float32Array.of(1, 2, 3, -1, 0, 4), [1, 2, 3]);
  const bias = loaded.tensor(Float32Array.of(0.5, -0.5), [1, 2]);
  const queries = loaded.tensor(Float32Array.of(1, 1, 1, 2, -1, 0.25), [1, 2, 3]);
  const layer = { kind: 'class_embed', width: 3, classes: 2, losses: ['cross-entropy'] } as const;
  const head = loaded.createHeads({ ...layer, device, precision: 'float32', weight, bias });
  const { data } = await loaded.tensorData(await loaded.headsForward(head, { queries }));
  const expected = [6.5, 2.5, 1.25, -1.5];
  if (data.length !== expected.length || expected.some((value, i) => value !== data[i]))
    throw new Error(`the test product is ${data.join(', ')} instead of ${expected.join(', ')}`);
}

/** What became of the CUDA kernels. Without a CUDA device, it does not matter. */
function sayKernels(): void {
  const name = 'CUDA kernels';
  const use = cudaKernels();
  if (use?.used) say({ name, state: 'ok', detail: use.detail });
  else if (use?.slower)
    say({
      name,
      state: 'note',
      detail: `not used. ${use.reason} libtorch's own operators serve; a pass takes up to twice the time`,
      advice: use.advice,
    });
}

async function tryLibtorch(root: string): Promise<void> {
  const loaded = await step('addon', async () => {
    init({ libtorch: root });
    const found = engine();
    const { torch, threads } = found.info();
    return [found, `loaded with libtorch ${torch}, ${threads} threads per operator`];
  });
  if (!loaded) return;
  sayKernels();
  const devices = await step('devices', async () => {
    const found = loaded.devices();
    return [found, found.map(({ name }) => name).join(', ')];
  });
  for (const { name, description, freeBytes, totalBytes } of devices ?? [])
    await step(`device ${name}`, async () => {
      await tryDevice(loaded, name);
      const memory = `${gib(freeBytes)} free of ${gib(totalBytes)}`;
      return [undefined, `${description}, ${memory}; test product correct`];
    });
}

const [what, root] = process.argv.slice(2);
if (what === 'sharp') await trySharp();
else await tryLibtorch(root!);
say({ name: 'end', state: 'ok' });
// A library's thread that does not end must not keep this process alive.
process.exit(0);
