/** What the records of a cache follow from: a cache made with other settings is never used. */
import * as v from 'valibot';
import { labelKinds, type ClassSet, type LabelKind, type UnknownLabels } from '../data/class-set.js';
import { polygonRule } from '../data/polygons.js';
import { stringifyClassSet } from '../model/class-set-json.js';
import { isSameNormalization, normalizations } from '../model/normalization.js';
import type { Normalization } from '../native/bindings/engine.js';
import { naturalNumber, wholeNumber, type Schema } from '../schema.js';
import type { ViewSettings } from './views.js';
import { flatSettings, sha256 } from '../settings-digest.js';

export { keyDifferences, sha256 } from '../settings-digest.js';

/**
 * Dtypes of cached outputs. `uint8`: masks as 8-bit sigmoid, queries in bfloat16; features in 8 bits between the least and the
 * greatest value of each channel and image.
 */
export const cacheDtypes = ['bfloat16', 'uint8', 'float32'] as const;
/** One of {@link cacheDtypes}. */
export type CacheDtype = (typeof cacheDtypes)[number];

/**
 * Which outputs of the network are stored: `decoded` queries and masks, the backbone's `features`, or its `layer_features` (of
 * all four tapped layers).
 */
export type CacheContent = 'decoded' | 'features' | 'layer_features';

/** Everything that the records of a cache depend on, except the images and labels. */
export interface CacheKey {
  /** Version of the file format. */
  format: 1;
  /** {@link SegmentationModel.id} */
  modelId: string;
  /** Weight precision of the network. */
  modelDtype: string;
  /** Precision of the pixel decoder, or `fp8`; see LoadOptions. */
  modelPrecision: string;
  /** How images and labels were resized and normalised. */
  preprocessing: string;
  /** Width and height of input and labels in pixels. */
  imageSize: number;
  /** Name of the class set. */
  classes: string;
  /** SHA-256 of its classes and of the mapping of its label files. */
  classDigest: string;
  /** Kind of the label files. */
  labelKind: LabelKind;
  /** Dtype of the stored arrays. */
  dtype: CacheDtype;
  /** Which arrays are stored. */
  contents: CacheContent;
  /** Versions of each training image. */
  views: ViewSettings;
}

export const keySchema = v.object({
  format: v.literal(1),
  ...{ modelId: v.string(), modelDtype: v.string(), modelPrecision: v.string(), preprocessing: v.string() },
  ...{ imageSize: naturalNumber, classes: v.string(), classDigest: v.string() },
  labelKind: v.picklist(labelKinds),
  dtype: v.picklist(cacheDtypes),
  contents: v.picklist(['decoded', 'features', 'layer_features']),
  views: v.object({
    ...{ flip: v.boolean(), jittered: wholeNumber, seed: v.number() },
    ...{ brightness: v.number(), contrast: v.number(), saturation: v.number(), hue: v.number() },
  }),
}) satisfies Schema<CacheKey>;

/** Of LVD's values, it is the text of releases that knew no others: their caches stay valid. */
function preprocessing(normalization: Normalization): string {
  const { mean, std } = normalization;
  const values = isSameNormalization(normalization, normalizations.lvd)
    ? 'ImageNet mean and deviation'
    : `mean ${mean.join(' ')} and deviation ${std.join(' ')}`;
  return `bilinear antialiased, ${values}; labels nearest (1)`;
}

/** The key of a network, a class set and settings. */
export function cacheKey(options: {
  model: { id: string; dtype: string; precision: string; normalization: Normalization };
  classSet: ClassSet;
  labelKind: LabelKind;
  /** Of polygons. */
  unknown?: UnknownLabels;
  imageSize: number;
  dtype: CacheDtype;
  contents: CacheContent;
  views: ViewSettings;
}): CacheKey {
  const { model, classSet, labelKind, unknown, imageSize, dtype, contents, views } = options;
  const prepared = preprocessing(model.normalization);
  // A cache without a mark may have labels that are to be refused.
  const strictness = unknown === 'refuse' ? ', unknown labels refused' : '';
  const mappings = classSet.mappings.filter(({ kind }) => kind === labelKind);
  return {
    format: 1,
    modelId: model.id,
    modelDtype: model.dtype,
    modelPrecision: model.precision,
    preprocessing: labelKind === 'polygons' ? `${prepared}; ${polygonRule}${strictness}` : prepared,
    imageSize,
    classes: classSet.name,
    classDigest: sha256(stringifyClassSet({ ...classSet, mappings })),
    labelKind,
    dtype,
    contents,
    views,
  };
}

/** A cache's name by its key: 32 hexadecimal digits. */
export function cacheId(key: CacheKey): string {
  return sha256(JSON.stringify(flatSettings(key))).slice(0, 32);
}
