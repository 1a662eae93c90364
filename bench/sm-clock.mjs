/** The clock of a GPU while something runs, as nvidia-smi tells it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { median } from './figures.mjs';

const fields = ['clocks.sm', 'clocks.max.sm', 'power.draw', 'temperature.gpu'];

/**
 * Watches the GPU ten times a second until `stop()`, which gives MHz (lowest, median, highest and the device's maximum), watts and
 * degrees, or a text that says why there are none.
 */
export function watchClock(index = process.env.CUDA_VISIBLE_DEVICES?.split(',')[0] || '0') {
  const query = [`--query-gpu=${fields}`, '--format=csv,noheader,nounits', '-i', index, '-lms', '100'];
  const child = spawn('nvidia-smi', query, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  let failure;
  child.stdout.setEncoding('utf8').on('data', (more) => (text += more));
  const ended = once(child, 'close').catch((error) => (failure = error));
  async function stop() {
    child.kill();
    await ended;
    const rows = text
      .split('\n')
      .map((line) => line.split(',').map(Number))
      .filter((row) => row.length === fields.length && Number.isFinite(row[0]));
    if (rows.length === 0)
      return `not available (${failure ? failure.message : 'nvidia-smi tells no clocks'})`;
    const column = (i) => rows.map((row) => row[i]);
    const clocks = column(0);
    return {
      ...{ leastMHz: Math.min(...clocks), medianMHz: median(clocks), mostMHz: Math.max(...clocks) },
      ...{ deviceMHz: rows[0][1], watts: median(column(2)), degrees: Math.max(...column(3)) },
    };
  }
  return { stop };
}
