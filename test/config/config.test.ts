import { mkdir } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { changedSettings, readConfig } from '../../src/config/config.js';
import { PyramidionError } from '../../src/errors.js';
import { usePlace } from './place.js';

const { folder, read, faults } = usePlace();

describe('what wins', () => {
  test('a flag over a variable over the file over the default', async () => {
    const document = { Server: { maxQueue: 1, processes: 2, port: 3 } };
    const env = { PYRAMIDION_PROCESSES: '4', PYRAMIDION_PORT: '5' };
    const { server } = await read(document, { env, flags: { port: '6' } });
    expect(server).toMatchObject({ retryAfterSeconds: 1, maxQueue: 1, processes: 4, port: 6 });
  });

  test('empty variables say nothing, those that may be empty aside', async () => {
    const env = { PYRAMIDION_PORT: '', PYRAMIDION_CORS_ORIGIN: '', PYRAMIDION_CONFIG: '' };
    const { server } = await read({ Server: { port: 9 } }, { env });
    expect(server).toMatchObject({ port: 9, corsOrigin: '' });
    expect(await readConfig({ env, folder: '/data' })).toMatchObject({ file: null });
  });

  test('a value that is overruled is looked at all the same', async () => {
    expect(await faults({ Server: { port: -1 } }, { flags: { port: '1' } })).toEqual([
      'Server.port in server.json must be a whole number 0…65535; got -1',
    ]);
  });

  test('the folder that serve is given is instead of all roots', async () => {
    const sources = { env: { PYRAMIDION_ROOTS: 'a;b' }, root: 'pictures' };
    expect((await read({ Server: { roots: ['c'] } }, sources)).server.roots).toEqual(['/elsewhere/pictures']);
  });

  test('the file is that of the call, else of the flag, else of the variable', async () => {
    await read({ Server: { port: 7 } });
    const file = join(folder(), 'server.json');
    const base = { folder: folder(), env: { PYRAMIDION_CONFIG: 'server.json' } };
    expect(await readConfig(base)).toMatchObject({ file, server: { port: 7 } });
    const missing = { ...base, flags: { config: 'none.json' } };
    await expect(readConfig(missing)).rejects.toThrow(`${join(folder(), 'none.json')} cannot be read (ENOENT)`);
    expect(await readConfig({ ...missing, file: 'server.json' })).toMatchObject({ file });
  });
});

describe('flags', () => {
  test('of true and false, of lists and of fixed values, as commander yields them', async () => {
    const flags = {
      cache: false,
      ingestOnRequest: true,
      library: 'lib',
      cacheRoot: ['x', '/y'],
      logJson: true,
      json: true,
    };
    const config = await read({}, { flags });
    expect(config.platformServer).toMatchObject({ cacheEnabled: false, cacheRoots: ['/elsewhere/x', '/y'] });
    expect(config.server).toMatchObject({ ingestOnRequest: true, library: '/elsewhere/lib' });
    expect(config.log.serverLog).toBe('json');
  });

  test('are named as they are written', async () => {
    const flags = { port: '70000', cacheMaxSize: 'huge', processes: '0' };
    expect(await faults({}, { flags })).toEqual([
      '--cache-max-size must be bytes, or a number with K, M, G or T; at least 0; got "huge"',
      '--port must be a whole number 0…65535; got "70000"',
      '--processes must be a whole number 1…64; got "0"',
    ]);
  });
});

describe('folders', () => {
  test('of the file are relative to it, those of variables and flags to the current folder', async () => {
    const document = { Server: { roots: 'a', catalogFolder: 'b' }, Log: { folder: 'c' } };
    const env = { PYRAMIDION_LIBRARY: 'd' };
    const config = await read(document, { env, flags: { logFolder: 'e' } });
    expect(config).toMatchObject({
      dataFolder: folder(),
      server: { roots: [join(folder(), 'a')], catalogFolder: join(folder(), 'b'), library: '/elsewhere/d' },
      platformServer: { cacheRoots: [join(folder(), 'cache')] },
      log: { folder: '/elsewhere/e' },
    });
  });

  test('without a file all are relative to the current folder', async () => {
    const { dataFolder, server } = await readConfig({ env: {}, folder: '/data' });
    expect({ dataFolder, roots: server.roots }).toEqual({ dataFolder: '/data', roots: ['/data/images'] });
  });

  test('the catalog root is below the first image root and cannot leave it, unless it is a folder by itself', async () => {
    const rootOf = async (path: string) =>
      (await read({ 'Catalog root': path, 'IS::RootPath': 'https://images.example.org/a;/first;/second' }))
        .platformServer.catalogRoot;
    expect(await rootOf('/conf/a/')).toMatch(/^\/first\/conf\/a\/?$/);
    expect(await rootOf('conf/a')).toBe('/first/conf/a');
    expect(await rootOf('/../../etc-of-nobody')).toBe('/first/etc-of-nobody');
    await mkdir(join(folder(), 'conf'));
    expect(await rootOf(join(folder(), 'conf'))).toBe(join(folder(), 'conf'));
  });
});

