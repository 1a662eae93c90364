// Fails if a public declaration is `any`, or does not compile by itself.
//   node scripts/check-public-types.mjs [FILE]     FILE: default dist/index.d.ts
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './native-build.mjs';

const entry = process.argv[2] ?? join(root, 'dist/index.d.ts');
const program = ts.createProgram([entry], {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  strict: true,
  noEmit: true,
  typeRoots: [join(root, 'node_modules/@types')],
  types: ['node'],
});
const own = program
  .getSourceFiles()
  .filter(({ fileName }) => !/node_modules\/(?!dinov3-seg\/)/.test(fileName.replace(root, '')));
const faults = [];

function visit(node, file) {
  if (node.kind === ts.SyntaxKind.AnyKeyword) {
    const { line } = file.getLineAndCharacterOfPosition(node.getStart());
    faults.push(`${file.fileName}:${line + 1}: any`);
  }
  node.forEachChild((child) => visit(child, file));
}

for (const file of own) {
  visit(file, file);
  // A type that cannot be found would silently count as `any`.
  for (const { messageText } of program.getSemanticDiagnostics(file))
    faults.push(`${file.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
}
for (const fault of faults) console.log(`FAULT: ${fault}`);
console.log(`${own.length} declaration files: ${faults.length} faults`);
process.exit(faults.length === 0 && own.length > 1 ? 0 : 1);
