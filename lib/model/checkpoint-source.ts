/** Finds the files of the weights that a path names: one file, or a folder as Hugging Face's libraries save it. */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DinoSegError } from '../errors.js';
import { readError, readJson } from '../files.js';
import { isObject, shown, type JsonObject } from '../json.js';
import type { CheckpointSource, SourceConfig } from '../native/bindings/engine.js';
import { counted } from '../text.js';

/** What a folder's weights are called, and the index files of weights in several files; the first that is there counts. */
const weightNames = ['model.safetensors', 'pytorch_model.bin'];
const wholeOrIndex = weightNames.flatMap((name) => [name, `${name}.index.json`]);

/** Mean and standard deviation of each channel, of values from 0 to 1: of preprocessor_config.json, or timm's config.json. */
export interface SourcePreprocessor {
  mean: [number, number, number];
  std: [number, number, number];
}

/** A source with what the files beside it say about the preprocessing. */
export interface ResolvedSource extends CheckpointSource {
  preprocessor?: SourcePreprocessor;
}

/**
 * The files that a path stands for, and what config.json and preprocessor_config.json beside them say.
 *
 * @param path a checkpoint file, an index file of shards, or a folder with one of them.
 * @param options `toList`: the contents are listed only. Single shards and other networks are no error then.
 * @throws DinoSegError FILE_NOT_FOUND (also for a shard that is missing), IO, CHECKPOINT_FORMAT for a folder without
 *   weights or a wrong JSON file, CHECKPOINT_KEYS for a single shard or the configuration of another network.
 */
export async function checkpointSource(
  path: string,
  { toList = false }: { toList?: boolean } = {},
): Promise<ResolvedSource> {
  const isFolder = await isFolderAt(path);
  const weights = isFolder ? join(path, await weightsIn(path)) : path;
  const folder = isFolder ? path : dirname(path);
  if (isShard(path) && !toList)
    throw new DinoSegError(
      'CHECKPOINT_KEYS',
      `${path} has a part of the network, as its name says. Give the folder ${dirname(path)}.`,
    );
  const files = weights.endsWith('.index.json') ? await shardsOf(weights) : { files: [weights] };
  // A file under another name may lie beside the configuration of something else.
  const isNamed = isFolder || wholeOrIndex.includes(basename(path));
  return { path, ...files, ...(isNamed ? await settingsIn(folder, toList) : {}) };
}

async function isFolderAt(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw readError(path, cause);
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    throw readError(folder, cause);
  }
}

/** Name of a folder's weights or of their index. */
async function weightsIn(folder: string): Promise<string> {
  const names = await namesIn(folder);
  const found = wholeOrIndex.find((name) => names.includes(name));
  if (found !== undefined) return found;
  if (names.some((name) => name.endsWith('.distcp')))
    throw new DinoSegError(
      'CHECKPOINT_FORMAT',
      `${folder} is a distributed checkpoint (.distcp files), which only PyTorch reads. Convert it with ` +
        '"python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE.pth", then give FILE.pth.',
    );
  const others = names.filter((name) => /\.(safetensors|pth?|bin)$/.test(name)).sort();
  throw new DinoSegError(
    'CHECKPOINT_FORMAT',
    `${folder} contains none of ${wholeOrIndex.join(', ')}. ` +
      (others.length > 0
        ? `Give the file itself: it contains ${others.slice(0, 10).join(', ')}.`
        : 'Give a checkpoint file, or a folder with the weights.'),
  );
}

/** Whether the name is that of a file with a part of a network. */
function isShard(path: string): boolean {
  const [, count] = /-\d{5}-of-(\d{5})\.(?:safetensors|bin)$/.exec(path) ?? [];
  return count !== undefined && Number(count) > 1;
}

async function shardsOf(path: string): Promise<Pick<CheckpointSource, 'files' | 'index'>> {
  const content = await readJson(path, 'CHECKPOINT_FORMAT');
  const map = isObject(content) ? content['weight_map'] : undefined;
  const isIndex =
    isObject(map) &&
    Object.values(map).length > 0 &&
    Object.values(map).every((name) => typeof name === 'string' && name === basename(name));
  if (!isIndex)
    throw new DinoSegError(
      'CHECKPOINT_FORMAT',
      `${path} is not an index of weights: expected "weight_map" with the name of a file in the folder for each key.`,
    );
  const index = map as Record<string, string>;
  const names = [...new Set(Object.values(index))].sort();
  const present = new Set(await namesIn(dirname(path)));
  const missing = names.filter((name) => !present.has(name));
  if (missing.length > 0)
    throw new DinoSegError(
      'FILE_NOT_FOUND',
      `${dirname(path)} lacks ${counted(missing.length, 'file')} of ${names.length} that ${basename(path)} lists: ` +
        `${missing.slice(0, 10).join(', ')}. Copy or download the folder again.`,
    );
  return { files: names.map((name) => join(dirname(path), name)), index };
}

