/** What a file is that was given in place of a network's. */
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import { classEmbedWeight } from './head-file.js';
import { holdsProbe } from './probe-file.js';

/** Most tensors of a file that holds a head alone, with the state of its optimiser. */
const mostOfHead = 16;

/** The refusal of a file as a network, which says so where the file is a head. Other errors are given back. */
export async function describedRefusal(path: string, error: unknown): Promise<unknown> {
  if (!(error instanceof DinoSegError) || error.code !== 'MODEL_FORMAT') return error;
  const inspection = await engine()
    .inspect(path)
    .catch(() => undefined);
  if (!inspection || inspection.format === 'torchscript' || inspection.tensors.length > mostOfHead)
    return error;
  const isProbe = holdsProbe(inspection);
  if (!isProbe && !inspection.tensors.some(({ name }) => classEmbedWeight.test(name))) return error;
  return new DinoSegError(
    'MODEL_FORMAT',
    `${path} is a head file (a ${isProbe ? 'linear probe' : 'class_embed head'}), not a network: give it as the head (--head), and the ` +
      'network that it was trained on as the model (--model).',
    { cause: error },
  );
}
