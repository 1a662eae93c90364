/** The versions of a training image that a cache holds, and which of them an epoch takes. */
import { drawAugmentation, noAugmentation, type Augmentation } from '../data/augment.js';
import { random, streams } from '../data/random.js';

/** Which versions of a training image are cached. Of a validation image, only the unchanged one is. */
export interface ViewSettings {
  /** Whether each version is also cached flipped. */
  flip: boolean;
  /** Number of colour-jittered versions; 0: only the unchanged image. */
  jittered: number;
  /** Seed of the jitter; 0 without jitter. */
  seed: number;
  /** Strength of the brightness jitter, 0…1; 0 without jitter. */
  brightness: number;
  /** Strength of the contrast jitter, 0…1. */
  contrast: number;
  /** Strength of the saturation jitter, 0…1. */
  saturation: number;
  /** Strength of the hue jitter, 0…0.5 turns of the colour circle. */
  hue: number;
}

/** The settings of views; those of the jitter count only where there is some. */
export function viewSettings(options: {
  flip: number;
  views: number;
  seed: number;
  brightness: number;
  contrast: number;
  saturation: number;
  hue: number;
}): ViewSettings {
  const { flip, views: jittered, seed, brightness, contrast, saturation, hue } = options;
  const jitter =
    jittered > 0
      ? { seed, brightness, contrast, saturation, hue }
      : { seed: 0, brightness: 0, contrast: 0, saturation: 0, hue: 0 };
  return { flip: flip > 0, jittered, ...jitter };
}

/** How many versions of a training image there are. View 2i is version i, view 2i + 1 the same flipped, where flips are. */
export function viewCount({ flip, jittered }: ViewSettings): number {
  return Math.max(1, jittered) * (flip ? 2 : 1);
}

/** What makes a view of an image: it depends on the seed, the image's name and the view alone. */
export function viewAugmentation(settings: ViewSettings, name: string, view: number): Augmentation {
  const version = settings.flip ? view >> 1 : view;
  const flip = settings.flip && view % 2 === 1;
  if (settings.jittered === 0) return { ...noAugmentation, flip };
  const { brightness, contrast, saturation, hue } = settings;
  const key = { seed: settings.seed, epoch: version, index: nameNumber(name) };
  const { jitter } = drawAugmentation(key, { flip: 0, jitter: { brightness, contrast, saturation, hue } });
  return { flip, jitter };
}

/** The view that an epoch takes of a training image: flipped as live training has it, any version as likely as another. */
export function chooseView(
  settings: ViewSettings,
  flip: number,
  key: { seed: number; epoch: number; index: number },
): number {
  const flipped = drawAugmentation(key, { flip, jitter: null }).flip;
  const versions = Math.max(1, settings.jittered);
  const version = versions === 1 ? 0 : random(key.seed, streams.view, key.epoch, key.index).below(versions);
  return settings.flip ? 2 * version + Number(flipped) : version;
}

/** FNV-1a of the name, in 53 bits that a random stream takes. */
function nameNumber(name: string): number {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(name)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return Number(hash >> 11n);
}
