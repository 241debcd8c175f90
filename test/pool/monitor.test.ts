import { describe, expect, it } from 'vitest';
import { CONTROL } from '../../src/native/contract.js';
import { Monitor, type WatchedJob } from '../../src/pool/monitor.js';

const MIB = 1024 ** 2;

class Job implements WatchedJob {
  readonly control = new BigInt64Array(new SharedArrayBuffer(64));
  readonly need: number | null;
  stopped = false;
  taken: number | null = null;
  ticks = 0;

  constructor(needMib: number | null, heldMib = 0) {
    this.need = needMib === null ? null : needMib * MIB;
    this.hold(heldMib);
  }
  hold(mib: number): void {
    this.control[CONTROL.bytesHeld] = BigInt(mib * MIB);
  }
  track(mib: number): void {
    this.control[CONTROL.tracked] = BigInt(mib * MIB);
  }
  tick(): void {
    this.ticks += 1;
  }
  overrun(bytes: number): void {
    this.stopped = true;
    this.taken = bytes;
  }
}

/** A monitor of a process whose memory the test sets, in MiB. */
function watch(): { monitor: Monitor; memory: { resident: number; javascript: number }; look(times?: number): void } {
  const memory = { resident: 100, javascript: 10 };
  const monitor = new Monitor(() => ({ resident: memory.resident * MIB, javascript: memory.javascript * MIB }));
  const look = (times = 3): void => {
    for (let i = 0; i < times; i++) monitor.look();
  };
  return { monitor, memory, look };
}

describe('Monitor, by a job’s own buffers', () => {
  it('stops the job that holds more than a tenth above its need, and no other', () => {
    const { monitor, look } = watch();
    const [good, bad] = [new Job(100, 109), new Job(100, 111)];
    monitor.add(good);
    monitor.add(bad);
    look(1);
    expect([good.taken, bad.taken]).toEqual([null, 111 * MIB]);
    monitor.remove(bad);
    look();
    expect(good.stopped).toBe(false);
    monitor.remove(good);
  });
});

