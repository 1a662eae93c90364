export function missingReferences(
  pages: Map<string, string>,
  root: string,
): Promise<{ where: string; message: string }[]>;
