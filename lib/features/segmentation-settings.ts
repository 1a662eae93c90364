/** What decides the percentages of a table, to be written beside it. */
import type { ClassSet } from '../data/class-set.js';
import type { Precision } from '../model/head-metadata.js';
import type { ImageSize } from '../model/image-size.js';
import type { DType, NetworkPrecision, Scoring } from '../native/bindings/engine.js';
import type { FeatureMap } from './aggregation.js';

/** What decides the values of the percentages, as JSON; where they are computed changes them by rounding only. */
export interface SegmentationSettings {
  /** {@link PercentagePlan.name}. */
  percentages: string;
  /** The map that columns are made by, in full: changing its file changes the settings. Null without one. */
  map: MapSettings | null;
  /** Whether by scores instead of pixels. */
  soft: boolean;
  /** Of the network's input, pixels. */
  imageSize: ImageSize;
  /** The network, whatever file it lies in. */
  model: {
    /** {@link SegmentationModel.id}. */
    id: string;
    /** Of most of its weights. */
    dtype: DType;
    /** What its pixel decoder computes in. */
    precision: NetworkPrecision;
  };
  /** In the order in which they go over each other. */
  heads: HeadSettings[];
}

/** A {@link FeatureMap} by names. */
export interface MapSettings {
  /** Of the map. */
  name: string;
  /** The class set's name. */
  classes: string;
  /** Columns with the names of the classes that count for them. */
  groups: Record<string, string[]>;
  /** Classes of the second head that go over the first's; absent where there is no such head. */
  overwrite?: string[];
}

/** A head of {@link SegmentationSettings}. */
export interface HeadSettings {
  /** `own` for the model's own class_embed, else SHA-256 of the head's file. */
  head: string;
  /** Names of its classes' set. */
  classSet: string;
  /** How it scores. */
  scoring: Scoring;
  /** Of its linear layer. */
  precision: Precision;
}

/** A map as settings hold it. @internal */
export function mapSettings(map: FeatureMap): MapSettings {
  const named = (set: ClassSet, indices: readonly number[]) => indices.map((i) => set.classes[i]!.name);
  return {
    name: map.name,
    classes: map.classSet.name,
    groups: Object.fromEntries(map.groups.map(({ name, classes }) => [name, named(map.classSet, classes)])),
    ...(map.kind === 'hybrid' && { overwrite: named(map.headSet, map.overwrite) }),
  };
}
