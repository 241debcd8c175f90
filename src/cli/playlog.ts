/** `pyramidion playlog`: asks a server again for what an access log says it was asked for, so that its cache is warm. */
import { createReadStream } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PyramidionError } from '../errors.js';
import { unescapeField } from '../log/escape.js';
import { type CliContext, printable, reportFailure } from './context.js';
import { whole } from './options.js';
import { Player, type PlayMethod } from './player.js';

/** Flags of `playlog`. */
export interface PlaylogFlags {
  /** What stands for `/is` of the logged URLs. */
  readonly prefix: URL;
  /** Columns, from 1. */
  readonly column: number;
  readonly methodColumn: number;
  readonly request: 'get' | 'post' | 'head' | 'smart';
  readonly separator: RegExp;
  readonly match: RegExp;
  /** Appended to each query; `{n}` stands for a column. */
  readonly suffix: string;
  readonly verbose?: true;
  readonly concurrency: number;
  readonly json?: true;
}

/** What was played. */
export interface PlaylogSummary {
  /** Lines that are not empty. */
  readonly lines: number;
  /** Lines that do not match, or hold no request that can be played. */
  readonly skipped: number;
  /** Requests that were answered with a status below 400. */
  readonly ok: number;
  readonly failed: number;
  /** Bytes of the bodies. */
  readonly bytes: number;
  readonly seconds: number;
  /** Replies by status. */
  readonly statuses: Readonly<Record<string, number>>;
}

/** Adds the options of `playlog`, and what else its help says, to a command with the argument `<logs...>`. */
export function addPlaylogOptions(command: Command): Command {
  return command
    .helpOption('-h, --help', 'what can be said')
    .addOption(
      new Option('-p, --prefix <url>', 'what stands for /is of the logged URLs')
        .argParser(prefixOf)
        .default(new URL('http://localhost:8080/is'), 'http://localhost:8080/is'),
    )
    .addOption(new Option('-n, --column <n>', 'column of the URL, from 1').argParser(whole(1, 1000)).default(16))
    .addOption(
      new Option('-o, --method-column <n>', 'column of the method, from 1').argParser(whole(1, 1000)).default(15),
    )
    .addOption(
      new Option('-r, --request <method>', 'how to ask; smart: as it was asked')
        .choices(['get', 'post', 'head', 'smart'])
        .default('smart'),
    )
    .addOption(
      new Option('-s, --separator <regex>', 'what is between columns').argParser(regexOf).default(/[ ]+/, '[ ]+'),
    )
    .addOption(new Option('-m, --match <regex>', 'play lines that match only').argParser(regexOf).default(/./, '.'))
    .addOption(
      new Option(
        '-x, --suffix <text>',
        "appended to each query; {n} is a column. Use '' where requests are locked or obfuscated",
      ).default('playlog={25}'),
    )
    .addOption(new Option('-v, --verbose', 'show each URL'))
    .addOption(new Option('--concurrency <n>', 'requests at once').argParser(whole(1, 1000)).default(4))
    .addOption(new Option('--json', 'one JSON document on standard output'))
    .addHelpText('after', HELP);
}

const HELP = `
The path of the prefix takes the place of /is: with -p http://host:8080/is, both /is/image/a and /image/a are asked for
as http://host:8080/is/image/a. Other paths (/iiif/…) are asked for at the prefix's host as they are.
The exit code is 1 when a request failed or was answered with a status of 400 or above.`;

