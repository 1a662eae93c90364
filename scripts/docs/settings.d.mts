export function settingsFiles(): Promise<Map<string, string>>;
