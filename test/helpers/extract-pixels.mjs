/**
 * `node extract-pixels.mjs JSON`: makes a table of {paths} with {extractor} and {options}, in a process that can be killed. With {holdAt}
 * it prints `held` when so many images are done, and waits for its end.
 */
import { extractTable } from '../../dist/features/extract-table.js';
import { imagesOfPaths } from '../../dist/images/images-of-paths.js';
import { pixelExtractor } from './pixel-extractor.mjs';

const { paths, extractor, options, holdAt = Infinity } = JSON.parse(process.argv[2]);
let done = 0;
const onProgress = (now) => {
  done = now;
  process.stdout.write(`${done}\n`);
};
const hold = () => {
  if (done < holdAt) return;
  process.stdout.write('held\n');
  return new Promise(() => setInterval(() => {}, 1e9));
};
try {
  const images = await imagesOfPaths(paths);
  await extractTable(pixelExtractor({ ...extractor, hold }), images, { ...options, onProgress });
} catch (error) {
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
}
