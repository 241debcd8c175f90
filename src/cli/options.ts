/**
 * Options of the commands. What an option of a build or of the engine may be, and what it does, is said by the tables in
 * `ingest/options.ts`; here is only how each is written on a command line.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PyramidionError } from '../errors.js';
import { BUILD_OPTIONS, ENGINE_OPTIONS, type OptionRow } from '../ingest/options.js';
import type { BuildOptions, EngineOptions } from '../ingest/types.js';
import { availableMemory } from '../pool/machine.js';

/** An option of the library as a flag. */
interface Flag<Name extends string> {
  readonly option: Name;
  readonly flags: string;
  /** What the text means, before it is checked; by default {@link literal}. */
  readonly value?: (text: string) => unknown;
  /** What may be written, and what it does, where the library's words do not fit a command line. */
  readonly allowed?: string;
  readonly effect?: string;
}

/** Metadata that can be kept or stripped. */
type MetadataKind = keyof NonNullable<BuildOptions['keep']>;

/** Options of `build` that are the command's own, as commander yields them; what was not given is absent. */
export interface BuildFlags {
  readonly preset: 'library' | 'ic';
  readonly jpegQuality?: number;
  readonly maintainPixelType?: true;
  readonly autocrop?: AutocropFlag;
  readonly strip?: readonly MetadataKind[];
  readonly embedXmpData?: true;
  readonly embedColorProfile?: true;
  readonly overwrite?: true;
  readonly continueOnError?: true;
  readonly recursive?: true;
  readonly skipHidden?: true;
  readonly json?: true;
  readonly progress?: true;
  readonly quiet?: true;
  readonly logFile?: string;
  readonly logAppend: boolean;
  readonly logLevel: number;
  readonly logProgressMsec: number;
}

/** `--autocrop`: the search, and the file its rectangle goes to. */
interface AutocropFlag {
  readonly search: unknown;
  readonly infoFile: string | null;
}

/** Flags as commander yields them, those of the library's options among them. */
export type RawFlags = Readonly<Record<string, unknown>>;

const CODING: readonly Flag<keyof BuildOptions>[] = [
  { option: 'compression', flags: '--compression <kind>' },
  { option: 'quality', flags: '--quality <n>' },
  { option: 'lossless', flags: '--lossless' },
  { option: 'effort', flags: '--effort <n>' },
  { option: 'predictor', flags: '--no-predictor', effect: 'no horizontal differencing before deflate and LZW' },
  { option: 'chroma', flags: '--chroma <sampling>' },
  { option: 'tileSize', flags: '--tile-size <pixels>' },
  { option: 'layout', flags: '--layout <kind>' },
  { option: 'depth', flags: '--depth <end>' },
  { option: 'bigTiff', flags: '--bigtiff <when>', allowed: 'auto, yes or no' },
  { option: 'bits', flags: '--bits <n>' },
];

const PIXELS: readonly Flag<keyof BuildOptions>[] = [
  { option: 'pixelType', flags: '--pixel-type <type>' },
  { option: 'alpha', flags: '--alpha <how>' },
  { option: 'reduction', flags: '--reduction <filter>' },
  { option: 'linearLight', flags: '--linear-light' },
  {
    option: 'unsharp',
    flags: '--unsharp <amount,radius,threshold,mono>',
    value: unsharpOf,
    allowed: 'amount 0…5, radius 0…250, threshold 0…255, mono 0 or 1; the last three may be left out',
  },
  { option: 'imageProfile', flags: '--image-profile <file>', value: String, allowed: 'a file' },
  { option: 'viewProfile', flags: '--view-profile <file>', value: String, allowed: 'a file' },
  { option: 'intent', flags: '--intent <name>' },
  {
    option: 'blackPointCompensation',
    flags: '--no-black-point-compensation',
    effect: 'convert without black-point compensation',
  },
  {
    option: 'normaliseOrientation',
    flags: '--no-orient',
    effect: "keep the source's orientation as a field instead of applying it",
  },
];

const FILES: readonly Flag<keyof BuildOptions>[] = [
  { option: 'page', flags: '--page <n>' },
  { option: 'ifExists', flags: '--if-exists <what>' },
];

const DPI: Flag<keyof BuildOptions> = { option: 'dpi', flags: '--dpi <n>', allowed: '1…100000' };

const ENGINE: readonly Flag<keyof EngineOptions>[] = [
  { option: 'maxMemory', flags: '--max-memory <bytes>' },
  {
    option: 'estimate',
    flags: '--estimate <rule>',
    effect: 'memory of a build: its true peak, or width × height × channels × 3 (× 2 above 8 bits)',
    allowed: 'peak or decoded',
  },
  { option: 'workers', flags: '--workers <n>' },
  { option: 'threads', flags: '--threads <n>' },
  { option: 'maxPixels', flags: '--max-pixels <n>' },
];

