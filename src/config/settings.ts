/**
 * Every setting of the image server: one table that says how it is named, what it may be, what it is when nobody says, and
 * what it does. From it come the reading of the configuration, its JSON Schema, the variables of the environment, the
 * flags of `serve`, and the tables of `docs/settings.md`, which a test holds to it.
 */
import { z } from 'zod';
import { toPyramidionError } from '../errors.js';
import { compilePattern, DEFAULT_PATTERN } from '../log/pattern.js';
import { MIN_BUDGET_BYTES } from '../pool/budget.js';
import {
  boolean,
  bytes,
  choice,
  decimal,
  type Kind,
  LINE,
  line,
  orEmpty,
  orNone,
  orNoneByEmpty,
  path,
  paths,
  seconds,
  text,
  whole,
} from './kinds.js';
import { type Setting, setting, type Table, threshold } from './setting.js';

const MAX = Number.MAX_SAFE_INTEGER;
const DAY_MS = 86_400_000;

const PTIFF_MANAGER = {
  maxMemoryBytes: setting(
    'maxMemory',
    bytes(MIN_BUDGET_BYTES),
    '3G',
    'memory of all builds together, shared among the processes',
    {
      flag: '--max-memory <bytes>',
    },
  ),
} satisfies Table;

const IMAGE_SERVER = {
  tcpPort: setting('TcpPort', orNone(whole(1, 65_535)), null, 'one more port for the image service by itself', {
    aliases: ['TcpPort.name', 'IS::TcpPort', 'PS::isConnection.port'],
    shown: 'none',
  }),
  allowRemoteAccess: setting(
    'AllowRemoteAccess',
    orNone(boolean()),
    null,
    'who is served: with false this machine only; with true all, also on `TcpPort`; without it, where `host` says',
    { aliases: ['AllowRemoteAccess.name'], flag: '--allow-remote-access', shown: 'as `host` says' },
  ),
  maxRenderRgnPixels: setting(
    'MaxRenderRgnPixels',
    whole(1, 10_000, 'million pixels'),
    16,
    'largest picture that is made',
    { aliases: ['IS::MaxRenderRgnPixels'] },
  ),
  maxMessageSize: setting('MaxMessageSize', whole(1, 2047, '2²⁰ bytes'), 16, 'largest reply', {
    aliases: ['IS::MaxMessageSize'],
  }),
  randomAccessUrlTimeoutMs: setting(
    'RandomAccessUrlTimeout',
    seconds(0.1, 3600),
    20,
    'time for each read of an image that another server has',
    { aliases: ['IS::RandomAccessUrlTimeout'] },
  ),
  workerThreads: setting(
    'WorkerThreads',
    whole(0, 1024),
    10,
    'pictures made at once, shared among the processes; none makes more than there are processors, which is what 0 stands for',
    { aliases: ['IS::WorkerThreads'], flag: '--worker-threads <n>' },
  ),
  maxNonDsfSize: setting(
    'MaxNonDsfSize',
    decimal(0, 10_000, 'million pixels'),
    4,
    'largest image that is served without being a pyramid',
    { aliases: ['IS::MaxNonDsfSize'] },
  ),
} satisfies Table;

const PLATFORM_SERVER = {
  cacheEnabled: setting('Cache enabled', boolean(), true, 'keep replies, so that the same is not made twice', {
    flag: '--cache',
  }),
  cacheRoots: setting(
    'Cache roots',
    paths(0),
    ['cache'],
    'folders for kept replies, which are spread evenly; `[]` is memory only',
    {
      aliases: ['PS::cache.rootPaths'],
      flag: '--cache-root <folder>',
    },
  ),
  cacheMaxBytes: setting('Cache Max Size', bytes(0), 200_000_000, 'most bytes of replies that are kept on disk', {
    aliases: ['PS::cache.maxSize'],
    flag: '--cache-max-size <bytes>',
  }),
  cacheMaxEntries: setting('Cache Max Entries', whole(0, MAX), 100_000, 'most replies that are kept on disk', {
    aliases: ['PS::cache.maxEntries'],
  }),
  catalogRoot: setting(
    'Catalog root',
    text(LINE, 'a folder'),
    '/conf/global/settings/dam/dm/imageserver/',
    'where the default manifest lies: a folder of that name, else one below the first folder of `roots`',
  ),
} satisfies Table;

