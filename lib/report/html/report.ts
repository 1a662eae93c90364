/** Reports as data. Modules with results make sections of them. */
import type { ClassInfo } from '../../data/class-set.js';

/** Members of every section. */
export interface SectionBase {
  /** Heading. */
  readonly title: string;
  /** One or two sentences below the heading. */
  readonly note?: string;
}

/** A few figures in large type. */
export interface FiguresSection extends SectionBase {
  /** Kind of section. */
  readonly kind: 'figures';
  /** Figures, in this order. */
  readonly figures: readonly {
    /** Name of the quantity. */
    readonly label: string;
    /** Value with its unit. */
    readonly value: string;
    /** Small text below the value. */
    readonly note?: string;
  }[];
}

/** A line in a chart. */
export interface Series {
  /** Name in the legend. */
  readonly name: string;
  /** Points of the line. A null y makes a gap. */
  readonly points: readonly (readonly [x: number, y: number | null])[];
}

/** A chart of lines with a common x axis. */
export interface Chart {
  /** Title of the chart. */
  readonly title: string;
  /** Label of the x axis, such as `epoch`. */
  readonly x: string;
  /** Unit of y. `share`: 0…1, shown in percent. */
  readonly unit: 'share' | 'number';
  /** Lines. At most eight have different styles. */
  readonly series: readonly Series[];
  /** A vertical line at one x. */
  readonly mark?: {
    /** Position. */
    readonly x: number;
    /** One or two words. */
    readonly label: string;
  };
}

/** Charts side by side. */
export interface CurvesSection extends SectionBase {
  /** Kind of section. */
  readonly kind: 'curves';
  /** Charts, in this order. */
  readonly charts: readonly Chart[];
}

/** Results of each class, by index; null: not measured. */
export interface ClassResults {
  /** Column heading if there are several results. */
  readonly name: string;
  /** Intersection over union, 0…1. */
  readonly iou: readonly (number | null)[];
  /** Number of labelled pixels. */
  readonly truthPixels?: readonly number[];
  /** Share of correct pixels among those predicted as the class, 0…1. */
  readonly precision?: readonly (number | null)[];
  /** Share of correct pixels among those labelled as the class, 0…1. */
  readonly recall?: readonly (number | null)[];
}

/** A table with one row per class. Several results are shown side by side, with the change from the first to the last. */
export interface ClassesSection extends SectionBase {
  /** Kind of section. */
  readonly kind: 'classes';
  /** Classes by index. */
  readonly classes: readonly ClassInfo[];
  /** One or more results of these classes. */
  readonly results: readonly ClassResults[];
}

/** A confusion matrix, with a list of its most frequent confusions. */
export interface ConfusionSection extends SectionBase {
  /** Kind of section. */
  readonly kind: 'confusion';
  /** Classes by index. */
  readonly classes: readonly ClassInfo[];
  /** K×K pixel counts: one row per true class, one column per predicted class. */
  readonly counts: readonly (readonly number[])[];
}

/** One picture of an example. */
export interface ExampleLayer {
  /** Name in the page's menus, such as `prediction`. */
  readonly name: string;
  /**
   * `photo` and `picture` are shown unchanged. `prediction` and `truth` are class maps and shown over the photo; if an example has
   * both, the page also shows the errors.
   */
  readonly role: 'photo' | 'picture' | 'prediction' | 'truth';
  /** A data URI. Class maps are palette PNGs whose indices are class indices. */
  readonly source: string;
  /** Alternative text. */
  readonly alt: string;
}

/** An image with its class maps and pictures, all of one size. */
export interface Example {
  /** Unique name. */
  readonly name: string;
  /** One sentence below the name. */
  readonly caption?: string;
  /** Mean IoU, 0…1. If several examples have one, readers can sort by it. */
  readonly iou?: number;
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** Pictures, the photo first. */
  readonly layers: readonly ExampleLayer[];
}

/** Images to compare with a slider, and classes to show and hide. {@link examplesSection} makes this section. */
export interface ExamplesSection extends SectionBase {
  /** Kind of section. */
  readonly kind: 'examples';
  /** Classes that occur in the examples. */
  readonly classes: readonly ClassInfo[];
  /** Examples, in this order. */
  readonly examples: readonly Example[];
}

/** Tables of names and values. */
export interface PropertiesSection extends SectionBase {
  /** Kind of section. */
  readonly kind: 'properties';
  /** Tables, side by side if the page is wide enough. */
  readonly groups: readonly {
    /** Caption. */
    readonly title: string;
    /** Rows, in this order. */
    readonly rows: readonly (readonly [name: string, value: string])[];
  }[];
}

/** A cell of a table: text, a formatted number, or a histogram. */
export type Cell =
  | string
  | {
      /** Text of the cell. */
      readonly text: string;
      /** Number to sort by; null: last. */
      readonly value: number | null;
    }
  | {
      /** Number of values in each range. */
      readonly bars: readonly number[];
      /** Names of the ranges. */
      readonly labels: readonly string[];
    };

/** Any other table. */
export interface TableSection extends SectionBase {
  /** Kind of section. */
  readonly kind: 'table';
  /** Column headings. */
  readonly columns: readonly string[];
  /** Rows with one cell per column. The first cell is the row's name. */
  readonly rows: readonly (readonly Cell[])[];
}

/** A section of a report. */
export type ReportSection =
  | FiguresSection
  | CurvesSection
  | ClassesSection
  | ConfusionSection
  | ExamplesSection
  | PropertiesSection
  | TableSection;

/** A report. If it begins with figures and examples, the page shows them side by side, visible without scrolling. */
export interface Report {
  /** Title of the page. */
  readonly title: string;
  /** Subject of the report, in one sentence. */
  readonly lead: string;
  /** Time at which it was made, as text. */
  readonly made: string;
  /** Sections, in this order. */
  readonly sections: readonly ReportSection[];
}
