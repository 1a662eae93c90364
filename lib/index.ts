/**
 * Fine-tunes and runs DINOv3 ViT with a Mask2Former head, on libtorch, without Python.
 *
 * {@link convert} builds a network file from DINOv3 checkpoints, {@link SegmentationModel} runs it, and {@link ClassHead} is the
 * trainable layer. {@link train}, {@link evaluate}, {@link compare} and {@link predict} correspond to the commands
 * `train`, `eval`, `compare` and `predict`.
 *
 * Long-running functions return promises and work on the engine's own threads. Every error is a {@link DinoSegError}, except
 * the reason of an aborted signal.
 *
 * Shapes: B batch, Q queries, C hidden width, K classes, H×W image, h×w mask grid (H/4 × W/4).
 *
 * @packageDocumentation
 */
export { DinoSegError, errorCodes, type ErrorCode } from './errors.js';
export { init, preload, type InitOptions } from './native/engine.js';
export { doctor, type DoctorOptions, type DoctorReport, type Finding } from './native/doctor/doctor.js';
export {
  installLibtorch,
  type InstallOptions,
  type InstallProgress,
  type InstallResult,
} from './native/libtorch/install-libtorch.js';
export { findLibtorch, type Libtorch, type VersionInfo } from './native/libtorch/find-libtorch.js';
export type { JobOptions } from './native/job.js';
export type {
  BackbonePlan,
  CheckpointEntry,
  ConversionNotes,
  ConvertedBackbone,
  ConvertedDetector,
  ConvertedPlan,
  ConvertedSegmentor,
  DetectorPlan,
  DType,
  Inspection,
  RecognisedBackbone,
  LossResult,
  RawImage,
  Float16Use,
  NetworkPrecision,
  Normalization,
  OutputPart,
  Scoring,
  SegmentorPlan,
  StepOptions,
  TensorArray,
} from './native/bindings/engine.js';

export { normalizations, type NormalizationName } from './model/normalization.js';
export { Tensor } from './model/tensor.js';
export { DecodedImages } from './model/decoded-images.js';
export { SegmentationModel } from './model/segmentation-model.js';
export type { ForwardResult } from './model/forward-result.js';
export type {
  ScoreImageOptions,
  ScoreMap,
  ScoringOptions,
  SegmentImageOptions,
} from './model/scoring-options.js';
export type { LoadOptions } from './model/load-options.js';
export type { ClassMap, SegmentWithProbeOptions, Stride } from './model/segment-options.js';
export {
  DetectionModel,
  type DetectionResult,
  type DetectorLoadOptions,
  type DetectorRunOptions,
} from './model/detection-model.js';
export type { Detection, DetectOptions } from './model/detections.js';
export { coco91Names } from './data/sets/coco91.js';
export { ClassHead, defaultStepOptions, type StepResult } from './model/class-head.js';
export type { ClassHeadState, CreateHeadOptions, HeadPlacement } from './model/class-head-options.js';
export { LinearProbe, type ProbePlacement } from './model/linear-probe.js';
export type { ProbeLayers, ProbeValues } from './model/probe-file.js';
export type { OptimizerValues } from './model/head-file.js';
export type { HeadMetadata, Precision } from './model/head-metadata.js';
export { openHead } from './model/open-head.js';
export type { SegmentationHead } from './model/segmentation-head.js';
export {
  convert,
  exportModel,
  inspect,
  type CheckpointInspection,
  type ConvertModelOptions,
} from './model/convert.js';
export {
  architectures,
  backboneArchitectures,
  detectorArchitectures,
  initModel,
  type Architecture,
  type BackboneArchitecture,
  type DetectorArchitecture,
  type InitModelOptions,
  type RandomNetworkOptions,
} from './model/init-model.js';
export type { ImageSize } from './model/image-size.js';
export { forwardFile, type ForwardFileOptions } from './model/forward-file.js';
export { classSetOf, scoringOf } from './model/scoring.js';
export {
  openSegmenter,
  Segmenter,
  type PercentageOptions,
  type SegmentedImage,
  type SegmenterOptions,
  type SegmenterRunOptions,
  type SegmenterScoreOptions,
} from './model/segmenter.js';

export { classSetNames, loadClassSet } from './data/class-sets.js';
export {
  labelKinds,
  type ClassInfo,
  type ClassSet,
  type Color,
  type LabelKind,
  type LabelMapping,
} from './data/class-set.js';
export { SegmentationDataset, type Sample } from './data/dataset.js';
export type { MappedLabel } from './data/map-label.js';
export { layoutNames, type LayoutName, type LayoutOptions, type Pair, type Unpaired } from './data/layout.js';
export {
  checkData,
  faultKinds,
  type DataCheck,
  type DataFault,
  type FaultKind,
  type SkippedSplit,
  type ValueCount,
} from './data/check.js';
export type { DataWarning } from './data/check-warnings.js';
export type { ClassCount, SplitCheck } from './data/split-check.js';
export { contactSheet } from './report/contact-sheet.js';
export { decodePolygons, type OddObjects, type PolygonLabel, type PolygonOptions } from './data/polygons.js';
export type { ObjectCounts } from './data/object-counts.js';
export {
  prepareIdd,
  type PrepareFault,
  type PrepareIddOptions,
  type PrepareIddSummary,
} from './data/prepare-idd.js';
export {
  decodeImage,
  decodeLabel,
  encodePng,
  type DecodeOptions,
  type ImageInput,
  type LabelImage,
  type RgbImage,
} from './data/decode.js';
export { type ReducedImage } from './data/decode-reduced.js';

