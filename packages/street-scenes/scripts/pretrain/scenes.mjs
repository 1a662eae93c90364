// Scenes in files of some, drawn by as many processes as there are cores while others train; what is there stays.
import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const perFile = 64;

export class SceneFiles {
  #chunks = [];
  #children = new Set();
  #stopped = false;

  /** Begins to draw `count` scenes of a seed into `folder`, first ones first. */
  static async start({ folder, seed, count, width, height, onDrawn = () => {} }) {
    const own = new SceneFiles();
    own.settings = { seed, width, height };
    await mkdir(folder, { recursive: true });
    for (let first = 0; first < count; first += perFile) {
      const size = Math.min(perFile, count - first);
      const file = join(folder, `${seed}-${width}x${height}-${first}-${size}.drawn`);
      const chunk = { first, count: size, file };
      chunk.drawn = new Promise((resolve, reject) => Object.assign(chunk, { resolve, reject }));
      chunk.drawn.catch(() => {}); // heard by whoever reads the file, if anyone still does
      own.#chunks.push(chunk);
    }
    const queue = own.#chunks.filter((chunk) => !existsSync(chunk.file));
    for (const chunk of own.#chunks) if (!queue.includes(chunk)) chunk.resolve();
    // One core is for training itself.
    const workers = Math.min(Math.max(1, availableParallelism() - 1), queue.length);
    for (let i = 0; i < workers; i++) own.#draw(queue, onDrawn);
    return own;
  }

  #draw(queue, onDrawn) {
    const child = fork(fileURLToPath(new URL('draw.mjs', import.meta.url)), [JSON.stringify(this.settings)], {
      env: { ...process.env, VIPS_CONCURRENCY: '1' },
    });
    this.#children.add(child);
    let current;
    const next = () => {
      current = queue.shift();
      if (current) child.send({ first: current.first, count: current.count, file: current.file });
      else child.disconnect();
    };
    child.on('message', () => {
      onDrawn(current.count);
      current.resolve();
      next();
    });
    child.on('exit', (code, signal) => {
      this.#children.delete(child);
      if (!current || this.#stopped) return;
      const error = new Error(`a process that draws scenes ended (${signal ?? `code ${code}`})`);
      for (const chunk of this.#chunks) chunk.reject(error);
    });
    next();
  }

  /** How many files there are to be. */
  get length() {
    return this.#chunks.length;
  }

  /**
   * `{first, count, images, labels, parts, objects}` of a file, once it is drawn; labels are ADE20K's, parts IDD's, objects of each
   * scene `{id, box}` as COCO counts them.
   */
  async read(index) {
    const { first, count, file, drawn } = this.#chunks[index];
    await drawn;
    const bytes = await readFile(file);
    const pixels = this.settings.width * this.settings.height;
    return {
      first,
      count,
      images: bytes.subarray(0, 3 * pixels * count),
      labels: bytes.subarray(3 * pixels * count, 4 * pixels * count),
      parts: bytes.subarray(4 * pixels * count, 5 * pixels * count),
      objects: JSON.parse(bytes.toString('utf8', 5 * pixels * count)),
    };
  }

  /** Draws no more. */
  stop() {
    this.#stopped = true;
    for (const child of this.#children) child.kill();
  }
}