const SERVER = {
  port: setting('port', whole(0, 65_535), 8080, 'port to listen on; 0 is any that is free', {
    aliases: ['TC::PsPort'],
    flag: '--port <n>',
  }),
  host: setting(
    'host',
    orNone(text(/^[^\s/]+$/, 'an address or name of this machine')),
    null,
    'address to listen on; without it 127.0.0.1, or every one with `AllowRemoteAccess`',
    { flag: '--host <address>', shown: 'as `AllowRemoteAccess` says' },
  ),
  processes: setting('processes', whole(1, 64), 1, 'processes that share the port and the folders of the cache', {
    flag: '--processes <n>',
  }),
  roots: setting(
    'roots',
    paths(1, 'folders or http(s) URLs'),
    ['images'],
    'where images are, tried in order; `serve <folder>` is instead of them',
    {
      aliases: ['IS::RootPath'],
    },
  ),
  library: setting('library', orNone(path('a folder')), null, 'folder that ingested images are written to', {
    flag: '--library <folder>',
    shown: 'none',
  }),
  ingestOnRequest: setting(
    'ingestOnRequest',
    boolean(),
    false,
    'build the pyramid of an image into `library` when it is first asked for',
    { flag: '--ingest-on-request' },
  ),
  catalogFolder: setting('catalogFolder', path('a folder'), 'catalog', 'folder of image catalogs (`*.ini`)', {
    aliases: ['CS::catalog.rootPath'],
    flag: '--catalog-folder <folder>',
  }),
  catalogRefreshMs: setting(
    'catalogRefreshMs',
    whole(100, DAY_MS, 'ms'),
    10_000,
    'time between looks for changes of catalogs, and of this file',
    { aliases: ['CS::catalog.refreshInterval'] },
  ),
  catalogWaitMs: setting(
    'catalogWaitMs',
    whole(0, DAY_MS, 'ms'),
    5000,
    'how long a changed catalog is left to settle before it is loaded',
    { aliases: ['CS::catalog.modificationWaitTime'] },
  ),
  profileFolders: setting('profileFolders', paths(0), [], 'folders of ICC profiles', {
    flag: '--profile-folder <folder>',
    shown: 'none',
  }),
  enabled: setting('enabled', boolean(), true, 'false: the image service says that it is switched off'),
  cacheMemoryBytes: setting('cacheMemorySize', bytes(0), '64M', 'replies kept in memory, in each process'),
  cacheValidateMs: setting(
    'cacheValidateSeconds',
    seconds(0, 86_400),
    300,
    'time between looks whether the images of a kept reply have changed',
  ),
  maxQueue: setting(
    'maxQueue',
    whole(0, 100_000),
    64,
    'pictures that may wait to be made; further ones are answered 503',
  ),
  retryAfterSeconds: setting('retryAfterSeconds', whole(0, 3600, 's'), 1, 'when a client answered 503 may come again'),
  deadlineMs: setting('deadlineSeconds', seconds(0, 3600), 30, 'time for a request, waiting included; 0 is any'),
  maxDecodedPixels: setting(
    'maxDecodedPixels',
    decimal(1, 1_000_000, 'million pixels'),
    128,
    'most that is decoded of an image for one picture',
  ),
  corsOrigin: setting(
    'corsOrigin',
    orEmpty(text(/^(\*|[a-z][a-z0-9+.-]*:\/\/[^\s/,]+)$/, '* or an origin'), '* or an origin, or empty for none'),
    '*',
    'pages that may read replies (`Access-Control-Allow-Origin`)',
  ),
  keepAliveMs: setting('keepAliveSeconds', seconds(1, 3600), 65, 'how long an idle connection stays open'),
  drainMs: setting('drainSeconds', seconds(0, 3600), 30, 'time for requests under way when the server is told to stop'),
  tlsCert: setting('tlsCert', orNone(path('a file')), null, 'certificate (PEM); with it the server speaks HTTPS', {
    flag: '--tls-cert <file>',
    shown: 'none',
  }),
  tlsKey: setting('tlsKey', orNone(path('a file')), null, 'private key (PEM) of `tlsCert`', {
    flag: '--tls-key <file>',
    shown: 'none',
  }),
  trustForwardedFor: setting(
    'trustForwardedFor',
    boolean(),
    false,
    'take the address of a client from `X-Forwarded-For`: only behind a proxy that sets it',
    { flag: '--trust-forwarded-for' },
  ),
  allowDefaultCatalogRequests: setting(
    'allowDefaultCatalogRequests',
    boolean(),
    true,
    'false: requests that name no catalog are refused',
    { aliases: ['PS::allowDefaultCatalogRequests', 'PS::allowDefaultCatalogRequsts'] },
  ),
  copyright: setting(
    'copyright',
    line(),
    'Pyramidion, under the Apache License 2.0',
    'what `/is/image` says when nothing is asked of it',
  ),
} satisfies Table;

