/**
 * The same as esm.mjs, in CommonJS.
 *
 *     node commonjs.cjs MODEL HEAD IMAGE
 */
const { ClassHead, DinoSegError, SegmentationModel, classPercentages, classSetOf } = require('dinov3-seg');

async function main([modelPath, headPath, imagePath]) {
  if (!imagePath) {
    console.error('usage: node commonjs.cjs MODEL HEAD IMAGE');
    return 2;
  }
  const model = await SegmentationModel.load(modelPath, { device: 'auto' });
  const head = await ClassHead.open(headPath, { device: model.device });
  try {
    const classSet = await classSetOf(head);
    const map = await model.segment(imagePath, { head, imageSize: head.metadata.imageSize ?? 512 });
    for (const { name, percent } of classPercentages(map.data, classSet))
      if (percent > 0) console.log(`${name}: ${percent.toFixed(2)} %`);
    return 0;
  } finally {
    head.dispose();
    model.dispose();
  }
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error) => {
    // `code` is for programs, `message` says what was expected, what came and what to do.
    console.error(error instanceof DinoSegError ? `${error.code}: ${error.message}` : error);
    process.exitCode = 1;
  },
);
