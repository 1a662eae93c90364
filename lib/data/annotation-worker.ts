/** A thread that reads annotations: the other end of annotation-readers.ts. */
import { parentPort } from 'node:worker_threads';
import { readAnnotation, type AnnotationRead, type AnnotationTask } from './read-annotation.js';

/** A task with its number. */
export interface Question {
  id: number;
  task: AnnotationTask;
}

/** What was read for the task of that number. */
export interface Answer {
  id: number;
  read: AnnotationRead;
}

/** A warning of Node.js or a package in the thread. */
export interface Said {
  warning: { name: string; message: string; code?: string };
}

async function answer({ id, task }: Question): Promise<void> {
  const read = await readAnnotation(task);
  const given: Answer = { id, read };
  const arrays =
    typeof read === 'object' && 'annotation' in read
      ? [read.annotation.points, read.annotation.counts, read.annotation.values]
      : [];
  parentPort!.postMessage(
    given,
    arrays.map(({ buffer }) => buffer),
  );
}

// An error that is none of an annotation ends the thread, which hands it over.
parentPort!.on('message', (question: Question) => void answer(question));

// It belongs to the program that started the thread, which may not want it on standard error.
process
  .removeAllListeners('warning')
  .on('warning', ({ name, message, ...rest }: Error & { code?: string }) => {
    const said: Said = { warning: { name, message, ...rest } };
    parentPort!.postMessage(said);
  });
