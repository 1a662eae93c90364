/** Everything in which a block that is run differs from what the page says, and what lies ready for it. Nothing else is changed. */

/** Texts that are replaced in blocks. */
export const replacements = [
  // The released networks have billions of parameters: random ones of the smallest size take their place.
  { languages: ['sh', 'js'], from: /\bdinov3_vit7b16_ade20k_m2f\b(?!_)/g, to: 'tiny' },
  { languages: ['sh', 'js'], from: /\bdinov3_vit7b16_coco_detr\b(?!_)/g, to: 'tiny-detector' },
  // CI has no GPU.
  { languages: ['sh'], from: /--device cuda\b/g, to: '--device cpu' },
  { languages: ['js'], from: /device: 'cuda'/g, to: "device: 'cpu'" },
  // A detector sees windows of 512 pixels by default.
  { languages: ['js'], from: /threshold: 0\.5 \}/g, to: 'threshold: 0.5, imageSize: 320 }' },
  { languages: ['yaml'], from: /\/data\/IDD\b/g, to: 'IDD' },
];

/** Flags that a command is given in addition, where the page does not give them: one epoch, and images as small as the drawn ones. */
export const addedFlags = [
  { command: 'train', flag: '--epochs', value: '1' },
  { command: 'train', flag: '--image-size', value: '64' },
  { command: 'cache make', flag: '--image-size', value: '64' },
  { command: 'features', beside: '--detector', flag: '--detector-size', value: '320' },
];

/**
 * What lies in the folder that a page's blocks run in, besides Meta's three files (those of models/street-small under their names), IDD (six drawn
 * scenes), street.jpg, street/, photos/, panoramas/ (one drawing, twice as wide as high) and survey.csv. A page without a line makes the rest itself.
 */
export const given = {
  'docs/clusters.md': ['7b.pt'],
  'docs/compare.md': ['7b.pt', 'head.safetensors', 'other-head.safetensors'],
  'docs/configuration.md': ['7b.pt', 'head.safetensors'],
  'docs/cache.md': ['7b.pt'],
  'docs/data.md': [],
  'docs/extraction.md': ['7b.pt', 'detector.pt', 'head.safetensors'],
  'docs/features.md': ['7b.pt', 'head.safetensors'],
  'docs/idd.md': ['7b.pt', 'polygons'],
  'docs/library.md': ['7b.pt', 'head.safetensors'],
  'docs/memory.md': ['7b.pt'],
  'docs/networks.md': ['7b.pt'],
  'docs/recipe.md': ['7b.pt'],
  'docs/reports.md': ['7b.pt', 'head.safetensors', 'other-head.safetensors'],
  'docs/survey.md': [],
  'docs/training.md': ['7b.pt'],
};

/** A block's text with the replacements and flags above. */
export function changed({ language, text }) {
  let result = text;
  for (const { languages, from, to } of replacements)
    if (languages.includes(language)) result = result.replace(from, to);
  return language === 'sh' ? withFlags(result) : result;
}

/** A command line begins with the program's name and ends where no backslash goes on. */
function withFlags(text) {
  return text.replace(/^[ \t]*dinov3-seg (?:[^\n\\]|\\\n|\\.)*/gm, (line) => {
    const has = (flag) => flag === undefined || new RegExp(`${flag}[ =]`).test(line);
    return addedFlags
      .filter(
        ({ command, beside, flag }) => line.includes(`dinov3-seg ${command} `) && has(beside) && !has(flag),
      )
      .reduceRight(
        (result, { command, flag, value }) =>
          result.replace(`dinov3-seg ${command}`, `dinov3-seg ${command} ${flag} ${value}`),
        line,
      );
  });
}
