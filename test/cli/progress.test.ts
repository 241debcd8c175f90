import { describe, expect, test } from 'vitest';
import { ProgressBar, progressMode } from '../../src/cli/progress.js';

function bar(mode: 'terminal' | 'lines' | 'off', total: number, columns = 80) {
  const written: string[] = [];
  let now = 0;
  const made = new ProgressBar({ write: (text) => written.push(text), columns }, mode, total, () => now);
  return { made, written, wait: (ms: number) => (now += ms) };
}

describe('progressMode', () => {
  const sink = { write: () => true };
  test('is off where there is no terminal, unless it is forced', () => {
    expect(progressMode(sink, {})).toBe('off');
    expect(progressMode(sink, { progress: true })).toBe('lines');
    expect(progressMode({ ...sink, isTTY: true }, {})).toBe('terminal');
    expect(progressMode({ ...sink, isTTY: true }, { quiet: true })).toBe('off');
  });
});

describe('ProgressBar', () => {
  test('shows file, share and bytes in one line', () => {
    const { made, written, wait } = bar('terminal', 4);
    made.update('a.jpg');
    made.finish('a.jpg', 1024);
    wait(200);
    made.update('folder/b.jpg', { fraction: 0.5, bytes: 1024 });
    expect(written.at(-1)).toContain('file 2 of 4 folder/b.jpg [');
    expect(written.at(-1)).toMatch(/37% 2\.0 KiB$/);
    expect(written.every((line) => line.startsWith('\r\u001b[2K'))).toBe(true);
  });

  test('counts the files that run at once', () => {
    const { made, written, wait } = bar('terminal', 4);
    made.update('a.jpg', { fraction: 0.5, bytes: 10 });
    wait(200);
    made.update('b.jpg', { fraction: 0.5, bytes: 20 });
    expect(written.at(-1)).toMatch(/^.*file 2 of 4 b\.jpg .* 25% 30 B$/s);
  });

  test('is redrawn at most ten times a second, and at once after other text', () => {
    const { made, written, wait } = bar('terminal', 1);
    for (let i = 0; i < 100; i++) {
      made.update('a.jpg', { fraction: i / 100, bytes: i });
      wait(10);
    }
    expect(written.length).toBeLessThanOrEqual(10);
    made.clear();
    expect(written.at(-1)).toBe('\r\u001b[2K');
    made.update('a.jpg', { fraction: 1, bytes: 100 });
    expect(written.at(-1)).toContain('100%');
  });

  test('fits in the terminal, however narrow and however long the name', () => {
    for (const columns of [20, 40, 60, 80, 200]) {
      const { made, written } = bar('terminal', 1234, columns);
      made.update(`${'long/'.repeat(60)}name.jpg`, { fraction: 0.3, bytes: 123456789 });
      expect((written[0] ?? '').replace('\r\u001b[2K', '').length).toBeLessThan(columns);
    }
  });

  test('names of files cannot steer the terminal', () => {
    const { made, written } = bar('terminal', 1);
    made.update('a\u001b[31m\n.jpg');
    expect(written[0]?.slice(5)).not.toMatch(/\p{Cc}/u);
  });

  test('as lines, at most one a second; off, none', () => {
    const lines = bar('lines', 1);
    const off = bar('off', 1);
    for (let i = 0; i < 30; i++) {
      for (const { made, wait } of [lines, off]) {
        made.update('a.jpg', { fraction: i / 30, bytes: i });
        wait(100);
      }
    }
    expect(lines.written.length).toBe(3);
    expect(lines.written[0]).toMatch(/^file 1 of 1 a\.jpg .*\n$/);
    expect(off.written).toEqual([]);
  });
});
