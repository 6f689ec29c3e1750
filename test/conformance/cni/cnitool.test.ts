import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';
import { CNI_BIN } from '../../integration/cni/plugin-fixture.ts';
import { useNetns } from '../../integration/netns-fixture.ts';
import { peerProgram } from '../../peers/peer.ts';
import { needPeer, SIDES } from './sides.ts';

/*
 * Our plugins under the Go library that container runtimes use (cnitool is a thin door to it), and
 * the reference plugins under our runner.
 */

needPeer('cnitool');
needPeer('cni-plugins');

const node = useNetns('cnitool');
const podName = `podwire-cnitool-pod-${process.pid}`;
const podPath = `/run/netns/${podName}`;
const network = `podwire-cnitool-${process.pid}`;
const podwire = join(CNI_BIN, '../podwire');
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-cnitool-'));
  createNamedNetns(podPath);
  const ipam = {
    type: 'host-local',
    dataDir: join(directory, 'networks'),
    ranges: [[{ subnet: '10.22.0.0/24' }], [{ subnet: 'fd00:22::/64' }]],
  };
  writeFileSync(
    join(directory, 'net.conflist'),
    JSON.stringify({
      cniVersion: '1.1.0',
      name: network,
      plugins: [
        { type: 'loopback' },
        { type: 'bridge', bridge: 'br0', isDefaultGateway: true, ipam },
      ],
    }),
  );
});
afterEach(() => {
  deleteNamedNetns(podPath);
  rmSync(directory, { recursive: true, force: true });
  // cnitool has no option for its cache.
  const cache = '/var/lib/cni/results';
  if (!existsSync(cache)) return;
  for (const file of readdirSync(cache).filter((name) => name.startsWith(`${network}-`)))
    rmSync(join(cache, file));
});

/** Runs a program in the node. */
function run(file: string, args: readonly string[], bin: string) {
  return node.netns.run(() =>
    spawnSync(file, args, {
      encoding: 'utf8',
      env: { ...process.env, NETCONFPATH: directory, CNI_PATH: bin },
    }),
  );
}
const cnitool = (verb: string, bin: string = CNI_BIN) =>
  run(peerProgram('cnitool', 'cnitool'), [verb, network, podPath], bin);
const runner = (verb: string, bin: string) =>
  run(
    podwire,
    ['cni', verb, network, podPath, '--path', bin, '--cache-dir', join(directory, 'cache')],
    bin,
  );

const reservations = (): string[] =>
  readdirSync(join(directory, 'networks', network)).filter((name) => !/^(last|lock)/.test(name));
const ping = (address: string): string =>
  execFileSync('ip', ['netns', 'exec', podName, 'ping', '-c1', '-W2', address], {
    encoding: 'utf8',
  });

describe('our plugins under cnitool', () => {
  it('go through add, check, status, del and gc', () => {
    const added = cnitool('add');
    expect(added).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(added.stdout)).toMatchObject({
      cniVersion: '1.1.0',
      ips: [{ address: '10.22.0.2/24' }, { address: 'fd00:22::2/64' }],
    });
    expect(ping('10.22.0.1')).toContain('1 received');
    expect(ping('fd00:22::1')).toContain('1 received');
    expect(cnitool('check')).toMatchObject({ status: 0, stderr: '' });
    expect(cnitool('status')).toMatchObject({ status: 0, stderr: '' });
    expect(cnitool('del')).toMatchObject({ status: 0, stderr: '' });
    expect(reservations()).toEqual([]);
    expect(cnitool('del')).toMatchObject({ status: 0, stderr: '' });
    cnitool('add');
    expect(cnitool('gc')).toMatchObject({ status: 0, stderr: '' });
    expect(reservations()).toEqual([]);
  });

  it('say what is wrong through it', () => {
    node.exec('ip', 'link', 'add', 'br0', 'type', 'veth', 'peer', 'name', 'other');
    const { status, stderr } = cnitool('add');
    expect(status).toBe(1);
    expect(stderr).toContain('"br0" already exists but is not a bridge');
    expect(existsSync(join(directory, 'networks')) ? reservations() : []).toEqual([]);
  });
});

describe('podwire cni beside cnitool', () => {
  it('prints the same result', () => {
    const theirs = JSON.parse(cnitool('add').stdout) as { ips: object[]; routes: object[] };
    cnitool('del');
    rmSync(join(directory, 'networks'), { recursive: true });
    const ours = JSON.parse(runner('add', CNI_BIN).stdout) as typeof theirs;
    expect({ ips: ours.ips, routes: ours.routes }).toEqual({
      ips: theirs.ips,
      routes: theirs.routes,
    });
    expect(runner('del', CNI_BIN).status).toBe(0);
  });

  it('keeps results where cnitool finds them, in its format', () => {
    cnitool('add');
    const name = readdirSync('/var/lib/cni/results').find((file) => file.startsWith(network));
    const theirs = JSON.parse(
      readFileSync(join('/var/lib/cni/results', name ?? ''), 'utf8'),
    ) as Record<string, unknown>;
    cnitool('del');
    rmSync(join(directory, 'networks'), { recursive: true });
    runner('add', CNI_BIN);
    const ours = JSON.parse(
      readFileSync(join(directory, 'cache/results', name ?? ''), 'utf8'),
    ) as Record<string, unknown>;
    expect(Object.keys(ours).sort()).toEqual(Object.keys(theirs).sort());
    expect({ ...ours, result: {} }).toEqual({ ...theirs, result: {} });
    expect(runner('del', CNI_BIN).status).toBe(0);
  });

  it('runs the reference plugins', () => {
    expect(runner('add', SIDES.reference)).toMatchObject({ status: 0, stderr: '' });
    expect(ping('10.22.0.1')).toContain('1 received');
    expect(runner('check', SIDES.reference)).toMatchObject({ status: 0, stderr: '' });
    expect(runner('del', SIDES.reference)).toMatchObject({ status: 0, stderr: '' });
    expect(reservations()).toEqual([]);
  });
});
