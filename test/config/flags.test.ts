import { Command, Option } from 'commander';
import { describe, expect, test } from 'vitest';
import { SERVE_FLAGS } from '../../src/config/flags.js';
import { usePlace } from './place.js';

const { read } = usePlace();

/** What commander makes of a command line. */
function parse(...words: string[]): Record<string, unknown> {
  const command = new Command().exitOverride().argument('[root]');
  const collect = (value: string, all: readonly string[] = []) => [...all, value];
  for (const { flags, description, isRepeatable } of SERVE_FLAGS) {
    const option = new Option(flags, description);
    command.addOption(isRepeatable ? option.argParser(collect) : option);
  }
  return command.parse(words, { from: 'user' }).opts();
}

describe('registered with commander', () => {
  test('they say nothing when they are not given', () => {
    expect(parse('images')).toEqual({});
  });

  test('each sets what it is for', async () => {
    const words = [
      ...['--max-memory', '1G', '--allow-remote-access', '--worker-threads', '3', '--no-cache'],
      ...['--cache-root', 'a', '--cache-root', 'b;c', '--cache-max-size', '5M', '--port', '0', '--host', '::1'],
      ...['--processes', '2', '--library', 'lib', '--ingest-on-request', '--catalog-folder', 'cat'],
      ...['--profile-folder', 'icc', '--tls-cert', 'c', '--tls-key', 'k', '--trust-forwarded-for'],
      ...['--log-folder', 'log', '--log-json'],
    ];
    const given = new Set(words.filter((word) => word.startsWith('--')));
    const known = SERVE_FLAGS.map(({ flags }) => flags.split(' ')[0] ?? '');
    const contraries = ['--config', '--cache', '--no-allow-remote-access', '--no-ingest-on-request'];
    expect(known.filter((flag) => !given.has(flag))).toEqual(expect.arrayContaining(contraries));
    expect(known.filter((flag) => !given.has(flag)).length).toBe(contraries.length + 1);
    expect(await read({}, { flags: parse(...words), folder: '/here' })).toMatchObject({
      ptiffManager: { maxMemoryBytes: 2 ** 30 },
      imageServer: { allowRemoteAccess: true, workerThreads: 3 },
      platformServer: { cacheEnabled: false, cacheRoots: ['/here/a', '/here/b;c'], cacheMaxBytes: 5 * 2 ** 20 },
      server: {
        ...{ port: 0, host: '::1', processes: 2, library: '/here/lib', ingestOnRequest: true },
        ...{ catalogFolder: '/here/cat', profileFolders: ['/here/icc'], trustForwardedFor: true },
        tls: { certFile: '/here/c', keyFile: '/here/k' },
      },
      log: { folder: '/here/log', serverLog: 'json' },
    });
  });

  test('a contrary overrules the file', async () => {
    const document = { AllowRemoteAccess: true, Server: { ingestOnRequest: true, trustForwardedFor: true } };
    const flags = parse('--no-allow-remote-access', '--no-ingest-on-request', '--no-trust-forwarded-for', '--cache');
    expect(await read(document, { flags })).toMatchObject({
      imageServer: { allowRemoteAccess: false },
      server: { ingestOnRequest: false, trustForwardedFor: false, host: '127.0.0.1' },
    });
  });
});
