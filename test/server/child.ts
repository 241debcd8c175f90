/** `pyramidion serve` in a process of its own, as it is in `dist/`. */
import { onTestFinished } from 'vitest';
import { type Ended, startCli } from '../robust/processes.js';

/** A server that has said where it listens. */
export interface Child {
  readonly url: string;
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** Sends a signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Ended>;
}

/** Starts `pyramidion serve` and waits until it listens; when the test has ended, so has the process. */
export async function serve(...words: readonly string[]): Promise<Child> {
  const { child, ended } = startCli(['serve', ...words]);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  let said = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', (part: string) => {
      said += part;
      const found = /(http\S+)\/viewer\//.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
    void ended.then(({ code, stderr }) => reject(new Error(`it ended with ${code}: ${stderr}`)), reject);
  });
  return {
    url,
    pid: child.pid ?? 0,
    ended,
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    },
  };
}
