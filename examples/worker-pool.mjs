/**
 * Segments many images in worker threads, as many at a time as there are workers; prints a line of JSON for each image.
 *
 *     node worker-pool.mjs MODEL HEAD WORKERS IMAGE…
 *
 * The network's work is off the event loop in any case: `segmenter.segment` in one thread serves a server well. Workers are
 * for programs whose own JavaScript around it (here: counting pixels) would keep one thread busy. Each worker has a
 * network of its own, and so its memory; on the CPU, divide the cores by OMP_NUM_THREADS=<cores / workers>.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { classPercentages, openSegmenter } from 'dinov3-seg';

/** The worker's side: loads once, answers a path at a time, frees everything when told to stop. */
async function work(files) {
  const segmenter = await openSegmenter(files);

  const segment = async (image) => {
    try {
      const { data, width, height, classSet } = await segmenter.segment(image);
      const shares = classPercentages(data, classSet).filter(({ pixels }) => pixels > 0);
      const percent = Object.fromEntries(shares.map(({ name, percent }) => [name, percent]));
      parentPort.postMessage({ image, width, height, percent });
    } catch (error) {
      // An error's code does not survive the way between threads by itself.
      parentPort.postMessage({ image, error: { code: error.code, message: error.message } });
    }
  };
  const end = () => {
    segmenter.dispose();
    parentPort.close();
  };
  // One after another, so that the end comes when the image is done.
  let last = Promise.resolve();
  parentPort.on('message', ({ image }) => {
    last = last.then(() => (image === undefined ? end() : segment(image)));
  });
  parentPort.postMessage({ ready: true });
}

/** A fixed number of workers, each with one image at a time: what waits are paths only. */
class Pool {
  #waiting = [];
  #idle = [];
  #workers = new Set();
  #ended;

  constructor(size, data) {
    for (let i = 0; i < size; i++) this.#start(data);
  }

  /** What the worker says about an image. Rejects when its worker dies or no worker is left. */
  run(image) {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      this.#waiting.push({ image, resolve, reject });
      this.#next();
    });
  }

  /** Ends all workers: each when it has finished its image, then frees its network. */
  async close() {
    this.#refuse(new Error('the pool was closed'));
    await Promise.all(
      [...this.#workers].map((worker) => {
        worker.postMessage({});
        return new Promise((resolve) => worker.once('exit', resolve));
      }),
    );
  }

  #start(data) {
    const worker = new Worker(new URL(import.meta.url), { workerData: data });
    let failure;
    this.#workers.add(worker);
    worker.on('message', (message) => {
      worker.job?.resolve(message);
      worker.job = undefined;
      this.#idle.push(worker);
      this.#next();
    });
    worker.on('error', (error) => (failure = error));
    worker.on('exit', () => {
      this.#workers.delete(worker);
      this.#idle = this.#idle.filter((other) => other !== worker);
      failure ??= new Error('a worker ended before its image was done');
      worker.job?.reject(failure);
      if (this.#workers.size === 0) this.#refuse(failure);
    });
  }

  #next() {
    while (this.#idle.length > 0 && this.#waiting.length > 0) {
      const worker = this.#idle.pop();
      worker.job = this.#waiting.shift();
      worker.postMessage({ image: worker.job.image });
    }
  }

  /** Whatever waits, and whatever comes from now on. */
  #refuse(reason) {
    this.#ended ??= reason;
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }
}

async function main([model, head, workers, ...images]) {
  if (images.length === 0 || !(Number(workers) >= 1)) {
    console.error('usage: node worker-pool.mjs MODEL HEAD WORKERS IMAGE…');
    process.exitCode = 2;
    return;
  }
  const pool = new Pool(Math.min(Number(workers), images.length), { model, head });
  // Ctrl-C: what runs is finished and printed, what waits is not begun.
  process.once('SIGINT', () => pool.close());
  const results = await Promise.allSettled(
    images.map(async (image) => {
      const result = await pool.run(image);
      if (result.error) process.exitCode = 1;
      console.log(JSON.stringify(result));
    }),
  );
  await pool.close();
  const lost = results.filter(({ status }) => status === 'rejected');
  if (lost.length === 0) return;
  console.error(`${lost.length} images were not segmented: ${lost[0].reason.message}`);
  process.exitCode = 1;
}

if (isMainThread) await main(process.argv.slice(2));
else await work(workerData);
