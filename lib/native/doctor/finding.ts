export interface Finding {
  name: string;
  /** `fault`: something that is there does not work until it is mended; `note`: worth knowing. */
  status: 'ok' | 'note' | 'fault';
  detail: string;
  /** What to do. */
  advice?: string;
}

const gibibyte = 1024 ** 3;

/** `1.5 GiB` */
export const gib = (bytes: number) => `${(bytes / gibibyte).toFixed(1)} GiB`;
