/**
 * The same as esm.mjs, in CommonJS.
 *
 *     node commonjs.cjs MODEL HEAD IMAGE
 */
const { DinoSegError, openSegmenter } = require('dinov3-seg');

async function main([model, head, image]) {
  if (!image) {
    console.error('usage: node commonjs.cjs MODEL HEAD IMAGE');
    return 2;
  }
  const segmenter = await openSegmenter({ model, head });
  try {
    for (const [name, percent] of Object.entries(await segmenter.percentages(image)))
      if (percent > 0) console.log(`${name}: ${percent.toFixed(2)} %`);
    return 0;
  } finally {
    segmenter.dispose();
  }
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error) => {
    // `code` is for programs. `message` says what was expected, what was found and what to do.
    console.error(error instanceof DinoSegError ? `${error.code}: ${error.message}` : error);
    process.exitCode = 1;
  },
);
