/** Servers that come and go leave nothing behind: no timer, thread, descriptor, listener or watcher. */
import { createHook } from 'node:async_hooks';
import { readdirSync, readFileSync } from 'node:fs';
import perfHooks from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { expect, it, vi } from 'vitest';
import { freePort, image } from './settings.js';
import { until, usePlace } from './start.js';

const place = usePlace();

/** Whatever is kept in the event loop, by kind; also what does not keep the process alive. */
const KINDS = /^(Timeout|TCP\w*|PIPE\w*|TLS\w*|FSEVENT\w*|MESSAGEPORT|WORKER|ELDHISTOGRAM|UDP\w*)$/;

/** Open files and threads; not those of libvips, which end when they have had nothing to do for 15 s. */
function handles(): { files: number; threads: number } | null {
  if (process.platform !== 'linux') return null;
  const names = readdirSync('/proc/self/task').map((task) =>
    readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim(),
  );
  return {
    files: readdirSync('/proc/self/fd').length,
    threads: names.filter((name) => name !== 'libvips worker').length,
  };
}

/** All that is open; what is being read or closed at the moment is none of it. */
function standing(): Readonly<Record<string, unknown>> {
  return {
    ...handles(),
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
    active: process
      .getActiveResourcesInfo()
      .filter((name) => !/Req(?:Promise)?$/i.test(name))
      .sort(),
  };
}

/** A server from its start to its end, with some of everything asked of it. */
async function cycle(): Promise<void> {
  const server = await place.start({
    ImageServer: { TcpPort: await freePort() },
    Server: { library: 'library', ingestOnRequest: true },
    Log: { statsIntervalSeconds: 5 },
  });
  const targets = ['photo?wid=100', 'photo?wid=100', 'large?wid=100', 'none', 'photo?req=props', 'tagged?icc=AdobeRGB'];
  for (const target of targets) await server.ask(image(target), { headers: { connection: 'keep-alive' } });
  const client = new AbortController();
  const left = server.ask(image('photo?wid=900&op_usm=5,200'), { signal: client.signal }).catch(() => null);
  await server.metrics();
  client.abort();
  await left;
  await server.close();
}

it('twenty servers one after the other', { timeout: 120_000 }, async () => {
  const watchers = vi.spyOn(perfHooks, 'monitorEventLoopDelay');
  const live = new Map<number, string>();
  const hook = createHook({
    init: (id, kind) => {
      // Node keeps the time of replies for a second.
      const isClock = new Error().stack?.includes(' utcDate ') === true;
      if (KINDS.test(kind) && !isClock) live.set(id, kind);
    },
    destroy: (id) => {
      live.delete(id);
    },
  });
  // What is started once in a process is started by the first.
  await cycle();
  await cycle();
  hook.enable();
  try {
    const before = standing();
    for (let i = 0; i < 20; i++) await cycle();
    await setImmediate();
    expect([...live.values()]).toEqual([]);
    expect(await until(standing, (now) => isDeepStrictEqual(now, before))).toEqual(before);
    expect(watchers).toHaveBeenCalledTimes(1);
  } finally {
    hook.disable();
    watchers.mockRestore();
  }
});
