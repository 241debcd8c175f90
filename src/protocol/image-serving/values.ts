/** The data types of §1.2: each function reads one value of one command, or throws `INVALID_REQUEST` in its name. */
import { invalidRequest, refusedRequest } from '../../region/request.js';

/** No number of a request is larger. */
export const LARGEST = 2147483648;

/** A command's value, and how to read it. Items of a list are separated by commas; spaces around them do not count. */
export class Value {
  readonly command: string;
  readonly text: string;
  readonly items: readonly string[];

  constructor(command: string, text: string) {
    this.command = command;
    this.text = text.trim();
    this.items = text.split(',').map((item) => item.trim());
  }

  /** The error for a value that is none of `expected`. */
  invalid(expected: string): never {
    throw invalidRequest(this.command, this.text, expected);
  }

  /** Refuses a list with fewer or more items. */
  count(least: number, most: number, expected: string): this {
    if (this.items.length < least || this.items.length > most) this.invalid(expected);
    return this;
  }

  /** Item `index`; undefined where the list is shorter or the item is empty. */
  item(index: number): string | undefined {
    return this.items[index] || undefined;
  }

  /** Item `index` as a real number, `low` and `high` included. */
  real(index: number, low: number, high: number, expected: string): number {
    const item = this.item(index) ?? '';
    if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?$/i.test(item)) this.invalid(expected);
    const number = Number(item);
    if (!(number >= low && number <= high && Math.abs(number) <= LARGEST)) this.invalid(expected);
    return number + 0;
  }

  /** The same, above `low` and not equal to it. */
  above(index: number, low: number, expected: string): number {
    const number = this.real(index, low, LARGEST, expected);
    if (number <= low) this.invalid(expected);
    return number;
  }

  /** Item `index` as a whole number. */
  whole(index: number, low: number, high: number, expected: string): number {
    const number = this.real(index, low, high, expected);
    if (!Number.isInteger(number)) this.invalid(expected);
    return number;
  }

  /** Item `index` as one of some words, in any case; `fallback`, if there is one, where it is empty or left out. */
  word<Word extends string>(index: number, words: readonly Word[], fallback?: Word): Word {
    const item = this.item(index);
    if (item === undefined && fallback !== undefined) return fallback;
    const found = words.find((word) => word.toLowerCase() === item?.toLowerCase());
    return found ?? this.invalid(words.join(', '));
  }

  /** Item `index` as 0 or 1 (or false, true). */
  flag(index: number, fallback?: boolean): boolean {
    const word = this.word(
      index,
      ['0', '1', 'false', 'true'],
      fallback === undefined ? undefined : fallback ? '1' : '0',
    );
    return word === '1' || word === 'true';
  }

  /** The error for something we do not have. */
  refuse(reason: string): never {
    throw refusedRequest(this.command, this.text, reason);
  }
}
