/**
 * Segments many images in worker threads, one image per worker at a time. Prints one line of JSON for each image.
 *
 *     node worker-pool.mjs MODEL HEAD WORKERS IMAGE…
 *
 * The network never runs on the event loop, so `segmenter.segment` in one thread is enough for most servers. Use workers if
 * your own JavaScript (here: counting pixels) would keep one thread busy. Each worker loads its own network and needs the
 * memory for it. On the CPU, divide the cores among the workers: OMP_NUM_THREADS=<cores / workers>.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { classPercentages, openSegmenter } from 'dinov3-seg';

/** The worker: loads the network once, segments one image at a time, and frees everything when it is told to stop. */
async function work(files) {
  const segmenter = await openSegmenter(files);

  const segment = async (image) => {
    try {
      const { data, width, height, classSet } = await segmenter.segment(image);
      const shares = classPercentages(data, classSet).filter(({ pixels }) => pixels > 0);
      const percent = Object.fromEntries(shares.map(({ name, percent }) => [name, percent]));
      parentPort.postMessage({ image, width, height, percent });
    } catch (error) {
      // A message between threads loses an error's own properties, such as its code.
      parentPort.postMessage({ image, error: { code: error.code, message: error.message } });
    }
  };
  const end = () => {
    segmenter.dispose();
    parentPort.close();
  };
  // One after another: the worker ends only when its image is done.
  let last = Promise.resolve();
  parentPort.on('message', ({ image }) => {
    last = last.then(() => (image === undefined ? end() : segment(image)));
  });
  parentPort.postMessage({ ready: true });
}

/** A fixed number of workers with one image each. Only paths wait in the queue. */
class Pool {
  #waiting = [];
  #idle = [];
  #workers = new Set();
  #ended;

  constructor(size, data) {
    for (let i = 0; i < size; i++) this.#start(data);
  }

  /** Resolves with the worker's message about an image. Rejects if the worker dies or none is left. */
  run(image) {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      this.#waiting.push({ image, resolve, reject });
      this.#next();
    });
  }

  /** Ends all workers. Each finishes its image first and frees its network. */
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

  /** Rejects all waiting images and all later calls. */
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
  // Ctrl-C: images under way are finished and printed; waiting ones are not started.
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
