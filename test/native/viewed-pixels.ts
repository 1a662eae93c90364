/** Pixels that jobs read in JavaScript's own memory: they live as long as they are read. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { isOwn, markOwn } from '../../lib/data/own-pixels.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { normalizations } from '../../lib/model/normalization.js';
import { sameBits } from '../helpers/close.js';
import { picture, writeTinyNetwork } from '../helpers/tiny-network.js';

const options = { width: 64, height: 64, device: 'cpu', normalization: normalizations.lvd };

t.test('arrays that only a waiting job knows are not collected', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { data } = picture(700, 500);
  const begin = () => {
    const image = { data: data.slice(), width: 700, height: 500 };
    const label = { data: data.slice(0, 350_000), width: 700, height: 500 };
    const values = data.slice(0, 350_000);
    return [
      engine().prepareImages([image], options),
      engine().prepareLabels([label], options),
      engine().mapLabel(
        values,
        Uint32Array.from({ length: 256 }, (_, value) => 255 - value),
      ),
    ] as const;
  };
  const calls = Array.from({ length: 20 }, begin);
  // What is collected is given out again.
  for (let i = 0; i < 20; i++) {
    collect();
    new Uint8Array(3 * 700 * 500).fill(i);
  }
  const results = await Promise.all(
    calls.map(async ([image, label, classes]) => {
      using images = Tensor.wrap(await image);
      using labels = Tensor.wrap(await label);
      return [await images.data(), await labels.data(), (await classes)!];
    }),
  );
  const [first, ...others] = results;
  const expected = data.subarray(0, 350_000).map((value) => 255 - value);
  t.ok(sameBits(first![2]!, expected), 'classes');
  for (const other of others) for (const [i, values] of other.entries()) t.ok(sameBits(values, first![i]!));
});

t.test('a worker_thread that ends while its arrays are read takes nothing with it', async (t) => {
  const dist = (name: string) => JSON.stringify(new URL(`../../dist/${name}.js`, import.meta.url).href);
  const source = `
    import { engine } from ${dist('native/engine')};
    import { parentPort } from 'node:worker_threads';
    const calls = Array.from({ length: 12 }, () =>
      engine().prepareImages(
        [{ data: new Uint8Array(3 * 2000 * 2000), width: 2000, height: 2000 }],
        ${JSON.stringify(options)},
      ));
    parentPort.postMessage('busy');
    await Promise.all(calls);`;
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
      execArgv: [],
    });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    t.equal(await worker.terminate(), 1);
  }
});

t.test("a user's pixels are those of the call, whatever is written to them afterwards", async (t) => {
  const { model: path } = await writeTinyNetwork(t.testdir());
  using model = await SegmentationModel.load(path);
  const image = picture(90, 70);
  const expected = await model.segment(image, { imageSize: 64 });
  const given = { ...image, data: image.data.slice() };
  t.notOk(isOwn(given));
  const call = model.segment(given, { imageSize: 64 });
  given.data.fill(0);
  t.same(await call, expected);
  // The copy of pixels that the package has decoded itself is the same.
  t.same(await model.segment(markOwn({ ...image }), { imageSize: 64 }), expected);
});
