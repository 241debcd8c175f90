/** A progress bar for standard error. */
import type { BuildProgress } from '../ingest/types.js';
import { formatBytes, printable, type TextSink } from './context.js';

/** How progress is shown: redrawn in place, as lines (where there is no terminal but progress is asked for), or not. */
export type ProgressMode = 'terminal' | 'lines' | 'off';

const INTERVAL_MS: Readonly<Record<ProgressMode, number>> = { terminal: 100, lines: 1000, off: 0 };

/** How progress is to be shown on `sink`. */
export function progressMode(sink: TextSink, flags: { progress?: boolean; quiet?: boolean }): ProgressMode {
  if (flags.quiet) return 'off';
  if (sink.isTTY) return 'terminal';
  return flags.progress ? 'lines' : 'off';
}

/** Progress over `total` files, several of which may run at once: `file 2 of 9 photo.jpg [=====>    ] 42% 12.3 MiB`. */
export class ProgressBar {
  readonly #sink: TextSink;
  readonly #mode: ProgressMode;
  readonly #total: number;
  readonly #now: () => number;
  readonly #running = new Map<string, { fraction: number; bytes: number }>();
  #finished = 0;
  #bytes = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #shown = false;

  constructor(sink: TextSink, mode: ProgressMode, total: number, now: () => number = () => performance.now()) {
    this.#sink = sink;
    this.#mode = mode;
    this.#total = total;
    this.#now = now;
  }

  /** A file is being worked on; again for each step of it. */
  update(name: string, progress: Pick<BuildProgress, 'fraction' | 'bytes'> = { fraction: 0, bytes: 0 }): void {
    this.#running.delete(name);
    this.#running.set(name, progress);
    if (this.#mode !== 'off' && this.#now() - this.#drawnAt >= INTERVAL_MS[this.#mode]) this.#draw();
  }

  /** A file is done with, well or not. */
  finish(name: string, bytes = 0): void {
    this.#running.delete(name);
    this.#finished++;
    this.#bytes += bytes;
  }

  /** Takes the bar off the terminal, so that other text can be written; the next update draws it again. */
  clear(): void {
    if (this.#shown) this.#sink.write('\r\u001b[2K');
    this.#shown = false;
    this.#drawnAt = this.#mode === 'terminal' ? Number.NEGATIVE_INFINITY : this.#drawnAt;
  }

  #draw(): void {
    this.#drawnAt = this.#now();
    const text = this.#text(this.#mode === 'terminal' ? (this.#sink.columns || 80) - 1 : 200);
    this.#sink.write(this.#mode === 'terminal' ? `\r\u001b[2K${text}` : `${text}\n`);
    this.#shown = this.#mode === 'terminal';
  }

  #text(columns: number): string {
    const running = [...this.#running];
    const share =
      running.reduce((sum, [, { fraction }]) => sum + Math.min(1, Math.max(0, fraction)), this.#finished) /
      Math.max(1, this.#total);
    const bytes = running.reduce((sum, [, progress]) => sum + progress.bytes, this.#bytes);
    const count = Math.min(this.#total, this.#finished + Math.max(1, running.length));
    const head = `file ${count} of ${this.#total} `;
    const tail = ` ${String(Math.floor(share * 100)).padStart(3)}% ${formatBytes(bytes)}`;
    const width = Math.min(30, columns - head.length - tail.length - 16);
    const bar = width >= 5 ? `[${'='.repeat(Math.floor(share * width)).padEnd(width)}]` : '';
    const name = printable(running.at(-1)?.[0] ?? '');
    const room = Math.max(0, columns - head.length - tail.length - bar.length - 1);
    const shownName = name.length > room ? `…${name.slice(name.length - Math.max(0, room - 1))}` : name;
    return `${head}${room > 0 ? shownName : ''} ${bar}${tail}`.slice(0, columns);
  }
}
