/**
 * A forward pass that is too large for the address space that is left, then a small one; prints what came of both.
 * Linux, with prlimit of util-linux.
 */
import { execFileSync } from 'node:child_process';
import { statusBytes } from '../../bench/anonymous-memory.mjs';
import { SegmentationModel, Tensor } from '../../dist/index.js';

const model = await SegmentationModel.init({ arch: 'tiny' });
const [small, large] = [
  [1, 64],
  [8, 1024],
].map(([batch, size]) => Tensor.from(new Float32Array(batch * 3 * size * size), [batch, 3, size, size]));
const pass = async (images) => (await model.forward(images)).predMasks.shape;
const result = { before: await pass(small) };
const most = statusBytes('VmSize') + 200 * 2 ** 20;
execFileSync('prlimit', ['--pid', String(process.pid), `--as=${most}:`]);
result.error = await pass(large).then(String, ({ code, message }) => ({ code, message }));
result.after = await pass(small);
process.stdout.write(JSON.stringify(result));
