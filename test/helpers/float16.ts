/** Networks that float16 cannot hold, and what a user hears of them. */
import { join } from 'node:path';
import { convert } from '../../lib/model/convert.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { writeFormulaCheckpoints } from './network.js';
import { readSafetensors } from './safetensors.js';

const decoderPrefix = 'segmentation_model.1.pixel_decoder.';

/** The network of seg-shallow with one parameter of the pixel decoder multiplied. */
export async function scaledModel(folder: string, key: string, factor: number): Promise<string> {
  const { backbone, head } = await writeFormulaCheckpoints(folder, 'seg-shallow');
  const { tensors } = readSafetensors(head);
  const { data } = tensors[decoderPrefix + key]! as { data: Float32Array };
  data.forEach((value, i) => (data[i] = value * factor));
  const scaled = join(folder, 'scaled.safetensors');
  const handles = Object.entries(tensors).map(([name, { data, shape }]) => [
    name,
    Tensor.from(data, shape).handle,
  ]);
  await engine().writeSafetensors(scaled, Object.fromEntries(handles), {});
  const out = join(folder, 'scaled.pt');
  await convert({ backbone, head: scaled, out });
  return out;
}

/** The texts of the warnings of what float16 cannot hold that `use` causes; they are not printed. */
export async function rangeWarnings(use: () => Promise<void>): Promise<string[]> {
  const texts: string[] = [];
  const printers = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning: Error & { code?: string }) => {
    if (warning.code === 'FLOAT16_RANGE') texts.push(warning.message);
    else for (const print of printers) print(warning);
  });
  try {
    await use();
    await new Promise((resolve) => setTimeout(resolve, 50));
  } finally {
    process.removeAllListeners('warning');
    for (const print of printers) process.on('warning', print);
  }
  return texts;
}
