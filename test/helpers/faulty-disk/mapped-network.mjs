/** Runs a network whose weights stay in its file, then once the file was cut: `node mapped-network.mjs FILE`. Prints how each pass ended. */
import { statSync, truncateSync } from 'node:fs';
import { engine } from '../../../dist/native/engine.js';

const [path] = process.argv.slice(2);
const placement = { device: 'cpu', dtype: 'stored', precision: 'tf32', cudaGraphs: false, residentBlocks: 0 };
const model = await engine().loadModel(path, placement);
const images = engine().tensor(new Float32Array(3 * 64 * 64).fill(0.5), [1, 3, 64, 64]);

async function pass() {
  try {
    await engine().outputs(model, images, { decoded: false, features: 1 });
    return 'done';
  } catch (error) {
    return `${error.code}: ${error.message}`;
  }
}

const before = await pass();
truncateSync(path, Math.floor(statSync(path).size / 8));
console.log(JSON.stringify({ before, cut: await pass(), after: await pass() }));
