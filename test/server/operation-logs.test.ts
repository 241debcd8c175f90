/** What a server tells of itself: the access log, metrics, health; and playing a log again to warm a cache. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../robust/processes.js';
import { image, usesOf } from './settings.js';
import { type Answered, type AskOptions, usePlace, write } from './start.js';

const place = usePlace();

/** The columns of the access log as its documentation numbers them. */
const COLUMNS = [
  ...['date', 'time', 'offset', 'address', 'status', 'processing', 'size', 'ms', 'parseMs', 'fetchMs', 'overlap'],
  ...['type', 'rootId', 'use', 'method', 'uri', 'protocol', 'thread', 'referer', 'host', 'forwarded', 'noneMatch'],
  ...['match', 'modifiedSince', 'digest', 'mediaType', 'port', 'exception', 'key', 'peer', 'sendMs', 'context'],
  ...['transformed', 'byPath'],
] as const;
type Columns = Readonly<Record<(typeof COLUMNS)[number], string>>;

function columnsOf(line: string): Columns {
  const fields = line.split(' ');
  expect(fields).toHaveLength(34);
  return Object.fromEntries(COLUMNS.map((name, at) => [name, fields[at]])) as Columns;
}

/** What is asked, in order, and what its line says. */
const REQUESTS: readonly (readonly [target: string, options: AskOptions, expected: Partial<Columns>])[] = [
  [
    image('photo?wid=100'),
    {},
    { status: '200', processing: '0', use: 'CREATED', type: 'IMG', mediaType: 'image/jpeg' },
  ],
  [image('photo?wid=100'), {}, { status: '200', processing: '0', use: 'REUSED', type: 'IMG', mediaType: 'image/jpeg' }],
  [image('photo?wid=100'), { method: 'HEAD' }, { status: '200', use: 'REUSED', method: 'HEAD' }],
  [image('photo?wid=100&cache=update'), {}, { status: '200', use: 'UPDATED' }],
  [image('photo?wid=100&cache=validate'), {}, { status: '200', use: 'VALIDATED' }],
  [image('photo?wid=100&cache=off'), {}, { status: '200', use: 'IGNORED' }],
  [image('photo?wid=100'), { headers: { 'if-none-match': '*' } }, { status: '304', use: 'REUSED', noneMatch: '*' }],
  [image('photo?wid=100&req=tmb'), { method: 'POST' }, { status: '200', type: 'TMB', method: 'POST', use: 'CREATED' }],
  [image('photo?req=props,json'), {}, { type: 'PROPS', use: 'IGNORED', mediaType: 'text/javascript;%20charset=utf-8' }],
  [
    image('none'),
    {},
    { status: '403', processing: '1', use: 'UNDEFINED', exception: expect.stringMatching(/^SOURCE_NOT_FOUND:%20/) },
  ],
  [
    image('photo?wid=0'),
    {},
    { status: '403', processing: '2', exception: expect.stringMatching(/^INVALID_REQUEST:%20/) },
  ],
  [
    image('photo?wid=2001&hei=10'),
    {},
    { status: '403', processing: '2', exception: expect.stringMatching(/^LIMIT_EXCEEDED:%20/) },
  ],
  [image('shop/photo'), {}, { status: '200', rootId: "'shop'", byPath: 'true' }],
  [image('shop/one'), {}, { status: '200', rootId: "'shop'", byPath: 'false' }],
  [image('old/photo?wid=64'), {}, { status: '200', transformed: '/is/image/photo?wid=64' }],
  ['/is/image', {}, { status: '200', use: 'UNDEFINED', rootId: "'-'", type: '-', context: 'is' }],
  ['/is/other', {}, { status: '404', context: '-' }],
  [
    image('photo?wid=1%201'),
    { headers: { referer: 'http://a.org/x y%', 'x-forwarded-for': '203.0.113.9, 10.0.0.1' } },
    {
      status: '403',
      uri: '/is/image/photo?wid=1%25201',
      referer: "'http://a.org/x%20y%25'",
      forwarded: '203.0.113.9,%2010.0.0.1',
    },
  ],
  [image('photo?wid=60'), { method: 'PUT' }, { status: '405', processing: '2', context: '-' }],
];

