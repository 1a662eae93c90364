// How good boxes and counts are: of the ten classes that a table of 36 features counts.
import { countedClasses } from '../../../../lib/features/feature-set.js';

/** Least IoU of a box that is found. */
const leastIou = 0.5;
const thresholds = [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6];

function iou([x0, y0, x1, y1], [u0, v0, u1, v1]) {
  const common =
    Math.max(0, Math.min(x1, u1) - Math.max(x0, u0)) * Math.max(0, Math.min(y1, v1) - Math.max(y0, v0));
  return common / ((x1 - x0) * (y1 - y0) + (u1 - u0) * (v1 - v0) - common);
}

/** Whether each of the boxes found in a scene, best first, is one of the objects that is not taken yet: the likest. */
function hitsOf(found, objects) {
  const taken = new Set();
  return found.map(({ x, y, width, height }) => {
    let best = -1;
    let most = leastIou;
    objects.forEach(({ box }, i) => {
      const own = iou([x, y, x + width, y + height], box);
      if (!taken.has(i) && own >= most) [best, most] = [i, own];
    });
    if (best >= 0) taken.add(best);
    return best >= 0;
  });
}

/** Area under precision by recall, precision being the best at that recall or more; null where there is no object. */
function averagePrecision(scored, objects) {
  if (objects === 0) return null;
  const sorted = [...scored].sort((a, b) => b.score - a.score);
  let hits = 0;
  const points = sorted.map(({ hit }, i) => ({ recall: (hits += hit) / objects, precision: hits / (i + 1) }));
  let [area, best] = [0, 0];
  for (let i = points.length - 1; i >= 0; i--) {
    best = Math.max(best, points[i].precision);
    area += best * (points[i].recall - (points[i - 1]?.recall ?? 0));
  }
  return area;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** `{name, objects, ap50, scored, counts}` of a class; counts of each scene, true and by threshold. */
function judgeClass({ label, name }, scenes) {
  const own = scenes.map(({ objects, found }) => ({
    objects: objects.filter(({ id }) => id === label),
    found: found.filter((detection) => detection.label === label),
  }));
  const scored = own.flatMap(({ objects, found }) => {
    const hits = hitsOf(found, objects);
    return found.map(({ score }, i) => ({ score, hit: Number(hits[i]) }));
  });
  const objects = own.reduce((sum, scene) => sum + scene.objects.length, 0);
  const errorAt = (threshold) =>
    mean(
      own.map((scene) =>
        Math.abs(scene.found.filter(({ score }) => score >= threshold).length - scene.objects.length),
      ),
    );
  const usual = objects / own.length;
  return {
    ...{ name, objects, scored, ap50: averagePrecision(scored, objects), errorAt },
    /** Of who says the mean for every scene. */
    meanError: mean(own.map((scene) => Math.abs(scene.objects.length - usual))),
  };
}

/**
 * Of scenes `{objects, found}`, what is there and what is found, best first: AP50 (mean of the classes), recall, precision and
 * count error (mean over scenes and classes of the difference between counted and true) at thresholds, and the same by class at 0.5.
 */
export function judgeBoxes(scenes) {
  const classes = countedClasses('36').map((counted) => judgeClass(counted, scenes));
  const rowAt = (threshold, chosen) => {
    const kept = chosen.flatMap(({ scored }) => scored.filter(({ score }) => score >= threshold));
    const hits = kept.reduce((sum, { hit }) => sum + hit, 0);
    return {
      threshold,
      recall:
        hits /
        Math.max(
          1,
          chosen.reduce((sum, { objects }) => sum + objects, 0),
        ),
      precision: hits / Math.max(1, kept.length),
      countError: mean(chosen.map(({ errorAt }) => errorAt(threshold))),
    };
  };
  return {
    scenes: scenes.length,
    ap50: mean(classes.map(({ ap50 }) => ap50).filter((value) => value !== null)),
    meanError: mean(classes.map(({ meanError }) => meanError)),
    thresholds: thresholds.map((threshold) => rowAt(threshold, classes)),
    classes: classes.map((own) => ({
      ...{ name: own.name, objects: own.objects, ap50: own.ap50, meanError: own.meanError },
      ...rowAt(0.5, [own]),
    })),
  };
}
