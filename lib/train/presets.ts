/** Presets: named groups of training settings. They replace defaults, and settings that are given replace them. */
import { flagOf, type Setting } from '../setting.js';
import { trainSettings, type headKinds, type lossNames, type presetNames } from './settings.js';

/** One of {@link presetNames}. */
export type PresetName = (typeof presetNames)[number];

/** Settings that a preset decides over. */
export interface PresetSettings {
  /** Loss of the head. */
  readonly loss?: (typeof lossNames)[number];
  /** Where the head's initial weights come from. */
  readonly initHead?: 'xavier' | 'map';
  /** Initial learning rate of AdamW. */
  readonly learningRate?: number;
}

const { loss, initHead, learningRate } = trainSettings;

/**
 * The settings of each preset, by the kind of head that a run trains. `recipe` has the defaults, which are the published ones;
 * docs/training.md compares the two.
 */
export const trainPresets: Readonly<
  Record<PresetName, Readonly<Record<(typeof headKinds)[number], PresetSettings>>>
> = {
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
};

/** What a run says of its preset: which of its settings apply, and which were given with other values. */
export function presetNote(
  preset: PresetName,
  config: { headKind: (typeof headKinds)[number] } & PresetSettings,
): string {
  const names = Object.entries(trainPresets[preset][config.headKind]) as [keyof PresetSettings, unknown][];
  const listed = (applies: boolean) =>
    names
      .filter(([name, value]) => (config[name] === value) === applies)
      .map(([name]) => `${flagOf(name, trainSettings[name] as Setting)} ${String(config[name])}`)
      .join(', ');
  const [own, others] = [listed(true), listed(false)];
  return `Preset ${preset}: ${own || 'none of its settings'}${others && `; given instead: ${others}`}`;
}