describe('after known requests', () => {
  const replies: Answered[] = [];
  let lines: Columns[] = [];
  let names: string[] = [];
  let url = '';
  let exposition: Answered;
  let value: (name: string) => number;
  beforeAll(async () => {
    const folder = await place.prepare();
    await write(join(folder, 'catalog', 'default.ini'), 'RuleSetFile = rules.xml\n');
    await write(
      join(folder, 'catalog', 'rules.xml'),
      '<?xml version="1.0"?><ruleset><rule OnMatch="continue"><expression>^old/</expression><substitution></substitution></rule></ruleset>',
    );
    await write(join(folder, 'catalog', 'shop.ini'), 'RootId = shop\nCatalogFile = shop.txt\n');
    await write(join(folder, 'catalog', 'shop.txt'), 'Id\tPath\none\tphoto.tif\n');
    const server = await place.start(folder);
    url = server.urls[0] ?? '';
    for (const [target, options] of REQUESTS) replies.push(await server.ask(target, options));
    value = await server.metrics();
    exposition = await server.ask('/metrics');
    await server.close();
    names = (await readdir(join(folder, 'logs'))).sort();
    const log = await readFile(join(folder, 'logs', names.find((name) => name.startsWith('access-')) ?? ''), 'utf8');
    lines = log.trimEnd().split('\n').map(columnsOf);
  });

  it('the access log is a file of the day, with a line of 34 columns for each', () => {
    const today = new Date();
    const date = [today.getFullYear(), today.getMonth() + 1, today.getDate()]
      .map((part) => String(part).padStart(2, '0'))
      .join('-');
    expect(names).toEqual([`ImageServer-0-${date}.log`, `access-${date}.log`]);
    expect(lines).toHaveLength(REQUESTS.length);
  });

  it.each(REQUESTS.map(([target, { method = 'GET' }, expected], at) => [method, target, expected, at] as const))(
    'the line of %s %s says what became of it',
    (method, target, expected, at) => {
      const [line, reply] = [lines[at], replies[at]];
      const bodyOf = method === 'HEAD' || reply?.status === 304 ? replies[0]?.body : reply?.body;
      const isPicture = line?.mediaType.startsWith('image/');
      const digest = createHash('md5')
        .update(bodyOf ?? '')
        .digest('hex');
      expect(line).toMatchObject({
        address: '127.0.0.1',
        status: String(reply?.status),
        size: String(bodyOf?.length),
        method,
        uri: target.replaceAll('%', '%25'),
        protocol: 'HTTP/1.1',
        thread: `[${process.pid}]`,
        host: new URL(url).host,
        port: new URL(url).port,
        match: '-',
        modifiedSince: '-',
        peer: '-',
        digest: expect.stringMatching(isPicture ? digest : `^(?:-|${digest})$`),
        key: isPicture ? expect.stringMatching(/^[0-9a-f]{32}$/) : '-',
        context: 'is',
        ...expected,
      });
      if (expected.exception === undefined && reply?.status !== 403) expect(line?.exception).toBe('-');
      expect(`${line?.date} ${line?.time} ${line?.offset}`).toMatch(
        /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d{4}$/,
      );
      for (const name of ['ms', 'parseMs', 'fetchMs', 'sendMs', 'overlap'] as const)
        expect(line?.[name]).toMatch(/^\d+$/);
    },
  );

  it('metrics count them', () => {
    const count = (type: string, use: string): number =>
      value(`pyramidion_request_duration_seconds_count{type="${type}",cache="${use}"}`);
    const uses = (use: string): number => lines.filter((line) => line.type === 'IMG' && line.use === use).length;
    for (const use of ['CREATED', 'REUSED', 'UPDATED', 'VALIDATED', 'IGNORED', 'UNDEFINED'])
      expect([use, count('img', use)]).toEqual([use, uses(use)]);
    expect(count('props', 'IGNORED')).toBe(1);
    expect(count('tmb', 'CREATED')).toBe(1);
    for (const status of new Set(replies.map((reply) => reply.status)))
      expect(value(`pyramidion_replies_total{status="${status}"}`)).toBe(
        replies.filter((reply) => reply.status === status).length,
      );
    expect(value('pyramidion_errors_total{code="SOURCE_NOT_FOUND"}')).toBe(1);
    expect(value('pyramidion_errors_total{code="LIMIT_EXCEEDED"}')).toBe(1);
    expect(value('pyramidion_sent_bytes_total')).toBe(replies.reduce((sum, { body }) => sum + body.length, 0));
    expect(value('pyramidion_render_slots')).toBeGreaterThan(0);
    expect(value('pyramidion_budget_limit_bytes')).toBeGreaterThan(0);
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(0);
  });

  it('metrics are in the text format of Prometheus', () => {
    expect(exposition.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    const label = '[a-zA-Z_]\\w*="(?:[^"\\\\\\n]|\\\\.)*"';
    const form = new RegExp(
      `^(?:# (?:HELP|TYPE) \\w+ .+|\\w+(?:\\{${label}(?:,${label})*\\})? [-+]?(?:\\d[\\d.]*(?:e[-+]?\\d+)?|Nan|NaN|Inf))$`,
    );
    expect(exposition.text.split('\n').filter((line) => line !== '' && !form.test(line))).toEqual([]);
    const types = exposition.text.split('\n').flatMap((line) => /^# TYPE (\w+)/.exec(line)?.[1] ?? []);
    expect(new Set(types).size).toBe(types.length);
  });
});

it('says that it is there, and that it is ready', async () => {
  const server = await place.start();
  const [health, ready, none] = await Promise.all(['/healthz', '/readyz', '/none'].map((path) => server.ask(path)));
  expect([health?.status, health?.text, ready?.status, ready?.text, none?.status]).toEqual([
    200,
    'ok\n',
    200,
    'ready\n',
    404,
  ]);
  await server.close();
});

describe('playlog', () => {
  it('asks a fresh server for what another one was asked, so that it knows the replies', async () => {
    const targets = [
      'photo?wid=101',
      'photo?wid=102&bgc=255,0,0',
      "photo?wid=103&.a comment's|end".replaceAll(' ', '%20'),
      'ph%6Fto?wid=104',
    ].map(image);
    const folder = await place.prepare();
    const first = await place.start(folder);
    for (const target of [...targets, ...targets, image('none')]) await first.ask(target);
    await first.close();
    const [log = ''] = (await readdir(join(folder, 'logs'))).filter((name) => name.startsWith('access-'));

    const server = await place.start();
    try {
      const played = await runCli(
        'playlog',
        join(folder, 'logs', log),
        '-p',
        `${server.urls[0]}/is`,
        '-m',
        ' 200 ',
        '--json',
      );
      expect({ code: played.code, stderr: played.stderr }).toEqual({ code: 0, stderr: '' });
      expect(JSON.parse(played.stdout)).toMatchObject({ lines: 9, skipped: 1, ok: 8, failed: 0, statuses: { 200: 8 } });
      expect(await usesOf(server, ...targets)).toBe('REUSED, REUSED, REUSED, REUSED');
    } finally {
      await server.close();
    }
  });
});