export { headKinds, lossNames, presetNames } from './train/settings.js';
export { trainPresets, type PresetName, type PresetSettings } from './train/presets.js';
export {
  readConfigFile,
  resolveConfig,
  trainDefaults,
  type HeadKind,
  type LossName,
  type TrainConfig,
} from './train/config.js';
export { mergeCaches, type MergedCache } from './cache/merge-caches.js';
export { makeCache, type MadeCache, type MakeCacheOptions } from './train/make-cache.js';
export type { SweepSettings } from './train/sweep-settings.js';
export {
  checkCache,
  listCaches,
  removeCache,
  type CacheCheck,
  type CacheSummary,
  type RemovedCache,
} from './cache/manage.js';
export { cacheDtypes, type CacheContent, type CacheDtype, type CacheKey } from './cache/key.js';
export type { ViewSettings } from './cache/views.js';
export type { Damage } from './cache/cache-folder.js';
export type { FillSummary } from './cache/fill-cache.js';
export type { PassForecast } from './cache/forecast.js';
export { train } from './train/loop.js';
export type { TrainHooks, TrainProgress } from './train/train-hooks.js';
export type { SweepRow, TrainResult } from './train/train-result.js';
export type { BestEpoch } from './train/early-stopping.js';
export type { EpochMetrics } from './train/epoch-metrics.js';
export type { HeadProgress, RunPosition } from './train/run-position.js';
export { evaluate, evaluateHeads, type EvaluateOptions } from './evaluate/evaluate.js';
export type { ClassResult, Evaluation } from './evaluate/evaluation.js';
export { imageIou, metricsOf, type Metrics } from './evaluate/metrics.js';
export {
  predict,
  type FailedPrediction,
  type PredictOptions,
  type PredictResult,
  type WrittenPrediction,
} from './predict/predict.js';
export { compare } from './compare/compare.js';
export type { CompareOptions } from './compare/compare-options.js';
export type { ComparedNetwork, ComparedSide } from './compare/compared-network.js';
export type {
  ComparedClass,
  ComparedImageResult,
  Comparison,
  LabelComparison,
  LabelMetrics,
} from './compare/comparison.js';
export type { LabelledImages, UnreadImage } from './compare/image-source.js';
export type { ImageMean, MIoUDifference } from './compare/standard-error.js';
export { cosineLearningRate, schedule, type Schedule, type ScheduleOptions } from './train/schedule.js';
export { ProgressBar, type ProgressStream, type ProgressUpdate } from './cli/progress-bar.js';
export { classPercentages, classStatistics, type ClassShare } from './report/class-statistics.js';
export { colorize } from './report/colorize.js';
export {
  predictionFiles,
  writePrediction,
  type Prediction,
  type PredictionFile,
} from './report/prediction-files.js';
export {
  panoramaViews,
  type PanoramaOptions,
  type PanoramaRows,
  type ViewDirection,
} from './model/panorama.js';
export { listPanoramaViews, type ReadingOptions } from './features/reading.js';
export { renderReport, writeReport } from './report/html/page.js';
export type { ReportOutcome } from './report/html/attempt.js';
export {
  examplesSection,
  type ExampleInput,
  type ExampleMap,
  type ExampleOrder,
  type ExamplesHeading,
} from './report/html/example.js';
export type {
  Cell,
  Chart,
  ClassesSection,
  ClassResults,
  ConfusionSection,
  CurvesSection,
  Example,
  ExampleLayer,
  ExamplesSection,
  FiguresSection,
  PropertiesSection,
  Report,
  ReportSection,
  SectionBase,
  Series,
  TableSection,
} from './report/html/report.js';
export { evaluationSections, type NamedEvaluation } from './evaluate/evaluation-report.js';
export { evaluationReport, type EvaluationReportOptions } from './evaluate/evaluate-report.js';
export type { FeatureColumn, FeatureExtractor, ImageFeatures } from './features/extractor.js';
export { openFeatureExtractor, type FeatureExtractorOptions } from './features/open-extractor.js';
export type { LeftOut } from './images/left-out.js';
export {
  imagesOfPaths,
  type CarriedKind,
  type ImageEntry,
  type ImageList,
} from './images/images-of-paths.js';
export { imagesOfManifest, type ManifestColumns } from './features/manifest.js';
export { withGps, type GpsOptions } from './features/gps.js';
export { formulaStyles, type FormulaStyle } from './features/csv.js';
export { columnOrders, nameStyles, type ColumnOrder, type NameStyle } from './features/identity.js';
export type { Extension } from './features/extend-run.js';
export { qualityFlags, type QualityFlag } from './features/quality.js';
export type { FlagCounts } from './features/quality-list.js';
export { extractTable, type ExtractionSummary, type ExtractTableOptions } from './features/extract-table.js';
export { mergeTables, type MergeSummary } from './features/merge-tables.js';
export { parseShard, type Shard } from './shard.js';
export { launchedProcess, type LaunchedProcess } from './launcher.js';
export type { ExtractionFailure, FeatureMean } from './features/write-outputs.js';
export { runDemo, type DemoOptions } from './demo/run-demo.js';
export {
  featureMapPath,
  readFeatureMap,
  type Aggregation,
  type FeatureMap,
  type Group,
  type HybridMap,
} from './features/aggregation.js';
export {
  countedClasses,
  featureSetNames,
  flavours,
  percentagePlan,
  type CountedClass,
  type FeatureChoice,
  type FeatureSetName,
  type Flavour,
  type PercentagePlan,
  type PlanLayer,
} from './features/feature-set.js';
export { percentagesOfLabels, type ImagePercentages } from './features/percentages.js';
export { SegmentationFeatures, type SegmentationFeaturesOptions } from './features/segmentation-features.js';
export type { HeadSettings, MapSettings, SegmentationSettings } from './features/segmentation-settings.js';
