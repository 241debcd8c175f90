import { describe, expect, test, vi } from 'vitest';
import { type AlertEvent, type AlertLimits, Alerts, type AlertTotals, watchAlerts } from '../../src/log/alerts.js';

/** Alerts, and a function that lets a time pass in which so much happened. */
function watch(limits: Partial<AlertLimits> = {}) {
  let now = 5000;
  let totals: AlertTotals = { requests: 0, errors: 0, wellMs: 0, overlap: 0 };
  const alerts = new Alerts(limits, () => now);
  const pass = (seconds: number, more: Partial<AlertTotals>, oldestPendingMs = 0) => {
    now += seconds * 1000;
    totals = {
      requests: totals.requests + (more.requests ?? 0),
      errors: totals.errors + (more.errors ?? 0),
      wellMs: totals.wellMs + (more.wellMs ?? 0),
      overlap: totals.overlap + (more.overlap ?? 0),
    };
    const events = alerts.evaluate(totals, oldestPendingMs);
    return events.map(({ name, isActive }) => `${isActive ? '+' : '-'}${name}`);
  };
  return { alerts, pass };
}

describe('each alert begins above its limit and ends at it', () => {
  test.each<[string, Partial<AlertLimits>, Partial<AlertTotals>, Partial<AlertTotals>]>([
    ['RTime', {}, { requests: 100, errors: 2, wellMs: 98 * 200.1 }, { requests: 100, errors: 2, wellMs: 98 * 200 }],
    ['Error', {}, { requests: 100, errors: 6 }, { requests: 100, errors: 5 }],
    ['Traf', { minRequestRate: 2 }, { requests: 119 }, { requests: 120 }],
    ['Conc', {}, { requests: 100, overlap: 2001 }, { requests: 100, overlap: 2000 }],
  ])('%s', (name, limits, above, at) => {
    const { alerts, pass } = watch(limits);
    expect(pass(60, at)).toEqual([]);
    expect(pass(60, above)).toEqual([`+${name}`]);
    expect([...alerts.active]).toEqual([name]);
    expect(pass(60, above)).toEqual([]);
    expect(pass(60, at)).toEqual([`-${name}`]);
    expect([...alerts.active]).toEqual([]);
  });

  test('Lock', () => {
    const { pass } = watch();
    expect(pass(60, {}, 60_000)).toEqual([]);
    expect(pass(60, {}, 60_001)).toEqual(['+Lock']);
    expect(pass(60, {}, 0)).toEqual(['-Lock']);
  });
});

test('an event has the value and the limit', () => {
  const alerts = new Alerts({ maxErrorRate: 0.1 }, () => 1000);
  expect(alerts.evaluate({ requests: 4, errors: 4, wellMs: 0, overlap: 4 }, 0)).toEqual([]);
  let now = 0;
  const running = new Alerts({ maxErrorRate: 0.1 }, () => now);
  now = 1000;
  expect(running.evaluate({ requests: 4, errors: 4, wellMs: 0, overlap: 4 }, 0)).toEqual([
    { name: 'Error', isActive: true, value: 1, limit: 0.1 },
  ]);
});

test('without enough traffic there is neither RTime nor Error, and none without requests', () => {
  const { pass } = watch({ minTrafficForAlerts: 1 });
  expect(pass(60, { requests: 59, errors: 30, wellMs: 1e6 })).toEqual([]);
  expect(pass(60, { requests: 60, errors: 30, wellMs: 1e6 })).toEqual(['+RTime', '+Error']);
  expect(pass(60, {})).toEqual(['-RTime', '-Error']);
});

test('limits that are turned off never alert', () => {
  const { pass } = watch({ maxErrorRate: 1, minRequestRate: 0 });
  expect(pass(60, { requests: 10, errors: 10 })).toEqual([]);
  expect(pass(60, {})).toEqual([]);
});

test('are evaluated at each interval until it is stopped', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  try {
    let pending = 0;
    let now = 0;
    const events: AlertEvent[] = [];
    const stop = watchAlerts({
      alerts: new Alerts({}, () => ++now),
      intervalMs: 600_000,
      totals: () => ({ requests: 0, errors: 0, wellMs: 0, overlap: 0 }),
      oldestPendingMs: () => pending,
      onEvent: (event) => events.push(event),
    });
    pending = 70_000;
    vi.advanceTimersByTime(599_999);
    expect(events).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(events).toEqual([{ name: 'Lock', isActive: true, value: 70_000, limit: 60_000 }]);
    stop();
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
