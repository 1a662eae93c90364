/** The kind of head that a run trains, by its settings and its network. */
import { DinoSegError } from '../errors.js';
import { classEmbedWeight } from '../model/head-file.js';
import { engine } from '../native/engine.js';
import { resolveConfig, type RunConfig, type TrainConfig } from './config.js';

/**
 * Completes settings by the kind of head: the given one, else class_embed for a network that has one, and a linear probe for
 * a backbone alone. A preset has settings for each kind. The network is not loaded.
 *
 * @returns the settings, and what a person should know about the choice.
 * @throws DinoSegError HEAD_MISMATCH for class_embed on a network without it, INVALID_ARGUMENT for settings that are wrong or
 *   that the kind does not have, SHAPE, FILE_NOT_FOUND, MODEL_FORMAT, CHECKPOINT_*.
 */
export async function withHeadKind(
  settings: Partial<TrainConfig>,
): Promise<{ config: RunConfig; notes: string[] }> {
  const { model, headKind: given } = resolveConfig(settings);
  const hasClassEmbed = await hasOwnClassEmbed(model);
  const headKind = given ?? (hasClassEmbed ? 'class_embed' : 'linear_probe');
  if (headKind === 'class_embed' && !hasClassEmbed)
    throw new DinoSegError(
      'HEAD_MISMATCH',
      `${model} is a backbone alone: class_embed needs the queries and masks of a decoder. Train a linear probe ` +
        '(--head-kind linear_probe, or omit --head-kind), or convert the backbone together with a head.',
    );
  const config = { ...resolveConfig({ ...settings, headKind }), headKind };
  const notes =
    given === null && !hasClassEmbed
      ? [`${model} is a backbone alone: a linear probe is trained (--head-kind linear_probe)`]
      : [];
  return { config, notes };
}

/** Whether a network's file has class_embed, and hence queries and masks. */
async function hasOwnClassEmbed(path: string): Promise<boolean> {
  // Files that are no networks are told as such.
  await engine().modelId(path);
  const { tensors } = await engine().inspect(path);
  return tensors.some(({ name }) => classEmbedWeight.test(name));
}
