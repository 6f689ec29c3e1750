import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { DEGRADED_NAMES, DEGRADED_STATES } from './degraded-states.ts';
import { registerDegraded } from './metric.ts';
import { HealthRegistry, TOLD_APART_MAX } from './registry.ts';

let now = 0;
let health: HealthRegistry;
beforeEach(() => {
  now = 1_000;
  health = new HealthRegistry(() => now);
});

/** What is wrong, in short. */
const wrong = () =>
  health.degraded().map(({ state, about, sinceMs, text }) => [state, about, sinceMs, text]);

describe('HealthRegistry', () => {
  it('keeps since when something is wrong while its text changes, and forgets it when it is well', () => {
    health.report('sync-failing', 'EBUSY');
    now = 2_000;
    health.report('sync-failing', 'EPERM');
    expect(wrong()).toEqual([['sync-failing', '', 1_000, 'EPERM']]);
    health.report('sync-failing', undefined);
    expect(wrong()).toEqual([]);
    now = 3_000;
    health.report('sync-failing', 'EPERM');
    expect(wrong()).toEqual([['sync-failing', '', 3_000, 'EPERM']]);
  });

  it('takes what is reported of several for all there is', () => {
    health.report('service-quarantined', new Map([['a/x', '1'], ['a/y', '2']])); // biome-ignore format: short
    now = 2_000;
    health.report('service-quarantined', new Map([['a/y', '2'], ['a/z', '3']])); // biome-ignore format: short
    expect(wrong()).toEqual([
      ['service-quarantined', 'a/y', 1_000, '2'],
      ['service-quarantined', 'a/z', 2_000, '3'],
    ]);
  });

  it('changes one of several', () => {
    health.reportOne('listen-failed', '[::]:1', 'in use');
    health.reportOne('listen-failed', '[::]:2', 'in use');
    health.reportOne('listen-failed', '[::]:1', undefined);
    expect(wrong()).toEqual([['listen-failed', '[::]:2', 1_000, 'in use']]);
  });

  it('asks probes whenever somebody looks, until they end', () => {
    let text: string | undefined;
    const probe = health.probe('source-away', () => text);
    expect(wrong()).toEqual([]);
    text = 'refused';
    health.look();
    now = 2_000;
    expect(wrong()).toEqual([['source-away', '', 1_000, 'refused']]);
    probe[Symbol.dispose]();
    expect(wrong()).toEqual([]);
  });

  it('takes together what several probes say of one state', () => {
    health.probe('objects-refused', () => new Map([['a.yaml', 'no kind']]));
    const other = health.probe('objects-refused', () => new Map([['/api/v1/pods', 'no name']]));
    expect(health.counts().get('objects-refused')).toBe(2);
    now = 2_000;
    other[Symbol.dispose]();
    expect(wrong()).toEqual([['objects-refused', 'a.yaml', 1_000, 'no kind']]);
  });

  it('tells no more apart than it has room for, and counts all', () => {
    const many = Array.from({ length: TOLD_APART_MAX + 10 }, (_, n) => [`s${n}`, 'x'] as const);
    health.report('service-quarantined', new Map(many));
    health.report('sync-failing', 'x'.repeat(100_000));
    expect(health.degraded()).toHaveLength(TOLD_APART_MAX + 1);
    expect(health.degraded()[0]?.text.length).toBeLessThan(1_000);
    expect(health.counts().get('service-quarantined')).toBe(many.length);
  });

  it('says what each state means and what to do, in names a label can have', () => {
    for (const name of DEGRADED_NAMES) {
      expect(name).toMatch(/^[a-z]+(-[a-z]+)+$/);
      expect(DEGRADED_STATES[name].what, name).not.toBe('');
      expect(DEGRADED_STATES[name].todo, name).not.toBe('');
    }
  });
});

describe('podwire_degraded', () => {
  it('has every state, also those that are well', async () => {
    const registry = new Registry();
    registerDegraded(registry, health);
    health.report('sync-failing', 'EBUSY');
    const text = await registry.metrics();
    for (const name of DEGRADED_NAMES) {
      const value = name === 'sync-failing' ? 1 : 0;
      expect(text).toContain(`podwire_degraded{state="${name}"} ${value}\n`);
    }
  });
});
