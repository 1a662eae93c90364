// What plain JavaScript takes of this workspace: benches, and scripts of the documents.
import './typescript.mjs';

export const { drawScene } = await import('./lib/scenes.ts');
export const { writeDemoDataset } = await import('./lib/write-dataset.ts');
