/**
 * `node extract-pixels.mjs JSON`: makes a table of {paths} with {extractor} and {options}, in a process that can be killed. With {holdAt}
 * it prints `held` when so many images are done, and waits for its end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { extractTable } from '../../dist/features/extract-table.js';
import { imagesOfPaths } from '../../dist/images/images-of-paths.js';
import { pixelExtractor } from './pixel-extractor.mjs';

const { paths, extractor, options, holdAt = Infinity } = JSON.parse(process.argv[2]);
let done = 0;
let begun = 0;
const onProgress = (now) => {
  done = now;
  process.stdout.write(`${done}\n`);
};
const hold = async () => {
  const before = begun;
  begun += extractor.passSize;
  if (before < holdAt) return;
  // Passes before it are written while this one runs.
  while (done < holdAt) await sleep(1);
  process.stdout.write('held\n');
  await new Promise(() => setInterval(() => {}, 1e9));
};
try {
  const images = await imagesOfPaths(paths);
  await extractTable(pixelExtractor({ ...extractor, hold }), images, { ...options, onProgress });
} catch (error) {
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
}