describe('who can reach it', () => {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const any = addresses.some(({ family }) => family === 'IPv6') ? '::' : '0.0.0.0';

  test.each([
    [{}, '127.0.0.1', '127.0.0.1'],
    [{ AllowRemoteAccess: '' }, '127.0.0.1', '127.0.0.1'],
    [{ AllowRemoteAccess: 'false' }, '127.0.0.1', '127.0.0.1'],
    [{ AllowRemoteAccess: true }, any, any],
    [{ Server: { host: '0.0.0.0' } }, '0.0.0.0', '127.0.0.1'],
    [{ AllowRemoteAccess: true, Server: { host: '127.0.0.1' } }, '127.0.0.1', any],
    [{ AllowRemoteAccess: false, Server: { host: 'localhost' } }, 'localhost', '127.0.0.1'],
    [{ AllowRemoteAccess: false, Server: { host: '::1' } }, '::1', '127.0.0.1'],
    [{ AllowRemoteAccess: false, Server: { host: '127.8.9.1' } }, '127.8.9.1', '127.0.0.1'],
  ])('%j: %s, and %s at TcpPort', async (document, host, tcpHost) => {
    const config = await read({ TcpPort: 27_345, ...document });
    expect([config.server.host, config.imageServer.tcpHost]).toEqual([host, tcpHost]);
  });

  test.each(['0.0.0.0', '::', '192.0.2.7', '::ffff:192.0.2.7', 'images.example.org'])(
    'AllowRemoteAccess false refuses %s',
    async (host) => {
      const sources = { flags: { allowRemoteAccess: false, host } };
      expect(await faults({}, sources)).toEqual([
        'ImageServer.AllowRemoteAccess is false, so Server.host must be a loopback address such as 127.0.0.1; ' +
          `got "${host}"`,
      ]);
    },
  );

  test('TcpPort is another port than port', async () => {
    expect(await faults({ TcpPort: 8080 })).toEqual([
      'ImageServer.TcpPort must be another port than Server.port; got 8080',
    ]);
  });

  test('a certificate and its key go together', async () => {
    const tls = { tlsCert: 'a.crt', tlsKey: 'a.key' };
    expect((await read({ Server: tls })).server.tls).toEqual({
      certFile: join(folder(), 'a.crt'),
      keyFile: join(folder(), 'a.key'),
    });
    expect((await read({})).server.tls).toBeNull();
    expect(await faults({ Server: { tlsKey: 'a.key' } })).toEqual([
      'Server.tlsCert must be a file when there is a Server.tlsKey; got null',
    ]);
  });

  test('ingesting on request needs a library', async () => {
    expect(await faults({ Server: { ingestOnRequest: true } })).toEqual([
      'Server.library must be a folder when Server.ingestOnRequest is true; got null',
    ]);
  });
});

