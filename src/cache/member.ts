/** The keeper as a member of several processes has it: the primary, at the other end of the bus. */
import { randomBytes } from 'node:crypto';
import { removeEntry } from './entry-file.js';
import type { Candidate, DiskCounts, Keeper, Listener } from './keeper.js';
import type { Layout } from './layout.js';
import type { ToMembers, ToPrimary } from './messages.js';
import type { CacheBus, PurgeFilter } from './types.js';
import type { Warn } from './warnings.js';

/** A purge may take so many times as long as anything else. */
const PURGE_PATIENCE = 30;

/** What a member is made of. */
export interface MemberParts {
  readonly layout: Layout;
  readonly bus: CacheBus;
  readonly listener: Listener;
  readonly warn: Warn;
  /** Milliseconds that an answer of the primary may take. */
  readonly answerMs: number;
}

/** Asks the primary, and does without it when it does not answer. */
export class MemberKeeper implements Keeper {
  readonly #layout: Layout;
  readonly #bus: CacheBus;
  readonly #listener: Listener;
  readonly #warn: Warn;
  readonly #answerMs: number;
  readonly #name = randomBytes(8).toString('hex');
  #asked = 0;
  /** Questions under way, and what takes their answers. */
  readonly #answers = new Map<number, (answer: ToMembers | null) => void>();
  /** The last question went unanswered and nothing was heard since: nobody waits for an answer until there is something. */
  #isSilent = false;
  #counts: DiskCounts = { entries: 0, bytes: 0, evicted: 0, damaged: 0 };

  constructor({ layout, bus, listener, warn, answerMs }: MemberParts) {
    this.#layout = layout;
    this.#bus = bus;
    this.#listener = listener;
    this.#warn = warn;
    this.#answerMs = answerMs;
    // Only the primary of the same server is at the other end.
    bus.onMessage((message) => this.#hear(message as ToMembers));
    this.#tell({ kind: 'hello' });
  }

  /** Entries and bytes as the primary last told; what it has evicted or found damaged is its own count. */
  get counts(): DiskCounts {
    return this.#counts;
  }

  get isReady(): boolean {
    return true;
  }

  async admit(candidate: Candidate): Promise<boolean> {
    // What is not waited for must not be done either, as the file is removed.
    if (this.#isSilent) {
      this.#tell({ kind: 'hello' });
      return false;
    }
    const answer = await this.#ask((id) => ({ kind: 'admit', candidate, from: this.#name, id }), this.#answerMs);
    return answer?.kind === 'admitted' && answer.done;
  }

  use(keys: readonly string[]): void {
    this.#tell({ kind: 'use', keys });
  }

  /** Removes the file itself, so that it is gone even when the primary does not hear of it. */
  async remove(key: string): Promise<boolean> {
    try {
      if (this.#layout.roots.length > 0) await removeEntry(this.#layout.path(key));
    } catch (error) {
      this.#warn('an entry of the cache could not be removed', error);
      return false;
    }
    this.#tell({ kind: 'remove', key, from: this.#name });
    return true;
  }

  async purge(filter: PurgeFilter): Promise<number> {
    const patienceMs = this.#answerMs * PURGE_PATIENCE;
    const answer = await this.#ask((id) => ({ kind: 'purge', filter, from: this.#name, id }), patienceMs);
    return answer?.kind === 'purged' ? (answer.count ?? 0) : 0;
  }

  interrupt(): void {}

  async close(): Promise<void> {
    for (const take of [...this.#answers.values()]) take(null);
  }

  #hear(message: ToMembers): void {
    this.#isSilent = false;
    this.#counts = { ...this.#counts, entries: message.entries, bytes: message.bytes };
    if (message.kind === 'counts') return;
    const isMine = message.from === this.#name;
    if (message.kind === 'removed') {
      if (!isMine) this.#listener.onChange(message.key);
    } else if (message.kind === 'admitted') {
      if (isMine) this.#answers.get(message.id)?.(message);
      else if (message.done) this.#listener.onChange(message.key);
    } else if (!isMine) this.#listener.onPurge(message.filter);
    else if (message.count !== null) this.#answers.get(message.id)?.(message);
  }

  /** The primary's answer; null when there is none in time. */
  #ask(question: (id: number) => ToPrimary, patienceMs: number): Promise<ToMembers | null> {
    return new Promise((resolve) => {
      this.#asked += 1;
      const id = this.#asked;
      const take = (answer: ToMembers | null): void => {
        clearTimeout(timer);
        this.#answers.delete(id);
        resolve(answer);
      };
      const timer = setTimeout(() => {
        this.#isSilent = true;
        this.#warn('the primary does not answer: the cache is not written to', null);
        take(null);
      }, patienceMs);
      this.#answers.set(id, take);
      this.#tell(question(id));
    });
  }

  #tell(message: ToPrimary): void {
    this.#bus.send(message);
  }
}
