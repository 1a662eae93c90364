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
  /** Which section it is. */
  readonly kind: 'figures';
  /** In their order. */
  readonly figures: readonly {
    /** What is measured. */
    readonly label: string;
    /** With its unit. */
    readonly value: string;
    /** Small, below the value. */
    readonly note?: string;
  }[];
}

/** A line of a chart. */
export interface Series {
  /** What it shows. */
  readonly name: string;
  /** y is null where nothing was measured: the line has a gap. */
  readonly points: readonly (readonly [x: number, y: number | null])[];
}

/** Lines over one x axis. */
export interface Chart {
  /** What all its lines show. */
  readonly title: string;
  /** What x counts, such as `epoch`. */
  readonly x: string;
  /** `share`: 0…1, shown in percent. */
  readonly unit: 'share' | 'number';
  /** At most eight are told apart. */
  readonly series: readonly Series[];
  /** An x that is marked, and why. */
  readonly mark?: {
    /** Where. */
    readonly x: number;
    /** A word or two. */
    readonly label: string;
  };
}

/** Charts side by side. */
export interface CurvesSection extends SectionBase {
  /** Which section it is. */
  readonly kind: 'curves';
  /** In their order. */
  readonly charts: readonly Chart[];
}

/** What was measured of each class, by index; null where a class has nothing to measure. */
export interface ClassResults {
  /** Heads the column where there are several. */
  readonly name: string;
  /** Intersection over union, 0…1. */
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
  /** Which section it is. */
  readonly kind: 'classes';
  /** By index. */
  readonly classes: readonly ClassInfo[];
  /** One or more, of these classes. */
  readonly results: readonly ClassResults[];
}

/** A confusion matrix, and the most frequent confusions of it as a list. */
export interface ConfusionSection extends SectionBase {
  /** Which section it is. */
  readonly kind: 'confusion';
  /** By index. */
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
  /** Tells it from the others. */
  readonly name: string;
  /** A sentence on it. */
  readonly caption?: string;
  /** Mean IoU, 0…1: where several have one, readers choose whether the lowest or the highest come first. */
  readonly iou?: number;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** The photo first. */
  readonly layers: readonly ExampleLayer[];
}

/** Images to compare by a slider, with their classes to show and hide; {@link examplesSection} makes it. */
export interface ExamplesSection extends SectionBase {
  /** Which section it is. */
  readonly kind: 'examples';
  /** Classes that occur in them. */
  readonly classes: readonly ClassInfo[];
  /** In their order. */
  readonly examples: readonly Example[];
}

/** Names and values. */
export interface PropertiesSection extends SectionBase {
  /** Which section it is. */
  readonly kind: 'properties';
  /** Side by side where there is room. */
  readonly groups: readonly {
    /** Above its rows. */
    readonly title: string;
    /** In their order. */
    readonly rows: readonly (readonly [name: string, value: string])[];
  }[];
}

/** A cell: text, a number as it is shown, or how often values of some ranges occur. */
export type Cell =
  | string
  | {
      /** As it is shown. */
      readonly text: string;
      /** By which it is sorted; null: comes last. */
      readonly value: number | null;
    }
  | {
      /** How often each range occurs. */
      readonly bars: readonly number[];
      /** What the ranges are. */
      readonly labels: readonly string[];
    };

/** Any other table. */
export interface TableSection extends SectionBase {
  /** Which section it is. */
  readonly kind: 'table';
  /** Headings. */
  readonly columns: readonly string[];
  /** A cell a column; the first is the row's name. */
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

/** A page. Figures and examples that begin it stand beside each other, to be seen without scrolling. */
export interface Report {
  /** Of the page. */
  readonly title: string;
  /** What it is a report of, in a sentence. */
  readonly lead: string;
  /** When it was made, as text. */
  readonly made: string;
  /** In the order in which they are read. */
  readonly sections: readonly ReportSection[];
}
