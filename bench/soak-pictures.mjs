/** The pictures of bench/soak.mjs, the same in each of its threads. */

/** Pixels with edges at several scales, so that a network has something to tell apart. */
function picture(index, width, height) {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < 3; channel++)
        data[at++] = (((x >> (index % 4)) * (3 + channel) + y * (index + 1)) ^ (x * y * (channel + 1))) & 255;
  return { data, width, height };
}

/** Eight pictures of several sizes around `imageSize`. */
export function pictures(imageSize) {
  const sizes = [
    [1, 1],
    [1.5, 1],
    [1, 1.4],
    [2.5, 1],
    [0.5, 0.5],
    [1.1, 0.9],
    [3, 1.2],
    [0.25, 1],
  ];
  return sizes.map(([wide, high], i) =>
    picture(i, Math.round(wide * imageSize), Math.round(high * imageSize)),
  );
}

/** How a picture is segmented: the two widest window by window. */
export function optionsOf(index, imageSize) {
  return index === 3 || index === 6 ? { imageSize, mode: 'slide' } : { imageSize };
}
