/**
 * The readers that `scripts/fuzz.mjs` fuzzes, with the good inputs, a few changed ones and all that were findings once
 * (`test/fuzz/found`).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
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
