import { CONTROL } from '../native/contract.js';

/** Memory of the process at one moment, in bytes. */
export interface MemorySample {
  /** Resident size of the process. */
  readonly resident: number;
  /** Heap, buffers and other memory of the main thread's JavaScript: not the jobs' doing. */
  readonly javascript: number;
}

/** A job that is looked at while its native call runs. */
export interface WatchedJob {
  /** Bytes it has reserved; null when it has stated no need. */
  readonly need: number | null;
  /** Its control block: see `CONTROL`. */
  readonly control: BigInt64Array;
  /** Whether it has been told to stop, for whatever reason. */
  readonly stopped: boolean;
  /** Called every {@link PERIOD_MS}. Must not throw. */
  tick(): void;
  /** It has taken `bytes` where `limit` were allowed: it is to be stopped with `BUDGET_OVERRUN`. Must not throw. */
  overrun(bytes: number, limit: number): void;
}

/** Time between two looks at the running jobs, in milliseconds. */
export const PERIOD_MS = 100;

/** What a job may take for each byte it has reserved. */
const TOLERANCE = 1.1;
/** Growth of the process that is nobody's fault: probes, code that is loaded, fragments of the C library's heap. */
const PROCESS_SLACK_BYTES = 64 * 1024 ** 2;
/** The same for each job at once: a worker thread takes about 10 MB when it is started for it. */
const JOB_SLACK_BYTES = 16 * 1024 ** 2;
/** Looks in a row that must agree before a job is stopped for the growth of the whole process. */
const STRIKES = 2;

/**
 * Looks at the running jobs ten times a second: passes on their progress, and finds the one that takes more memory than
 * it has reserved. One per process, since the memory it watches is the process's; its timer exists only while jobs
 * run and never keeps the process alive (the running worker does). A job is to be stopped when
 *
 * 1. **its own buffers** (`CONTROL.bytesHeld`) pass 1.1 × its need: exact, and beyond doubt its own doing; or when
 * 2. **the process** has grown past what all its jobs together may have taken. Of the jobs that run, it is then the
 *    only one, or else the one that holds most for its need, the newest of equals.
 *
 * Stopping a job that kept its word is worse than stopping one late, so the second rule allows for all that is known
 * to inflate the figures:
 *
 * - *Growth* is resident size less that at the base: a moment when no job ran, just before the first was started. What
 *   the main thread's heap and buffers have grown by since is taken off (they belong to the application); if they have
 *   shrunk, nothing is added, as freed memory may well stay resident.
 * - Freed memory stays resident (glibc keeps it), so a job that has ended still shows in the growth. Hence growth is
 *   compared not with what runs now, but with the *allowance*: the largest sum of 1.1 × need and a slack per job that
 *   ran at once at any time since the base, and a slack for the process. As long as every job keeps its word, no more
 *   has ever been live at once, and what is freed is reused before the process grows beyond that.
 *   Memory kept from before the base is in the base: it can hide an overrun of its size, never feign one.
 * - When jobs overlap without end, the base would grow old and the application's own growth would count against the
 *   jobs. So a new base is taken, jobs running or not, once every job has ended that ran at the last one. A job lives
 *   through at most one new base after its first, which can hide at most what the job held at that moment.
 * - libvips' tracked memory (`CONTROL.tracked`) is held to the same allowance. It sees what malloc reuses and the
 *   resident size hides. Its base is the least value seen, since other users of libvips in the process count too.
 * - Two looks in a row must agree. After a job was stopped, nothing is judged until its native call has returned, and
 *   then from a new base. The same while a job runs that has stated no need, since anything could be its doing.
 */
export class Monitor {
  readonly #measure: () => MemorySample;
  /** In order of their start. */
  readonly #jobs = new Set<WatchedJob>();
  /** Of the running jobs, those that ran when the base was taken. */
  #generation = new Set<WatchedJob>();
  #base: MemorySample = { resident: 0, javascript: 0 };
  #leastTracked = Number.POSITIVE_INFINITY;
  #allowance = 0;
  #strikes = 0;
  /** Jobs that were stopped for their memory and have not returned. */
  readonly #culprits = new Set<WatchedJob>();
  #timer: NodeJS.Timeout | null = null;