async function settingsIn(
  folder: string,
  toList: boolean,
): Promise<Pick<ResolvedSource, 'config' | 'preprocessor'>> {
  const config = await jsonObjectIn(folder, 'config.json');
  const preprocessor = await jsonObjectIn(folder, 'preprocessor_config.json');
  // timm keeps it in config.json.
  const trained = config?.['pretrained_cfg'];
  const normalization =
    normalizationOf(preprocessor?.['image_mean'], preprocessor?.['image_std']) ??
    (isObject(trained) ? normalizationOf(trained['mean'], trained['std']) : undefined);
  const path = join(folder, 'config.json');
  const isUsed = config !== undefined && !(toList && refusalOf(path, config));
  return {
    ...(isUsed ? { config: configOf(path, config) } : {}),
    ...(normalization === undefined ? {} : { preprocessor: normalization }),
  };
}

/** The object in a JSON file; undefined if there is no such file. */
async function jsonObjectIn(folder: string, name: string): Promise<JsonObject | undefined> {
  if (!(await namesIn(folder)).includes(name)) return undefined;
  const path = join(folder, name);
  const content = await readJson(path, 'CHECKPOINT_FORMAT');
  if (!isObject(content))
    throw new DinoSegError('CHECKPOINT_FORMAT', `${path} should contain an object, not ${shown(content)}.`);
  return content;
}

/** Values that every DINOv3 ViT has: they are in the code of the network, not in its weights. */
const fixedValues: JsonObject = { patch_size: 16, num_channels: 3, layer_norm_eps: 1e-5 };

/** Why a configuration is not that of a ViT of DINOv3; undefined if it is one. */
function refusalOf(path: string, config: JsonObject): DinoSegError | undefined {
  const refuse = (what: string) => new DinoSegError('CHECKPOINT_KEYS', `${path} describes ${what}`);
  const type = config['model_type'];
  if (typeof type === 'string' && /convnext/.test(type))
    return refuse(`a ConvNeXt (${type}), which is not supported. Give a ViT backbone of DINOv3.`);
  if (typeof type === 'string' && /^dinov2/.test(type))
    return refuse(`a DINOv2 network (${type}), which is not supported. Give a backbone of DINOv3.`);
  const gated = config['use_gated_mlp'];
  const activation = typeof gated === 'boolean' ? { hidden_act: gated ? 'silu' : 'gelu' } : {};
  for (const [name, value] of Object.entries({ ...fixedValues, ...activation }))
    if (config[name] !== undefined && config[name] !== value)
      return refuse(
        `a network with ${name} ${shown(config[name])}, but DINOv3's ViTs have ${shown(value)}. ` +
          'Give a ViT backbone of DINOv3.',
      );
  for (const [name, value] of statedNumbers(config))
    if (typeof value !== 'number' || !(value > 0) || (name === 'attentionHeads' && !Number.isInteger(value)))
      return refuse(`a network with ${name} ${shown(value)}; expected a number above 0.`);
  return undefined;
}

/** The facts of a configuration that the weights do not state, by their names in {@link SourceConfig}. */
function statedNumbers(config: JsonObject): [string, unknown][] {
  // transformers 5 has moved it for some networks.
  const rope = isObject(config['rope_parameters']) ? config['rope_parameters'] : config;
  const numbers = { ropeTheta: rope['rope_theta'], attentionHeads: config['num_attention_heads'] };
  return Object.entries(numbers).filter(([, value]) => value !== undefined && value !== null);
}

function configOf(path: string, config: JsonObject): SourceConfig {
  const refusal = refusalOf(path, config);
  if (refusal) throw refusal;
  return Object.fromEntries(statedNumbers(config));
}

function normalizationOf(mean: unknown, std: unknown): SourcePreprocessor | undefined {
  return isTriple(mean) && isTriple(std) ? { mean, std } : undefined;
}

function isTriple(value: unknown): value is [number, number, number] {
  return Array.isArray(value) && value.length === 3 && value.every((each) => typeof each === 'number');
}