const LOG = {
  folder: setting('folder', orNoneByEmpty(path('a folder')), 'logs', 'where logs are', {
    aliases: ['TC::directory'],
    flag: '--log-folder <folder>',
  }),
  maxDays: setting('maxDays', whole(1, 36_500), 10, 'days that log files are kept', { aliases: ['TC::maxDays'] }),
  prefix: setting(
    'prefix',
    text(/^[^/\\\r\n]+$/, 'text without slashes'),
    'access-',
    'beginning of the names of access logs; the date follows',
    { aliases: ['TC::prefix'] },
  ),
  pattern: setting('pattern', accessPattern(), DEFAULT_PATTERN, 'columns of the access log', {
    aliases: ['TC::pattern'],
    shown: 'the 34 columns of the original',
  }),
  serverLog: setting('serverLog', choice('text', 'json'), 'text', 'form of the server log, a line a record', {
    flag: '--log-json',
    flagValue: 'json',
  }),
  traceLevel: setting(
    'traceLevel',
    { ...whole(1, 4), schema: whole(1, 4).schema.pipe(z.literal([1, 2, 3, 4])) },
    2,
    'how much it says: 1 starts and stops; 2 also files opened and closed; 3 also requests; 4 all',
    { aliases: ['IS::TraceClient'] },
  ),
  statsIntervalMs: setting('statsIntervalSeconds', seconds(5, 86_400), 600, 'time between records of statistics', {
    aliases: ['IS::TraceStatsInterval'],
  }),
} satisfies Table;

const ALERTS = {
  alertIntervalMs: threshold('alertInterval', whole(60_000, DAY_MS, 'ms'), 600_000, 'time the means are taken over'),
  maxAverageResponseTimeMs: threshold(
    'maxAverageResponseTime',
    decimal(0, DAY_MS, 'ms'),
    200,
    'alert when the mean time of a reply without errors is above it',
  ),
  maxErrorRate: threshold(
    'maxErrorRate',
    decimal(0, 1),
    0.05,
    'alert when a larger part of replies are errors; 1 is off',
  ),
  maxOverlap: threshold('maxOverlap', decimal(0, 100_000), 20, 'alert when more requests are under way, on average'),
  minRequestRate: threshold(
    'minRequestRate',
    decimal(0, 1e6, 'requests/s'),
    0,
    'alert when fewer requests come; 0 is off',
  ),
  minTrafficForAlerts: threshold(
    'minTrafficForAlerts',
    decimal(0, 1e6, 'requests/s'),
    0,
    'with fewer requests there are no alerts of time or errors',
  ),
  lockedThresholdMs: threshold('lockedThreshold', whole(1, DAY_MS, 'ms'), 60_000, 'alert when a request takes longer'),
} satisfies Table;

/** All settings under their names in `Config`. */
export const SETTINGS = {
  ptiffManager: PTIFF_MANAGER,
  imageServer: IMAGE_SERVER,
  platformServer: PLATFORM_SERVER,
  server: SERVER,
  log: LOG,
  alerts: ALERTS,
} as const;

/** A part of `Config`. */
export type Group = keyof typeof SETTINGS;

/** The sections of the file. */
export const SECTIONS = {
  ptiffManager: 'PTiffManager',
  imageServer: 'ImageServer',
  platformServer: 'PlatformServer',
  server: 'Server',
  log: 'Log',
  alerts: 'Alerts',
} as const satisfies Record<Group, string>;

/** What the settings come to. */
export type Settings = {
  readonly [G in Group]: {
    readonly [Key in keyof (typeof SETTINGS)[G]]: (typeof SETTINGS)[G][Key] extends Setting<infer Value>
      ? Value
      : never;
  };
};

/** A setting with its place. */
export interface SettingRow extends Setting<unknown> {
  readonly group: Group;
  readonly section: string;
  /** Its name in `Config`. */
  readonly key: string;
  /** Its variable of the environment. */
  readonly variable: string;
  /** Names it has outside its section as well: those of the original. */
  readonly topNames: readonly string[];
}

/** The table in rows, in order. */
export const ROWS: readonly SettingRow[] = Object.entries<Table>(SETTINGS).flatMap(([name, table]) => {
  const group = name as Group;
  const isOriginal = group === 'ptiffManager' || group === 'imageServer' || group === 'platformServer';
  return Object.entries(table).map(([key, row]) => ({
    ...row,
    group,
    section: SECTIONS[group],
    key,
    variable: variableOf(group === 'log' ? `log ${row.name}` : row.name),
    topNames: isOriginal ? [row.name, ...row.aliases] : row.aliases,
  }));
});

/** `ImageServer.TcpPort` */
export function qualifiedName({ section, name }: SettingRow): string {
  return `${section}.${name}`;
}

/** `Cache Max Size` → `PYRAMIDION_CACHE_MAX_SIZE`. */
function variableOf(name: string): string {
  const words = name.replace(/([a-z])([A-Z])/g, '$1 $2');
  return `PYRAMIDION_${words.replaceAll(' ', '_').toUpperCase()}`;
}

/** A pattern of the access log, told what is wrong with it. */
function accessPattern(): Kind<string> {
  const schema = z.string().superRefine((pattern, context) => {
    try {
      compilePattern(pattern);
    } catch (thrown) {
      context.addIssue({ code: 'custom', message: toPyramidionError(thrown).message });
    }
  });
  return { schema, allowed: 'text with variables such as %s and %{CacheUse}r' };
}
