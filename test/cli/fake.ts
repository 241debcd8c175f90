/** A context for command-line tests: what is written is kept, and an engine that decodes nothing. */
import { writeFileSync } from 'node:fs';
import type { CliContext, CliEngine } from '../../src/cli/context.js';
import { runProgram } from '../../src/cli/program.js';
import { PyramidionError } from '../../src/errors.js';
import type { BuildOptions, BuildReport, EngineOptions, ImageInfo } from '../../src/ingest/types.js';

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

/** What the fake engine was asked. */
export interface Call {
  readonly method: 'build' | 'probe' | 'verify';
  readonly source: string;
  readonly target?: string;
  readonly options: BuildOptions & { readonly subIfd?: number };
}

export interface FakeOptions {
  /** By the source's path: an error, or what to report. */
  readonly behave?: (source: string, method: Call['method']) => Partial<ImageInfo & BuildReport> | Error | undefined;
  readonly terminal?: boolean;
  /** Aborts when the engine has been asked this many times. */
  readonly abortAfter?: number;
  /** How long a build takes. */
  readonly delayMs?: number;
}

/** Runs a command line with a fake engine. */
export async function run(words: readonly string[], fake: FakeOptions = {}) {
  const out: string[] = [];
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
  const engine: CliEngine = {
    open: async () => {
      throw new PyramidionError('INTERNAL', 'this engine opens nothing');
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
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text), ...(fake.terminal ? { isTTY: true, columns: 80 } : {}) },
    signal: stop.signal,
    startEngine: async (options) => {
      started.push(options);
      return engine;
    },
  };
  const code = await runProgram(words, context);
  return { code, out: out.join(''), err: err.join(''), calls, started, closed, mostRunning };
}
