/** Holds the class maps of 100 calls; prints the bytes by which the process grew in the last 80, V8's heap left out. */
import { SegmentationModel } from '../../dist/index.js';

const model = await SegmentationModel.load(process.argv[2]);
const image = { data: new Uint8Array(512 * 384 * 3), width: 512, height: 384 };
const held = [];

async function hold(calls) {
  for (let i = 0; i < calls; i++) held.push(await model.segment(image, { imageSize: 64 }));
  const { rss, heapTotal } = process.memoryUsage();
  return rss - heapTotal;
}

const before = await hold(20);
console.log((await hold(80)) - before);
