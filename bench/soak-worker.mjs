/** A thread of bench/soak.mjs: loads the network, answers a few pictures, and ends in one of several ways. */
import './absent-codec.mjs';
import { parentPort, workerData } from 'node:worker_threads';
import { optionsOf, pictures } from './soak-pictures.mjs';

const { network, device, imageSize, calls, first, end } = workerData;
const { SegmentationModel } = await import('../dist/index.js');
// Node.js itself leaves files open where a thread is terminated while it imports them.
parentPort.postMessage({ imported: true });
const model = await SegmentationModel.load(network, { device });
const images = pictures(imageSize);
for (let call = 0; call < calls; call++) {
  const index = (first + call) % images.length;
  // The last call is in flight where the thread ends itself.
  const answer = model.segment(images[index], optionsOf(index, imageSize));
  if (call === calls - 1 && end === 'exit') process.exit(7);
  if (call === calls - 1 && end === 'throw') throw new Error('as planned');
  parentPort.postMessage({ index, map: (await answer).data });
}
// `leave` ends with the network undisposed of.
if (end === 'dispose') model.dispose();
