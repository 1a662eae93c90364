/** Runs and caches of an earlier release (test/fixtures/earlier-run) go on as if it had gone on with them itself. */
import { createHash } from 'node:crypto';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkCache } from '../../lib/cache/manage.js';
import { engine } from '../../lib/native/engine.js';
import { bestHead } from '../../lib/train/run-position.js';
import { train } from '../../lib/train/loop.js';
import { openHead } from '../../lib/model/open-head.js';
import { close } from '../helpers/close.js';
import { readSafetensors, type Stored } from '../helpers/safetensors.js';
import { readMetrics, readPosition } from '../helpers/tiny-run.js';

const fixture = join(import.meta.dirname, '../fixtures/earlier-run');
const networkBytes = 6_672_463;

/** What decides about the last bits: libtorch, and the instructions that it finds. */
function machine(): { torch: string; processor: string } {
  const flags = /^flags\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  const processor = createHash('sha256').update(flags.split(' ').sort().join(' ')).digest('hex');
  return { torch: engine().info().torch, processor };
}

/** The network's file without its weights: headers of its entries and the table of contents (PKWARE APPNOTE 4.3.7, 4.3.12). */
function writeNetwork(path: string): void {
  const directory = readFileSync(join(fixture, 'network-directory.bin'));
  const file = Buffer.alloc(networkBytes);
  directory.copy(file, networkBytes - directory.length);
  for (let at = 0; directory.readUInt32LE(at) === 0x02014b50;) {
    const [name, extra, comment] = [28, 30, 32].map((field) => directory.readUInt16LE(at + field));
    const header = directory.readUInt32LE(at + 42);
    file.writeUInt32LE(0x04034b50, header);
    directory.copy(file, header + 4, at + 6, at + 30);
    file.writeUInt16LE(0, header + 28);
    directory.copy(file, header + 30, at + 46, at + 46 + name!);
    at += 46 + name! + extra! + comment!;
  }
  writeFileSync(path, file);
}

type Arrays = Record<string, Stored>;

/** The arrays of a state by the names that this release gives them. The earlier one kept rows of several heads, and of a probe, whole. */
function arraysOf(path: string, run: string): Record<string, Float32Array> {
  const { tensors } = readSafetensors(path);
  const arrays = Object.fromEntries(
    Object.entries(tensors).map(([name, { data }]) => [name, data as Float32Array]),
  );
  if (!Object.hasOwn(tensors, '0.value')) return arrays;
  return run === 'probe' ? probeOf(tensors) : layersOf(tensors);
}

/** Weight and bias of each head of a row that holds one after the other. */
function layersOf(tensors: Arrays): Record<string, Float32Array> {
  const stems = {
    value: 'segmentation_model.1.predictor.class_embed',
    expAvg: 'optimizer.exp_avg',
    expAvgSq: 'optimizer.exp_avg_sq',
  };
  const arrays: Record<string, Float32Array> = {};
  for (const [group, outputs] of [26, 27].entries())
    for (const [name, stem] of Object.entries(stems)) {
      const { data, shape } = tensors[`${group}.${name}`]!;
      const [heads, row] = shape as [number, number];
      const cut = (first: number, end: number) =>
        Float32Array.from({ length: heads * (end - first) }, (_, i) => {
          const head = Math.floor(i / (end - first));
          return (data as Float32Array)[head * row + first + (i % (end - first))]!;
        });
      arrays[`heads.${group}.${stem}.weight`] = cut(0, row - outputs);
      arrays[`heads.${group}.${stem}.bias`] = cut(row - outputs, row);
    }
  return arrays;
}

function probeOf(tensors: Arrays): Record<string, Float32Array> {
  const width = tensors['0.runningMean']!.data.length;
  const lengths = {
    'conv_seg.weight': 26 * width,
    'conv_seg.bias': 26,
    'batchnorm_layer.weight': width,
    'batchnorm_layer.bias': width,
  };
  const arrays: Record<string, Float32Array> = {
    'batchnorm_layer.running_mean': tensors['0.runningMean']!.data as Float32Array,
    'batchnorm_layer.running_var': tensors['0.runningVar']!.data as Float32Array,
  };
  const prefixes = { value: '', expAvg: 'optimizer.exp_avg.', expAvgSq: 'optimizer.exp_avg_sq.' };
  for (const [name, prefix] of Object.entries(prefixes)) {
    let first = 0;
    for (const [part, length] of Object.entries(lengths)) {
      const row = tensors[`0.${name}`]!.data as Float32Array;
      arrays[prefix + part] = row.slice(first, first + length);
      first += length;
    }
  }
  return arrays;
}

const root = t.testdir();
cpSync(fixture, root, { recursive: true });
writeNetwork(join(root, 'model.pt'));
const places = (run: string) => ({
  ...{ out: join(root, run), model: join(root, 'model.pt'), data: join(root, 'data') },
  cache: join(root, run === 'probe' ? 'features' : 'decoded'),
});
const stored = JSON.parse(readFileSync(join(fixture, 'machine.json'), 'utf8')) as object;
const isSameMachine = JSON.stringify(machine()) === JSON.stringify(stored);

for (const run of ['one', 'sweep', 'probe'] as const)
  t.test(`${run}: goes on to ${isSameMachine ? 'the same bits' : 'the same numbers'}`, async (t) => {
    const { out } = places(run);
    t.equal(readPosition(out)!.epoch, 3, 'it stands in epoch 3');
    const { epochs, best } = await train(places(run), { resume: true });
    t.equal(epochs, 4);
    t.same(best, bestHead(readPosition(out)!.heads)?.best);
    const finished = `${out}-finished`;
    const actual = arraysOf(join(out, 'last.safetensors'), run);
    const expected = arraysOf(join(finished, 'last.safetensors'), run);
    t.same(Object.keys(actual).sort(), Object.keys(expected).sort());
    for (const [name, values] of Object.entries(expected)) {
      close(t, name, actual[name]!, values, { rtol: 1e-4, atol: 1e-6 });
      if (isSameMachine) t.same(actual[name], values, `${name}: bits`);
    }
    const [after, before] = [readMetrics(out), readMetrics(finished)];
    t.equal(after.length, before.length);
    for (const [i, line] of before.entries()) {
      t.same(
        [after[i]!['head'], after[i]!['epoch'], after[i]!['lr']],
        [line['head'], line['epoch'], line['lr']],
      );
      close(t, `loss ${i}`, [after[i]!['trainLoss'] as number], [line['trainLoss'] as number], {
        rtol: 1e-5,
      });
      if (isSameMachine) t.same(after[i], line, 'the same figures');
    }
    using head = await openHead(join(out, 'best.safetensors'), { device: 'cpu' });
    t.equal(head.classes, 26);
  });

t.test('its caches are whole, and are not made again', async (t) => {
  for (const cache of ['decoded', 'features']) {
    const { damage, records } = await checkCache(join(root, cache));
    t.same(damage, []);
    t.equal(records, 10);
  }
});
