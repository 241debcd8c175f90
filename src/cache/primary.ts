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

  get isReady(): boolean {
    return this.#disk.isReady;
  }

  admit(candidate: Candidate): Promise<boolean> {
    return this.#admit(candidate, MYSELF);
  }

  use(keys: readonly string[]): void {
    this.#disk.use(keys);
  }

  remove(key: string): Promise<boolean> {
    return this.#remove(key, MYSELF.from);
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
        return this.#serveAdmit(message.candidate, message);
      case 'remove':
        await this.#remove(message.key, message.from);
        return this.#listener.onChange(message.key);
      case 'purge':
        this.#listener.onPurge(message.filter);
        await this.#purge(message.filter, message);
        return this.#listener.onPurge(message.filter);
    }
  }

  /** Does not let a member wait for long: it would take the primary for dead. */
  async #serveAdmit(candidate: Candidate, { from, id }: Asker): Promise<void> {
    if (!this.#disk.isReady) this.#tell({ kind: 'admitted', key: candidate.key, done: false, from, id });
    else if (await this.#admit(candidate, { from, id })) this.#listener.onChange(candidate.key);
  }

  async #admit(candidate: Candidate, { from, id }: Asker): Promise<boolean> {
    const done = await this.#disk.admit(candidate);
    this.#tell({ kind: 'admitted', key: candidate.key, done, from, id });
    return done;
  }

  async #remove(key: string, from: string): Promise<boolean> {
    const done = await this.#disk.remove(key);
    this.#tell({ kind: 'removed', key, from });
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
