/** Small reads of a source for which each read is a journey: bytes are fetched in blocks, and some blocks are kept. */

/** Bytes of a block: the directories of most pyramids, which lie together, fit in one. */
export const BLOCK_BYTES = 64 << 10;

/** Blocks that are kept, a mebibyte of them: many sources may be open, and what was read of blocks is mostly kept elsewhere. */
const MAX_BLOCKS = 16;

/** Blocks of one source, the least recently used given up first. Each is fetched once, however many ask for it at a time. */
export class Blocks {
  readonly #size: number;
  readonly #fill: (target: Uint8Array, offset: number) => Promise<void>;
  readonly #blocks = new Map<number, Promise<Uint8Array>>();

  /**
   * @param head the first block, already read
   * @param size bytes of the source
   * @param fill reads into a target from an offset
   */
  constructor(head: Uint8Array, size: number, fill: (target: Uint8Array, offset: number) => Promise<void>) {
    this.#size = size;
    this.#fill = fill;
    this.#blocks.set(0, Promise.resolve(head));
  }

  /** `length` bytes from `offset`, all of them inside the source; the caller's. What is longer than a block is read past the blocks. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    if (length === 0) return bytes;
    if (length > BLOCK_BYTES) {
      await this.#fill(bytes, offset);
      return bytes;
    }
    const first = Math.floor(offset / BLOCK_BYTES);
    const end = Math.ceil((offset + length) / BLOCK_BYTES);
    const blocks = await Promise.all(Array.from({ length: end - first }, (_, i) => this.#get(first + i)));
    blocks.forEach((block, i) => {
      const start = (first + i) * BLOCK_BYTES;
      const part = block.subarray(Math.max(0, offset - start), Math.max(0, offset + length - start));
      bytes.set(part, Math.max(0, start - offset));
    });
    return bytes;
  }

  /** Forgets all blocks. */
  clear(): void {
    this.#blocks.clear();
  }

  #get(number: number): Promise<Uint8Array> {
    const block = this.#blocks.get(number) ?? this.#fetch(number);
    this.#blocks.delete(number);
    this.#blocks.set(number, block);
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= MAX_BLOCKS) break;
      this.#blocks.delete(oldest);
    }
    return block;
  }

  #fetch(number: number): Promise<Uint8Array> {
    const start = number * BLOCK_BYTES;
    const bytes = new Uint8Array(Math.min(BLOCK_BYTES, this.#size - start));
    const block = this.#fill(bytes, start).then(() => bytes);
    block.catch(() => {
      if (this.#blocks.get(number) === block) this.#blocks.delete(number);
    });
    return block;
  }
}
