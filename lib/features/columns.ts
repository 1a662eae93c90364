/** Names of the columns of a feature table. */

/** `seg_vit_<class>`: percent of pixels. The name is in lower case, with each run of blanks as one underscore. */
export function percentageColumn(className: string): string {
  return `seg_vit_${columnPart(className)}`;
}

/** `det_vit_<class>`: number of objects, with the name as in {@link percentageColumn}. */
export function countColumn(className: string): string {
  return `det_vit_${columnPart(className)}`;
}

function columnPart(className: string): string {
  return className.trim().toLowerCase().replace(/\s+/g, '_');
}

/** Percent of pixels that no other column counts. It comes last, so that features keep their positions. */
export const unassignedColumn = 'unassigned';
