/**
 * Holds the class maps of 100 calls; prints the bytes by which the process grew in ten calls, V8's heap left out: the second
 * smallest of eight growths. What every call leaves behind is in all of them; malloc's arenas also grow now and then by themselves.
 */
import { SegmentationModel } from '../../dist/index.js';

const model = await SegmentationModel.load(process.argv[2]);
const image = { data: new Uint8Array(512 * 384 * 3), width: 512, height: 384 };
const held = [];

async function hold(calls) {
  for (let i = 0; i < calls; i++) held.push(await model.segment(image, { imageSize: 64 }));
  const { rss, heapTotal } = process.memoryUsage();
  return rss - heapTotal;
}

const sizes = [await hold(20)];
for (let i = 0; i < 8; i++) sizes.push(await hold(10));
const growths = sizes.slice(1).map((size, i) => size - sizes[i]);
console.log(growths.sort((a, b) => a - b)[1]);
