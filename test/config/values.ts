/** For every setting: what it is by default, what may be written and what that comes to, and what may not. */

export interface Expected {
  readonly byDefault: unknown;
  /** As written, and as it comes to; paths as below the folder of the file. */
  readonly valid: readonly (readonly [written: unknown, value: unknown])[];
  readonly invalid: readonly unknown[];
  /** Other settings of its section that the valid ones need. */
  readonly beside?: Readonly<Record<string, unknown>>;
}

const LOCAL = '/data';
const flag = (byDefault: boolean): Expected => ({
  byDefault,
  valid: [
    [!byDefault, !byDefault],
    [String(!byDefault), !byDefault],
    ['', byDefault],
  ],
  invalid: ['yes', 1, null, []],
});
const number = (byDefault: number, low: number, high: number, scale = 1): Expected => ({
  byDefault: byDefault * scale,
  valid: [
    [low, low * scale],
    [high, high * scale],
    [` ${low} `, low * scale],
    ['', byDefault * scale],
  ],
  invalid: [low - 0.01, high + 1, 'many', '0x10', null, true, [low]],
});
const whole = (byDefault: number, low: number, high: number): Expected => {
  const { valid, invalid } = number(byDefault, low, high);
  return { byDefault, valid, invalid: [...invalid, low + 0.5, `${low + 0.5}`] };
};
const bytes = (byDefault: number, low: number): Expected => ({
  byDefault,
  valid: [
    [low, low],
    ['20M', 20 * 2 ** 20],
    ['1.5 GiB', 1.5 * 2 ** 30],
    ['', byDefault],
  ],
  invalid: [low - 1, 20_000_000.5, 'M', '20X', '-1', null],
});
const folders = (...byDefault: string[]): Expected => ({
  byDefault,
  valid: [
    [
      ['one', '/two'],
      [`${LOCAL}/one`, '/two'],
    ],
    ['one; /two;', [`${LOCAL}/one`, '/two']],
    ['', byDefault],
  ],
  invalid: [1, [''], [1], {}, null],
});
const folder = (byDefault: string | null): Expected => ({
  byDefault,
  valid: [
    ['here', `${LOCAL}/here`],
    ['/there', '/there'],
  ],
  invalid: [1, true, ['here'], 'two\nlines'],
});

