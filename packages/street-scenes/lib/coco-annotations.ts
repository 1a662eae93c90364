/** Boxes of drawn scenes as COCO's files of annotations have them. */
import type { SceneObject } from './drawing/render.js';
import { things } from './drawing/things.js';

/** An image and what is seen in it. */
export interface AnnotatedImage {
  /** Unique in its file, from 1. */
  readonly id: number;
  /** Relative to the folder of the data set. */
  readonly fileName: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly objects: readonly SceneObject[];
}

/** Every category that a scene may hold, by COCO's ids. */
function categories(): { id: number; name: string }[] {
  const names = new Map(Object.values(things).flatMap(({ coco }) => (coco ? [[coco.id, coco.name]] : [])));
  return [...names].map(([id, name]) => ({ id, name })).sort((a, b) => a.id - b.id);
}

/**
 * A COCO annotations file as JSON: `images`, `annotations` and `categories`. `bbox` is x, y, width and height of the
 * visible part in pixels, `area` the number of its visible pixels; there are no masks, the label images have them.
 */
export function cocoAnnotations(images: readonly AnnotatedImage[]): string {
  let id = 0;
  const annotations = images.flatMap((image) =>
    image.objects.map(({ id: category, box: [x0, y0, x1, y1], visiblePixels }) => ({
      id: ++id,
      image_id: image.id,
      category_id: category,
      bbox: [x0, y0, x1 - x0, y1 - y0],
      area: visiblePixels,
      iscrowd: 0,
    })),
  );
  return `${JSON.stringify({
    images: images.map(({ id, fileName, width, height }) => ({ id, file_name: fileName, width, height })),
    annotations,
    categories: categories(),
  })}\n`;
}
