/** The settings that determine the percentages of a table, to be written beside it. */
import type { ClassSet } from '../data/class-set.js';
import type { Precision } from '../model/head-metadata.js';
import type { ImageSize } from '../model/image-size.js';
import type { DType, NetworkPrecision, Scoring } from '../native/bindings/engine.js';
import type { FeatureMap } from './aggregation.js';

/** Settings that determine the percentages, as JSON. The device changes values by rounding only. */
export interface SegmentationSettings {
  /** {@link PercentagePlan.name}. */
  percentages: string;
  /** The complete map of the columns: changing its file changes the settings. Null without a map. */
  map: MapSettings | null;
  /** Whether percentages come from scores instead of pixels. */
  soft: boolean;
  /** Input size of the network in pixels. */
  imageSize: ImageSize;
  /** The network, whatever its file. */
  model: {
    /** {@link SegmentationModel.id}. */
    id: string;
    /** Data type of most of its weights. */
    dtype: DType;
    /** Precision of its pixel decoder, or `fp8`. */
    precision: NetworkPrecision;
  };
  /** Heads in order: a later one overrides earlier ones. */
  heads: HeadSettings[];
}

/** A {@link FeatureMap} with names. */
export interface MapSettings {
  /** Name of the map. */
  name: string;
  /** Name of the class set. */
  classes: string;
  /** Columns, each with the names of the classes that count for it. */
  groups: Record<string, string[]>;
  /** Classes of the second head that override the first's; undefined without a second head. */
  overwrite?: string[];
}

/** A head of {@link SegmentationSettings}. */
export interface HeadSettings {
  /** `own` for the model's own class_embed, else SHA-256 of the head's file. */
  head: string;
  /** Name of its class set. */
  classSet: string;
  /** Its scoring. */
  scoring: Scoring;
  /** Precision of its linear layer. */
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