export const EXPECTED: Readonly<Record<string, Expected>> = {
  'PTiffManager.maxMemory': bytes(3 * 2 ** 30, 10 * 2 ** 20),
  'ImageServer.TcpPort': {
    ...whole(0, 1, 65_535),
    byDefault: null,
    valid: [
      ['', null],
      [null, null],
      ['27345', 27_345],
      [65_535, 65_535],
    ],
    invalid: [0, '0', 65_536, 'auto'],
  },
  'ImageServer.AllowRemoteAccess': {
    byDefault: null,
    valid: [
      ['', null],
      [null, null],
      ['true', true],
      [false, false],
    ],
    invalid: ['on', 1],
  },
  'ImageServer.MaxRenderRgnPixels': whole(16, 1, 10_000),
  'ImageServer.MaxMessageSize': whole(16, 1, 2047),
  'ImageServer.RandomAccessUrlTimeout': number(20, 0.1, 3600, 1000),
  'ImageServer.WorkerThreads': whole(10, 0, 1024),
  'ImageServer.MaxNonDsfSize': number(4, 0, 10_000),
  'PlatformServer.Cache enabled': flag(true),
  'PlatformServer.Cache roots': folders(`${LOCAL}/cache`),
  'PlatformServer.Cache Max Size': bytes(200_000_000, 0),
  'PlatformServer.Cache Max Entries': {
    ...whole(100_000, 0, 1e9),
    invalid: [-1, 0.5, 'all', null],
  },
  'PlatformServer.Catalog root': {
    byDefault: `${LOCAL}/images/conf/global/settings/dam/dm/imageserver`,
    valid: [['/conf/mine/', `${LOCAL}/images/conf/mine`]],
    invalid: [1, null, ['/conf'], 'two\nlines'],
  },
  'Server.port': whole(8080, 0, 65_535),
  'Server.host': {
    byDefault: '127.0.0.1',
    valid: [
      ['0.0.0.0', '0.0.0.0'],
      ['::1', '::1'],
      [null, '127.0.0.1'],
      ['', '127.0.0.1'],
    ],
    invalid: [1, 'two words', 'http://localhost'],
  },
  'Server.processes': whole(1, 1, 64),
  'Server.roots': {
    ...folders(`${LOCAL}/images`),
    valid: [...folders(`${LOCAL}/images`).valid, ['HTTPS://a.org/x; b', ['HTTPS://a.org/x', `${LOCAL}/b`]]],
    invalid: [[], ' ; ', 1, ['']],
  },
  'Server.library': folder(null),
  'Server.ingestOnRequest': { ...flag(false), beside: { library: 'assets' } },
  'Server.catalogFolder': folder(`${LOCAL}/catalog`),
  'Server.catalogRefreshMs': whole(10_000, 100, 86_400_000),
  'Server.catalogWaitMs': whole(5000, 0, 86_400_000),
  'Server.profileFolders': folders(),
  'Server.enabled': flag(true),
  'Server.cacheMemorySize': bytes(64 * 2 ** 20, 0),
  'Server.cacheValidateSeconds': number(300, 0, 86_400, 1000),
  'Server.maxQueue': whole(64, 0, 100_000),
  'Server.retryAfterSeconds': whole(1, 0, 3600),
  'Server.deadlineSeconds': number(30, 0, 3600, 1000),
  'Server.maxDecodedPixels': number(128, 1, 1_000_000),
  'Server.corsOrigin': {
    byDefault: '*',
    valid: [
      ['', ''],
      ['https://example.org:8443', 'https://example.org:8443'],
    ],
    invalid: ['example.org', 'https://a.org/path', 'https://a.org, https://b.org', null],
  },
  'Server.keepAliveSeconds': number(65, 1, 3600, 1000),
  'Server.drainSeconds': number(30, 0, 3600, 1000),
  'Server.tlsCert': { ...folder(null), beside: { tlsKey: 'key.pem' } },
  'Server.tlsKey': { ...folder(null), beside: { tlsCert: 'cert.pem' } },
  'Server.trustForwardedFor': flag(false),
  'Server.allowDefaultCatalogRequests': flag(true),
  'Server.copyright': {
    byDefault: 'Pyramidion, under the Apache License 2.0',
    valid: [
      ['Someone', 'Someone'],
      ['', ''],
    ],
    invalid: ['two\nlines', 1, null],
  },
  'Log.folder': { ...folder(`${LOCAL}/logs`), valid: [...folder(null).valid, ['', null]] },
  'Log.maxDays': whole(10, 1, 36_500),
  'Log.prefix': { byDefault: 'access-', valid: [['s7access-', 's7access-']], invalid: ['../access-', 'a\\b', 1, null] },
  'Log.pattern': {
    byDefault: expect34Columns(),
    valid: [["%a '%{Referer}i' %{CacheUse}r", "%a '%{Referer}i' %{CacheUse}r"]],
    invalid: ['%Z', '%{Nothing}r', 'tab\t%a', 1, null],
  },
  'Log.serverLog': { byDefault: 'text', valid: [['json', 'json']], invalid: ['xml', 'JSON', 1] },
  'Log.traceLevel': whole(2, 1, 4),
  'Log.statsIntervalSeconds': number(600, 5, 86_400, 1000),
  'Alerts.alertInterval': whole(600_000, 60_000, 86_400_000),
  'Alerts.maxAverageResponseTime': number(200, 0, 86_400_000),
  'Alerts.maxErrorRate': number(0.05, 0, 1),
  'Alerts.maxOverlap': number(20, 0, 100_000),
  'Alerts.minRequestRate': number(0, 0, 1_000_000),
  'Alerts.minTrafficForAlerts': number(0, 0, 1_000_000),
  'Alerts.lockedThreshold': whole(60_000, 1, 86_400_000),
};

/** The original's pattern, column by column as its documentation numbers them. */
function expect34Columns(): string {
  const facts = (...names: string[]) => names.map((name) => `%{${name}}r`);
  const headers = (...names: string[]) => names.map((name) => `%{${name}}i`);
  return [
    ...['%G', '%a', '%s', ...facts('ProcessingStatus', 'Size'), '%D', ...facts('ParseTime', 'FetchTime'), '%O'],
    ...[...facts('ReqType'), "'%{RootId}r'", ...facts('CacheUse'), '%R', '[%I]', "'%{Referer}i'"],
    ...headers('Host', 'X-Forwarded-For', 'If-None-Match', 'If-Match', 'If-Modified-Since'),
    ...[...facts('Digest', 'ContentType'), '%p'],
    ...facts('Exception', 'CacheKey', 'PeerServer', 'SendTime', 'Context', 'TransformedUrl', 'PathBasedAccess'),
  ].join(' ');
}
