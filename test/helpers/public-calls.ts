/** A call of every public function that takes arguments, which does little: what fails, fails at once. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as api from '../../lib/index.js';
import { writeFormulaModel } from './network.js';
import { picture } from './tiny-network.js';

export interface PublicCall {
  call: (...args: never[]) => unknown;
  /** Right ones, or such that are refused for what they name. */
  args: unknown[];
  /** The place of the object of options, and the name of one of them. */
  options?: [place: number, name: string];
  /** Nothing in place of its options, or of its only argument, is left out: it means a long piece of work. */
  startsWithout?: true;
}

/** Of no argument, or for this package alone: not to be called from elsewhere. */
export const withoutArguments = [
  ...['Tensor#data', 'Tensor#take', 'Tensor#floats', 'Tensor#dispose', 'DecodedImages#dispose'],
  ...['SegmentationModel#ownHead', 'SegmentationModel#dispose', 'DetectionModel#dispose'],
  ...['ClassHead#state', 'ClassHead#dispose', 'LinearProbe#dispose', 'Segmenter#dispose'],
  ...['SegmentationFeatures#dispose', 'ProgressBar#clear', 'Tensor.wrap', 'SegmentationDataset.of'],
  'preload',
];

/** Every call by its name, as `ClassHead.load` and `ClassHead#save`. */
export async function publicCalls(root: string): Promise<Record<string, PublicCall>> {
  const at = (name: string) => join(root, name);
  const device = 'cpu';
  const modelPath = await writeFormulaModel(root);
  const model = await api.SegmentationModel.load(modelPath, { device });
  const detector = await api.DetectionModel.init({ arch: 'tiny-detector', device });
  const classSet = await api.loadClassSet('idd26');
  const head = api.ClassHead.create({ hidden: model.hidden, classes: classSet, device });
  await head.save(at('head.safetensors'), { metadata: { imageSize: 64 } });
  const trained = await api.openHead(at('head.safetensors'), { device });
  const seg = await api.openSegmenter({ model: modelPath, head: at('head.safetensors'), device });
  const floats = (length: number) => new Float32Array(length).fill(1);
  const values = {
    ...{ classes: 26, width: 64, weight: floats(26 * 64), bias: floats(26), gamma: floats(64) },
    ...{ beta: floats(64), runningMean: floats(64), runningVar: floats(64) },
  };
  const probe = await api.LinearProbe.from(values, { device });
  const images = api.Tensor.from(floats(3 * 64 * 64), [1, 3, 64, 64]);
  const decoded = await model.decode(images);
  const features = await model.features(images);
  const labels = api.Tensor.from(new Uint8Array(64 * 64), [1, 64, 64]);
  const image = picture(8, 6);
  for (const [folder, channels] of [
    ['images', 3],
    ['labels', 1],
  ] as const) {
    const grey = new Uint8Array(6 * 8 * channels);
    writeFileSync(at(`${folder}/a.png`), await api.encodePng(grey, 8, 6, channels));
  }
  const labelKind = 'labellevel3Ids';
  const dataset = await api.SegmentationDataset.open(root, 'all', classSet, { labelKind });
  const evaluation = await api.evaluate(model, trained, dataset);
  const plan = await api.percentagePlan({ set: '230' }, false);
  const shares = await api.SegmentationFeatures.open({ model, set: '230', imageSize: 64 });
  const map = new Uint8Array(48);
  const absent = at('absent');
  const report: api.Report = { title: 't', lead: 'l', made: 'm', sections: [] };
  const settings = { model: absent, data: absent, out: at('run') };
  const extractor = { columns: [], settings: {}, passSize: 1, extract: () => Promise.resolve([]) };
  const networkExtractor = await api.openFeatureExtractor({
    model: modelPath,
    set: '230',
    imageSize: 64,
    device,
  });
  const bar = new api.ProgressBar({ write: () => true });

  const of = (
    call: (...args: never[]) => unknown,
    args: unknown[],
    options?: [number, string],
  ): PublicCall => (options === undefined ? { call, args } : { call, args, options });
  /** A method with what it is called on. */
  const on = <T extends object>(target: T, method: keyof T, args: unknown[], options?: [number, string]) => {
    const call = target[method] as (...args: never[]) => unknown;
    return of(call.bind(target) as typeof call, args, options);
  };
  return {
    init: of(api.init, [{ libtorch: absent }], [0, 'libtorch']),
    doctor: {
      ...of(api.doctor, [{ libtorch: absent, seconds: 0.01 }], [0, 'libtorch']),
      startsWithout: true,
    },
    installLibtorch: { ...of(api.installLibtorch, [{ from: absent }], [0, 'from']), startsWithout: true },
    findLibtorch: { ...of(api.findLibtorch, [absent]), startsWithout: true },
    'Tensor.from': on(api.Tensor, 'from', [floats(2), [2]]),
    'Tensor#slice': on(images, 'slice', [0, 1]),
    'DecodedImages#slice': on(decoded, 'slice', [0, 1]),
    'SegmentationModel.load': on(api.SegmentationModel, 'load', [absent, {}], [1, 'device']),
    'SegmentationModel.init': on(api.SegmentationModel, 'init', [{ arch: 'tiny', device }], [0, 'device']),
    'SegmentationModel#forward': on(model, 'forward', [images, {}], [1, 'signal']),
    'SegmentationModel#decode': on(model, 'decode', [images, {}], [1, 'signal']),
    'SegmentationModel#features': on(model, 'features', [images, {}], [1, 'signal']),
    'SegmentationModel#layerFeatures': on(model, 'layerFeatures', [images, {}], [1, 'signal']),
    'SegmentationModel#segment': on(model, 'segment', [image, { imageSize: 64 }], [1, 'imageSize']),
    'SegmentationModel#segmentBatch': on(model, 'segmentBatch', [[image], { imageSize: 64 }], [1, 'head']),
    'SegmentationModel#scores': on(model, 'scores', [image, { imageSize: 64 }], [1, 'outputSize']),
    'DetectionModel.load': on(api.DetectionModel, 'load', [absent, {}], [1, 'device']),
    'DetectionModel.init': on(api.DetectionModel, 'init', [{ arch: 'tiny-detector' }], [0, 'shareWith']),
    'DetectionModel#forward': on(detector, 'forward', [images, {}], [1, 'signal']),
    'DetectionModel#features': on(detector, 'features', [images, {}], [1, 'signal']),
    'DetectionModel#detect': {
      ...on(detector, 'detect', [image, { imageSize: 96 }], [1, 'threshold']),
      startsWithout: true,
    },
    'DetectionModel#detectBatch': {
      ...on(detector, 'detectBatch', [[image], { imageSize: 96 }], [1, 'passSize']),
      startsWithout: true,
    },
    'ClassHead.create': on(api.ClassHead, 'create', [{ hidden: 4, classes: 3 }], [0, 'hidden']),
    'ClassHead.ofModel': on(api.ClassHead, 'ofModel', [model, {}], [1, 'precision']),
    'ClassHead.load': on(api.ClassHead, 'load', [absent, {}], [1, 'device']),
    'ClassHead.import': on(api.ClassHead, 'import', [absent, {}], [1, 'classes']),
    'ClassHead.open': on(api.ClassHead, 'open', [absent, {}], [1, 'device']),
    'ClassHead#forward': on(head, 'forward', [decoded.queries, {}], [1, 'signal']),
    'ClassHead#backward': on(head, 'backward', [decoded.queries, decoded.queries]),
    'ClassHead#loss': on(head, 'loss', [decoded, labels, {}], [2, 'signal']),
    'ClassHead#accumulate': on(head, 'accumulate', [decoded, labels, 1]),
    'ClassHead#step': on(head, 'step', [{}], [0, 'learningRate']),
    'ClassHead#classMap': on(head, 'classMap', [decoded, { width: 8, height: 8 }], [1, 'scoring']),
    'ClassHead#restore': on(head, 'restore', [await head.state()]),
    'ClassHead#save': on(head, 'save', [at('saved.safetensors'), {}], [1, 'metadata']),
    'LinearProbe.from': on(api.LinearProbe, 'from', [values, {}], [1, 'metadata']),
    'LinearProbe.load': on(api.LinearProbe, 'load', [absent, {}], [1, 'device']),
    'LinearProbe.import': on(api.LinearProbe, 'import', [absent, {}], [1, 'layers']),
    'LinearProbe.open': on(api.LinearProbe, 'open', [absent, {}], [1, 'device']),
    'LinearProbe#forward': on(probe, 'forward', [features, {}], [1, 'signal']),
    'LinearProbe#loss': on(probe, 'loss', [features, labels, {}], [2, 'signal']),
    'LinearProbe#classMap': on(probe, 'classMap', [features, { width: 8, height: 8 }], [1, 'width']),
    'LinearProbe#segment': on(probe, 'segment', [model, image, { imageSize: 64 }], [2, 'stride']),
    'LinearProbe#save': on(probe, 'save', [at('saved-probe.safetensors'), {}], [1, 'metadata']),
    openHead: of(api.openHead, [absent, {}], [1, 'device']),
    convert: of(api.convert, [{ backbone: absent, head: absent, out: at('c.pt') }], [0, 'backbone']),
    exportModel: of(api.exportModel, [model, head, at('e.pt'), {}], [3, 'signal']),
    inspect: of(api.inspect, [absent, {}], [1, 'signal']),
    initModel: of(api.initModel, [{ arch: 'tiny', out: at('i.pt'), device: 'none' }], [0, 'seed']),
    forwardFile: of(api.forwardFile, [{ model: absent, input: absent, output: absent }], [0, 'output']),
    classSetOf: of(api.classSetOf, [head, 'idd26']),
    scoringOf: of(api.scoringOf, [head, classSet, 'recipe']),
    openSegmenter: of(api.openSegmenter, [{ model: absent }], [0, 'model']),
    'Segmenter#segment': on(seg, 'segment', [image, {}], [1, 'imageSize']),
    'Segmenter#segmentBatch': on(seg, 'segmentBatch', [[image], {}], [1, 'passSize']),
    'Segmenter#percentages': on(seg, 'percentages', [image, {}], [1, 'signal']),
    'Segmenter#scores': on(seg, 'scores', [image, {}], [1, 'outputSize']),
    loadClassSet: of(api.loadClassSet, ['idd26']),
    'SegmentationDataset.open': on(
      api.SegmentationDataset,
      'open',
      [absent, 'val', classSet, {}],
      [3, 'layout'],
    ),
    'SegmentationDataset#load': on(dataset, 'load', [0]),
    'SegmentationDataset#loadLabel': on(dataset, 'loadLabel', [0]),
    checkData: of(api.checkData, [absent, classSet, {}], [2, 'labelKind']),
    contactSheet: of(api.contactSheet, [new Map(), classSet, {}], [2, 'most']),
    decodePolygons: of(api.decodePolygons, [absent, {}], [1, 'unknown']),
    prepareIdd: of(api.prepareIdd, [absent, {}], [1, 'force']),
    decodeImage: of(api.decodeImage, [absent, {}], [1, 'maxPixels']),
    decodeLabel: of(api.decodeLabel, [absent]),
    encodePng: of(api.encodePng, [map, 8, 6, 1]),
    resolveConfig: of(api.resolveConfig, [settings], [0, 'model']),
    readConfigFile: of(api.readConfigFile, [absent]),
    makeCache: of(api.makeCache, [settings, {}], [1, 'onProgress']),
    checkCache: of(api.checkCache, [absent, {}], [1, 'signal']),
    listCaches: of(api.listCaches, [absent]),
    removeCache: of(api.removeCache, [absent]),
    train: of(api.train, [settings, {}], [1, 'onEpoch']),
    evaluate: of(api.evaluate, [model, trained, dataset, {}], [3, 'imageSize']),
    compare: of(
      api.compare,
      [{ model: absent }, { model: absent, precision: 'fast' }, [absent], {}],
      [3, 'imageSize'],
    ),
    evaluateHeads: of(api.evaluateHeads, [model, [trained], dataset, {}], [3, 'imageSize']),
    imageIou: of(api.imageIou, [[1], 1]),
    metricsOf: of(api.metricsOf, [[1], 1]),
    predict: of(api.predict, [model, [absent], { head: trained, classSet, output: at('p') }], [2, 'output']),
    cosineLearningRate: of(api.cosineLearningRate, [1, 2, 3]),
    schedule: of(api.schedule, [{ images: 1, batchSize: 1, accumulate: 1, epochs: 1 }], [0, 'epochs']),
    'new ProgressBar': of((...args) => new api.ProgressBar(...args), [{ write: () => true }, () => 0]),
    'ProgressBar#update': on(bar, 'update', [{ label: 'l', done: 1, total: 2 }]),
    classPercentages: of(api.classPercentages, [map, classSet]),
    classStatistics: of(api.classStatistics, [map, classSet]),
    colorize: of(api.colorize, [map, classSet]),
    writePrediction: of(api.writePrediction, [
      ...[at('w'), 'name', { original: new Uint8Array(144), map, width: 8, height: 6, classSet }],
    ]),
    panoramaViews: of(
      api.panoramaViews,
      [{ data: new Uint8Array(24), width: 4, height: 2 }, { size: 2 }],
      [1, 'size'],
    ),
    listPanoramaViews: of(api.listPanoramaViews, [{ carried: [], entries: [] }, { views: 2 }], [1, 'views']),
    renderReport: of(api.renderReport, [report]),
    writeReport: of(api.writeReport, [at('r.html'), report]),
    examplesSection: of(api.examplesSection, [{ title: 't' }, [{ name: 'n', image }], null]),
    evaluationSections: of(api.evaluationSections, [[{ name: 'n', evaluation }], classSet]),
    evaluationReport: of(
      api.evaluationReport,
      [model, trained, dataset, evaluation, { examples: 1 }],
      [4, 'examples'],
    ),
    openFeatureExtractor: of(api.openFeatureExtractor, [{ model: absent, set: '230' }], [0, 'detector']),
    'FeatureExtractor#extract': on(networkExtractor, 'extract', [[image], {}], [1, 'signal']),
    imagesOfPaths: of(api.imagesOfPaths, [[absent]]),
    imagesOfManifest: of(api.imagesOfManifest, [absent, {}], [1, 'idColumn']),
    withGps: of(api.withGps, [{ carried: [], entries: [] }, {}], [1, 'signal']),
    extractTable: of(
      api.extractTable,
      [extractor, { carried: [], entries: [] }, { output: at('t.csv') }],
      [2, 'output'],
    ),
    mergeTables: of(api.mergeTables, [[at('a.csv')], at('m.csv'), {}], [2, 'signal']),
    parseShard: of(api.parseShard, ['1/2']),
    launchedProcess: of(api.launchedProcess, [{ RANK: '0', WORLD_SIZE: '2' }]),
    mergeCaches: of(api.mergeCaches, [[absent], at('merged'), {}], [2, 'signal']),
    runDemo: of(api.runDemo, [{ out: root }], [0, 'epochs']),
    featureMapPath: of(api.featureMapPath, ['ade26']),
    readFeatureMap: of(api.readFeatureMap, [absent]),
    countedClasses: of(api.countedClasses, ['36']),
    percentagePlan: of(api.percentagePlan, [{ set: '230' }, false], [0, 'flavour']),
    percentagesOfLabels: of(
      api.percentagesOfLabels,
      [{ data: map, width: 8, height: 6 }, plan, {}],
      [2, 'labelKind'],
    ),
    'SegmentationFeatures.open': on(
      api.SegmentationFeatures,
      'open',
      [{ model: absent }],
      [0, 'aggregation'],
    ),
    'SegmentationFeatures#of': on(shares, 'of', [[image], {}], [1, 'signal']),
  };
}
