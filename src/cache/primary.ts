/** The keeper in the primary of several processes: serves the members' wishes and tells all of them the news. */
import type { Candidate, DiskCounts, Keeper, Listener } from './keeper.js';
import type { Asker, News, ToMembers, ToPrimary } from './messages.js';
import type { CacheBus, PurgeFilter } from './types.js';

/** The primary as the asker: what it does itself nobody waits for. */
const MYSELF: Asker = { from: 'primary', id: 0 };

/** Makes the disk's keeper that of several processes. */
export class PrimaryKeeper implements Keeper {
  readonly #disk: Keeper;
  readonly #bus: CacheBus;
  readonly #listener: Listener;

  /** @param disk keeps the account, @param listener hears what members have done */
  constructor(disk: Keeper, bus: CacheBus, listener: Listener) {
    this.#disk = disk;
    this.#bus = bus;
    this.#listener = listener;
    // Only members of the same server are at the other end.
    bus.onMessage((message) => void this.#serve(message as ToPrimary));
  }

  get counts(): DiskCounts {
    return this.#disk.counts;
  }

  admit(candidate: Candidate): Promise<boolean> {
    return this.#admit(candidate, MYSELF);
  }

  use(keys: readonly string[]): void {
    this.#disk.use(keys);
  }

  remove(key: string): Promise<boolean> {
    return this.#remove(key, MYSELF);
  }

  purge(filter: PurgeFilter): Promise<number> {
    return this.#purge(filter, MYSELF);
  }

  interrupt(): void {
    this.#disk.interrupt();
  }

  close(): Promise<void> {
    return this.#disk.close();
  }

  async #serve(message: ToPrimary): Promise<void> {
    switch (message.kind) {
      case 'hello':
        return this.#tell({ kind: 'counts' });
      case 'use':
        return this.#disk.use(message.keys);
      case 'admit':
        if (await this.#admit(message.candidate, message)) this.#listener.onChange(message.candidate.key);
        return;
      case 'remove':
        await this.#remove(message.key, message);
        return this.#listener.onChange(message.key);
      case 'purge':
        this.#listener.onPurge(message.filter);
        await this.#purge(message.filter, message);
        return this.#listener.onPurge(message.filter);
    }
  }

  async #admit(candidate: Candidate, { from, id }: Asker): Promise<boolean> {
    const done = await this.#disk.admit(candidate);
    this.#tell({ kind: 'admitted', key: candidate.key, done, from, id });
    return done;
  }

  async #remove(key: string, { from, id }: Asker): Promise<boolean> {
    const done = await this.#disk.remove(key);
    this.#tell({ kind: 'removed', key, done, from, id });
    return done;
  }

  async #purge(filter: PurgeFilter, { from, id }: Asker): Promise<number> {
    this.#tell({ kind: 'purged', filter, count: null, from, id });
    const count = await this.#disk.purge(filter);
    this.#tell({ kind: 'purged', filter, count, from, id });
    return count;
  }

  #tell(news: News): void {
    const { entries, bytes } = this.#disk.counts;
    this.#bus.send({ ...news, entries, bytes } satisfies ToMembers);
  }
}
