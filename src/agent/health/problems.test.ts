import { describe, expect, it } from 'vitest';
import type { ServerStatus } from '../../cluster/server-source.ts';
import { sourceProblems } from './source-problems.ts';
import { syncProblems } from './sync-problems.ts';

const resource = (path: string, state: 'watching' | 'waiting', error?: string) => ({
  path,
  state,
  resourceVersion: '1',
  error,
});
const status = (now: Partial<ServerStatus>): ServerStatus => ({
  server: 'https://api:6443',
  isSynced: true,
  isCurrent: true,
  staleSinceMs: undefined,
  restoredFromMs: undefined,
  heardMs: 1,
  lastError: undefined,
  objects: 1,
  resources: [resource('/api/v1/services', 'watching')],
  ...now,
});

describe('sourceProblems', () => {
  it('finds nothing wrong with a source that is heard', () => {
    const found = sourceProblems(status({ lastError: 'long over' }));
    expect(found['source-away']).toBeUndefined();
    expect(found['serving-saved-state']).toBeUndefined();
    expect(found['objects-refused']).toEqual(new Map());
  });

  it('tells a server that is away from an object that can not be read', () => {
    const found = sourceProblems(
      status({
        restoredFromMs: 0,
        resources: [
          resource('/api/v1/services', 'watching', 'Service/a/b: no name'),
          resource('/api/v1/nodes', 'waiting', 'connection refused'),
        ],
      }),
    );
    expect(found['source-away']).toEqual(new Map([['https://api:6443', 'connection refused']]));
    expect(found['objects-refused']).toEqual(
      new Map([['/api/v1/services', 'Service/a/b: no name']]),
    );
    expect(found['serving-saved-state']).toContain('1970-01-01T00:00:00.000Z');
  });
});

describe('syncProblems', () => {
  it('says nothing of single Services after a sync that failed', () => {
    const found = syncProblems({ error: new Error('EPERM'), result: undefined, conflicts: [] });
    expect(new Map(found).get('sync-failing')).toBe('EPERM');
    expect(found.map(([state]) => state)).not.toContain('service-quarantined');
  });

  it('says that all is well after one that held', () => {
    const result = { changes: 0, full: false, quarantined: [] };
    const conflicts = [{ winner: 'a/x:80', loser: 'a/y:80' }];
    const found = new Map(syncProblems({ error: undefined, result, conflicts }));
    expect(found.get('sync-failing')).toBeUndefined();
    expect(found.get('service-quarantined')).toEqual(new Map());
    expect(found.get('service-conflict')).toEqual(new Map([['a/y:80', 'a/x:80 has it']]));
  });
});
