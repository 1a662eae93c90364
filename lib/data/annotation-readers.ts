/** Threads that read annotations: parsing JSON takes longer than drawing what it holds. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Answer, Question } from './annotation-worker.js';
import { readAnnotation, type AnnotationRead, type AnnotationTask } from './read-annotation.js';

interface Waiting {
  resolve: (read: AnnotationRead) => void;
  reject: (error: unknown) => void;
}

/** One thread with the tasks that it has. */
class Reader {
  readonly waiting = new Map<number, Waiting>();
  readonly #worker: Worker;
  #failure: { error: unknown } | undefined;

  constructor() {
    // The sources are TypeScript where tests run them.
    const extension = extname(import.meta.url);
    this.#worker = new Worker(new URL(`./annotation-worker${extension}`, import.meta.url));
    this.#worker.on('message', ({ id, read }: Answer) => {
      this.waiting.get(id)?.resolve(read);
      this.waiting.delete(id);
    });
    this.#worker.on('error', (error) => {
      this.#failure = { error };
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    });
  }

  read(question: Question): Promise<AnnotationRead> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure.error as Error);
      this.waiting.set(question.id, { resolve, reject });
      this.#worker.postMessage(question);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Reads annotations in so many threads; with none, in the thread that asks. */
export class AnnotationReaders {
  readonly #readers: Reader[];
  #next = 0;

  constructor(threads: number) {
    this.#readers = Array.from({ length: threads }, () => new Reader());
  }

  /** @throws what is no fault of the annotation or its label image */
  async read(task: AnnotationTask): Promise<AnnotationRead> {
    const [first, ...others] = this.#readers;
    if (first === undefined) return readAnnotation(task);
    const idlest = others.reduce(
      (best, other) => (other.waiting.size < best.waiting.size ? other : best),
      first,
    );
    return idlest.read({ id: this.#next++, task });
  }

  /** Ends the threads; nothing may be waited for. */
  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.close()));
  }
}
