import { describe, expect, it } from 'vitest';
import { readTable } from '../../src/library/table.js';

async function read(text: string): Promise<{ rows: string[][]; lines: number[]; warnings: string[] }> {
  const [rows, lines, warnings]: [string[][], number[], string[]] = [[], [], []];
  const columns = { key: 'Id', others: ['Path', 'UserData'] };
  const warn = (message: string) => warnings.push(message);
  await readTable(text, columns, warn, (cell, line) => {
    rows.push([cell('Id'), cell('Path'), cell('UserData')]);
    lines.push(line);
  });
  return { rows, lines, warnings };
}

describe('data files', () => {
  it('have a row of names, in any case and order, and rows of cells', async () => {
    const { rows, lines, warnings } = await read('PATH\tid\na/b.tif\tA\n\tB\r\n\nc.tif\tC');
    expect(rows).toEqual([
      ['A', 'a/b.tif', ''],
      ['B', '', ''],
      ['C', 'c.tif', ''],
    ]);
    expect(lines).toEqual([2, 3, 5]);
    expect(warnings).toEqual([]);
  });

  it('have quoted cells with tabs, line ends and doubled quotes', async () => {
    const { rows } = await read('Id\tUserData\tPath\nA\t"a\tb\r\n""c"""\tp\n"B"\tsay "hi"\tq\n');
    expect(rows).toEqual([
      ['A', 'p', 'a\tb\r\n"c"'],
      ['B', 'q', 'say "hi"'],
    ]);
  });

  it('may leave cells out at the end of a row, and have too many', async () => {
    expect((await read('Id\tPath\nA\nB\tp\tx\n')).rows).toEqual([
      ['A', '', ''],
      ['B', 'p', ''],
    ]);
  });

  it('leave out columns that begin with a dot, and warn of unknown ones', async () => {
    const { rows, warnings } = await read('.Note\tId\tColour\tPath\nx\tA\tred\tp');
    expect(rows).toEqual([['A', 'p', '']]);
    expect(warnings).toEqual(['there is no column "Colour"']);
  });

  it('warn of rows without a key', async () => {
    const { rows, warnings } = await read('Id\tPath\n\tp\nA\tq');
    expect(rows).toEqual([['A', 'q', '']]);
    expect(warnings).toEqual(['line 2 has no Id']);
  });

  it('are refused without the key column, with a column twice, and with quotes that do not end', async () => {
    await expect(read('Path\nx')).rejects.toThrow('it has no column Id');
    await expect(read('Id\tPath\tid\n')).rejects.toThrow('it has two columns id');
    await expect(read('')).rejects.toThrow('it is empty');
    await expect(read('Id\tPath\nA\t"open\nB\tx')).rejects.toThrow(/quote/i);
  });

  it('keep characters whole, and let other work go on while they are read', async () => {
    const rows = Array.from({ length: 20_000 }, (_, index) => `id${index}\tfolder/ä€😀${index}.tif`);
    let turns = 0;
    const count = setInterval(() => {
      turns += 1;
    }, 0);
    const { rows: found } = await read(`Id\tPath\n${rows.join('\n')}\n`);
    clearInterval(count);
    expect(found).toHaveLength(20_000);
    expect(found.every(([id, path], index) => id === `id${index}` && path === `folder/ä€😀${index}.tif`)).toBe(true);
    expect(turns).toBeGreaterThan(5);
  });
});
