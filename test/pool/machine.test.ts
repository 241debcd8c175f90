import { describe, expect, it } from 'vitest';
import { availableMemory, availableProcessors, budgetLimit, PROCESS_RESERVE_BYTES } from '../../src/pool/machine.js';

const GIB = 1024 ** 3;
const none = (): null => null;
const files = (contents: Record<string, string>) => (path: string) => contents[path] ?? null;

describe('availableMemory', () => {
  it('is the machine’s where there are no control groups', () => {
    expect(availableMemory(none, 8 * GIB)).toBe(8 * GIB);
  });

  it('is what this machine has, without help', () => {
    expect(availableMemory()).toBeGreaterThan(0);
  });

  it('reads version 2 at the process’s own group', () => {
    const read = files({
      '/proc/self/cgroup': '0::/system.slice/app.service\n',
      '/sys/fs/cgroup/system.slice/app.service/memory.max': `${2 * GIB}\n`,
      '/sys/fs/cgroup/system.slice/memory.max': 'max\n',
    });
    expect(availableMemory(read, 8 * GIB)).toBe(2 * GIB);
  });

  it('takes the least limit on the way up, and the throttling one', () => {
    const group = '/sys/fs/cgroup/a/b';
    const read = (extra: Record<string, string>) =>
      files({ '/proc/self/cgroup': '0::/a/b/c\n', [`${group}/c/memory.max`]: `${4 * GIB}\n`, ...extra });
    expect(availableMemory(read({ [`${group}/memory.max`]: `${3 * GIB}\n` }), 8 * GIB)).toBe(3 * GIB);
    expect(availableMemory(read({ '/sys/fs/cgroup/a/memory.high': `${GIB}\n` }), 8 * GIB)).toBe(GIB);
  });

  it('reads version 2 at the root in a container', () => {
    const read = files({ '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/memory.max': `${GIB}\n` });
    expect(availableMemory(read, 8 * GIB)).toBe(GIB);
  });

  it('reads version 1 by the controller’s line, beside an empty version 2', () => {
    const read = files({
      '/proc/self/cgroup': '9:name=systemd:/x\n4:memory:/jobs/one\n1:cpu,cpuacct:/\n0::/\n',
      '/sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes': `${GIB}\n`,
      '/sys/fs/cgroup/memory/jobs/memory.limit_in_bytes': '9223372036854771712\n',
    });
    expect(availableMemory(read, 8 * GIB)).toBe(GIB);
  });

  it('reads version 1 at the root when the path is the host’s', () => {
    const read = files({
      '/proc/self/cgroup': '4:memory:/docker/0123\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${GIB}\n`,
    });
    expect(availableMemory(read, 8 * GIB)).toBe(GIB);
  });

  it('finds version 2 under `unified` in a hybrid tree', () => {
    const read = files({ '/proc/self/cgroup': '0::/x\n', '/sys/fs/cgroup/unified/x/memory.max': `${GIB}` });
    expect(availableMemory(read, 8 * GIB)).toBe(GIB);
  });

  it('ignores paths out of the tree, and nonsense', () => {
    const read = files({
      '/proc/self/cgroup': '0::/../../x\nnonsense\n',
      '/sys/fs/cgroup/memory.max': 'nonsense',
      '/sys/fs/cgroup/../../x/memory.max': '1',
    });
    expect(availableMemory(read, 8 * GIB)).toBe(8 * GIB);
  });
});

describe('availableProcessors', () => {
  it('is what the affinity allows where there is no quota', () => {
    expect(availableProcessors(none, 6)).toBe(6);
    expect(availableProcessors(files({ '/sys/fs/cgroup/cpu.max': 'max 100000\n' }), 6)).toBe(6);
    expect(availableProcessors()).toBeGreaterThanOrEqual(1);
  });

  it.each([
    ['200000 100000', 2],
    ['150000 100000', 2],
    ['20000 100000', 1],
    ['1600000 100000', 6],
  ])('reads the version 2 quota %s as %d of 6', (quota, processors) => {
    const read = files({ '/proc/self/cgroup': '0::/a/b\n', '/sys/fs/cgroup/a/cpu.max': `${quota}\n` });
    expect(availableProcessors(read, 6)).toBe(processors);
  });

  it('reads the version 1 quota, by the joint or the single name', () => {
    for (const mount of ['cpu', 'cpu,cpuacct']) {
      const folder = `/sys/fs/cgroup/${mount}/a`;
      const read = (quota: string) =>
        files({
          '/proc/self/cgroup': '3:cpu,cpuacct:/a\n',
          [`${folder}/cpu.cfs_quota_us`]: quota,
          [`${folder}/cpu.cfs_period_us`]: '100000\n',
        });
      expect(availableProcessors(read('300000\n'), 6)).toBe(3);
      expect(availableProcessors(read('-1\n'), 6)).toBe(6);
    }
  });
});

describe('budgetLimit', () => {
  it('is what was asked for where the machine has it', () => {
    expect(budgetLimit(3 * GIB, 8 * GIB, GIB)).toBe(3 * GIB);
  });

  it('is what the machine leaves otherwise, and never negative', () => {
    expect(budgetLimit(3 * GIB, 2 * GIB, GIB)).toBe(GIB - PROCESS_RESERVE_BYTES);
    expect(budgetLimit(3 * GIB, GIB, GIB)).toBe(0);
  });
});
