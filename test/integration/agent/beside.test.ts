import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { useNetns } from '../netns-fixture.ts';
import { eventually, RunningAgent } from './agent-fixture.ts';

const fixture = useNetns('beside');
const LEFT_OVER =
  'rules by the names of kube-proxy, which does not run; once ours are there they go';
const OTHER_PORTS = ['--healthz-bind-address', '', '--metrics-bind-address', ''];
const SERVICE = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { clusterIP: '10.96.0.20', ports: [{ port: 80 }] },
};
/** Lines that name the process differ from one to the next. */
const sorted = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.replace(/ # progname.*/, ''))
    .sort();
const ruleset = (): string => fixture.exec('nft', 'list', 'ruleset');

/** A process in the namespace, from here to the end of the block. */
function running(
  file: string,
  ...args: string[]
): Disposable & { readonly pid: number | undefined } {
  const child = spawn('ip', ['netns', 'exec', fixture.name, file, ...args], { stdio: 'ignore' });
  return { pid: child.pid, [Symbol.dispose]: () => child.kill('SIGKILL') };
}

/** A program that is called kube-proxy, and sleeps. */
function sleeper(): Disposable & { readonly file: string } {
  const directory = mkdtempSync(join(tmpdir(), 'podwire-beside-'));
  const file = join(directory, 'kube-proxy');
  copyFileSync('/usr/bin/sleep', file);
  return { file, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}

/** What answers at the port of kube-proxy's metrics. */
const MODE = `require('node:http').createServer((_, answer) => answer.end('iptables'))
  .listen(10249, '127.0.0.1')`;

describe('beside kube-proxy', () => {
  it('refuses while its process is in the same network, and changes nothing', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    fixture.exec('nft', 'add', 'table', 'ip', 'kube-proxy');
    const before = ruleset();
    using program = sleeper();
    using kubeProxy = running(program.file, '1000');
    // ip(8) becomes the program once it is in the namespace.
    const name = () => readFileSync(`/proc/${kubeProxy.pid}/comm`, 'utf8').trim();
    await eventually(() => expect(name()).toBe('kube-proxy'));
    await using agent = await RunningAgent.start(fixture.name, []);
    expect(agent.exitCode, agent.told()).toBe(1);
    expect(agent.stderr).toMatch(
      /kube-proxy runs on this node \(process \d+, table ip kube-proxy\)/,
    );
    expect(ruleset()).toBe(before);
    await using told = await RunningAgent.start(fixture.name, [], ['--beside-kube-proxy']);
    expect(told.exitCode, told.told()).toBeNull();
    expect(told.logged('kube-proxy runs on this node, too'), told.told()).toBe(true);
  });

  it('refuses while its metrics port tells a mode, whatever the process is called', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    using _server = running(process.execPath, '-e', MODE);
    await eventually(() =>
      expect(fixture.exec('ss', '-Hltn', 'sport', '=', ':10249')).not.toBe(''),
    );
    await using agent = await RunningAgent.start(fixture.name, []);
    expect(agent.exitCode, agent.told()).toBe(1);
    expect(agent.stderr).toContain('(mode iptables at 127.0.0.1:10249)');
  });

  it('does not take one of its own for it, nor a process in another network', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    using program = sleeper();
    const elsewhere = spawn(program.file, ['1000'], { stdio: 'ignore' });
    try {
      await using first = await RunningAgent.start(fixture.name, []);
      expect(first.exitCode, first.told()).toBeNull();
      await using second = await RunningAgent.start(fixture.name, [], OTHER_PORTS);
      expect(second.exitCode, second.told()).toBeNull();
    } finally {
      elsewhere.kill('SIGKILL');
    }
  });

  it('removes rules that are left over, once there are others', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    fixture.exec('nft', 'add', 'table', 'ip6', 'kube-proxy');
    fixture.exec('iptables', '-t', 'nat', '-N', 'KUBE-SERVICES');
    await using agent = await RunningAgent.start(fixture.name, []);
    expect(agent.exitCode, agent.told()).toBeNull();
    expect(
      agent.log.find(({ msg }) => msg === LEFT_OVER),
      agent.told(),
    ).toMatchObject({
      rules: ['table ip6 kube-proxy', 'chain KUBE-SERVICES of table ip nat'],
    });
    const gone = 'rules that others left are removed';
    await eventually(() => expect(agent.logged(gone), agent.told()).toBe(true));
    expect(ruleset()).not.toMatch(/kube-proxy|KUBE-/);
    expect(ruleset()).toContain('table ip podwire');
  });
});

describe('podwire cleanup', () => {
  it('leaves the rules of others as they were, to the byte', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    fixture.exec('iptables', '-t', 'nat', '-N', 'DOCKER');
    fixture.exec('nft', 'add', 'table', 'inet', 'mine');
    fixture.exec('nft', 'add', 'set', 'inet', 'mine', 'podwire', '{ type ipv4_addr; }');
    const before = ruleset();
    const entry = join(import.meta.dirname, '../../../src/entry.ts');
    const cleanup = () => fixture.exec(process.execPath, '--no-warnings', entry, 'cleanup');
    {
      await using agent = await RunningAgent.start(fixture.name, [SERVICE]);
      expect(agent.exitCode, agent.told()).toBeNull();
      await eventually(() => expect(agent.logged('the rules are owned'), agent.told()).toBe(true));
      // While it runs nobody takes its rules away.
      const running = ruleset();
      const owned = `owned by process ${agent.pid} (`;
      expect(cleanup).toThrow(owned);
      fixture.exec('nft', 'flush', 'ruleset');
      fixture.execInput(before, 'nft', '-f', '-');
      expect(sorted(ruleset())).toEqual(sorted(running));
      // One that is to take its place waits for it, and has the rules as soon as it is gone.
      await using next = await RunningAgent.start(fixture.name, [SERVICE], OTHER_PORTS);
      await eventually(() => expect(next.told()).toContain(owned));
      expect(next.logged('the rules are owned')).toBe(false);
      await agent.stop('SIGKILL');
      await eventually(() => expect(next.logged('the rules are owned'), next.told()).toBe(true));
      expect(sorted(ruleset())).toEqual(sorted(running));
      await next.stop();
    }
    expect(ruleset()).not.toBe(before);
    expect(cleanup()).toBe('removed table ip podwire, table ip6 podwire\n');
    expect(ruleset()).toBe(before);
    expect(cleanup()).toBe('nothing to remove\n');
  });
});