describe('faults', () => {
  test('are all told at once, each with its place', async () => {
    const document = {
      ImageServer: { WorkerThread: 3, MaxMessageSize: 0, 'IS::WorkerThreads': '4' },
      'IS::WorkerThreads': 5,
      maxMemroy: 3,
      'SV::PsHeapSize': '512m',
      Server: [],
      manifest: { bkcolor: 'ffffff', maxpix: 'wide' },
      presets: { big: { width: 0 } },
    };
    const env = { PYRAMIDION_PROT: '1', PYRAMIDION_MAX_QUEUE: 'x' };
    expect(await faults(document, { env, flags: { processes: '0' } })).toEqual([
      'ImageServer.WorkerThread in server.json is not known: did you mean ImageServer.WorkerThreads?',
      'maxMemroy in server.json is not known: did you mean PTiffManager.maxMemory?',
      'SV::PsHeapSize in server.json sets nothing that Pyramidion has: leave it out',
      'Server in server.json must be an object of settings; got an array',
      'ImageServer.MaxMessageSize in server.json must be a whole number 1…2047 (2²⁰ bytes); got 0',
      'ImageServer.IS::WorkerThreads in server.json and IS::WorkerThreads in server.json are names of one setting, ' +
        'and say "4" and 5',
      'PYRAMIDION_PROT is not known: did you mean PYRAMIDION_PORT?',
      'PYRAMIDION_MAX_QUEUE must be a whole number 0…100000; got "x"',
      '--processes must be a whole number 1…64; got "0"',
      'manifest.bkcolor in server.json is not known: did you mean bkgcolor?',
      expect.stringMatching(/^manifest\.maxpix in server\.json must be .+; got "wide"$/),
      'presets.big.width in server.json must be a whole number 1…65500 (pixels); got 0',
    ]);
  });

  test('the error is of the first', async () => {
    const error = await read({ Server: { port: -1, processes: 0 } }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PyramidionError);
    expect(error).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'Server.port',
      value: -1,
      limit: 'a whole number 0…65535',
      message: expect.stringMatching(/^2 faults in the configuration:\nServer\.port/),
    });
  });

  test.each([
    [{ sevrer: {} }, 'sevrer in server.json is not known: did you mean Server?'],
    [{ Log: { port: 1 } }, 'Log.port in server.json is not known: did you mean Server.port?'],
    [{ port: 1 }, 'port in server.json is not known: did you mean Server.port?'],
    [{ 'TC::psport': 1 }, 'TC::psport in server.json is not known: did you mean Server.port?'],
    [{ constructor: 1 }, 'constructor in server.json is not known: see docs/settings.md'],
    [{ manifest: { unheardOf: 1 } }, 'manifest.unheardOf in server.json is not known: see docs/settings.md'],
    [{ manifest: [] }, 'manifest in server.json must be an object of properties; got an array'],
    [{ presets: 'x' }, 'presets in server.json must be an object of presets; got "x"'],
  ])('%j', async (document, fault) => {
    expect(await faults(document)).toEqual([fault]);
  });

  test('two names of one setting may say the same', async () => {
    const document = { 'IS::MaxMessageSize': '32', ImageServer: { MaxMessageSize: 32, 'IS::MaxMessageSize': ' 32 ' } };
    expect((await read(document)).imageServer.maxMessageSize).toBe(32);
  });

  test('a file that is no JSON: where', async () => {
    const [line] = await faults('{\n  "Server": {\n    "port": 80,\n  }\n}');
    expect(line).toBe(`${join(folder(), 'server.json')}, line 4, column 3: expected a name in double quotes`);
    expect(await faults('[]')).toEqual([
      `${join(folder(), 'server.json')} must be an object of settings; got an array`,
    ]);
  });
});

describe('variables that are not known', () => {
  test('are faults when they are like one of ours, else warned of', async () => {
    const env = { PYRAMIDION_VERSION: '1', PYRAMIDION_CORPUS: '/x', HOME: '/root' };
    expect((await read({}, { env })).unknownVariables).toEqual(['PYRAMIDION_VERSION', 'PYRAMIDION_CORPUS']);
    expect(await faults({}, { env: { ...env, PYRAMIDION_CACHE_ROOT: 'x', PYRAMIDION_CONFG: 'x' } })).toEqual([
      'PYRAMIDION_CACHE_ROOT is not known: did you mean PYRAMIDION_CACHE_ROOTS?',
      'PYRAMIDION_CONFG is not known: did you mean PYRAMIDION_CONFIG?',
    ]);
  });

  test('are passed over when they describe a service of this name', async () => {
    const env = {
      PYRAMIDION_SERVICE_HOST: '10.0.0.7',
      PYRAMIDION_SERVICE_PORT: '8080',
      PYRAMIDION_SERVICE_PORT_HTTP: '8080',
      PYRAMIDION_PORT: 'tcp://10.0.0.7:8080',
      PYRAMIDION_PORT_8080_TCP: 'tcp://10.0.0.7:8080',
      PYRAMIDION_PORT_8080_TCP_ADDR: '10.0.0.7',
      PYRAMIDION_PORT_8080_TCP_PORT: '8080',
    };
    expect(await read({}, { env })).toMatchObject({ unknownVariables: [], server: { port: 8080 } });
  });
});

describe('the result', () => {
  test('is frozen all through, and plain data', async () => {
    const config = await read({ manifest: { maxpix: [10, 20] }, presets: { a: 'wid=1' } });
    const open: string[] = [];
    const look = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      if (!Object.isFrozen(value)) open.push(path);
      for (const [key, inner] of Object.entries(value)) look(inner, `${path}.${key}`);
    };
    look(config, 'config');
    expect(open).toEqual([]);
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  });

  test('two of them differ in the settings that need a restart', async () => {
    const before = await read({ manifest: { maxpix: '1,1' }, presets: { a: 'wid=1' }, Server: { port: 1 } });
    const after = await read({ presets: { a: 'wid=2' }, Server: { port: 1 } });
    expect(changedSettings(before, after)).toEqual([]);
    const other = await read({ Server: { port: 2, roots: 'x', tlsCert: 'a', tlsKey: 'b' }, Log: { maxDays: 3 } });
    expect(changedSettings(after, other)).toEqual([
      ...['PlatformServer.Catalog root', 'Server.port', 'Server.roots', 'Server.tlsCert', 'Server.tlsKey'],
      'Log.maxDays',
    ]);
  });
});
