/** The command line in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** How a process ended, and what it said. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Starts a command with nothing to read. */
export function start(command: string, words: readonly string[]): Started {
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text.stdout += part;
  });
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    text.stderr += part;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...text }));
  });
  return { child, ended };
}

/** Starts `pyramidion`; `before` are a command and words in front of it, such as `prlimit` with its limits. */
export function startCli(words: readonly string[], before: readonly string[] = []): Started {
  const [command = process.execPath, ...rest] = [...before, process.execPath, CLI, ...words];
  return start(command, rest);
}

export function runCli(...words: string[]): Promise<Ended> {
  return startCli(words).ended;
}
