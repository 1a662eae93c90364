/** Presets: named groups of training settings. They replace defaults, and settings that are given replace them. */
import { flagOf, type Setting } from '../setting.js';
import { trainSettings, type headKinds, type presetNames, type TrainSettingName } from './settings.js';

type Kind = (typeof headKinds)[number];

/** One of {@link presetNames}. */
export type PresetName = (typeof presetNames)[number];

const { loss, initHead, learningRate } = trainSettings;

/**
 * The settings of each preset, by the kind of head that a run trains. `recipe` has the defaults, which are the published ones;
 * docs/training.md compares the two.
 */
export const trainPresets = {
  recipe: {
    class_embed: {
      loss: loss.default,
      initHead: initHead.default,
      learningRate: learningRate.default,
    },
    linear_probe: { learningRate: learningRate.default },
  },
  recommended: {
    class_embed: { loss: 'nll', initHead: 'map', learningRate: 1e-3 },
    linear_probe: { learningRate: 1e-3 },
  },
} as const satisfies Record<PresetName, Record<Kind, Partial<Record<TrainSettingName, string | number>>>>;

/** What a run says of its preset: which of its settings apply, and which were given with other values. */
export function presetNote(
  preset: PresetName,
  config: { headKind: Kind } & Readonly<Partial<Record<TrainSettingName, unknown>>>,
): string {
  const names = Object.entries(trainPresets[preset][config.headKind]) as [TrainSettingName, unknown][];
  const listed = (applies: boolean) =>
    names
      .filter(([name, value]) => (config[name] === value) === applies)
      .map(([name]) => `${flagOf(name, trainSettings[name] as Setting)} ${String(config[name])}`)
      .join(', ');
  const [own, others] = [listed(true), listed(false)];
  return `Preset ${preset}: ${own || 'none of its settings'}${others && `; given instead: ${others}`}`;
}
