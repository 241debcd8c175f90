#!/usr/bin/env node
/** The command `pyramidion`: runs a command line and turns signals into an orderly stop. */
import { runProgram } from './cli/program.js';

/** What a shell expects of a program that a signal ended: 128 and the signal's number. */
const SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

const stop = new AbortController();
let stoppedWith: number | null = null;
for (const [signal, code] of Object.entries(SIGNAL_CODES)) {
  process.on(signal, () => {
    // Builds remove their temporary files before they end; who asks twice does not want to wait for that.
    if (stoppedWith !== null) process.exit(code);
    stoppedWith = code;
    stop.abort();
  });
}
// A reader such as `head` may close the pipe early.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(stoppedWith ?? 0);
});

const code = await runProgram(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  signal: stop.signal,
  // Loaded when it is needed: help, version and the structure of a pyramid do without the addon.
  startEngine: async (options) => (await import('./engine.js')).Engine.start(options),
});
// A signal is how a server is meant to end.
process.exitCode = process.argv[2] === 'serve' ? code : (stoppedWith ?? code);
