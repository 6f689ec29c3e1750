import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import { linkByName, linkList } from '../../../src/netlink/route/link.ts';
import { neighList } from '../../../src/netlink/route/neigh.ts';
import { routeList } from '../../../src/netlink/route/route.ts';
import { CNI_BIN } from './plugin-fixture.ts';
import { entriesOf, type Json, NODES, success, useOverlay } from './vxlan-fixture.ts';

/* The vxlan plugin among others of it, and after one that was killed. */

const fixture = useOverlay('vxrac');
const { node, config, call, start, reaches, overlay, podPath, reservations, hostEnds } = fixture;

/** Runs a program on the node and gives its output. */
const exec = (file: string, ...args: string[]): string => node(1).exec(file, ...args);

describe('vxlan ADD beside others', () => {
  it('wires eight pods at once, and has one whole overlay', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, at) =>
        start(1, 'ADD', config(1), { CNI_CONTAINERID: `c${at}`, CNI_IFNAME: `eth${at}` }),
      ),
    );
    expect(answers.filter(({ status }) => status !== 0)).toEqual([]);
    expect(new Set(answers.map(({ json }) => (json.ips as Json[])[0]?.address)).size).toBe(8);
    expect(overlay(1)).toHaveLength(10);
    expect(exec('ip', '-d', 'link', 'show', 'vxlan.1')).toContain('alias podwire:overlay');
    for (const [at, { json }] of answers.entries()) {
      const env = { CNI_CONTAINERID: `c${at}`, CNI_IFNAME: `eth${at}` };
      expect(call(1, 'CHECK', config(1, { prevResult: json }), env)).toMatchObject(success);
    }
  });

  it('ends with what one of them wants where they want different things', async () => {
    const wishes = [{ port: 4789 }, { port: 8472 }, { id: 7 }, { peers: entriesOf(2) }];
    const answers = await Promise.all(
      wishes.map((more, at) =>
        start(1, 'ADD', config(1, more), { CNI_CONTAINERID: `c${at}`, CNI_IFNAME: `eth${at}` }),
      ),
    );
    expect(answers.map(({ status, stdout }) => (status === 0 ? '' : stdout))).toEqual(
      wishes.map(() => ''),
    );
    using connection = RouteConnection.open(node(1).netns);
    expect(linkList(connection, { kind: 'vxlan' })).toHaveLength(1);
    expect(call(1, 'ADD', config(1), { CNI_IFNAME: 'eth9' }).status).toBe(0);
    expect(overlay(1)).toHaveLength(10);
  });

  it.each<[string, (connection: RouteConnection) => boolean]>([
    ['the device', (host) => linkByName(host, 'vxlan.1') !== undefined],
    ['an address', (host) => linkByName(host, 'vxlan.1')?.up === true],
    [
      'a neighbour',
      (host) => neighList(host, { family: 4 }).some(({ state }) => state === 'permanent'),
    ],
    ['a route', (host) => routeList(host, 4, { protocol: 112 }).length > 0],
    ['all routes', (host) => routeList(host, 6, { protocol: 112 }).length === 2],
    ['the bridge', (host) => linkByName(host, 'br0') !== undefined],
    [
      'the pod',
      (host) => linkList(host, { kind: 'veth' }).some(({ name }) => name.startsWith('veth')),
    ],
  ])('is whole again after one was killed when there was %s', async (_, isThere) => {
    const env = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'a', CNI_IFNAME: 'eth0' };
    const child = node(1).netns.run(() =>
      spawn(join(CNI_BIN, 'vxlan'), [], {
        env: { ...env, CNI_PATH: CNI_BIN, CNI_NETNS: podPath(1) },
        stdio: ['pipe', 'ignore', 'ignore'],
      }),
    );
    const ended = once(child, 'exit');
    using connection = RouteConnection.open(node(1).netns);
    const text = JSON.stringify(config(1));
    child.stdin.end(text);
    // The kernel is asked without a pause, for there are microseconds between the steps.
    const deadline = performance.now() + 20_000;
    do {
      await new Promise(setImmediate);
    } while (!isThere(connection) && performance.now() < deadline);
    child.kill('SIGKILL');
    await ended;
    expect(call(1, 'DEL', config(1))).toMatchObject(success);
    expect(reservations(1)).toEqual([]);
    expect(hostEnds(1)).toEqual([]);
    const answers = NODES.map((each) => call(each, 'ADD', config(each)));
    expect(answers.filter(({ status }) => status !== 0)).toEqual([]);
    // The one that was killed may have had the first address.
    const addresses = answers[0]?.json.ips as { address: string }[];
    expect(overlay(1)).toHaveLength(10);
    expect(exec('ip', '-d', 'link', 'show', 'vxlan.1')).toContain('alias podwire:overlay');
    expect(reaches(1, '10.244.2.2')).toBe(true);
    for (const { address } of addresses) {
      expect(reaches(3, address.slice(0, address.indexOf('/')))).toBe(true);
    }
  });
});