const METADATA: readonly MetadataKind[] = ['profile', 'xmp', 'exif', 'iptc'];

/** Adds the options of `build` to a command. */
export function addBuildOptions(command: Command): Command {
  const add = (...options: Option[]) => {
    for (const option of options) command.addOption(option);
  };
  const build = (flags: readonly Flag<keyof BuildOptions>[]) =>
    add(...flags.map((flag) => libraryOption(flag, BUILD_OPTIONS[flag.option])));

  command.optionsGroup('Coding:');
  add(
    new Option('--preset <name>', "defaults to start from: the library's, or those of the ic converter")
      .choices(['library', 'ic'])
      .default('library'),
  );
  build(CODING);
  add(new Option('--jpeg-quality <n>', 'quality where JPEG is used').argParser(whole(0, 100)));
  command.optionsGroup('Pixels:');
  build(PIXELS);
  add(
    new Option(
      '--autocrop <corner,mode,tolerance,file>',
      'report the rectangle inside the border, and write it to an XML file where one is named; mode 0 goes by colour, 1 by alpha',
    ).argParser(autocropOf),
    new Option('--maintain-pixel-type', 'with --preset ic: do not convert CMYK to RGB'),
  );
  command.optionsGroup('Metadata:');
  build([DPI]);
  add(
    new Option('--strip <list>', 'what not to keep: profile, xmp, exif, iptc or all').argParser(stripOf),
    new Option('--embed-color-profile', 'with --preset ic: keep the profile'),
    new Option('--embed-xmp-data', 'with --preset ic: keep XMP'),
  );
  command.optionsGroup('Files:');
  build(FILES);
  add(
    new Option('--overwrite', 'replace the target when it exists').conflicts('ifExists'),
    new Option('--recursive', 'also the folders in a folder'),
    new Option('--skip-hidden', 'leave out files and folders whose names begin with a dot'),
    new Option('--continue-on-error', 'go on after a failure'),
  );
  addEngineOptions(command);
  addOutputOptions(command);
  command.optionsGroup('Log:');
  add(
    new Option('--log-file <file>', 'write a line for each file').argParser(nameOf),
    new Option('--log-append', 'add to the log').default(true),
    new Option('--no-log-append', 'start the log anew'),
    new Option('--log-level <n>', 'below 0 nothing, from 0 a line for each file, from 2 progress too')
      .argParser(whole(-1, 4))
      .default(0),
    new Option('--log-progress-msec <n>', 'time between lines of progress')
      .argParser(whole(100, 3_600_000))
      .default(3000),
    // Options of the converter that ask for what is the case anyway.
    new Option('--cms-no-dither8', 'accepted: conversion never dithers').hideHelp(),
    new Option('--force-jpeg-decompress', 'accepted: sources are always decoded').hideHelp(),
  );
  return command;
}

/** Adds the options of the engine to a command. */
export function addEngineOptions(command: Command): Command {
  command.optionsGroup('Machine:');
  for (const flag of ENGINE) command.addOption(libraryOption(flag, ENGINE_OPTIONS[flag.option]));
  return command.addOption(
    new Option('--max-memory-percent <n>', 'memory budget as a share of the memory there is')
      .argParser(decimal(0.1, 100))
      .conflicts('maxMemory'),
  );
}

/** Adds what says how results are shown. */
export function addOutputOptions(command: Command): Command {
  command.optionsGroup('Output:');
  return command
    .addOption(new Option('--json', 'one JSON document on standard output'))
    .addOption(new Option('--progress', 'show progress even when standard error is no terminal').conflicts('quiet'))
    .addOption(new Option('--quiet', 'no progress and no result lines'));
}

/** The engine's options among the flags of a command. */
export function engineOptions(flags: RawFlags): EngineOptions {
  const percent = flags.maxMemoryPercent;
  const share = typeof percent === 'number' ? { maxMemory: Math.floor((availableMemory() * percent) / 100) } : {};
  return { ...pick(ENGINE, flags), ...share } as EngineOptions;
}

/**
 * The build's options among the flags. With `--preset ic`: deflate, and no metadata but what is asked for; what that
 * preset decides by the source is not here.
 */
