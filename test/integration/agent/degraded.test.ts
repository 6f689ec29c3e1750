import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { useNetns } from '../netns-fixture.ts';
import { ask, eventually, RunningAgent } from './agent-fixture.ts';

const fixture = useNetns('degraded');

describe('podwire_degraded', () => {
  it('has a state for as long as its cause lasts, and no longer', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    await using agent = await RunningAgent.start(fixture.name, []);
    const states = (): string[] =>
      ask(fixture.name, 'http://127.0.0.1:10249/metrics')
        .body.split('\n')
        .flatMap((line) => /^podwire_degraded\{state="(.+)"\} [1-9]/.exec(line)?.[1] ?? []);
    expect(states(), agent.told()).toEqual([]);
    const broken = join(agent.directory, 'broken.yaml');
    writeFileSync(broken, 'apiVersion: v1\nkind: Service\n');
    await eventually(() => expect(states()).toEqual(['objects-refused']));
    // A degraded agent serves: nobody is to restart it, or take its traffic away.
    for (const path of ['healthz', 'livez', 'readyz']) {
      expect(ask(fixture.name, `http://127.0.0.1:10256/${path}`).status, path).toBe(200);
    }
    rmSync(broken);
    await eventually(() => expect(states()).toEqual([]));
  });
});
