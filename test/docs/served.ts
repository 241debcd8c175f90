/** Programs and servers that a page of the documentation shows, run as it shows them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The host that pages name in their addresses. */
const SHOWN = 'http://localhost:8080';

/** A program that has said where it listens. */
export interface Listening {
  readonly url: string;
  /** Sends a signal, SIGTERM unless another is named, and yields what it wrote and how it ended. */
  stop(signal?: NodeJS.Signals): Promise<Ended>;
}

/** What a process wrote, and how it ended. */
export interface Ended {
  readonly text: string;
  readonly code: number | null;
}

/** What was answered. */
export interface Replied {
  readonly status: number;
  readonly type: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/**
 * Starts a program and waits until it writes a URL or `port <n>`. What it is started with is what follows `node`. Rejects with what it
 * wrote when it ends before that.
 */
export async function startNode(
  words: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Promise<Listening> {
  const child = spawn(process.execPath, words, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = ended(child);
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout?.on('data', (part) => {
      said += String(part);
      const [, whole, port] = /(http:\/\/[\d.]+:\d+)|^port (\d+)\n/m.exec(said) ?? [];
      if (whole !== undefined) resolve(whole);
      if (port !== undefined) resolve(`http://127.0.0.1:${port}`);
    });
    end.then(({ text }) => reject(new Error(text)), reject);
  });
  return {
    url,
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return end;
    },
  };
}

/** `npx pyramidion …` with these words, on a free port. */
export function startServer(words: readonly string[], cwd: string): Promise<Listening> {
  return startNode([join(root, 'dist', 'cli.js'), ...words, '--port', '0'], cwd);
}

/** What stands between two marks of a page. */
export function marked(page: string, name: string): string {
  return new RegExp(`<!-- ${name}:begin -->\\n?([\\s\\S]*?)\\n?<!-- ${name}:end -->`).exec(page)?.[1] ?? '';
}

/** Rows of a marked table, without its head. */
export function rows(page: string, name: string): string[][] {
  const cells = (line: string): string[] => line.split(/(?<!\\)\|/).slice(1, -1);
  return marked(page, name)
    .split('\n')
    .slice(2)
    .map((line) => cells(line).map((cell) => cell.trim()));
}

/** Contents of the fenced blocks of a language, in order. */
export function blocks(page: string, language: string): string[] {
  return [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].flatMap(([, name, body]) =>
    name === language ? [body ?? ''] : [],
  );
}

/** The `curl` commands of a page: methods, and targets as they are written. */
export function curls(page: string): { readonly method: string; readonly target: string }[] {
  const command = new RegExp(`^curl (?:-X (\\w+) )?(?:-o \\S+ )?'${SHOWN}([^']*)'$`, 'gm');
  return [...page.matchAll(command)].map(([, method = 'GET', target = '']) => ({ method, target }));
}

/** Sends a target exactly as it is written. */
export function ask(url: string, target: string, method = 'GET'): Promise<Replied> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path: target, method, agent: false });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'] ?? '',
          headers: response.headers,
          body: Buffer.concat(parts),
        }),
      );
    });
    sent.end();
  });
}

/** Resolves when a process has ended. */
export function ended(child: ChildProcess): Promise<Ended> {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part) => (text += String(part)));
  return new Promise((resolve) => child.on('close', (code) => resolve({ text, code })));
}
