/**
 * The readers that `scripts/fuzz.mjs` fuzzes, with the good inputs, a few changed ones and all that were findings once
 * (`test/fuzz/found`).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { SegmentationModel } from '../../dist/model/segmentation-model.js';
import { writeForeign } from '../helpers/foreign-network.js';
import { zipOf, type ZipEntry } from '../helpers/zip.js';
import { faultOf } from './js/check-refusal.mjs';
import { inputOf } from './js/input.mjs';
import { targets } from './js/targets.mjs';

const changed = 60;

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

function filesIn(folder: string): [name: string, bytes: Buffer][] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => [name, readFileSync(join(folder, name))]);
}

for (const [name, load] of Object.entries(targets))
  t.test(`${name}: every input is read, or refused with an error that a person can act on`, async (t) => {
    const target = await load();
    const scratch = t.testdir();
    const seeds = filesIn(here(`seeds/${name}`)).map(([, bytes]) => bytes);
    t.not(seeds.length, 0, 'there are inputs to begin with');
    const made = Array.from(
      { length: seeds.length + changed },
      (_, i) => [`input ${i}`, inputOf(target, seeds, 1, i)] as const,
    );
    for (const [input, bytes] of [...made, ...filesIn(here(`found/${name}`))]) {
      let fault: string | undefined;
      try {
        await target.read(bytes, scratch);
      } catch (error) {
        fault = faultOf(error);
      }
      if (fault !== undefined) t.fail(`${input}: ${fault}`);
    }
  });

/** The entries that an input of the target `network` lists, as test/fuzz/cpp/network.cpp reads it. */
function entriesOf(input: Buffer): ZipEntry[] {
  const parts = input.toString('latin1').split('\x1e\x1f').slice(1);
  return parts.map((part) => {
    const line = part.indexOf('\n');
    const [name, data] = line < 0 ? [part, ''] : [part.slice(0, line), part.slice(line + 1)];
    return { name, data: Buffer.from(data, 'latin1'), stored: true };
  });
}

/** Inputs of the targets in C++ that are network files, or their code, as files. */
const networks: Record<string, (path: string, input: Buffer) => Promise<unknown>> = {
  network: (path, input) => writeFile(path, zipOf(entriesOf(input))),
  'network-code': (path, input) =>
    writeForeign(path, {
      change: (entries) => [
        ...entries,
        { name: 'archive/code/__torch__/more.py', data: input, stored: true },
      ],
    }),
};
for (const [name, write] of Object.entries(networks))
  t.test(`${name}: every network file is loaded, or refused with such an error`, async (t) => {
    const path = join(t.testdir(), 'network.pt');
    const inputs = [...filesIn(here(`seeds/${name}`)), ...filesIn(here(`found/${name}`))];
    t.not(inputs.length, 0);
    for (const [input, bytes] of inputs) {
      await write(path, bytes);
      const fault = await SegmentationModel.load(path).then((model) => model.dispose(), faultOf);
      if (fault !== undefined) t.fail(`${input}: ${fault}`);
    }
  });
