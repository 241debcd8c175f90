/** A context for command-line tests: what is written is kept, and an engine that decodes nothing. */
import { writeFileSync } from 'node:fs';
import type { CliContext, CliEngine, CliPicture } from '../../src/cli/context.js';
import { runProgram } from '../../src/cli/program.js';
import { ENCODE_DEFAULTS, planEncoding } from '../../src/encode/index.js';
import { PyramidionError } from '../../src/errors.js';
import type { BuildOptions, BuildReport, EngineOptions, ImageInfo } from '../../src/ingest/types.js';
import type { PictureInfo } from '../../src/picture/picture.js';
import type { ViewPlan } from '../../src/pipeline.js';
import { parseModifiers } from '../../src/protocol/image-serving/modifiers.js';
import { planRegion } from '../../src/region/plan.js';

export const IMAGE: ImageInfo = {
  format: 'jpeg',
  width: 640,
  height: 480,
  storedWidth: 640,
  storedHeight: 480,
  bands: 3,
  bitDepth: 8,
  sampleFormat: 'unsigned',
  colourSpace: 'rgb',
  palette: false,
  alpha: 'none',
  profile: null,
  orientation: 1,
  pages: 1,
  dpi: null,
  interlaced: false,
  chromaSubsampling: '4:2:0',
  metadata: { exif: 0, xmp: 0, iptc: 0, photoshop: 0 },
  bytes: 1000,
  need: 5_000_000,
  warnings: [],
};

/** A picture of the same size. */
export const PICTURE: PictureInfo = {
  kind: 'image',
  name: 'fake',
  version: '1',
  modifiedMs: null,
  width: 640,
  height: 480,
  orientation: 1,
  levels: [],
  pixels: { space: 'rgb', bits: 8, alpha: 'none' },
  profile: null,
  dpi: null,
};

/** What its views are. */
export const RENDITION = Uint8Array.of(0xff, 0xd8, 0xff, 0xd9);

/** A plan of a view of it. */
function planned(query: string): ViewPlan {
  const structure = {
    ...{ width: 640, height: 480, orientation: 1, resolution: 72 },
    levels: [{ width: 640, height: 480, downsampleX: 1, downsampleY: 1, tileWidth: 640, tileHeight: 480 }],
  };
  const { request } = parseModifiers(query);
  const icc = new Uint8Array(3144);
  const facts = { hasAlpha: true, space: 'rgb', dpi: 72, icc, iccSpace: 'rgb', xmp: null } as const;
  const output = { ...request.output, iccEmbed: true };
  return {
    tile: null,
    colour: null,
    dither: null,
    region: planRegion(structure, request),
    encoding: planEncoding(output, facts, ENCODE_DEFAULTS),
  };
}

/** What the fake engine was asked. */
export interface Call {
  readonly method: 'build' | 'probe' | 'verify' | 'open' | 'plan' | 'render';
  readonly source: string;
  readonly target?: string;
  readonly request?: string;
  readonly options: BuildOptions & { readonly subIfd?: number };
}

export interface FakeOptions {
  /** By the source's path: an error, or what to report. */
  readonly behave?: (source: string, method: Call['method']) => Partial<ImageInfo & BuildReport> | Error | undefined;
  readonly terminal?: boolean;
  /** Aborts when the engine has been asked this many times. */
  readonly abortAfter?: number;
  /** Whether the pictures it opens have transparency. */
  readonly alpha?: boolean;
  /** How long a build takes. */
  readonly delayMs?: number;
}

/** Runs a command line with a fake engine. */
export async function run(words: readonly string[], fake: FakeOptions = {}) {
  const out: string[] = [];
  const written: Uint8Array[] = [];
  const err: string[] = [];
  const calls: Call[] = [];
  const started: EngineOptions[] = [];
  const stop = new AbortController();
  let closed = 0;
  let running = 0;
  let mostRunning = 0;
  const answer = (call: Call) => {
    calls.push(call);
    if (calls.length === fake.abortAfter) stop.abort();
    const found = fake.behave?.(call.source, call.method);
    if (found instanceof Error) throw found;
    return found ?? {};
  };
  let picturesClosed = 0;
  const picture = (source: string): CliPicture => ({
    info: { ...PICTURE, pixels: { space: 'rgb', bits: 8, alpha: fake.alpha ? 'straight' : 'none' } },
    plan: async (request) => {
      answer({ method: 'plan', source, request: String(request), options: {} });
      return planned(String(request));
    },
    render: async (request) => {
      answer({ method: 'render', source, request: String(request), options: {} });
      const mediaType = 'image/jpeg';
      return { bytes: RENDITION, mediaType, width: 300, height: 225, quality: null, tile: null };
    },
    close: async () => {
      picturesClosed++;
    },
  });
  const engine: CliEngine = {
    open: async (source, options = {}) => {
      answer({ method: 'open', source: String(source), options });
      return picture(String(source));
    },
    probe: async (source, options = {}) => ({
      ...IMAGE,
      ...answer({ method: 'probe', source: String(source), options }),
    }),
    verify: async (source, options = {}) => {
      answer({ method: 'verify', source: String(source), options });
    },
    build: async (source, target, options = {}) => {
      mostRunning = Math.max(mostRunning, ++running);
      try {
        options.onProgress?.({ level: 0, fraction: 0.5, bytes: 500 });
        if (fake.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, fake.delayMs));
        const given = answer({ method: 'build', source: String(source), target, options });
        if (options.signal?.aborted) throw new PyramidionError('ABORTED', 'the caller aborted the job');
        writeFileSync(target, 'pyramid');
        return {
          path: target,
          bytes: 2048,
          width: 640,
          height: 480,
          levels: [{ width: 640, height: 480, tiles: 6, bytes: 2000 }],
          compression: 'jpeg',
          bigTiff: false,
          autocrop: null,
          sha256: '0'.repeat(64),
          need: 1,
          waitSeconds: 0,
          buildSeconds: 0.25,
          warnings: [],
          ...given,
        };
      } finally {
        running--;
      }
    },
    close: async () => {
      closed++;
    },
  };
  const context: CliContext = {
    stdout: {
      write: (data) => (typeof data === 'string' ? out.push(data) : written.push(data)),
      ...(fake.terminal ? { isTTY: true } : {}),
    },
    stderr: { write: (text) => err.push(text), ...(fake.terminal ? { isTTY: true, columns: 80 } : {}) },
    signal: stop.signal,
    startEngine: async (options) => {
      started.push(options);
      return engine;
    },
  };
  const code = await runProgram(words, context);
  return { code, out: out.join(''), err: err.join(''), calls, started, closed, picturesClosed, mostRunning, written };
}