  /** @param measure given by tests; by default the figures of this process */
  constructor(measure: () => MemorySample = measureProcess) {
    this.#measure = measure;
  }

  /** Watches a job. Call it before the job allocates anything. */
  add(job: WatchedJob): void {
    const first = this.#jobs.size === 0;
    this.#jobs.add(job);
    if (first) this.#rebase();
    else this.#allowance = Math.max(this.#allowance, this.#shares());
    this.#timer ??= setInterval(() => this.look(), PERIOD_MS).unref();
  }

  /** Forgets a job whose native call has returned. */
  remove(job: WatchedJob): void {
    this.#jobs.delete(job);
    this.#generation.delete(job);
    if (this.#culprits.delete(job)) this.#generation.clear();
    if (this.#jobs.size === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }

  /** What the timer does. */
  look(): void {
    for (const job of this.#jobs) job.tick();
    for (const job of this.#jobs) {
      if (job.need === null || job.stopped) continue;
      const held = slot(job, CONTROL.bytesHeld);
      if (held > TOLERANCE * job.need) this.#stop(job, held, TOLERANCE * job.need);
    }
    if (this.#culprits.size === 0) this.#judgeProcess();
  }

  #judgeProcess(): void {
    const undeclared = [...this.#jobs].some((job) => job.need === null);
    if (undeclared || this.#generation.size === 0) {
      this.#rebase();
      return;
    }
    const taken = Math.max(this.#growth(), this.#trackedGrowth());
    this.#strikes = taken > this.#allowance ? this.#strikes + 1 : 0;
    if (this.#strikes < STRIKES) return;
    const job = heaviest(this.#jobs);
    if (job !== null) this.#stop(job, taken, this.#allowance);
  }

  #growth(): number {
    const now = this.#measure();
    return now.resident - this.#base.resident - Math.max(0, now.javascript - this.#base.javascript);
  }

  #trackedGrowth(): number {
    let most = 0;
    for (const job of this.#jobs) {
      const tracked = slot(job, CONTROL.tracked);
      if (tracked === 0) continue;
      most = Math.max(most, tracked);
      this.#leastTracked = Math.min(this.#leastTracked, tracked);
    }
    return Math.max(0, most - this.#leastTracked);
  }

  /** Growth counts from here on. */
  #rebase(): void {
    this.#base = this.#measure();
    this.#generation = new Set(this.#jobs);
    this.#allowance = this.#shares();
    this.#strikes = 0;
    this.#leastTracked = Number.POSITIVE_INFINITY;
    // A job deep in a decoder may not have refreshed its figure for long: only what is written from now on counts.
    for (const job of this.#jobs) Atomics.store(job.control, CONTROL.tracked, 0n);
  }

  #shares(): number {
    let bytes = PROCESS_SLACK_BYTES;
    for (const { need } of this.#jobs) bytes += TOLERANCE * (need ?? 0) + JOB_SLACK_BYTES;
    return bytes;
  }

  #stop(job: WatchedJob, bytes: number, limit: number): void {
    this.#culprits.add(job);
    this.#strikes = 0;
    job.overrun(bytes, Math.floor(limit));
  }
}

/** The monitor of this process, shared by all its pools. */
export const processMonitor = new Monitor();

/** The job that holds most for its need, the newest of equals; null when all are already stopped. */
function heaviest(jobs: Iterable<WatchedJob>): WatchedJob | null {
  let found: WatchedJob | null = null;
  let most = -1;
  for (const job of jobs) {
    const share = slot(job, CONTROL.bytesHeld) / Math.max(1, job.need ?? 0);
    if (job.stopped || share < most) continue;
    found = job;
    most = share;
  }
  return found;
}

function slot(job: WatchedJob, index: number): number {
  return Number(Atomics.load(job.control, index));
}

function measureProcess(): MemorySample {
  // `external` leaves out shared buffers, `arrayBuffers` whatever is no buffer: the larger is a bound from below.
  const { rss, heapTotal, external, arrayBuffers } = process.memoryUsage();
  return { resident: rss, javascript: heapTotal + Math.max(external, arrayBuffers) };
}