export function buildOptions(flags: BuildFlags & RawFlags): BuildOptions {
  const ic = flags.preset === 'ic';
  const given = pick([...CODING, ...PIXELS, DPI, ...FILES], flags) as BuildOptions;
  const compression = given.compression ?? (ic ? 'deflate' : 'auto');
  const { chroma, ...rest } = given;
  const mayBeJpeg = compression === 'jpeg' || compression === 'auto';
  const kept: Record<MetadataKind, boolean> = ic
    ? { profile: flags.embedColorProfile === true, xmp: flags.embedXmpData === true, exif: false, iptc: false }
    : { profile: true, xmp: true, exif: true, iptc: true };
  for (const kind of flags.strip ?? []) kept[kind] = false;
  return {
    ...rest,
    compression,
    // The converter ignores what does not apply; the library refuses it.
    ...(chroma === undefined || (ic && !mayBeJpeg) ? {} : { chroma }),
    ...(flags.jpegQuality === undefined || !mayBeJpeg || given.quality !== undefined
      ? {}
      : { quality: Math.max(1, flags.jpegQuality) }),
    ...(flags.autocrop === undefined
      ? {}
      : { autocrop: flags.autocrop.search as NonNullable<BuildOptions['autocrop']> }),
    ...(flags.overwrite ? { ifExists: 'replace' } : {}),
    keep: kept,
  };
}

/** A parser of whole numbers from `min` to `max`. */
export function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Allowed are whole numbers from ${min} to ${max}.`);
  };
}

/** A parser of numbers from `min` to `max`. */
export function decimal(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = literal(text);
    if (typeof value === 'number' && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Allowed are numbers from ${min} to ${max}.`);
  };
}

/** A parser of file names. */
export function nameOf(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('Allowed is the name of a file.');
}

/** A commander option that checks its value as the library does and shows what the library's table says of it. */
function libraryOption(flag: Flag<string>, row: OptionRow<unknown>): Option {
  const { option, flags, value = literal, effect = row.effect, allowed = row.allowed } = flag;
  if (!flags.includes('<')) return new Option(flags, effect);
  const byDefault = row.fallback === null ? row.shown.replace(/^null(: )?/, '') : row.shown;
  const made = new Option(flags, `${effect} [${allowed}${byDefault === '' ? '' : `; default ${byDefault}`}]`);
  return made.argParser((text) => checked(option, value(text), row, allowed));
}

function checked(option: string, value: unknown, row: OptionRow<unknown>, allowed: string): unknown {
  let limit = allowed;
  try {
    const read = row.read(value);
    // An option of options is read with its defaults filled in; those are the library's to add.
    if (read !== undefined) return typeof value === 'object' ? value : read;
  } catch (error) {
    if (!(error instanceof PyramidionError) || error.code !== 'INVALID_OPTION') throw error;
    if (error.option !== option) limit = `${error.option} ${error.limit}`;
  }
  throw new InvalidArgumentError(`Allowed: ${limit}.`);
}

/** Values of the flags that were given, under the names of the library's options. */
function pick(flags: readonly Flag<string>[], values: RawFlags): Record<string, unknown> {
  const picked: Record<string, unknown> = {};
  for (const { option, flags: spelling } of flags) {
    const flag = new Option(spelling);
    const value = values[flag.attributeName()];
    // commander has `true` for a --no-… flag that was not given.
    if (value !== undefined && !(flag.negate && value === true)) picked[option] = value;
  }
  return picked;
}

/** A number where the text is one, a boolean for yes and no, else the text. */
function literal(text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === 'yes' || trimmed === 'no') return trimmed === 'yes';
  return /^-?(\d+\.?\d*|\.\d+)$/.test(trimmed) ? Number(trimmed) : trimmed;
}

function unsharpOf(text: string): unknown {
  const [amount, radius, threshold, mono, ...rest] = text.split(',').map(literal);
  if (rest.length > 0) return text;
  return {
    amount,
    ...(radius === undefined ? {} : { radius }),
    ...(threshold === undefined ? {} : { threshold }),
    ...(mono === undefined ? {} : { monochrome: mono === 1 ? true : mono === 0 ? false : mono }),
  };
}

function autocropOf(text: string): AutocropFlag {
  const [corner, mode, tolerance, ...file] = text.split(',');
  const modes: Readonly<Record<string, string>> = { '0': 'colour', '1': 'alpha', color: 'colour' };
  const search = {
    corner: corner?.toLowerCase(),
    ...(mode === undefined ? {} : { mode: modes[mode] ?? mode }),
    ...(tolerance === undefined ? {} : { tolerance: literal(tolerance) }),
  };
  checked('autocrop', search, BUILD_OPTIONS.autocrop, 'corner,mode,tolerance,file');
  // A file's name may hold commas.
  return { search, infoFile: file.length > 0 ? nameOf(file.join(',')) : null };
}

function stripOf(text: string): MetadataKind[] {
  const names = text.split(',').map((name) => name.trim().toLowerCase());
  if (names.includes('all')) return [...METADATA];
  const kinds = METADATA.filter((kind) => names.includes(kind));
  if (kinds.length === new Set(names).size) return kinds;
  throw new InvalidArgumentError(`Allowed are ${METADATA.join(', ')} and all, with commas between.`);
}
