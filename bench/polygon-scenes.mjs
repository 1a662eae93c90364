/** Annotations as IDD's are: a street from sky to road, then objects from far to near, corners in fractions of a pixel. */

import { randomNumbers } from './random-numbers.mjs';

const names = [
  ...['person', 'rider', 'motorcycle', 'bicycle', 'autorickshaw', 'car', 'truck', 'bus', 'vehicle fallback'],
  ...[
    'curb',
    'wall',
    'fence',
    'guard rail',
    'billboard',
    'traffic sign',
    'traffic light',
    'pole',
    'polegroup',
  ],
  ...['obs-str-bar-fallback', 'building', 'vegetation', 'animal', 'cargroup', 'license plate'],
];

/** An object in the layout of IDD's files. */
function blob(next, label, [x, y], [rx, ry], corners) {
  const polygon = [];
  for (let i = 0; i < corners; i++) {
    const angle = (2 * Math.PI * i) / corners;
    const reach = 0.75 + 0.25 * next();
    polygon.push([x + rx * reach * Math.cos(angle), y + ry * reach * Math.sin(angle)]);
  }
  return {
    date: '01-Jan-2018 00:00:00',
    deleted: 0,
    draw: true,
    id: 0,
    label,
    polygon,
    user: 'a',
    verified: 0,
  };
}

/** A strip from one side of the image to the other, its upper edge uneven. */
function strip(next, label, width, top, bottom) {
  const upper = Array.from({ length: 40 }, (_, i) => [(i * width) / 39, top + 40 * (next() - 0.5)]);
  return { label, polygon: [...upper, [width + 3, bottom], [-3, bottom]], deleted: 0 };
}

/** An annotation of 150 to 250 objects of 20 to 80 corners each. */
export function annotation(seed, width = 1920, height = 1080) {
  const next = randomNumbers(seed);
  const objects = [
    strip(next, 'sky', width, -5, height * 0.5),
    strip(next, 'building', width, height * 0.3, height * 0.6),
    strip(next, 'road', width, height * 0.55, height + 4),
  ];
  const count = 150 + Math.floor(next() * 101);
  while (objects.length < count) {
    const depth = objects.length / count;
    // Most things of a street are far away: a few tens of pixels.
    const size = 8 + 160 * depth * next() ** 3;
    const label = names[Math.floor(next() * names.length)];
    const tall = label.startsWith('pole') ? [size / 8 + 2, size * 2] : [size, size * (0.5 + next())];
    const centre = [next() * width, height * (0.35 + 0.5 * depth * next())];
    objects.push(blob(next, label, centre, tall, 20 + Math.floor(next() * 61)));
  }
  return { imgHeight: height, imgWidth: width, objects };
}
