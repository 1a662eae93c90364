/** What a report shows, as data: whoever has results makes sections of them, in the order in which they are read. */
import type { ClassInfo } from '../../data/class-set.js';

/** What every section has. */
export interface SectionBase {
  /** Its heading. */
  readonly title: string;
  /** A sentence or two below the heading. */
  readonly note?: string;
}

/** A few figures, large. */
export interface FiguresSection extends SectionBase {
  readonly kind: 'figures';
  readonly figures: readonly {
    readonly label: string;
    /** With its unit. */
    readonly value: string;
    readonly note?: string;
  }[];
}

/** A line of a chart. */
export interface Series {
  readonly name: string;
  /** y is null where nothing was measured: the line has a gap. */
  readonly points: readonly (readonly [x: number, y: number | null])[];
}

/** Lines over one x axis. */
export interface Chart {
  readonly title: string;
  /** What x counts, such as `epoch`. */
  readonly x: string;
  /** `share`: 0…1, shown in percent. */
  readonly unit: 'share' | 'number';
  readonly series: readonly Series[];
  /** An x that is marked, and why. */
  readonly mark?: { readonly x: number; readonly label: string };
}

/** Charts side by side. */
export interface CurvesSection extends SectionBase {
  readonly kind: 'curves';
  readonly charts: readonly Chart[];
}

/** What was measured of each class, by index; null where a class has nothing to measure. */
export interface ClassResults {
  /** Heads the column where there are several. */
  readonly name: string;
  readonly iou: readonly (number | null)[];
  /** Labelled pixels. */
  readonly truthPixels?: readonly number[];
  /** Right pixels among those predicted as the class. */
  readonly precision?: readonly (number | null)[];
  /** Right pixels among those labelled as the class. */
  readonly recall?: readonly (number | null)[];
}

/** A table with a row a class; several results stand side by side, with the change from the first to the last. */
export interface ClassesSection extends SectionBase {
  readonly kind: 'classes';
  readonly classes: readonly ClassInfo[];
  readonly results: readonly ClassResults[];
}

/** A confusion matrix, and the most frequent confusions of it as a list. */
export interface ConfusionSection extends SectionBase {
  readonly kind: 'confusion';
  readonly classes: readonly ClassInfo[];
  /** Pixels, a row a true class, a column a predicted one. */
  readonly counts: readonly (readonly number[])[];
}

/** A picture of an example. */
export interface ExampleLayer {
  /** As the reader chooses it, such as `prediction`. */
  readonly name: string;
  /**
   * `photo` and `picture` are shown as they are; `prediction` and `truth` are class maps, shown over the photo; where there are both,
   * the page has their errors as well.
   */
  readonly role: 'photo' | 'picture' | 'prediction' | 'truth';
  /** A data URI; of class maps a palette PNG whose indices are the classes'. */
  readonly source: string;
  /** What is to be seen, for those who do not see it. */
  readonly alt: string;
}

/** An image with what was made of it, all of one size. */
export interface Example {
  readonly name: string;
  readonly caption?: string;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** The photo first. */
  readonly layers: readonly ExampleLayer[];
}

/** Images to compare by a slider, with their classes to show and hide. */
export interface ExamplesSection extends SectionBase {
  readonly kind: 'examples';
  /** Classes that occur in them. */
  readonly classes: readonly ClassInfo[];
  readonly examples: readonly Example[];
}

/** Names and values. */
export interface PropertiesSection extends SectionBase {
  readonly kind: 'properties';
  readonly groups: readonly {
    readonly title: string;
    readonly rows: readonly (readonly [name: string, value: string])[];
  }[];
}

/** A cell: text, a number as it is shown, or how often values of some ranges occur. */
export type Cell =
  | string
  | { readonly text: string; readonly value: number | null }
  | { readonly bars: readonly number[]; readonly labels: readonly string[] };

/** Any other table. */
export interface TableSection extends SectionBase {
  readonly kind: 'table';
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A part of a report. */
export type ReportSection =
  | FiguresSection
  | CurvesSection
  | ClassesSection
  | ConfusionSection
  | ExamplesSection
  | PropertiesSection
  | TableSection;

/** A page. */
export interface Report {
  readonly title: string;
  /** What it is a report of, in a sentence. */
  readonly lead: string;
  /** When it was made, as text. */
  readonly made: string;
  readonly sections: readonly ReportSection[];
}
