/** Which arrays a record has, by what is cached and in which dtype. */
import type { Tensor } from '../model/tensor.js';
import type { RecordPart } from '../native/bindings/engine.js';
import type { RecordForm } from './index-file.js';
import type { CacheContent, CacheDtype } from './key.js';

/** Edge of the backbone's patches in pixels. */
const patch = 16;

/** The dtype of each part, by name: those of a cache that has records already, else those of its key. */
export type PartDtypes = Record<string, RecordPart['dtype']>;

export function partDtypes(form: RecordForm | null, dtype: CacheDtype): PartDtypes {
  // Earlier releases stored features in bfloat16 for uint8 as well.
  if (form) return Object.fromEntries(form.layout.map(({ name, dtype }) => [name, dtype]));
  const float = dtype === 'float32' ? 'float32' : 'bfloat16';
  return {
    ...{ queries: float, masks: dtype, features: dtype === 'uint8' ? 'uint8' : float },
    ...{ feature_ranges: 'float32', labels: 'uint8' },
  };
}

/** The parts that hold the given outputs of a network, in the order of a record. */
export function partNames(outputs: readonly string[], { features }: PartDtypes): string[] {
  return outputs.flatMap((name) =>
    name === 'features' && features === 'uint8' ? [name, 'feature_ranges'] : [name],
  );
}

/** How a record of these arrays (of batches of one) lies in its file. */
export function layoutOf(parts: Record<string, Tensor>, dtypes: PartDtypes): RecordPart[] {
  return Object.entries(parts).map(([name, { shape }]) => ({
    name,
    shape: shape.slice(1),
    dtype: dtypes[name]!,
  }));
}

/**
 * How a record of features lies in its file, before the first is made.
 *
 * @param width channels of a layer.
 */
export function featuresLayout(
  { contents, imageSize }: { contents: CacheContent; imageSize: number },
  width: number,
  dtypes: PartDtypes,
): RecordPart[] {
  const channels = contents === 'layer_features' ? 4 * width : width;
  const side = imageSize / patch;
  const shapes: Record<string, number[]> = {
    features: [channels, side, side],
    feature_ranges: [channels, 2],
    labels: [imageSize, imageSize],
  };
  return partNames(['features', 'labels'], dtypes).map((name) => ({
    name,
    shape: shapes[name]!,
    dtype: dtypes[name]!,
  }));
}