describe('Monitor, by the growth of the process', () => {
  it('stops the only job when the process outgrows it, at the second look', () => {
    const { monitor, memory, look } = watch();
    const job = new Job(1000);
    monitor.add(job);
    memory.resident += 1100 + 80; // a tenth, and the slack
    look();
    expect(job.stopped).toBe(false);
    memory.resident += 1;
    look(1);
    expect(job.stopped).toBe(false);
    look(1);
    expect(job.taken).toBe(1181 * MIB);
    monitor.remove(job);
  });

  it('forgives a single peak', () => {
    const { monitor, memory, look } = watch();
    const job = new Job(100);
    monitor.add(job);
    for (let i = 0; i < 5; i++) {
      memory.resident = 900;
      look(1);
      memory.resident = 200;
      look(1);
    }
    expect(job.stopped).toBe(false);
    monitor.remove(job);
  });

  it('stops the one with the largest share of its need, the newest of equals, and only that one', () => {
    const { monitor, memory, look } = watch();
    const jobs = [new Job(100, 90), new Job(1000, 950), new Job(100, 95), new Job(10, 1)];
    for (const job of jobs) monitor.add(job);
    memory.resident += 5000;
    look(20);
    expect(jobs.map(({ stopped }) => stopped)).toEqual([false, false, true, false]);
    // It has returned; what it leaves behind in the heap is nobody's fault.
    if (jobs[2]) monitor.remove(jobs[2]);
    look(20);
    expect(jobs.filter(({ stopped }) => stopped)).toHaveLength(1);
    for (const job of jobs) monitor.remove(job);
  });

  it('takes off what the main thread’s JavaScript has grown by, and adds nothing when it shrinks', () => {
    const { monitor, memory, look } = watch();
    memory.javascript = 500;
    const job = new Job(100);
    monitor.add(job);
    memory.javascript += 1000;
    memory.resident += 1100;
    look();
    memory.javascript = 10;
    memory.resident = 200;
    look();
    expect(job.stopped).toBe(false);
    monitor.remove(job);
  });

  it('does not charge a small job with what a large one before it left resident', () => {
    const { monitor, memory, look } = watch();
    const large = new Job(2000, 1900);
    monitor.add(large);
    memory.resident += 2000;
    look();
    monitor.remove(large); // nothing is given back to the system
    const small = new Job(10);
    monitor.add(small);
    look(10);
    expect(small.stopped).toBe(false);
    monitor.remove(small);
  });

  it('nor when the two overlap', () => {
    const { monitor, memory, look } = watch();
    const [large, small, next] = [new Job(2000), new Job(10), new Job(10)];
    monitor.add(large);
    monitor.add(small);
    memory.resident += 2010;
    look();
    monitor.remove(large);
    look(10);
    monitor.add(next);
    monitor.remove(small);
    look(10);
    expect([small.stopped, next.stopped]).toEqual([false, false]);
    monitor.remove(next);
  });

  it('does not charge jobs that overlap without end with the application’s own growth', () => {
    const { monitor, memory, look } = watch();
    let last = new Job(10);
    monitor.add(last);
    for (let i = 0; i < 100; i++) {
      const next = new Job(10);
      monitor.add(next);
      monitor.remove(last);
      memory.resident += 20;
      look(2);
      expect(next.stopped).toBe(false);
      last = next;
    }
    monitor.remove(last);
  });

  it('yet stops a job that grows and grows while others come and go', () => {
    const { monitor, memory, look } = watch();
    const bad = new Job(50, 50);
    monitor.add(bad);
    for (let i = 0; i < 100 && !bad.stopped; i++) {
      const other = new Job(50, 25);
      monitor.add(other);
      memory.resident += 10;
      look(2);
      monitor.remove(other);
    }
    expect(bad.stopped).toBe(true);
    expect(memory.resident).toBeLessThan(400);
    monitor.remove(bad);
  });

  it('judges nobody while a job runs whose need is unknown', () => {
    const { monitor, memory, look } = watch();
    const [unknown, job] = [new Job(null), new Job(100)];
    monitor.add(unknown);
    monitor.add(job);
    memory.resident += 5000;
    look(10);
    monitor.remove(unknown);
    look(10);
    expect(job.stopped).toBe(false);
    memory.resident += 300;
    look(2);
    expect(job.stopped).toBe(true);
    monitor.remove(job);
  });
});

describe('Monitor, by libvips’ tracked memory', () => {
  it('stops the job when it grows past the allowance, whatever it was at first', () => {
    const { monitor, look } = watch();
    const job = new Job(100);
    monitor.add(job);
    job.track(700); // of another user of libvips
    look();
    job.track(700 + 110 + 80);
    look();
    expect(job.stopped).toBe(false);
    job.track(700 + 110 + 81);
    look(2);
    expect(job.taken).toBe((110 + 81) * MIB);
    monitor.remove(job);
  });

  it('believes no figure from before the base', () => {
    const { monitor, look } = watch();
    const [large, slow, fresh] = [new Job(2000), new Job(10), new Job(10)];
    monitor.add(large);
    monitor.add(slow);
    slow.track(2000); // and then stays in its decoder
    look();
    monitor.remove(large);
    monitor.add(fresh);
    monitor.remove(slow);
    monitor.add(slow);
    for (let i = 0; i < 10; i++) {
      fresh.track(5);
      look(1);
    }
    expect([slow.stopped, fresh.stopped]).toEqual([false, false]);
    monitor.remove(slow);
    monitor.remove(fresh);
  });
});

describe('Monitor’s timer', () => {
  it('is there only while jobs run, and does not keep the process alive', () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const { monitor } = watch();
    const job = new Job(1);
    monitor.add(job);
    expect(timers()).toBe(before); // unref'd timers are not counted
    monitor.remove(job);
    expect(timers()).toBe(before);
  });

  it('ticks about ten times a second', async () => {
    const { monitor } = watch();
    const job = new Job(1);
    monitor.add(job);
    await new Promise((resolve) => setTimeout(resolve, 650));
    monitor.remove(job);
    const { ticks } = job;
    expect(ticks).toBeGreaterThanOrEqual(2);
    expect(ticks).toBeLessThanOrEqual(7);
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(job.ticks).toBe(ticks);
  });
});
