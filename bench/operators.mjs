/**
 * A table of operators, libtorch's own against the fused kernels. A time is of one call out of many in a row, of which
 * a column is read back at the end; median of the rounds.
 */
import { cpus } from 'node:os';
import { engine } from '../dist/native/engine.js';
import { setting, toDevice } from './network.mjs';

const megabytes = (bytes) => bytes / 1e6;

export const milliseconds = (value) =>
  value < 1 ? `${(1000 * value).toFixed(1)} µs` : `${value.toFixed(2)} ms`;

/** Calls an operator of this package with its operands, or the same by libtorch's own operators. */
export function operator(name, operands, { plain, repeat }) {
  return engine().callOperator(`dinov3_seg${plain ? '_reference' : ''}::${name}`, operands, repeat);
}

/** A view of columns of the last dimension. */
export function columnsOf(tensor, first, count) {
  return engine().callOperator('aten::narrow', [tensor, -1, first, count]);
}

/**
 * Starts a table; `names`: what it times. `repeats` of the calls of a round on a device that is not the CPU.
 * Gives `place(data, shape)`, a tensor on the device, and `row(name, bytes, call)`, which prints a line and gives the
 * milliseconds of the fused kernel. `bytes`: what must be read and written at least.
 */
export function operatorTable(names, { device, threads, repeats = { plain: 10, fused: 200 } }) {
  const e = engine();
  if (threads !== undefined) e.setThreads(Number(threads));
  const isCuda = device.startsWith('cuda');
  if (isCuda && !e.info().cudaKernels)
    console.log('# The CUDA kernels were not built: both columns are plain libtorch');
  const hardware = isCuda
    ? e.devices().find(({ name }) => name.startsWith(device)).description
    : cpus()[0].model;
  setting(`${names} on ${device} (${hardware})`);
  const rounds = isCuda ? 15 : 9;

  /** Milliseconds of one call: the median over rounds of `repeat` calls and reading back. */
  async function time(call, repeat) {
    // A column: copying a large result from the device would take longer than many calls.
    const read = async (tensor) => {
      const column = await columnsOf(tensor, 0, 1);
      await e.tensorData(column);
      e.dispose(column);
      e.dispose(tensor);
    };
    await read(await call(2));
    const times = [];
    for (let round = 0; round < rounds; round++) {
      const started = performance.now();
      await read(await call(repeat));
      times.push((performance.now() - started) / repeat);
    }
    return times.sort((a, b) => a - b)[rounds >> 1];
  }

  async function row(name, bytes, call) {
    const often = isCuda ? repeats : { plain: 1, fused: 5 };
    const plain = await time((repeat) => call({ plain: true, repeat }), often.plain);
    const fused = await time((repeat) => call({ plain: false, repeat }), often.fused);
    const cells = [
      name.padEnd(42),
      milliseconds(plain).padStart(10),
      milliseconds(fused).padStart(10),
      `${(plain / fused).toFixed(1)}×`.padStart(8),
      `${megabytes(bytes).toFixed(1)} MB`.padStart(10),
      `${(megabytes(bytes) / fused).toFixed(1)} GB/s`.padStart(12),
    ];
    console.log(cells.join(' '));
    return fused;
  }

  console.log(`${'operator'.padEnd(42)}      plain      fused    ratio  least traffic of the fused`);
  return { isCuda, row, place: (data, shape) => toDevice(e.tensor(data, shape), device) };
}
