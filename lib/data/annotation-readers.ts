/** Threads that read annotations: parsing their JSON takes longer than drawing them. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Answer, Question, Said } from './annotation-worker.js';
import { readAnnotation, type AnnotationRead, type AnnotationTask } from './read-annotation.js';

interface Waiting {
  resolve: (read: AnnotationRead) => void;
  reject: (error: unknown) => void;
}

/** A warning of a thread as one of this process. */
function repeat({ warning: { name, message, code } }: Said): void {
  process.emitWarning(message, { type: name, ...(code !== undefined && { code }) });
}

/** One thread with the tasks that it has. */
class Reader {
  readonly waiting = new Map<number, Waiting>();
  readonly #worker: Worker;
  #failure: { error: unknown } | undefined;

  constructor() {
    // The sources are TypeScript where tests run them.
    const extension = extname(import.meta.url);
    this.#worker = new Worker(new URL(`./annotation-worker${extension}`, import.meta.url), {
      stdout: true,
      stderr: true,
    });
    for (const stream of [this.#worker.stdout, this.#worker.stderr])
      stream.on('data', (text: Buffer) => process.emitWarning(text.toString().trimEnd(), 'ThreadOutput'));
    this.#worker.on('message', (message: Answer | Said) => {
      if ('warning' in message) return repeat(message);
      const { id, read } = message;
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

/** Reads annotations in the given number of threads; without threads, in the calling thread. */
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
