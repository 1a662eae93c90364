/** Where bilinear resizing (align_corners false) takes each of `to` values from: two of `from` values, and the second's share. */
export function resizedPlaces(from: number, to: number): [near: number, far: number, share: number][] {
  return Array.from({ length: to }, (_, position) => {
    const centre = Math.max(((position + 0.5) * from) / to - 0.5, 0);
    const near = Math.min(Math.floor(centre), from - 1);
    return [near, Math.min(near + 1, from - 1), centre - near];
  });
}