/** Plays logs, one after the other. Yields the exit code: 1 when a log cannot be read or a request failed. */
export async function runPlaylog(paths: readonly string[], flags: PlaylogFlags, context: CliContext): Promise<number> {
  const { stdout, stderr, signal } = context;
  const startedAt = performance.now();
  const player = new Player(flags.prefix, flags.concurrency);
  const statuses: Record<string, number> = {};
  const counts = { lines: 0, skipped: 0, ok: 0, failed: 0, bytes: 0 };
  const show = flags.json ? stderr : stdout;
  let unread = 0;

  const fail = (url: string, reason: string): void => {
    counts.failed++;
    stderr.write(`pyramidion: ${printable(url)}: ${printable(reason)}\n`);
  };
  const play = async ({ method, url }: LoggedRequest): Promise<void> => {
    const path = targetOf(flags.prefix, url);
    const shown = `${flags.prefix.origin}${path}`;
    if (flags.verbose) show.write(`${method} ${printable(shown)}\n`);
    try {
      const { status, bytes } = await player.play(method, path, signal);
      statuses[status] = (statuses[status] ?? 0) + 1;
      counts.bytes += bytes;
      if (status < 400) counts.ok++;
      else fail(shown, `status ${status}`);
    } catch (error) {
      if (!signal.aborted) fail(shown, error instanceof Error ? error.message || error.name : String(error));
    }
  };

  async function* requests(): AsyncGenerator<LoggedRequest> {
    for (const path of paths) {
      try {
        for await (const line of linesOf(path)) {
          if (line === '') continue;
          counts.lines++;
          const request = requestOf(line, flags);
          if (request === null) counts.skipped++;
          else yield request;
        }
      } catch (error) {
        unread++;
        reportFailure(stderr, path, unreadable(path, error));
      }
    }
  }

  const queue = requests();
  const work = async (): Promise<void> => {
    for (let next = await queue.next(); !next.done && !signal.aborted; next = await queue.next())
      await play(next.value);
  };
  try {
    await Promise.all(Array.from({ length: flags.concurrency }, work));
  } finally {
    await queue.return(undefined);
    player.close();
  }

  const summary: PlaylogSummary = { ...counts, seconds: (performance.now() - startedAt) / 1000, statuses };
  stdout.write(flags.json ? `${JSON.stringify(summary, null, 2)}\n` : textOf(summary));
  return counts.failed > 0 || unread > 0 || signal.aborted ? 1 : 0;
}

/** A request as it was logged. */
export interface LoggedRequest {
  readonly method: PlayMethod;
  /** Path and query, the suffix included. */
  readonly url: string;
}

/** The request of a line; null when there is none that can be played. */
export function requestOf(
  line: string,
  flags: Pick<PlaylogFlags, 'column' | 'methodColumn' | 'request' | 'separator' | 'match' | 'suffix'>,
): LoggedRequest | null {
  if (!flags.match.test(line)) return null;
  const columns = line.split(flags.separator);
  const method = flags.request === 'smart' ? columns[flags.methodColumn - 1] : flags.request;
  const url = pathOf(unescapeField(columns[flags.column - 1] ?? ''));
  const played = METHODS.find((candidate) => candidate === method?.toUpperCase());
  // What asks for nothing warms nothing, and would ask for something with a suffix.
  if (played === undefined || url === null || /^\/is\/(?:image|content)\/?\??$/.test(url)) return null;
  const suffix = flags.suffix.replace(/\{(\d+)\}/g, (_, number) => columns[Number(number) - 1] ?? '');
  return { method: played, url: suffix === '' ? url : `${url}${url.includes('?') ? '&' : '?'}${suffix}` };
}

const METHODS: readonly PlayMethod[] = ['GET', 'POST', 'HEAD'];

/** Path and query of a logged URL, which may be a whole one; null when it has none. */
function pathOf(url: string): string | null {
  const path = url.replace(/^https?:\/\/[^/?]*/i, '');
  return path.startsWith('/') ? path : null;
}

/** What is asked for at the prefix's host: see the help text. */
export function targetOf(prefix: URL, url: string): string {
  const base = prefix.pathname.replace(/\/+$/, '');
  if (/^\/is(?=[/?]|$)/.test(url)) return base + url.slice('/is'.length);
  return /^\/(?:image|content)(?=[/?]|$)/.test(url) ? base + url : url;
}

async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = '';
  // A stream of text yields strings.
  for await (const chunk of createReadStream(path, 'utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop() ?? '';
    yield* lines;
  }
  yield rest;
}

function textOf({ lines, skipped, ok, failed, bytes, seconds }: PlaylogSummary): string {
  return `${lines} lines, ${skipped} skipped: ${ok} requests ok, ${failed} failed, ${bytes} bytes in ${seconds.toFixed(1)} s\n`;
}

function unreadable(path: string, cause: unknown): PyramidionError {
  const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
  return isMissing
    ? new PyramidionError('SOURCE_NOT_FOUND', 'there is no such log', { cause, value: path })
    : new PyramidionError('SOURCE_UNREADABLE', 'the log cannot be read', { cause, value: path });
}

function prefixOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '') return url;
  throw new InvalidArgumentError('Allowed is an http or https URL without a query.');
}

function regexOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError('Allowed is a regular expression.');
  }
}
