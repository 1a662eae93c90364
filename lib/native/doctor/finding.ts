/** One thing that was looked at. */
export interface Finding {
  /** What was looked at: `libtorch`, `device cuda:0`, … */
  name: string;
  /** `fault`: something that is there does not work until it is mended; `note`: worth knowing. */
  status: 'ok' | 'note' | 'fault';
  /** What was found, a line or more for people. */
  detail: string;
  /** What to do. */
  advice?: string;
}

const gibibyte = 1024 ** 3;

/** `1.5 GiB` */
export const gib = (bytes: number) => `${(bytes / gibibyte).toFixed(1)} GiB`;
