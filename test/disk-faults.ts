/**
 * What commands do when the disk fails: a sample of the calls that change files, each of which fails from some moment on until the disk is
 * mended. `bench/disk-faults.mjs` makes all of them fail.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { faultyDiskScript, skipWithoutCompiler, startOnFaultyDisk } from './helpers/faulty-disk.js';

interface Case {
  command: string;
  call: string;
  file: string;
  error: string;
  outcome: string;
  wrong: string[];
}

t.test(
  'a disk that fails is an error that names the file; nothing is half-written, and the command goes on once it is mended',
  { skip: skipWithoutCompiler() },
  async (t) => {
    // Outside of the folder of the test runner, whose own writes must not fail.
    const folder = mkdtempSync(join(tmpdir(), 'dinov3-seg-disk-faults-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const log = join(folder, 'log');
    const request = JSON.stringify({ folder, log, most: 4 });
    const { code, stdout, stderr } = await startOnFaultyDisk(faultyDiskScript('run-cases.mjs'), [request], {
      log,
    }).ended;
    t.equal(code, 0, stderr);
    const cases = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Case);
    for (const { command, call, file, error, outcome, wrong } of cases) {
      t.same(wrong, [], `${command}: ${call} of ${file}, ${error}`);
      t.not(outcome, 'not reached');
    }
    const commands = new Set(cases.map(({ command }) => command));
    t.same([...commands], ['cache make', 'train', 'features', 'predict', 'convert', 'export']);
    t.same([...new Set(cases.map(({ error }) => error))].sort(), ['EIO', 'ENOSPC', 'EROFS', 'ESTALE']);
  },
);
