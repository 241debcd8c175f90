/** The configuration of the image server: the file, the environment and the command line, made into one frozen value. */
import { readFile, stat } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { basename, dirname, isAbsolute, join, posix, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import ipaddr from 'ipaddr.js';
import { isHttpUrl } from '../source/http.js';
import { Faults, isObject } from './faults.js';
import type { ServeFlags } from './flags.js';
import { JsonFault, parseJson } from './json.js';
import { type Manifest, readManifest } from './manifest.js';
import { type Presets, readPresets } from './presets.js';
import { qualifiedName, ROWS, SECTIONS, type SettingRow, type Settings } from './settings.js';
import {
  CONFIG_VARIABLE,
  type Values,
  valuesOf,
  type Written,
  writtenAsFlags,
  writtenInEnvironment,
  writtenInFile,
} from './sources.js';

/**
 * Everything that can be set, every default applied. Plain data that can be sent to another process, frozen all through. What
 * each setting means and may be is in `settings.ts`; `…Ms` are milliseconds, `…Bytes` bytes, files and folders are absolute,
 * null is none. The limits of views have the names and units of `RenderLimits`.
 */
export interface Config extends Omit<Settings, 'imageServer' | 'server'> {
  /** The file it was read from. */
  readonly file: string | null;
  /** What relative paths of the file and of defaults start from: the folder of the file, else the current one. */
  readonly dataFolder: string;
  /** Variables that begin with `PYRAMIDION_` and set nothing: worth a warning. */
  readonly unknownVariables: readonly string[];
  /** `tcpHost`: the address to listen on at `tcpPort`. */
  readonly imageServer: Settings['imageServer'] & { readonly tcpHost: string };
  /** `host`: the address to listen on at `port`; `tls`: both of its files, where there are any. */
  readonly server: Settings['server'] & {
    readonly host: string;
    readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  };
  /** Properties of the default manifest that the file has, as written. */
  readonly manifest: Manifest;
  /** Query text by the names of presets. */
  readonly presets: Presets;
}

/** Where a configuration comes from. Later ones win: defaults, file, environment, flags, root. */
export interface ConfigSources {
  /** Path of the file; else the flag `--config` and the variable `PYRAMIDION_CONFIG` say. */
  readonly file?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  /** Options of `serve`, as commander yields them. */
  readonly flags?: ServeFlags;
  /** The folder of images that `serve` was given. */
  readonly root?: string | undefined;
  /** The current folder: paths of the environment and of flags are relative to it. */
  readonly folder?: string;
}

/**
 * Reads the configuration. Nothing is created, and whether folders exist is not looked at, except that of the default
 * manifest.
 *
 * Errors: `INVALID_OPTION` that names everything that is wrong, a line each, with its place, the value and what is allowed:
 * values out of their range; names that are not known, with the nearest that is (of variables, those that are near to one);
 * one setting said in two ways that differ; settings that do not go together; a file that is not there or is no JSON, with
 * line and column.
 */
export async function readConfig(sources: ConfigSources = {}): Promise<Config> {
  const { env = process.env, flags = {}, root, folder = process.cwd() } = sources;
  const faults = new Faults();
  const named = sources.file ?? flags.config ?? (env[CONFIG_VARIABLE] || undefined);
  const file = named === undefined ? null : resolve(folder, String(named));
  const dataFolder = file === null ? folder : dirname(file);
  const document = file === null ? {} : await readDocument(file, faults);
  const name = file === null ? '' : basename(file);

  const values: Values = new Map();
  const settle = (written: readonly Written[], base: string): void => {
    for (const [row, value] of valuesOf(written, faults)) values.set(row, resolved(row, value, base));
  };
  settle(
    ROWS.map((row) => ({ row, where: row.name, value: row.byDefault })),
    dataFolder,
  );
  settle(writtenInFile(document, name, faults), dataFolder);
  const [inEnvironment, unknownVariables] = writtenInEnvironment(env, faults);
  settle(inEnvironment, folder);
  settle(writtenAsFlags(flags), folder);
  const roots = ROWS.find(({ group, key }) => group === 'server' && key === 'roots');
  if (root !== undefined && roots !== undefined) settle([{ row: roots, where: 'the folder', value: [root] }], folder);

  const manifest = readManifest(document.manifest, name, faults);
  const presets = readPresets(document.presets, name, faults);
  const settings = settingsOf(values);
  checkTogether(settings, faults);
  faults.throwAny();
  return deepFreeze(await complete(settings, { file, dataFolder, unknownVariables, manifest, presets }));
}

/** Names of the settings in which two configurations differ, other than manifest and presets: those that need a restart. */
export function changedSettings(before: Config, after: Config): string[] {
  const changed = ROWS.filter((row) => {
    const [old, now] = [before, after].map((config) =>
      Object.entries(config[row.group]).find(([key]) => key === row.key),
    );
    return !isDeepStrictEqual(old, now);
  });
  return changed.map(qualifiedName);
}

async function readDocument(file: string, faults: Faults): Promise<Readonly<Record<string, unknown>>> {
  try {
    const document = parseJson(await readFile(file, 'utf8'));
    if (isObject(document)) return document;
    faults.addValue(file, 'config', document, 'an object of settings');
  } catch (thrown) {
    if (thrown instanceof JsonFault) faults.add(`${file}, ${thrown.message}`, 'config', file, 'JSON');
    else faults.add(`${file} cannot be read (${codeOf(thrown)})`, 'config', file, 'a file that can be read');
  }
  return {};
}

/** The value with its paths made absolute. URLs are. */
function resolved(row: SettingRow, value: unknown, base: string): unknown {
  if (row.isPath !== true) return value;
  if (Array.isArray(value)) return value.map((each) => resolved(row, each, base));
  return typeof value === 'string' && !isHttpUrl(value) ? resolve(base, value) : value;
}

function settingsOf(values: Values): Settings {
  const groups = Object.keys(SECTIONS).map((group) => {
    const rows = ROWS.filter((row) => row.group === group);
    return [group, Object.fromEntries(rows.map((row) => [row.key, values.get(row)]))];
  });
  // Each value was read by its row's schema, and the type is that of the rows.
  return Object.fromEntries(groups) as Settings;
}

/** What one setting rules out in another. */
function checkTogether({ imageServer, server }: Settings, faults: Faults): void {
  const { host, port, tlsCert, tlsKey, ingestOnRequest, library } = server;
  if (imageServer.allowRemoteAccess === false && host !== null && !isLoopback(host)) {
    const rule = 'ImageServer.AllowRemoteAccess is false, so Server.host';
    faults.addValue(rule, 'Server.host', host, 'a loopback address such as 127.0.0.1');
  }
  if (imageServer.tcpPort !== null && imageServer.tcpPort === port)
    faults.addValue('ImageServer.TcpPort', 'ImageServer.TcpPort', port, 'another port than Server.port');
  if ((tlsCert === null) !== (tlsKey === null)) {
    const [missing, there] = tlsCert === null ? ['tlsCert', 'tlsKey'] : ['tlsKey', 'tlsCert'];
    faults.addValue(`Server.${missing}`, `Server.${missing}`, null, `a file when there is a Server.${there}`);
  }
  if (ingestOnRequest && library === null)
    faults.addValue('Server.library', 'Server.library', library, 'a folder when Server.ingestOnRequest is true');
}

async function complete(
  settings: Settings,
  rest: Pick<Config, 'file' | 'dataFolder' | 'unknownVariables' | 'manifest' | 'presets'>,
): Promise<Config> {
  const { imageServer, platformServer, server } = settings;
  const { host, tlsCert, tlsKey } = server;
  const byDefault = imageServer.allowRemoteAccess === true ? anyAddress() : '127.0.0.1';
  const catalogRoot = await locateCatalogRoot(
    platformServer.catalogRoot,
    server.roots.find((root) => !isHttpUrl(root)) ?? rest.dataFolder,
  );
  return {
    ...settings,
    ...rest,
    imageServer: { ...imageServer, tcpHost: byDefault },
    platformServer: { ...platformServer, catalogRoot },
    server: {
      ...server,
      host: host ?? byDefault,
      tls: tlsCert === null || tlsKey === null ? null : { certFile: tlsCert, keyFile: tlsKey },
    },
  };
}

/** A folder of that name, else one below the root, which it cannot leave. */
async function locateCatalogRoot(path: string, root: string): Promise<string> {
  const found = isAbsolute(path) ? await stat(path).catch(() => null) : null;
  return found?.isDirectory() ? resolve(path) : join(root, posix.resolve('/', path));
}

function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || (ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback');
}

/** Every address of the machine: of both families where it has both. */
function anyAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  return addresses.some(({ family }) => family === 'IPv6') ? '::' : '0.0.0.0';
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown);
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
