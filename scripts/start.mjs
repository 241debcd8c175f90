/**
 * `npm start`: makes the sample library if it is not there, serves it, and prints what to try. The server is the command
 * `pyramidion serve` in this very process, so that it ends as that does.
 */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { setTimeout as rest } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { groups } from './sample/addresses.mjs';
import { makeSampleLibrary } from './sample-library.mjs';

const HOST = '127.0.0.1';
/** Milliseconds that the server is given to listen. */
const PATIENCE_MS = 30_000;

/** Git ignores it. */
const library = fileURLToPath(new URL('../build/sample', import.meta.url));

/** A folder beside the library. @param {string} name */
const beside = (name) => join(dirname(library), name);

const port = readPort();
if (port === null) {
  console.error('The port must be a number from 1 to 65535: npm start -- --port 8081');
  process.exitCode = 2;
} else if (await isTaken(port)) {
  console.error(
    `Port ${port} is taken. Choose another one: PORT=${port + 1} npm start, or npm start -- --port ${port + 1}`,
  );
  process.exitCode = 1;
} else {
  await start(port);
}

/** The port that was asked for, or 8080; null where that is none. */
function readPort() {
  const { values } = parseArgs({ options: { port: { type: 'string' } } });
  const asked = values.port ?? process.env.PORT ?? '8080';
  return /^\d{1,5}$/.test(asked) && Number(asked) >= 1 && Number(asked) <= 65_535 ? Number(asked) : null;
}

/** Whether somebody listens there. @param {number} port */
async function isTaken(port) {
  const probe = createServer().listen(port, HOST);
  try {
    await once(probe, 'listening');
    return false;
  } catch (error) {
    // What else is wrong with the port, the server says better.
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EADDRINUSE';
  } finally {
    probe.close();
  }
}

/** @param {number} port */
async function start(port) {
  mkdirSync(library, { recursive: true });
  const begun = performance.now();
  console.log(`The sample library is ${relative(process.cwd(), library)}; what is missing of it is made now.`);
  const isNew = await makeSampleLibrary(library, console.log);
  if (isNew) console.log(`Made in ${((performance.now() - begun) / 1000).toFixed(1)} s.`);
  const options = { host: HOST, port: String(port), 'cache-root': beside('cache'), 'log-folder': beside('logs') };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  process.argv.splice(2, Number.POSITIVE_INFINITY, 'serve', library, ...flags);
  const server = import('../dist/cli.js');
  await Promise.race([server, showWhenListening(`http://${HOST}:${port}`)]);
  await server;
}

/** Prints the addresses as soon as the server answers. @param {string} origin */
async function showWhenListening(origin) {
  for (const until = performance.now() + PATIENCE_MS; performance.now() < until; await rest(50, null, { ref: false })) {
    const reply = await fetch(`${origin}/healthz`).catch(() => null);
    if (!reply?.ok) continue;
    const width = Math.max(...groups.flatMap(({ addresses }) => addresses.map(([, tells]) => tells.length)));
    for (const { title, addresses } of groups) {
      console.log(`\n${title}`);
      for (const [path, tells] of addresses) console.log(`  ${tells.padEnd(width)}  ${origin}${path}`);
    }
    console.log('\nCtrl-C ends the server.');
    return;
  }
}
