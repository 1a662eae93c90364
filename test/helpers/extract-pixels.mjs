/** `node extract-pixels.mjs JSON`: makes a table of {paths} with {extractor} and {options}, in a process that can be killed. */
import { extractTable } from '../../dist/features/extract-table.js';
import { imagesOfPaths } from '../../dist/features/inputs.js';
import { pixelExtractor } from './pixel-extractor.mjs';

const { paths, extractor, options } = JSON.parse(process.argv[2]);
const onProgress = (done) => process.stdout.write(`${done}\n`);
try {
  const images = await imagesOfPaths(paths);
  await extractTable(pixelExtractor(extractor), images, { ...options, onProgress });
} catch (error) {
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
}
